"""One connection of a client: one request after the other, deadlines, back-pressure, and the end.

Invariants: one request is answered at a time, in the order in which they came; what is read beside it is bounded; a
response is written once. Collaborators: ``Parser`` reads requests, ``Site`` says who answers, ``Body`` holds what comes
of a body; ``registry.http.server.connections`` ends late connections, and all of them in the end.
"""

import asyncio
import itertools
import secrets
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, cast

import structlog

from registry.errors import MessageInvalid, RegistryError
from registry.http.server.access_log import CLIENT_LEFT, AccessLog, Line
from registry.http.server.body import NO_BODY, Body
from registry.http.server.message import Request, Response, error_response, render
from registry.http.server.parser import HandshakeOnPlainPort, Head, Parser
from registry.http.statuses import status_of
from storage.operations import RECORDING

log = structlog.get_logger()

#: Where bytes are on their way from the kernel: they are parsed at once, so all connections may share it.
_INLET: Final = memoryview(bytearray(256 * 1024))
_UNASKED_BYTES: Final = 32 * 1024
_UNASKED: Final = _INLET[:_UNASKED_BYTES]
_TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TLS_CAME: Final = str(HandshakeOnPlainPort()).encode()
#: Clients tell by the first bytes that this is HTTP; the rest is for people who look at what came.
_NO_TLS: Final = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_TLS_CAME), _TLS_CAME)
)
#: What is answered, and logged, where a head could not be read.
_UNREAD: Final = Head("UNKNOWN", "/", (), {}, 0, keep_alive=False, expects_continue=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines: for a head from its first byte, between two requests, for the rest of a body that nobody wants."""

    head_seconds: float
    idle_seconds: float
    linger_seconds: float = 5.0


class Site(Protocol):
    """All that is served."""

    def answer(self, request: Request) -> None:
        """Answer with ``request.client.respond`` or ``cut``, after the return. Does not raise."""


def _ids() -> Iterator[str]:
    """Yield ids that no other request of any process has.

    What a client sends is never an id, or it could forge lines of the log.
    """
    prefix = secrets.token_hex(6)
    for number in itertools.count(1):
        yield f"{prefix}-{number:06x}"


@dataclass(slots=True, eq=False)
class Server:
    """The site and the limits that the connections of a process share, ``most`` of them at a time.

    ``refused``: how many connections were too many.
    """

    site: Site
    limits: Limits
    access: AccessLog | None
    leaving: asyncio.Event
    most: int
    refused: int = 0
    connections: "set[Connection]" = field(default_factory=set)
    ids: Iterator[str] = field(default_factory=_ids)


class Connection(asyncio.BufferedProtocol):
    """The protocol of one client's connection; ``deadline`` is when ``expire`` is due, on time.monotonic().

    ``leaving`` and ``observer`` are as in ``Client``.
    """

    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = Parser(self)
        self.remote = ""
        self.leaving = server.leaving.is_set()
        self.deadline: float | None = None
        self.current: Request | None = None
        self.observer: asyncio.Protocol | None = None
        self._waiting: deque[Request] = deque()
        #: The request whose body is on the wire; None between messages.
        self._receiving: Request | None = None
        #: Whether nothing of what comes now is read as a request.
        self._deaf = False
        self._lingering = False
        self._reading = True
        self._writing_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._small_chunks = False

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # of a stream; uvloop's is no subclass
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if isinstance(peer, tuple) else ""
        self.deadline = time.monotonic() + self._server.limits.head_seconds
        self._server.connections.add(self)
        if len(self._server.connections) > self._server.most:
            self._server.refused += 1
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline = None
        self._server.connections.discard(self)
        self._waiting.clear()
        error = ConnectionResetError("the client has left")
        for request in (self.current, self._receiving):
            if request is not None:
                request.body.fail(error)
        self._wake_drained()
        if self.observer is not None:
            self.observer.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        if self._receiving is None:
            return _UNASKED
        body = self._receiving.body
        room = body.direct()
        if room is not None:
            return room
        most = len(_INLET) if body.filling and not self._small_chunks else _UNASKED_BYTES
        return _INLET[: most if body.left is None else min(most, body.left)]

    def buffer_updated(self, nbytes: int) -> None:
        if self._receiving is None:
            self._parse(_INLET[:nbytes])
        else:
            self._receive(self._receiving.body, nbytes)
        if self._receiving is not None or self._waiting or not self._reading:
            self._flow()

    def _receive(self, body: Body, nbytes: int) -> None:
        """Pass on what came of a body, and what came behind it."""
        if body.left is None:
            taken = body.taken
            self._parse(_INLET[:nbytes])
            # Small chunks take long to parse, and uvloop reads on as long as there is something.
            self._small_chunks = self._receiving is not None and body.taken - taken < nbytes - nbytes // 16
            if self._small_chunks and self._reading and not self.transport.is_closing():
                self._reading = False
                self.transport.pause_reading()
                asyncio.get_running_loop().call_soon(self._flow)
            return
        if body.direct() is not None:
            body.filled(nbytes)
        else:
            body.feed(_INLET[:nbytes])
        if not body.left:
            self._parser.skip_body()

    def _parse(self, data: memoryview) -> None:
        if self._deaf:
            return
        in_head = self._parser.in_head
        try:
            self._parser.feed(data)
        except MessageInvalid as error:
            if not self._deaf:
                self._refuse(error)
        if self.current is None:
            if self._waiting:
                self._next()
            elif self._parser.in_head and not in_head:
                self.deadline = time.monotonic() + self._server.limits.head_seconds

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self.observer is not None:
            self.observer.pause_writing()

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake_drained()
        if self.observer is not None:
            self.observer.resume_writing()
        self._next()

    def _wake_drained(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def drain(self) -> None:
        """Wait until the transport takes more. Raises ConnectionResetError."""
        if self._writing_paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        if self.transport.is_closing():
            raise ConnectionResetError

    def _flow(self) -> None:
        """Read on, or stop, as those want who are to have what comes."""
        if self.transport.is_closing():
            return
        wanted = not self._waiting
        if self._receiving is not None:
            wanted = self._receiving is self.current and self._receiving.body.wants_bytes
        if wanted != self._reading:
            self._reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    # -- the parser's side

    def head_read(self, head: Head) -> None:
        body = NO_BODY
        if head.length != 0:
            body = Body(head.length, self.transport, self._flow, head.expects_continue)
        request = self._await_turn(head, body)
        if head.length != 0:
            self._receiving = request
        elif not head.keep_alive:
            self._deaf = True

    def _await_turn(self, head: Head, body: Body) -> Request:
        request = Request(
            head.method, head.target, head.raw_headers, head.fields, head.keep_alive,
            body, next(self._server.ids), time.monotonic(), self.transport, self,
        )  # fmt: skip
        self._waiting.append(request)
        return request

    def body_read(self, data: bytes) -> None:
        if self._receiving is not None:
            self._receiving.body.feed(data)

    def body_ended(self) -> None:
        request, self._receiving = self._receiving, None
        self._small_chunks = False
        if request is not None:
            self._deaf = self._deaf or not request.keep_alive
            request.body.finish()
            if self._lingering:
                self._advance(request)

    # -- one request after the other

    def _next(self) -> None:
        """Answer the request that has waited longest, unless the client reads nothing."""
        if self.current is not None or not self._waiting or self._writing_paused or self.transport.is_closing():
            return
        request = self.current = self._waiting.popleft()
        self.deadline = None
        if request.body.error is None:
            self._server.site.answer(request)
        else:
            self.respond(request, Response())

    def respond(self, request: Request, response: Response) -> None:
        """Send ``response``, or what is left to do for one that was begun; the exchange is over then."""
        if request is not self.current or self._lingering:
            return
        if self.transport.is_closing() and request.status is None:
            self.cut(request)
            return
        body = request.body
        if request.status is None:
            if isinstance(body.error, RegistryError):
                response = error_response(body.error)
            request.settle(response.status)
            sent = b"" if request.method == "HEAD" else response.body
            data = render(response, request.id, close=not request.keep_alive, body=sent)
            request.sent_bytes += len(data)
            self.transport.write(data)
        self._log(request, request.status or response.status)
        if body.complete or body.error is not None:
            self._advance(request)
        else:
            self._lingering = True
            self.deadline = time.monotonic() + self._server.limits.linger_seconds
            body.close()

    def cut(self, request: Request) -> None:
        """Abort the connection: the response cannot be told, or not to its end."""
        if request is self.current and not self._lingering:
            self._log(request, CLIENT_LEFT)
            self.current = None
            self.transport.abort()

    def _advance(self, request: Request) -> None:
        self.current = None
        self._lingering = False
        limits = self._server.limits
        if not request.keep_alive:
            self._deaf = True
            self._waiting.clear()
            self.deadline = time.monotonic() + limits.idle_seconds  # until the client has read all
            self.transport.close()
            return
        self.deadline = time.monotonic() + (limits.head_seconds if self._parser.in_head else limits.idle_seconds)
        if self._waiting:
            self._next()
        if not self._reading:
            self._flow()

    def _log(self, request: Request, status: int) -> None:
        access = self._server.access
        if access is not None:
            line = Line(
                request.started, time.monotonic(), request.id, self.remote, request.account_id,
                request.method, request.target, status, request.sent_bytes, request.body.taken,
                request.redirected_bytes, request.route, request.token_id, request.fields, RECORDING.get(),
            )  # fmt: skip
            access.note(line)

    # -- the end

    def _refuse(self, error: MessageInvalid) -> None:
        """Take what came for no HTTP: it is answered when it is its turn, and nothing is read any more."""
        self._deaf = True
        if isinstance(error, HandshakeOnPlainPort):  # the first bytes of the connection, and nothing to log
            self.transport.write(_NO_TLS)
            self.transport.close()
            return
        problem = type(error.__cause__ or error).__name__
        log.info("http.malformed", remote=self.remote, problem=problem, status=status_of(error))
        request, self._receiving = self._receiving, None
        if request is None:
            self._await_turn(_UNREAD, Body(0, self.transport, self._flow, complete=True, error=error))
            return
        request.keep_alive = False
        request.body.fail(error)
        if self._lingering:
            self._advance(request)

    def expire(self) -> None:
        """End a connection whose deadline has passed."""
        self.deadline = None
        if self._parser.in_head and self.current is None and not self._deaf:
            self.transport.write(_TOO_LATE)
            self.transport.close()
        else:
            self.transport.abort()

    def finish(self) -> None:
        """End the connection with the request under way or begun, or now if there is none."""
        self.leaving = True
        if self.current is not None:
            self.current.keep_alive = False
        elif self._deaf or not self._parser.in_head:
            self.transport.close()
