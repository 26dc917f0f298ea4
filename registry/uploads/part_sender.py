"""The sender of an upload's parts: several are in flight at the same time, and they are recorded in order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from registry.uploads.buffer_pool import BufferPool
from registry.uploads.part_buffer import PendingPart
from storage.metadata.uploads import Upload
from storage.objects.base import MultipartId, MultipartStore, Part

#: Of one upload at the same time.
_IN_FLIGHT: Final = 4


class Parts:
    """The parts of an upload. ``recorded``: the durable ones. ``number`` allocates a number, ``record`` commits."""

    def __init__(
        self,
        store: MultipartStore,
        pool: BufferPool,
        held: Upload,
        number: Callable[[MultipartId], Awaitable[int]],
        record: Callable[[PendingPart, Part], Awaitable[None]],
    ) -> None:
        self.recorded = held.parts
        self._store = store
        self._pool = pool
        self._key = held.object_key
        self._multipart = held.multipart
        self._number = number
        self._record = record
        self._in_flight = asyncio.Semaphore(_IN_FLIGHT)
        self._last: asyncio.Future[None] | None = None

    async def send(self, pending_part: PendingPart, tasks: asyncio.TaskGroup) -> None:
        """Send a part in a task that releases its slots. Raises the errors of ``number`` and of the store."""
        way = None
        try:
            await self._in_flight.acquire()
            way = _Way(self._in_flight, self._pool, pending_part)
            if self._multipart is None:
                self._multipart = await self._store.create(self._key)
            number = await self._number(self._multipart)
        except BaseException:
            if way is not None:
                way.leave()
            give(self._pool, pending_part)
            raise
        before, self._last = self._last, asyncio.get_running_loop().create_future()
        task = tasks.create_task(self._send(pending_part, self._multipart, number, way, before, self._last))
        task.add_done_callback(way.leave)  # a task that is cancelled before it began runs none of its code

    async def _send(
        self,
        pending_part: PendingPart,
        multipart: MultipartId,
        number: int,
        way: "_Way",
        before: "asyncio.Future[None] | None",
        recorded: "asyncio.Future[None]",
    ) -> None:
        part = await self._store.put_part(self._key, multipart, number, pending_part.pieces)
        way.leave()
        if before is not None:
            await before
        await self._record(pending_part, part)
        self.recorded.append(part)
        recorded.set_result(None)

    async def settled(self) -> None:
        """Wait until every sent part is recorded."""
        if self._last is not None:
            await self._last
            self._last = None

    async def complete(self) -> int:
        """Complete the multipart upload and return the object's size. Raises UploadGone, ObjectCorrupt."""
        assert self._multipart is not None  # noqa: S101 - there are parts
        return await self._store.complete(self._key, self._multipart, self.recorded)


class _Way:
    """A part in flight: its place in the limit and its memory, released exactly once, whatever the outcome."""

    def __init__(self, in_flight: asyncio.Semaphore, pool: BufferPool, pending_part: PendingPart) -> None:
        self._in_flight = in_flight
        self._pool = pool
        self._pending_part = pending_part
        self._open = True

    def leave(self, _task: object = None) -> None:
        if self._open:
            self._open = False
            self._in_flight.release()
            give(self._pool, self._pending_part)


def give(pool: BufferPool, pending_part: PendingPart) -> None:
    """Release the slots of a pending part, which is empty afterwards."""
    pending_part.pieces.clear()
    for slot in pending_part.slots:
        pool.give(slot)
    pending_part.slots.clear()
