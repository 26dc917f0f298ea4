"""What is recorded of the operations that a request waits for."""

from storage.operations import Operation, Recording


def test_of_too_many_the_last_are_kept_and_the_others_counted() -> None:
    recording = Recording()
    for number in range(200):
        recording.add(Operation("store", str(number), float(number), number + 0.5))
    assert recording.dropped == 72
    assert [operation.name for operation in recording.within(0, 1000)] == [str(number) for number in range(72, 200)]


def test_a_request_waited_for_what_ran_in_its_time() -> None:
    recording = Recording()
    for name, started, ended in (("before", 0, 1), ("begun before", 0, 3), ("within", 2, 3), ("begun after", 5, 6)):
        recording.add(Operation("statement", name, started, ended))
    assert [operation.name for operation in recording.within(1.5, 4)] == ["begun before", "within"]
