"""The body of a fetch: a blob of an upstream as an upload session receives it, and as the spool has it before.

An upstream that breaks off is asked for the rest, a few times; the memory between the two has a bound.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from registry.egress.streams import Stream
from registry.mirror.spool import SpoolWriter
from registry.mirror.upstream import UpstreamError
from storage.errors import Unavailable

_TRIES: Final = 4
_PAUSE_SECONDS: Final = 0.2
_PROGRESS: Final = 1024 * 1024  # who gives as much before it breaks off is asked as often as need be
_AHEAD: Final = 4  # chunks
_OK: Final = 200

Opened = Callable[[int], AbstractAsyncContextManager[Stream]]


class FetchedBody:
    """The bytes of a blob of ``size`` bytes from ``begin`` on.

    ``opened`` opens the upstream's at an offset; ``come`` is called with how far the spool is.
    """

    length: int | None = None

    def __init__(self, opened: Opened, spool: SpoolWriter, begin: int, size: int, come: Callable[[int], None]) -> None:
        self._opened: Final = opened
        self._come: Final = come
        self._spool: Final = spool
        self._at = begin
        self._size: Final = size
        self._queue: asyncio.Queue[bytes | Exception] = asyncio.Queue(_AHEAD)
        self._left = memoryview(b"")
        self.fetched = 0

    @asynccontextmanager
    async def pumping(self) -> AsyncIterator[None]:
        """Fetch within the block."""
        pump = asyncio.get_running_loop().create_task(self._pump())
        try:
            yield
        finally:
            pump.cancel()
            await asyncio.wait((pump,))

    async def fill(self, room: memoryview, seconds: float) -> int | None:
        """Read the next bytes into ``room``; 0 at the end, None on a timeout. Raises UpstreamError, Unavailable."""
        if not self._left:
            try:
                came = await asyncio.wait_for(self._queue.get(), seconds)
            except TimeoutError:
                return None
            if isinstance(came, Exception):
                raise came
            if not came:
                return 0
            self._left = memoryview(came)
        count = min(len(room), len(self._left))
        room[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        """Close nothing: the block of ``pumping`` ends the fetching."""

    async def _pump(self) -> None:
        tries = 0
        while self._at < self._size:
            begin = self._at
            try:
                await self._through()
            except (Unavailable, UpstreamError) as error:
                tries = 1 if self._at - begin > _PROGRESS else tries + 1
                final = isinstance(error, UpstreamError) and error.kind != "away"
                if final or tries >= _TRIES:
                    await self._queue.put(
                        error if isinstance(error, UpstreamError) else UpstreamError("away", str(error))
                    )
                    return
                await asyncio.sleep(_PAUSE_SECONDS * 2**tries)
        await self._queue.put(b"")

    async def _through(self) -> None:
        async with self._opened(self._at) as stream:
            skip = self._at if stream.status == _OK else 0
            announced = stream.headers.get("content-length")
            if announced is not None and announced != str(self._size - self._at + skip):
                raise UpstreamError("wrong", f"it announces {announced[:20]} bytes, not {self._size}")
            async for piece in stream.chunks():
                self.fetched += len(piece)
                chunk, skip = piece[skip:], max(0, skip - len(piece))
                if self._at + len(chunk) > self._size:
                    raise UpstreamError("wrong", f"it gives more than {self._size} bytes")
                if chunk:
                    there = await self._spool.write(self._at, chunk)
                    self._at += len(chunk)
                    if there:
                        self._come(self._at)
                    await self._queue.put(chunk)
        if self._at < self._size:
            raise UpstreamError("away", f"it gave {self._at} of {self._size} bytes")
