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
#: All processes together may give out this part of it.
_SHARES: Final = 64


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

    __slots__ = ("_cells", "_keys", "_own", "_width", "share")

    def __init__(self, keys: "memoryview[int]", cells: "memoryview[float]", processes: int, process: int) -> None:
        self._keys = keys
        self._cells = cells
        #: What part of the rest of a limit one process may give out by itself.
        self.share = _SHARES * processes
        self._width = 1 + processes
        self._own = 1 + process

    def take(self, key: int, seconds: float, most: float, now: float) -> float:
        """Move a caller ahead, unless it is further ahead than ``most``; return how far ahead it was, in seconds.

        One that is new is 0.0 s ahead: it has taken nothing.
        """
        keys, cells, width = self._keys, self._cells, self._width
        row = key % _SETS * _WAYS
        if keys[row] != key:
            row = self._row(key, row, now)
        start = row * width
        # What was taken is read before the base: whatever is taken meanwhile counts on either base.
        taken = sum(cells[start + 1 : start + width])
        ahead = cells[start] + taken - now
        if ahead < 0.0:
            cells[start] = now - taken
            ahead = 0.0
        if ahead <= most:
            cells[start + self._own] += seconds
        return ahead

    def _row(self, key: int, first: int, now: float) -> int:
        """Return the row of a caller within its set, or take the one for it whose caller is the least ahead."""
        rows = range(first, first + _WAYS)
        for row in rows:
            if self._keys[row] == key:
                return row
        row = min(rows, key=self._arrival)
        start = row * self._width
        self._cells[start] = now - sum(self._cells[start + 1 : start + self._width])
        self._keys[row] = key
        return row

    def _arrival(self, row: int) -> float:
        start = row * self._width
        return sum(self._cells[start : start + self._width])


def key_of(*words: str) -> int:
    """Return the key of a caller's row: 64 bits, and not the zero of a row that nobody has."""
    return int.from_bytes(blake2b("\0".join(words).encode(), digest_size=8).digest(), "little") or 1
