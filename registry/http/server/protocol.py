"""One connection of a client: HTTP/1.1 as llhttp reads it, one request after the other, deadlines, and the end.

Invariants: one request is answered at a time, in the order in which they came; what is read beside it is bounded; a
response is written once. Collaborators: ``Site`` says who answers, ``Body`` holds what comes of a body, ``Server`` (in
listen.py) knows all connections and ends late ones.
"""

import asyncio
import time
from collections import deque
from typing import Final, cast

import httptools
import structlog

from registry.http.errors import HeadersTooLarge, MessageInvalid, TargetTooLong
from registry.http.server.access_log import Line
from registry.http.server.body import Body, BodyMalformed
from registry.http.server.host import Host
from registry.http.server.message import Request, RequestContext, Response, error_response, render
from registry.oci.errors import RegistryError

log = structlog.get_logger()

LINE_BYTES: Final = 8190
HEADERS_MAX: Final = 128
#: What may come of a head; and without a byte of the body among it, of the frame of a chunk, or of trailers.
_HEAD_BYTES: Final = 64 * 1024
_FRAME_BYTES: Final = 4096
#: Where bytes are on their way from the kernel: they are parsed at once, so all connections may share it.
_INLET: Final = memoryview(bytearray(256 * 1024))
_UNASKED_BYTES: Final = 32 * 1024
_TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#: nginx's word for a client that has left; it is only ever logged.
_CLIENT_LEFT: Final = 499
#: Header fields that stand once in a request (RFC 9110 §5.3), and mean two things where they do not.
_ONCE: Final = frozenset(
    {
        b"authorization", b"content-length", b"content-range", b"content-type", b"expect", b"host", b"if-range",
        b"range", b"transfer-encoding", b"user-agent",
    }
)  # fmt: skip
_FIELDS: Final = _ONCE | {b"if-none-match"}


