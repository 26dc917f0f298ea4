"""Durations of operations on something outside, counted by operation and result, for whoever measures the process."""

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable
from typing import Final, TypeVar

T = TypeVar("T")

#: Upper bounds of the buckets, in seconds: the semantic conventions' of HTTP servers, with two below for what is
#: answered from memory.
SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Timings:
    """The counts of a process.

    ``durations`` has by operation a count for each bucket of ``SECONDS``, one for what took longer, and the sum.
    """

    def __init__(self) -> None:
        self.results: Counter[tuple[str, str]] = Counter()
        self.durations: defaultdict[str, list[float]] = defaultdict(lambda: [0.0] * (len(SECONDS) + 2))

    def note(self, operation: str, result: str, seconds: float) -> None:
        """Count one operation."""
        self.results[operation, result] += 1
        slots = self.durations[operation]
        slots[bisect_left(SECONDS, seconds)] += 1.0
        slots[-1] += seconds

    async def timed(self, operation: str, waited_for: Awaitable[T]) -> T:
        """Wait for an operation, and count it however it ends."""
        began = time.monotonic()
        try:
            return await waited_for
        finally:
            self.note(operation, "", time.monotonic() - began)
