"""Body reader: receives a request body from the socket directly into its final buffer, without aiohttp's parser.

aiohttp copies the bytes of a body three times before a handler has them. From where its parser stands the bytes are
counted here, or the chunks followed, and for the next request there is a new parser.
"""

import asyncio
from typing import Final

from aiohttp import StreamReader, web

from registry.http.chunked import Chunks, Counted
from registry.http.connections import Connection, Inlet

#: Where bytes go that nobody wants; never read, so all connections may share it.
_NOWHERE: Final = memoryview(bytearray(64 * 1024))


class Intake(Inlet):
    """The protocol of a connection for the rest of one body. Create an instance with ``take_over``."""

    def __init__(
        self, connection: Connection, transport: asyncio.Transport, content: StreamReader, body: Chunks | Counted
    ) -> None:
        super().__init__(connection)
        self._transport = transport
        self._inlet = transport.get_protocol()
        self._content = content
        self._body = body
        self._room: memoryview | None = None
        self._came = 0
        self._waiter: asyncio.Future[None] | None = None

    async def fill(self, room: memoryview) -> None:
        """Read into ``room`` until the buffer is full or the body ends; ``came`` returns the count; may be cancelled.

        Raises ConnectionError for a client that is gone, RequestPayloadError for chunks that are none, once what had
        come has been told.
        """
        if self._body.ended:
            return
        self._room = room
        try:
            while self._room and not self._body.ended:
                if (error := self._content.exception()) is not None:
                    if self._came:
                        return
                    raise error
                self._transport.resume_reading()
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
        finally:
            # Whoever has lent the room may use it for other things now.
            self._room = self._waiter = None
            if not self._body.ended:
                self._transport.pause_reading()

    def came(self) -> int:
        """Return the number of bytes read since the last call, and reset the counter."""
        came, self._came = self._came, 0
        return came

    def drop(self) -> None:
        """Discard the rest of the body, so that the client reads the response; aiohttp limits the time."""
        if not self._body.ended and self._content.exception() is None:
            self._room = _NOWHERE
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        assert self._room is not None  # noqa: S101 - nothing is read without
        return self._body.within(self._room)

    def buffer_updated(self, nbytes: int) -> None:
        room, body = self._room, self._body
        assert room is not None  # noqa: S101 - as above
        try:
            kept = body.unwrap(room, nbytes)
        except ValueError as error:
            self._content.set_exception(web.RequestPayloadError(str(error)))
            self._stop()
            return
        if room is not _NOWHERE:
            self._came += kept
            self._room = room[kept:]
            # uvloop reads on as long as there is something, and this may take long for what small chunks are in.
            if not self._room or body.ended or body.laborious:
                self._stop()
        if body.ended:
            self._transport.set_protocol(self._inlet)
            self._connection.expect_request()
            self._content.feed_eof()
            if body.behind:
                self._connection.data_received(body.behind)

    def _stop(self) -> None:
        self._transport.pause_reading()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._content.exception() is None:  # it was answered, and aiohttp waits for the rest
            self._content.set_exception(web.RequestPayloadError("the client has left"))
        self._wake()


def take_over(http: web.Request, most: int) -> tuple[bytes, Intake | None]:
    """Return the bytes of a body already parsed by aiohttp, and an Intake for the rest, with backpressure.

    None: there is no rest, or aiohttp has to go on; then it is asked for ``most`` bytes, as for what is taken it would
    read more of the connection.
    """
    connection, transport, length, content = http.protocol, http.transport, http.content_length, http.content
    if not isinstance(connection, Connection) or transport is None or "Upgrade" in http.headers:
        return content.read_nowait(most), None
    if length is None and connection.chunks is None and not content.is_eof():
        return content.read_nowait(most), None
    came, chunks = _drained(content), connection.chunks
    if content.is_eof():
        return came, None
    if length is not None:
        body: Chunks | Counted = Counted(length - content.total_bytes)
    elif chunks is not None and chunks.data_bytes == content.total_bytes:
        body = chunks
    else:
        return came, None
    intake = Intake(connection, transport, content, body)
    transport.pause_reading()
    transport.set_protocol(intake)
    return came, intake


def _drained(content: StreamReader) -> bytes:
    """Read all parsed bytes of ``content``; reading makes aiohttp parse its deferred bytes, which are few."""
    came = [content.read_nowait()]
    while came[-1] and content.exception() is None:
        came.append(content.read_nowait())
    return b"".join(came)
