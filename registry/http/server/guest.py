"""Requests that aiohttp answers: those of the API, and of pages.

A guest is one request of aiohttp's server on a transport of its own, the ``Facade`` of the connection's. aiohttp is
given the head without what frames the body: its handlers read the body by ``request_of(http).body``, as all others do.
Only public methods of its protocol are called.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.log import server_logger

from registry.errors import MessageInvalid
from registry.http.server.message import REQUEST_ID_HEADER, SERVER, Request, Response, error_response
from registry.http.server.parser import HEADERS_MAX, LINE_BYTES

_REQUEST: Final = "moorage_request"
#: Fields of the connection, and of the body that stays with it.
_OURS: Final = frozenset(
    {b"connection", b"content-length", b"expect", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)

Guests = Callable[[], asyncio.Protocol]


def request_of(http: web.BaseRequest) -> Request:
    """Return the request that ``http`` was made of."""
    transport = http.transport
    found = None if transport is None else transport.get_extra_info(_REQUEST)
    if found is None:
        raise ConnectionResetError
    assert isinstance(found, Request)  # noqa: S101 - nobody else has a facade
    return found


async def prepared(http: web.Request, response: web.StreamResponse) -> None:
    """Add the headers of every response; the ``on_response_prepare`` of an application."""
    request = request_of(http)
    if isinstance(http.transport, Facade):
        http.transport.response = response
    response.headers[REQUEST_ID_HEADER] = request.id
    response.headers["Server"] = SERVER
    request.settle(response.status)
    if request.keep_alive:
        response.headers.pop("Connection", None)


@asynccontextmanager
async def guests(app: web.Application) -> AsyncIterator[Guests]:
    """Serve ``app`` to guests within the block; the block is given what makes aiohttp's protocol of one request."""
    app.on_response_prepare.append(prepared)
    server_logger.addFilter(_is_of_ours)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=server_logger,
        lingering_time=0,
        auto_decompress=False,
        max_line_size=2 * LINE_BYTES,
        max_field_size=2 * LINE_BYTES,
        max_headers=2 * HEADERS_MAX,
    )
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101 - setup() made it
    try:
        yield server
    finally:
        await runner.cleanup()


class Facade(asyncio.Transport, asyncio.Protocol):
    """The transport of a guest: what is written goes to the client; its close ends the response, not the connection.

    The client's connection sees it as a protocol, which passes on what a guest has to know. ``ended`` is done with the
    response; ``response`` is the one that was begun.
    """

    response: web.StreamResponse | None = None

    def __init__(self, request: Request, guest: asyncio.Protocol) -> None:
        super().__init__()
        self.ended = asyncio.get_running_loop().create_future()
        self._request = request
        self._guest = guest
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._request if name == _REQUEST else self._request.transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closing():
            return
        if self._request.status is None:  # aiohttp refuses the head, past the application: in our words
            self._request.keep_alive = False
            self._end(error_response(MessageInvalid()))
            return
        self._request.sent_bytes += len(data)
        self._request.transport.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self._closing or self._request.transport.is_closing()

    def close(self) -> None:
        self._end(None if self._request.status is None else Response())

    def abort(self) -> None:
        self._end(None)

    def _end(self, response: Response | None) -> None:
        """End the exchange with ``response``, unless one was begun; None: without any."""
        if self._closing:
            return
        self._closing = True
        client = self._request.client
        client.observer = None
        if response is None:
            client.cut(self._request)
        else:
            client.respond(self._request, response)
        if not self.ended.done():
            self.ended.set_result(None)
        asyncio.get_running_loop().call_soon(self._guest.connection_lost, None)

    def pause_reading(self) -> None:
        """Do nothing: nothing is read for a guest."""

    def resume_reading(self) -> None:
        """Do nothing, as above."""

    def pause_writing(self) -> None:
        self._guest.pause_writing()

    def resume_writing(self) -> None:
        self._guest.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        """End the exchange: it was answered if aiohttp has written all, and is only about to close."""
        whole = self.response is not None and self.response.body_length > 0  # it is set with the last byte
        self._end(Response() if whole else None)


def _is_of_ours(record: logging.LogRecord) -> bool:
    """Return whether a record of aiohttp's is of our doing: what a client sent, or that it left, is no error."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError | ConnectionError)


async def serve(request: Request, guest: asyncio.Protocol) -> None:
    """Have ``guest`` answer ``request``."""
    facade = Facade(request, guest)
    request.client.observer = facade
    guest.connection_made(facade)
    fields = b"".join(b"%b: %b\r\n" % (name, value) for name, value in request.raw_headers if name.lower() not in _OURS)
    if b"host" not in request.fields:  # HTTP/1.0 may have none; what aiohttp is given is HTTP/1.1
        fields += b"Host:\r\n"
    target = request.target.encode("ascii", "surrogateescape")
    guest.data_received(b"%b %b HTTP/1.1\r\n%bConnection: close\r\n\r\n" % (request.method.encode(), target, fields))
    await facade.ended
