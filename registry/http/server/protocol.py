"""One connection of a client: one request after the other, deadlines, back-pressure, and the end.

Invariants: one request is answered at a time, in the order in which they came; what is read beside it is bounded; a
response is written once. Collaborators: ``Parser`` reads requests, ``Site`` says who answers, ``Body`` holds what comes
of a body. ``Server`` knows all connections, ends late ones, and all of them in the end.
"""

import asyncio
import contextlib
import itertools
import secrets
import time
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol, cast

import structlog

from registry.errors import MessageInvalid, RegistryError
from registry.http.server.access_log import AccessLog, Line
from registry.http.server.body import Body
from registry.http.server.message import Request, RequestContext, Response, error_response, render
from registry.http.server.parser import Head, Parser

log = structlog.get_logger()

#: Where bytes are on their way from the kernel: they are parsed at once, so all connections may share it.
_INLET: Final = memoryview(bytearray(256 * 1024))
_UNASKED_BYTES: Final = 32 * 1024
_TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#: nginx's word for a client that has left; it is only ever logged.
_CLIENT_LEFT: Final = 499
#: What requests under way get when the process stops; then once half as long for what is cancelled.
_SHUTDOWN_SECONDS: Final = 9.0
_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """Deadlines: for a head from its first byte, between two requests, for the rest of a body that nobody wants."""

    head_seconds: float
    idle_seconds: float
    linger_seconds: float = 5.0


class Site(Protocol):
    """All that is served."""

    def answer(self, request: Request) -> None:
        """Answer with ``request.client.respond`` or ``cut``, now or later. Does not raise."""


