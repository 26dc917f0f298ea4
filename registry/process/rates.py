"""How far ahead of their rate callers are: one table in the memory that the processes of a node share, without a lock.

A row is a caller's: a base that all processes may write, and for each process what it has taken, in seconds. Their sum
is the theoretical arrival time of GCRA (ITU-T I.371): the caller is that long ahead of the clock.

Invariants: one process writes a cell of what was taken, in aligned doubles, so that none is lost, and a process that is
killed leaves nothing locked; the base is written where the caller is not ahead, and two processes that do so at once
write the same. A row that is given to another caller is the one of its set that is the least ahead.
"""

import mmap
from hashlib import blake2b
from typing import Final

_CELL_BYTES: Final = 8
_SETS: Final = 1 << 13
#: Rows in which a caller may be: the more there are, the less one that is ahead is pushed out by others.
_WAYS: Final = 4


class SharedRates:
    """The shared table of so many processes; made before the fork, pages of it are taken as callers come."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        rows = _SETS * _WAYS
        self._memory = mmap.mmap(-1, rows * (2 + processes) * _CELL_BYTES)

    def of(self, process: int) -> "Rates":
        """Return the table as the process with this number has it, which goes on where its former self ended."""
        whole, split = memoryview(self._memory), _SETS * _WAYS * _CELL_BYTES
        return Rates(whole[:split].cast("Q"), whole[split:].cast("d"), self._processes, process)


class Rates:
    """The table as one process has it; times are seconds of the clock that all processes share, time.monotonic()."""

    __slots__ = ("_cells", "_keys", "_own", "_width")

    def __init__(self, keys: "memoryview[int]", cells: "memoryview[float]", processes: int, process: int) -> None:
        self._keys = keys
        self._cells = cells
        self._width = 1 + processes
        self._own = 1 + process

    def row(self, key: int, now: float) -> int:
        """Return the row of a caller; one that is new has taken nothing."""
        first = key % _SETS * _WAYS
        keys = self._keys
        for row in range(first, first + _WAYS):
            if keys[row] == key:
                return row
        row = min(range(first, first + _WAYS), key=self._arrival)
        start = row * self._width
        self._cells[start] = now - sum(self._cells[start + 1 : start + self._width])
        keys[row] = key
        return row

    def ahead(self, row: int, now: float) -> float:
        """Return how many seconds the caller of a row is ahead; 0.0: it has all that it may take."""
        start = row * self._width
        cells = self._cells
        # What was taken is read before the base: whatever is taken meanwhile counts on either base.
        taken = sum(cells[start + 1 : start + self._width])
        ahead = cells[start] + taken - now
        if ahead < 0.0:
            cells[start] = now - taken
            return 0.0
        return ahead

    def take(self, row: int, seconds: float) -> None:
        """Move the caller of a row ahead."""
        self._cells[row * self._width + self._own] += seconds

    def _arrival(self, row: int) -> float:
        start = row * self._width
        return sum(self._cells[start : start + self._width])


def key_of(*words: str | int) -> int:
    """Return the key of a caller's row: 64 bits, and not the zero of a row that nobody has."""
    return int.from_bytes(blake2b("\0".join(map(str, words)).encode(), digest_size=8).digest(), "little") or 1