class Connection(asyncio.BufferedProtocol):
    """The protocol of one client's connection; ``deadline`` is when ``expire`` is due, on the clock of the loop.

    ``observer`` is told, beside this connection, when the transport can be written to, and when it is lost.
    """

    def __init__(self, server: Host) -> None:
        self._server = server
        self._clock = asyncio.get_running_loop().time
        self._parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport | None = None
        self.remote = ""
        self.deadline: float | None = None
        self.current: Request | None = None
        self.observer: asyncio.Protocol | None = None
        self._waiting: deque[Request] = deque()
        #: The request whose body is on the wire; None between messages.
        self._receiving: Request | None = None
        self._target = b""
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._in_head = False
        self._frame_bytes = 0
        self._trailers = 0
        #: What is wrong with the bytes that came last: they are answered when it is their turn.
        self._refusal: RegistryError | None = None
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
            # The parser has read the head, and there is a new one for the next.
            if body.direct() is not None:
                body.filled(nbytes)
            else:
                body.feed(_INLET[:nbytes])
            if not body.left:
                self._parser = httptools.HttpRequestParser(self)
                self.on_message_complete()
        if self._small_chunks and self.transport is not None and self._reading:
            self._reading = False
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._flow)
        else:
            self._flow()

    def _parse(self, data: memoryview) -> None:
        if self._deaf:
            return
        self._frame_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(self._refusal or self._malformed(bytes(data[:1])), type(error).__name__)
        else:
            if self._receiving is None and self._frame_bytes > _HEAD_BYTES:
                self._refuse(HeadersTooLarge(LINE_BYTES, HEADERS_MAX), "head")
            elif self._receiving is not None and self._frame_bytes > _FRAME_BYTES:
                self._refuse(BodyMalformed(), "frame")

    def _malformed(self, first: bytes) -> RegistryError:
        if self._receiving is not None:
            return BodyMalformed()
        if first == b"\x16" and not self._target:
            return MessageInvalid("this port speaks HTTP; a TLS handshake came")
        return MessageInvalid()

    def _decline_upgrade(self, rest: memoryview) -> None:
        """Read on in HTTP/1.1: the parser has ended with the head, and the body of that request may follow."""
        self._parser = httptools.HttpRequestParser(self)
        if self._receiving is not None:
            length = self._receiving.body.length
            framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
            self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        if rest:
            self._parse(rest)

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

    def on_message_begin(self) -> None:
        if self._receiving is not None:
            return  # see _decline_upgrade
        self._target, self._raw_headers = b"", []
        self._in_head = True
        self._frame_bytes = self._trailers = 0
        if self.current is None:
            self.deadline = self._clock() + self._server.limits.head_seconds

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > LINE_BYTES:
            self._refusal = TargetTooLong(LINE_BYTES)
            raise self._refusal

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._raw_headers.append((name, value.strip(b" \t")))
        else:
            self._trailers += 1  # nobody asked for one
        if len(name) + len(value) > LINE_BYTES or len(self._raw_headers) + self._trailers > HEADERS_MAX:
            self._refusal = HeadersTooLarge(LINE_BYTES, HEADERS_MAX)
            raise self._refusal

    def on_headers_complete(self) -> None:
        if not self._in_head:
            return  # see _decline_upgrade
        assert self.transport is not None  # noqa: S101 - nothing is parsed before or after
        fields = self._checked_fields()
        version = self._parser.get_http_version()
        length = None if b"transfer-encoding" in fields else int(fields.get(b"content-length", b"0"))
        if version not in {"1.0", "1.1"} or (version == "1.1" and b"host" not in fields):
            self._invalid("expected HTTP/1.1, with one header Host")
        if length is None and (fields[b"transfer-encoding"].lower() != b"chunked" or version == "1.0"):
            self._invalid("expected no Transfer-Encoding but chunked")
        expects = version == "1.1" and fields.get(b"expect", b"").lower() == b"100-continue"
        self._in_head = False
        self._frame_bytes = 0
        request = self._receiving = Request(
            self._parser.get_method().decode("ascii"),
            self._target.decode("ascii", "surrogateescape"),
            self._raw_headers,
            fields,
            Body(length, self.transport, self._flow, expects_continue=expects),
            RequestContext(self._server.new_id(), time.monotonic()),
            self.transport,
            self,
        )
        request.keep_alive = version == "1.1" and self._parser.should_keep_alive()
        self._waiting.append(request)
        self._next()

    def _checked_fields(self) -> dict[bytes, bytes]:
        fields: dict[bytes, bytes] = {}
        for raw, value in self._raw_headers:
            name = raw.lower()
            if name in _FIELDS:
                if name in fields and name in _ONCE:
                    self._invalid(f"expected the header {name.decode()} once")
                fields[name] = value
        return fields

    def _invalid(self, why: str) -> None:
        self._refusal = MessageInvalid(why)
        raise self._refusal

    def on_body(self, data: bytes) -> None:
        self._frame_bytes = 0
        if self._receiving is not None:
            self._receiving.body.feed(data)

    def on_message_complete(self) -> None:
        request = self._receiving
        if request is None or (self._parser.should_upgrade() and request.body.length != 0 and not request.body.taken):
            return  # see _decline_upgrade
        self._receiving = None
        self._frame_bytes = 0
        self._small_chunks = False
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
        self._log(request, request.status)
        if request.body.complete or request.body.error is not None:
            self._advance(request)
        else:
            self._lingering = True
            self.deadline = self._clock() + self._server.limits.linger_seconds
            request.body.close()

    def cut(self, request: Request) -> None:
        """Abort the connection: the response cannot be told, or not to its end."""
        if request is self.current and not self._lingering:
            self._log(request, _CLIENT_LEFT)
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
            self.deadline = self._clock() + (limits.head_seconds if self._in_head else limits.idle_seconds)
            self._next()
            self._flow()
        else:
            self._deaf = True
            self._waiting.clear()
            self.deadline = self._clock() + limits.idle_seconds  # until the client has read all
            self.transport.close()

    def _log(self, request: Request, status: int) -> None:
        self._note(request.context, request.method, request.target, status, request.sent_bytes)

    def _note(self, context: RequestContext, method: str, target: str, status: int, sent_bytes: int) -> None:
        if self._server.access is not None:
            line = Line(time.monotonic(), context, self.remote, method, target, status, sent_bytes)
            self._server.access.note(line)

    # -- the end

    def _refuse(self, error: RegistryError, problem: str) -> None:
        """Take what came for no HTTP: it is answered when it is its turn, and nothing is read any more."""
        log.info("http.malformed", remote=self.remote, problem=problem, status=error.status)
        self._deaf = True
        self._in_head = False
        request, self._receiving = self._receiving, None
        if request is None:
            self._refusal = error
            self._next()
            return
        self._refusal = None
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
        self._note(context, "UNKNOWN", "/", error.status, len(data))
        self.deadline = self._clock() + self._server.limits.linger_seconds
        self.transport.close()

    def expire(self) -> None:
        """End a connection whose deadline has passed."""
        self.deadline = None
        if self.transport is None:
            return
        if self._in_head and self.current is None:
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
