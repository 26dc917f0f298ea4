"""The body of a request from its socket into the memory where it stays, past aiohttp's parser.

aiohttp copies the bytes of a body three times before a handler has them. A body of known length needs no parser: from
where aiohttp's stands its bytes are counted, and for the next request there is a new one. No byte behind the body is
read here, so a request that is sent ahead stays in the socket until then.
"""

import asyncio
from typing import Final

import aiohttp
from aiohttp import web

from registry.http.connections import Connection

#: Where bytes go that nobody wants; never read, so all connections may share it.
_NOWHERE: Final = memoryview(bytearray(64 * 1024))


class Intake(asyncio.BufferedProtocol):
    """The protocol of a connection for the ``left`` bytes of one body. Make it with ``take_over``."""

    def __init__(
        self, connection: Connection, transport: asyncio.Transport, content: aiohttp.StreamReader, left: int
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._content = content
        self._left = left
        self._room: memoryview | None = None
        self._came = 0
        self._waiter: asyncio.Future[None] | None = None

    async def fill(self, room: memoryview) -> None:
        """Fills ``room`` with what comes, unless the body ends: ``came`` tells how much; it may be cancelled.

        Raises ConnectionError for a client that is gone, once what had come has been told.
        """
        if not self._left:
            return
        self._room = room[: self._left]
        self._transport.resume_reading()
        try:
            while self._room:
                if (error := self._content.exception()) is not None:
                    if self._came:
                        return
                    raise error
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
        finally:
            # Whoever has lent the room may use it for other things now.
            self._room = self._waiter = None
            if self._left:
                self._transport.pause_reading()

    def came(self) -> int:
        """How many bytes the last room was given."""
        came, self._came = self._came, 0
        return came

    def drop(self) -> None:
        """Takes the rest for nobody, so that the client gets to read our answer; aiohttp ends it if it is too long."""
        if self._left:
            self._room = _NOWHERE[: self._left]
            self._transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        assert self._room is not None  # noqa: S101 - nothing is read without
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        assert self._room is not None  # noqa: S101 - as above
        self._left -= nbytes
        if self._room.obj is _NOWHERE.obj:
            self._room = _NOWHERE[: self._left]
        else:
            self._came += nbytes
            self._room = self._room[nbytes:]
            if not self._room:
                self._transport.pause_reading()
                self._wake()
        if not self._left:
            self._transport.set_protocol(self._connection)
            self._connection.expect_request()
            self._content.feed_eof()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What a connection is told meanwhile is told aiohttp, which answers on it.

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


def take_over(http: web.Request) -> Intake | None:
    """The intake for what aiohttp has not parsed of a body, all of the rest being read; None: there is none, or not so.

    From here on nothing is read of the connection but what there is room for.
    """
    connection, transport, length, content = http.protocol, http.transport, http.content_length, http.content
    if not isinstance(connection, Connection) or transport is None or length is None or "Upgrade" in http.headers:
        return None
    if content.is_eof():
        return None
    intake = Intake(connection, transport, content, length - content.total_bytes)
    transport.pause_reading()
    transport.set_protocol(intake)
    return intake
