"""Reading on behind a connection that ended early: an object never changes, so the rest of it may come by another one.

uvloop 0.23.0 drops what it has buffered of TLS when the server says close_notify and closes while reading is paused
(findings/uvloop-tls-tail.sh); servers restart, and middleboxes cut.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

from storage.errors import ObjectCorrupt, Unavailable
from storage.objects.base import ObjectReader, Source

#: A connection that brings less counts as one that brings nothing.
_PROGRESS_BYTES: Final = 8 * 1024


class Response(ObjectReader, Protocol):
    """The body of one response, ``left`` bytes of which were not yet read; ``etag`` "" where there is none."""

    @property
    def left(self) -> int: ...
    @property
    def etag(self) -> str: ...
    def close(self) -> None: ...


class ResumingReader:
    """A reader that asks for what is missing of ``reader`` with ``again``, which is given the bytes that are left.

    After ``most`` connections without progress it fails as the last of them.
    """

    def __init__(self, reader: Response, again: Callable[[int, str], Awaitable[Response]], most: int) -> None:
        self.size: Final = reader.size
        self.object_size: Final = reader.object_size
        self._reader = reader
        self._again = again
        self._most = most
        self._given = False

    def source(self) -> Source | None:
        """The socket; when its bytes end early, the iteration goes on from there."""
        source = self._reader.source()
        self._given = source is not None
        return source

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks as they arrive. Raises Unavailable when no bytes come any more, ObjectCorrupt for another object."""
        if self._given and self._reader.left:
            await self._resume()
        fruitless = 0
        while True:
            before = self._reader.left
            try:
                async for chunk in self._reader:
                    yield chunk
            except Unavailable:
                fruitless = 0 if before - self._reader.left >= _PROGRESS_BYTES else fruitless + 1
                if fruitless == self._most:
                    raise
            else:
                return
            await self._resume()

    async def _resume(self) -> None:
        left, etag = self._reader.left, self._reader.etag
        self._reader.close()
        self._reader = await self._again(left, etag)
        if self._reader.object_size != self.object_size:
            raise ObjectCorrupt(f"the object had {self.object_size} bytes, and now {self._reader.object_size}")

    def close(self) -> None:
        """Close the connection, or return it to its pool when the body was read to its end."""
        self._reader.close()
