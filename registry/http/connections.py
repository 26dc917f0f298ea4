"""Client connections: deadlines for request heads, dispatch to shortcuts, and responses to malformed HTTP.

aiohttp has one deadline, for connections that stand idle. A request line and headers that come by the byte would hold
a connection for ever: here they are due within ``head_seconds`` of their first byte, the first ones of the accept.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import structlog
from aiohttp import web
from aiohttp.http import HttpRequestParser
from aiohttp.http_exceptions import LineTooLong

from registry.http.access_log import AccessLog, Line
from registry.http.answers import error_answer
from registry.http.chunked import HEAD_END, Chunks, begun, followed
from registry.http.errors import HeadersTooLarge, MessageInvalid, TargetTooLong
from registry.http.keys import VISIT, Visit
from registry.oci.errors import RegistryError

log = structlog.get_logger()

REQUEST_ID_HEADER: Final = "X-Moorage-Request-Id"
SERVER: Final = "Moorage"
LINE_BYTES: Final = 8190
HEADERS_MAX: Final = 128
#: Where bytes are on their way from the kernel; they are copied at once, so all connections may share it.
_INLET: Final = memoryview(bytearray(32 * 1024))
_TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#: nginx's word for a client that has left; it is only ever logged.
CLIENT_LEFT: Final = 499


@dataclass(slots=True)
class Room:
    """The connection limit: beyond ``most`` open connections a new connection is closed at once."""

    most: int
    taken: int = 0


class Told(msgspec.Struct, frozen=True):
    """A rendered response, and the request for the access log."""

    visit: Visit
    method: str
    target: str
    status: int
    response: bytes


class Shortcut(Protocol):
    """A handler of some requests without aiohttp's request machinery."""

    def take(self, data: bytes, connection: "Connection") -> bool:
        """Accept ``data``, to answer by ``connection.answered`` in a later turn of the loop; False: not accepted."""


