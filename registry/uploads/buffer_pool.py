"""The byte budget of a process: no upload holds more than 64 KiB before it has a slot, and slots are counted."""

import asyncio
import ctypes
import mmap
from typing import Final

#: What one slot holds: a whole layer of this size, or two parts of a larger one.
SLOT_BYTES: Final = 16 * 1024 * 1024
#: How long a slot that nobody wants keeps its pages.
_IDLE_SECONDS: Final = 5.0
#: Gives the system back what is free in between (malloc_trim(3)): after 200 uploads 12 MiB of a process. glibc's only.
_trim: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)


class Slot:
    """A reusable buffer: the bytes of a body are received here once, hashed here, and sent from here."""

    __slots__ = ("_memory", "users", "view")

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLOT_BYTES)
        self.view = memoryview(self._memory)
        self.users = 0  # who collects in it, and each part that is on its way out of it

    def forget(self) -> None:
        """Return the pages to the system; their content is lost."""
        self._memory.madvise(mmap.MADV_DONTNEED)


class BufferPool:
    """A pool of buffers, first come, first served. A slow holder must flush and queue again when others wait.

    A third of the budget is for what is in no slot: a tenth of a MiB of each upload that waits for one.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._free = asyncio.Semaphore(max(2, budget_bytes * 2 // 3 // SLOT_BYTES))
        self._idle: list[Slot] = []  # the last one used is the next: its pages are there
        self._waiting = 0
        self._forgetting: asyncio.TimerHandle | None = None
        self._taken = 0

    @property
    def taken_bytes(self) -> int:
        """The memory of the slots that are in use."""
        return self._taken * SLOT_BYTES

    @property
    def contended(self) -> bool:
        """True when an upload waits for a slot."""
        return self._waiting > 0

    async def take(self) -> Slot:
        """Wait for a slot; meanwhile the caller does not read, and TCP slows its client down."""
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        self._taken += 1
        slot = self._idle.pop() if self._idle else Slot()
        slot.users = 1
        return slot

    async def take_if_free(self) -> Slot | None:
        """Return a free slot without waiting, or None: the holder of a slot must not wait for another (deadlock)."""
        return None if self._free.locked() else await self.take()

    def give(self, slot: Slot) -> None:
        """Release one use of the slot; the last release returns the slot to the pool."""
        slot.users -= 1
        if slot.users:
            return
        self._taken -= 1
        self._idle.append(slot)
        self._free.release()
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._forget)

    def _forget(self) -> None:
        for slot in self._idle:
            slot.forget()
        if _trim is not None:
            _trim(0)
