from registry.http.login_throttle import LoginThrottle


def test_the_eleventh_within_the_window_is_refused_until_the_first_is_out_of_it() -> None:
    failures = LoginThrottle(most=10, window_seconds=300)
    assert [failures.note(["a"], float(second)) for second in range(10)] == [None] * 10
    assert failures.note(["a"], 100.0) == 201
    assert failures.note(["a"], 299.9) == 1
    assert failures.note(["b"], 299.9) is None
    # What was refused did not count: it is the tries that are slowed down, not their answers.
    assert failures.note(["a"], 300.0) is None
    assert failures.note(["a"], 300.5) == 1


def test_the_longest_of_the_keys_counts() -> None:
    failures = LoginThrottle(most=1, window_seconds=10)
    assert failures.note(["a"], 0.0) is None
    assert failures.note(["b"], 5.0) is None
    assert failures.note(["a", "b", "c"], 6.0) == 10
    assert failures.note([], 6.0) is None


def test_it_forgets_the_oldest_keys() -> None:
    failures = LoginThrottle(most=1)
    for number in range(20_000):
        failures.note([str(number)], 0.0)
    assert len(failures._times) == 10_000
    assert failures.note(["19999"], 1.0) is not None
    assert failures.note(["0"], 1.0) is None
