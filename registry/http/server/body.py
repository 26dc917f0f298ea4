"""The body of a request: read whole, filled into memory of its reader, or dropped; and ``100 Continue`` before it.

Nothing is asked of the client before a handler wants the body, and no more is read than there is room for. The bytes of
a body whose length is known go from the socket into the reader's memory; those of a chunked one are copied there once.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import msgspec

from registry.errors import BodyTooSlow, MessageInvalid

#: A body of at most this many bytes may be read before it is known who sends it.
SHORT_BYTES: Final = 64 * 1024
#: What is read of a longer body that nobody has asked for, beside one read of the socket.
_UNASKED_BYTES: Final = 16 * 1024
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyMalformed(MessageInvalid):
    """The framing of the body broke (RFC 9112 §7.1)."""

    def __init__(self) -> None:
        super().__init__("expected a well-formed body")


class Body(msgspec.Struct, eq=False):
    """The body of one request, between the connection that feeds it and the handler that reads it.

    ``length`` is what the head announced, None for chunks; ``taken`` what came of it. ``_flow`` is called whenever the
    connection may have to read on, or to stop. ``suspended`` is entered while a handler waits for the whole body.
    """

    length: int | None
    _transport: asyncio.Transport
    _flow: Callable[[], None]
    expects_continue: bool = False
    complete: bool = False
    error: Exception | None = None
    taken: int = 0
    dropping: bool = False
    suspended: Callable[[], AbstractContextManager[None]] = nullcontext
    _buffer: bytearray = bytearray()
    _room: memoryview | None = None
    _came: int = 0
    _waiter: asyncio.Future[None] | None = None

    # -- the connection's side

    @property
    def left(self) -> int | None:
        """The number of bytes that are still on the wire; None for chunks."""
        return None if self.length is None else self.length - self.taken

    @property
    def wants_bytes(self) -> bool:
        """Return whether the connection is to read on."""
        if self.complete or self.error is not None or self.dropping or self._room:
            return True
        short = self.length is not None and self.length <= SHORT_BYTES
        return len(self._buffer) < (SHORT_BYTES + 1 if short else _UNASKED_BYTES)

    @property
    def filling(self) -> bool:
        """Return whether a reader waits for bytes, or nobody does and all may be dropped."""
        return self._room is not None or self.dropping

    def direct(self) -> memoryview | None:
        """The reader's memory, for the socket to be read into; None where the bytes have to be kept or parsed."""
        return None if not self._room or self._buffer or self.length is None else self._room[: self.left]

    def filled(self, count: int) -> None:
        """Account for ``count`` bytes that were read into ``direct()``."""
        self.taken += count
        self._advance(count)

    def feed(self, data: bytes | memoryview) -> None:
        """Take ``data`` of the body from the parser, or from the socket where there is no room for it yet."""
        self.taken += len(data)
        if self.dropping:
            return
        count = 0
        if self._room and not self._buffer:
            count = min(len(data), len(self._room))
            self._room[:count] = data[:count]
            self._advance(count)
        if count < len(data):
            self._buffer += memoryview(data)[count:]

    def _advance(self, count: int) -> None:
        assert self._room is not None  # noqa: S101 - there is room for what comes here
        self._came += count
        self._room = self._room[count:]
        if not self._room:
            self._wake()

    def finish(self) -> None:
        """Mark the end of the body as reached."""
        self.complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """Mark the end of the body as unreachable; a complete body stays whole."""
        if not self.complete and self.error is None:
            self.error = error
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- the handler's side

    def send_continue(self) -> None:
        """Send ``100 Continue`` if the client waits for it: only when it may send the body (RFC 9110 §10.1.1)."""
        if self.expects_continue:
            self.expects_continue = False
            if not self.complete and not self._transport.is_closing():
                self._transport.write(_CONTINUE)

    def at_hand(self) -> bytes | None:
        """Return a body of at most 64 KiB, if all of it is here by now; it may be read again."""
        return bytes(self._buffer) if self.complete and len(self._buffer) <= SHORT_BYTES else None

    async def fill(self, room: memoryview, seconds: float) -> int | None:
        """Put the next bytes at the front of ``room``; the number of bytes, 0 at the end, None if none came in time.

        Raises ConnectionError for a client that is gone, BodyMalformed.
        """
        if self._buffer:
            count = min(len(room), len(self._buffer))
            room[:count] = memoryview(self._buffer)[:count]
            del self._buffer[:count]
            self._flow()
            return count
        self._room, self._came = room, 0
        try:
            async with asyncio.timeout(seconds):
                while self._room and not self.complete:
                    if self.error is not None:
                        if self._came:
                            break
                        raise self.error
                    self._waiter = asyncio.get_running_loop().create_future()
                    self._flow()
                    await self._waiter
        except TimeoutError:
            return self._came or None
        finally:
            self._room = self._waiter = None  # whoever has lent the memory may use it for other things now
            self._flow()
        return self._came

    async def read(self, limit_bytes: int, seconds: float, too_large: Exception) -> bytes:
        """Read the whole body. Raises ``too_large`` (before a byte is read, where the length is told), BodyTooSlow."""
        if (self.length or 0) > limit_bytes:
            raise too_large
        self.send_continue()
        pieces, size, room = [], 0, memoryview(bytearray(min(limit_bytes + 1, SHORT_BYTES)))
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        with self.suspended():
            while (count := await self.fill(room, max(0.0, until - clock()))) != 0:
                if count is None or clock() > until:
                    raise BodyTooSlow(seconds)
                pieces.append(bytes(room[:count]))
                size += count
                if size > limit_bytes:
                    raise too_large
        return b"".join(pieces)

    def close(self) -> None:
        """Drop the rest of the body: no reader wants it."""
        self.dropping = True
        self._buffer = bytearray()
        self._flow()


#: The body of every request that has none: whole from the beginning, so that nothing of it changes.
NO_BODY: Final = Body(0, asyncio.Transport(), lambda: None, complete=True)
