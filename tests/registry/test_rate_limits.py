"""Rate limits over processes that share a table, at times that a test chooses."""

from hypothesis import example, given
from hypothesis import strategies as st

from registry.process.rates import SharedRates
from registry.rate_limits import Quantity, RateLimited, RateLimits, Tally, parse_policies


class Node:
    """Some processes with one table, and their clock."""

    def __init__(self, text: str, processes: int) -> None:
        self.now = 1000.0
        shared = SharedRates(processes)
        self.processes = [
            RateLimits(parse_policies(text), shared.of(number), lambda: self.now) for number in range(processes)
        ]

    def tally(self, process: int, address: str = "192.0.2.1") -> Tally:
        return self.processes[process].tally(Quantity.PULLS, None, None, address)

    def pull(self, process: int, address: str = "192.0.2.1") -> bool:
        try:
            self.processes[process].take(self.tally(process, address))
        except RateLimited:
            return False
        return True

    def left(self, process: int) -> tuple[int, int]:
        standing = self.processes[process].tightest(self.tally(process))
        assert standing is not None
        return standing.remaining, standing.reset_seconds


def test_all_of_a_limit_may_be_used_at_once_and_comes_back_evenly() -> None:
    node = Node("anonymous-pulls=10/100s", 2)
    assert node.left(0) == (10, 0)
    assert [node.pull(number % 2) for number in range(12)] == [True] * 10 + [False] * 2
    assert node.left(0) == (0, 10)
    node.now += 9.5
    assert not node.pull(0)
    node.now += 0.5
    assert [node.pull(1), node.pull(0)] == [True, False]
    node.now += 50
    assert node.left(1) == (5, 50)
    node.now += 1000
    assert node.left(1) == (10, 0)


@given(
    st.integers(1, 4), st.integers(1, 3000),
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2000)), min_size=1, max_size=12),
)  # fmt: skip
def test_whoever_pulls_where_gets_the_limit_and_at_most_a_sixty_fourth_more(
    processes: int, quota: int, bursts: list[tuple[int, int]]
) -> None:
    node = Node(f"anonymous-pulls={quota}/1d", processes)
    granted = sum(node.pull(process % processes) for process, count in bursts for _ in range(count))
    wanted = sum(count for _, count in bursts)
    assert min(quota, wanted) <= granted <= min(wanted, quota + quota // 64)
    assert granted == min(quota, wanted) or quota >= 64 * processes, "small limits are exact"


@given(st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=60))
@example(20, [0.0, 0.999])
def test_whenever_somebody_pulls_it_is_no_more_than_came_back(quota: int, pauses: list[float]) -> None:
    node = Node(f"anonymous-pulls={quota}/20s", 2)
    granted = 0
    for number, pause in enumerate(pauses):
        node.now += pause
        left, reset = node.left(0)
        allowed = node.pull(number % 2)
        assert allowed == (left > 0)
        assert (reset > 0) == (left < quota), (left, reset)
        granted += allowed
        assert granted <= quota + (node.now - 1000) / 20 * quota + 0.01


def test_what_is_told_is_what_was_taken_here() -> None:
    quota = 100_000
    node = Node(f"anonymous-pulls={quota}/1d", 1)
    for number in range(1, 3000):
        assert node.pull(0)
        if number % 7 == 0:
            assert node.left(0)[0] == quota - number


def test_who_has_used_up_a_limit_is_not_forgotten_for_others_who_come_once() -> None:
    node = Node("anonymous-pulls=3/1d", 1)
    assert [node.pull(0) for _ in range(4)] == [True, True, True, False]
    for number in range(20_000):
        node.pull(0, f"2001:db8:0:{number:x}::/64")
    assert not node.pull(0)


def test_a_killed_process_is_succeeded_by_one_that_goes_on() -> None:
    shared, policies = SharedRates(2), parse_policies("anonymous-pulls=3/1d")

    def pull(process: int) -> bool:
        limits = RateLimits(policies, shared.of(process), lambda: 5.0)
        try:
            limits.take(limits.tally(Quantity.PULLS, None, None, "192.0.2.1"))
        except RateLimited:
            return False
        return True

    assert [pull(0), pull(0), pull(1), pull(0), pull(1)] == [True, True, True, False, False]
