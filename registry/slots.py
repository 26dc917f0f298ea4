"""The byte budget of a process: no upload buffers more than 64 KiB before it holds a slot, and slots are counted."""

import asyncio
from typing import Final

#: What one slot may hold: a part of 11 MiB and what is held back behind it.
SLOT_BYTES: Final = 16 * 1024 * 1024


class Slots:
    """First come, first served. A holder that is waited for and slow is expected to write out and queue again.

    A third of the budget is for what is in no slot: about half a MiB of a connection whose upload waits for one.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._free = asyncio.Semaphore(max(2, budget_bytes * 2 // 3 // SLOT_BYTES))
        self._waiting = 0

    @property
    def contended(self) -> bool:
        """Whether anybody waits."""
        return self._waiting > 0

    async def take(self) -> None:
        """Waits for a slot: the caller stops reading, and TCP holds its client back."""
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    def give(self) -> None:
        """Returns a slot."""
        self._free.release()