class Connection(asyncio.BufferedProtocol):
    """The protocol of one client's connection; ``deadline`` is when ``expire`` is due, on the clock of the loop.

    ``observer`` is told, beside this connection, when the transport can be written to, and when it is lost.
    """

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._clock = asyncio.get_running_loop().time
        self._parser = Parser(self)
        self.transport: asyncio.Transport | None = None
        self.remote = ""
        self.deadline: float | None = None
        self.current: Request | None = None
        self.observer: asyncio.Protocol | None = None
        self._waiting: deque[Request] = deque()
        #: The request whose body is on the wire; None between messages.
        self._receiving: Request | None = None
        #: What is wrong with the bytes that came last: they are answered when it is their turn.
        self._refusal: MessageInvalid | None = None
        #: Whether nothing of what comes now is read as a request.
        self._deaf = False
        self._lingering = False
        self._advancing = False
        self._reading = True
        self._writing_paused = False
        self._drained: asyncio.Future[None] | None = None
        self._small_chunks = False

    # -- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # of a stream; uvloop's is no subclass
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if isinstance(peer, tuple) else ""
        self.deadline = self._clock() + self._server.limits.head_seconds
        if not self._server.enter(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.deadline = None
        self._server.leave(self)
        self._waiting.clear()
        error = ConnectionResetError("the client has left")
        for request in (self.current, self._receiving):
            if request is not None:
                request.body.fail(error)
        self.resume_writing()
        if self.observer is not None:
            self.observer.connection_lost(exc)

    def eof_received(self) -> bool:
        return False  # the transport closes: nobody half-closes a connection of HTTP and reads on

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's name
        if self._receiving is None:
            return _INLET[:_UNASKED_BYTES]
        body = self._receiving.body
        room = body.direct()
        if room is not None:
            return room
        most = len(_INLET) if body.filling and not self._small_chunks else _UNASKED_BYTES
        return _INLET[: most if body.left is None else min(most, body.left)]

    def buffer_updated(self, nbytes: int) -> None:
        body = None if self._receiving is None else self._receiving.body
        if body is None:
            self._parse(_INLET[:nbytes])
        elif body.left is None:
            taken = body.taken
            self._parse(_INLET[:nbytes])
            # Small chunks take long to parse, and uvloop reads on as long as there is something.
            self._small_chunks = body.taken - taken < nbytes - nbytes // 16
        else:
            if body.direct() is not None:
                body.filled(nbytes)
            else:
                body.feed(_INLET[:nbytes])
            if not body.left:
                self._parser.skip_body()
        if self._small_chunks and self.transport is not None and self._reading:
            self._reading = False
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._flow)
        else:
            self._flow()

    def _parse(self, data: memoryview) -> None:
        if self._deaf:
            return
        try:
            self._parser.feed(data)
        except MessageInvalid as error:
            if not self._deaf:
                self._refuse(error)

    def pause_writing(self) -> None:
        self._writing_paused = True
        if self.observer is not None:
            self.observer.pause_writing()

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self.observer is not None:
            self.observer.resume_writing()
        self._next()

    async def drain(self) -> None:
        """Wait until the transport takes more. Raises ConnectionResetError."""
        if self._writing_paused:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError

    def _flow(self) -> None:
        """Read on, or stop, as those want who are to have what comes."""
        if self.transport is None or self.transport.is_closing():
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

    def head_begun(self) -> None:
        if self.current is None:
            self.deadline = self._clock() + self._server.limits.head_seconds

    def head_read(self, head: Head) -> None:
        assert self.transport is not None  # noqa: S101 - nothing is parsed before or after
        body = Body(head.length, self.transport, self._flow, expects_continue=head.expects_continue)
        context = RequestContext(self._server.new_id(), time.monotonic())
        self._receiving = Request(head, body, context, self.transport, self)
        self._waiting.append(self._receiving)
        self._next()

    def body_read(self, data: bytes) -> None:
        if self._receiving is not None:
            self._receiving.body.feed(data)

    def message_read(self) -> None:
        request, self._receiving = self._receiving, None
        self._small_chunks = False
        if request is not None:
            self._deaf = self._deaf or not request.keep_alive
            request.body.finish()
            if self._lingering:
                self._advance(request)

    # -- one request after the other

    def _next(self) -> None:
        """Answer the requests that wait, until one takes its time or the client reads nothing."""
        if self._advancing:
            return
        self._advancing = True
        while self.current is None and self._waiting and not self._writing_paused:
            if self.transport is None or self.transport.is_closing():
                break
            request = self.current = self._waiting.popleft()
            self.deadline = None
            if self._server.leaving.is_set():
                request.keep_alive = False
            self._server.site.answer(request)
        self._advancing = False
        if self.current is None and self._refusal is not None and self._deaf and not self._waiting:
            self._tell_refusal(self._refusal)

    def respond(self, request: Request, response: Response) -> None:
        """Send ``response``, or what is left to do for one that was begun; the exchange is over then."""
        if request is not self.current or self._lingering:
            return
        if self.transport is None or self.transport.is_closing():
            self.cut(request)
            return
        if request.status is not None:
            self.finish_begun(request)
            return
        body = request.body
        if isinstance(body.error, RegistryError):
            response = error_response(body.error)
        if self._server.leaving.is_set():
            request.keep_alive = False
        request.settle(response.status)
        head = render(response, request.context.id, close=not request.keep_alive)
        data = head if request.method == "HEAD" or not response.body else head + response.body
        request.sent_bytes += len(data)
        self.transport.write(data)
        self.finish_begun(request)

    def finish_begun(self, request: Request) -> None:
        """End the exchange of a request whose response was written by its handler."""
        assert request.status is not None  # noqa: S101 - it was begun
        self._log(request.context, request.method, request.target, request.status, request.sent_bytes)
        if request.body.complete or request.body.error is not None:
            self._advance(request)
        else:
            self._lingering = True
            self.deadline = self._clock() + self._server.limits.linger_seconds
            request.body.close()

    def cut(self, request: Request) -> None:
        """Abort the connection: the response cannot be told, or not to its end."""
        if request is self.current and not self._lingering:
            self._log(request.context, request.method, request.target, _CLIENT_LEFT, request.sent_bytes)
            self.current = None
            if self.transport is not None:
                self.transport.abort()

    def _advance(self, request: Request) -> None:
        self.current = None
        self._lingering = False
        if self.transport is None:
            return
        limits = self._server.limits
        if request.keep_alive:
            self.deadline = self._clock() + (limits.head_seconds if self._parser.in_head else limits.idle_seconds)
            self._next()
            self._flow()
        else:
            self._deaf = True
            self._waiting.clear()
            self.deadline = self._clock() + limits.idle_seconds  # until the client has read all
            self.transport.close()

    def _log(self, context: RequestContext, method: str, target: str, status: int, sent_bytes: int) -> None:
        if self._server.access is not None:
            line = Line(time.monotonic(), context, self.remote, method, target, status, sent_bytes)
            self._server.access.note(line)

    # -- the end

    def _refuse(self, error: MessageInvalid) -> None:
        """Take what came for no HTTP: it is answered when it is its turn, and nothing is read any more."""
        log.info(
            "http.malformed", remote=self.remote, problem=type(error.__cause__ or error).__name__, status=error.status
        )
        self._deaf = True
        request, self._receiving = self._receiving, None
        if request is None:
            self._refusal = error
            self._next()
            return
        request.keep_alive = False
        request.body.fail(error)
        if self._lingering:
            self._advance(request)

    def _tell_refusal(self, error: RegistryError) -> None:
        self._refusal = None
        if self.transport is None or self.transport.is_closing():
            return
        context = RequestContext(self._server.new_id(), time.monotonic())
        response = error_response(error)
        data = render(response, context.id, close=True) + response.body
        self.transport.write(data)
        self._log(context, "UNKNOWN", "/", error.status, len(data))
        self.deadline = self._clock() + self._server.limits.linger_seconds
        self.transport.close()

    def expire(self) -> None:
        """End a connection whose deadline has passed."""
        self.deadline = None
        if self.transport is None:
            return
        if self._parser.in_head and self.current is None and not self._deaf:
            self.transport.write(_TOO_LATE)
            self.transport.close()
        else:
            self.transport.abort()

    def finish(self) -> None:
        """End the connection with the response under way, or now if there is none."""
        if self.current is not None:
            self.current.keep_alive = False
        elif self.transport is not None:
            self.transport.close()