class Connection(web.RequestHandler):
    """aiohttp's protocol, with a deadline for headers and without its tracebacks.

    Of aiohttp's own: ``_waiter`` says whether it waits for a request, ``_request_count`` how many have come,
    ``_messages`` which of them wait for the one that is answered, ``_current_request``; ``_next_keepalive_close_time``
    is when an idle connection ends; ``_request_in_progress`` and ``_handler_waiter`` make a shutdown wait.
    """

    __slots__ = (
        "_access",
        "_behind",
        "_bytes_came",
        "_head_since",
        "_remote",
        "_room",
        "_shortcut",
        "_whole",
        "chunks",
    )

    def __init__(
        self, server: web.Server, access: AccessLog | None, shortcut: Shortcut, room: Room, **limits: Any
    ) -> None:
        super().__init__(server, access_log=None, **limits)  # type: ignore[arg-type]  # as AppRunner takes it
        self._room = room
        self._access = access
        self._shortcut = shortcut
        #: What came while the shortcut is at work; None: it is not.
        self._behind: list[bytes] | None = None
        #: Whether aiohttp's parser has no part of a message: what it was last fed ended as a message does.
        self._whole = True
        #: Those of the body that aiohttp parses, as far as they have come; None: it has none, or it is odd.
        self.chunks: Chunks | None = None
        self._head_since: float | None = None
        self._bytes_came = False
        self._remote = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._room.taken += 1
        if self._room.taken > self._room.most:
            self.force_close()
        self._head_since = self._loop.time()
        peer = self.peername
        self._remote = str(peer[0]) if isinstance(peer, tuple) else ""

    def connection_lost(self, exc: BaseException | None) -> None:
        self._room.taken -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._behind is not None:
            self._behind.append(data)
            self._pause_transport_reading()
        elif not self._stands_still:
            if self.chunks is not None:
                self.chunks = followed(self.chunks, data)
            self._go_long_way(data)
        elif self._shortcut.take(data, self):
            self._behind = []
            self._request_in_progress = True
            self._stay()
        else:
            self._begin_long_way(data)

    @property
    def _stands_still(self) -> bool:
        """Return whether the connection is idle: the next byte begins a message."""
        waits = self._awaits_head or self._request_count == 0
        ends = self._close or self._force_close or self._upgraded
        return self._whole and waits and not ends and not self._messages and not self._paused

    def _stay(self) -> None:
        self._head_since = None
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    def behind(self, count: int) -> bytes | None:
        """Remove and return the next ``count`` bytes received during the shortcut's work; None: fewer have arrived."""
        if self._behind is None or sum(map(len, self._behind)) < count:
            return None
        came = b"".join(self._behind)
        self._behind = [came[count:]] if len(came) > count else []
        self._resume_transport_reading()
        return came[:count]

    def answered(self, data: bytes, told: Told | None) -> None:
        """Finish the shortcut's request: write the response ``told``; None: aiohttp must answer ``data``."""
        behind, self._behind = self._behind or (), None
        self._request_in_progress = False
        if self._handler_waiter is not None:
            self._handler_waiter.set_result(None)
        if self.transport is None or self.transport.is_closing():
            if told is not None:
                self._log(told.visit, told.method, told.target, CLIENT_LEFT, 0)
            return
        if told is None:
            self._begin_long_way(data)
        else:
            self.transport.write(told.response)
            self._stay()
            self._log(told.visit, told.method, told.target, told.status, len(told.response))
        if behind:
            self._resume_transport_reading()
            for piece in behind:
                self.data_received(piece)

    def _begin_long_way(self, data: bytes) -> None:
        self.chunks = begun(data)
        self._go_long_way(data)

    def _go_long_way(self, data: bytes) -> None:
        requests = self._request_count
        if data:
            self._whole = data.endswith(HEAD_END)
        super().data_received(data)
        if self._request_count != requests:
            self._head_since = None
            if self._current_request is not None or len(self._messages) > 1:
                self._end_broken_body()
        elif self._awaits_head:
            self._bytes_came = True
            if self._head_since is None:
                self._head_since = self._loop.time()

    def expect_request(self) -> None:
        """Reset the parser: the next byte starts a new request, as the last body was read without the parser."""
        self._whole = True
        self.chunks = None
        self._parser = HttpRequestParser(
            self,
            self._loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=web.RequestPayloadError,
            auto_decompress=False,
            max_msg_queue_size=self._max_msg_queue_size,
        )

    def _end_broken_body(self) -> None:
        """Fail unfinished bodies: a parser's error is queued behind their request, whose handler would never end."""
        bodies = [payload for _, payload in self._messages]
        if self._current_request is not None:
            bodies.insert(0, self._current_request.content)
        for body in bodies[:-1]:
            if not body.is_eof():
                body.set_exception(web.RequestPayloadError("expected a well-formed body"))

    @property
    def _awaits_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's name
        """Shut the connection down once the current request has finished and the rest of its body was dropped.

        aiohttp closes as soon as there is an answer: what still comes then resets the connection, and who sends it
        has not read why.
        """
        if self._current_request is not None and self._task_handler is not None:
            await asyncio.wait([self._task_handler], timeout=timeout)
        await super().shutdown(timeout and timeout / 2)

    def close_if_late(self, since: float) -> None:
        """Close the connection if its head is incomplete since before ``since`` (loop time); 408 if bytes arrived."""
        if self._head_since is None or self._head_since > since or self.transport is None or not self._awaits_head:
            return
        if self._bytes_came:
            self.transport.write(_TOO_LATE)
        self.force_close()

    def handle_error(
        self, request: web.BaseRequest, _status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Render a parser's error; a client that has left is only logged, and raises ConnectionResetError."""
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            self._note(request, CLIENT_LEFT, request.writer.output_size)
            raise ConnectionResetError
        error = _told(exc, message or "")
        log.info("http.malformed", remote=request.remote, problem=type(exc).__name__, status=error.status)
        response = error_answer(error)
        dress(response, request)
        response.force_close()
        return response

    def log_access(self, request: web.BaseRequest, response: web.StreamResponse, _time: float | None) -> None:
        self._note(request, response.status, response.body_length)

    def _note(self, request: web.BaseRequest, status: int, sent_bytes: int) -> None:
        self._log(request[VISIT], request.method, request.raw_path, status, sent_bytes)

    def _log(self, visit: Visit, method: str, target: str, status: int, sent_bytes: int) -> None:
        if self._access is not None:
            self._access.note(Line(time.monotonic(), visit, self._remote, method, target, status, sent_bytes))

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log an aiohttp error of a connection without its traceback, which may contain the client's data."""
        if isinstance(kw.get("exc_info"), web.RequestPayloadError):
            return  # the rest of a body that is malformed, and has been answered so
        log.error("http.connection_failed", problem=str(args[0]) if args else "")


def dress(response: web.StreamResponse, request: web.BaseRequest) -> None:
    """Add the headers common to all responses."""
    headers = response.headers
    headers[REQUEST_ID_HEADER] = request[VISIT].id
    headers["Server"] = SERVER


def _told(error: BaseException | None, message: str) -> RegistryError:
    """Map a parser's error to a RegistryError; the parser's own message would quote the client's bytes."""
    if isinstance(error, LineTooLong):
        # The parser says how the line begins: a target with a slash or a scheme, a header with anything.
        shown = error.args[0]
        return TargetTooLong(LINE_BYTES) if _is_target(shown) else HeadersTooLarge(LINE_BYTES, HEADERS_MAX)
    if message.startswith("Too many headers"):
        return HeadersTooLarge(LINE_BYTES, HEADERS_MAX)
    if message.startswith("Received HTTPS"):
        return MessageInvalid("this port speaks HTTP; a TLS handshake came")
    return MessageInvalid()


def _is_target(shown: object) -> bool:
    # bytearray for the request line, bytes for a header: the one trace that aiohttp's parser leaves of which it was.
    return isinstance(shown, bytearray)


class Inlet(asyncio.BufferedProtocol):
    """The shared read buffer of transports; received bytes are passed to the connection.

    Without it uvloop reads a quarter of a MiB at once: of the body of an upload, perhaps, that waits for its turn.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        return _INLET

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(bytes(_INLET[:nbytes]))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def eof_received(self) -> None:
        self._connection.eof_received()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


async def watch(server: web.Server, head_seconds: float) -> None:
    """Close late connections, until cancelled. One periodic scan costs less than a timer for each request."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, head_seconds / 4))
        since = loop.time() - head_seconds
        for connection in server.connections:
            if isinstance(connection, Connection):
                connection.close_if_late(since)