class Server:
    """All connections of a process, ``most`` of them at a time."""

    def __init__(self, site: Site, limits: Limits, access: AccessLog | None, leaving: asyncio.Event, most: int) -> None:
        self.site = site
        self.limits = limits
        self.access = access
        self.leaving = leaving
        self._most = most
        self._connections: set[Connection] = set()
        # What a client sends is never an id, or it could forge lines of the log.
        self._prefix, self._numbers = secrets.token_hex(6), itertools.count(1)

    def new_id(self) -> str:
        """Return an id that no other request of any process has."""
        return f"{self._prefix}-{next(self._numbers):06x}"

    def enter(self, connection: Connection) -> bool:
        """Count a connection; False: it is one too many."""
        self._connections.add(connection)
        return len(self._connections) <= self._most

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    async def watch(self) -> None:
        """End late connections, until cancelled. One look at all of them costs less than a timer for each request."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(min(1.0, self.limits.head_seconds / 4))
            now = clock()
            for connection in list(self._connections):
                if connection.deadline is not None and connection.deadline <= now:
                    connection.expire()

    async def shutdown(self) -> None:
        """Close idle connections, give requests under way their time, then abort them."""
        for connection in list(self._connections):
            connection.finish()
        await self._closed(_SHUTDOWN_SECONDS)

    async def abort(self) -> None:
        """Abort what is left after ``shutdown``, once its handlers were cancelled."""
        await self._closed(_SHUTDOWN_SECONDS / 2)
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _closed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._connections:  # noqa: ASYNC110 - at the end of a process only
                    await asyncio.sleep(_LOOK_SECONDS)
