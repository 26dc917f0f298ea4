"""The one parser of requests: llhttp, and what RFC 9110 asks of a head beside its syntax.

Invariants: what is refused is refused before anybody sees the request, alike on every route; an ``Upgrade`` is declined
by reading on in HTTP/1.1.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NoReturn, Protocol

import httptools
import msgspec

from registry.errors import HeadersTooLarge, MessageInvalid, TargetTooLong
from registry.http.server.body import BodyMalformed

LINE_BYTES: Final = 8190
HEADERS_MAX: Final = 128
#: What may come of a head; and without a byte of the body among it, of the frame of a chunk, or of trailers.
_HEAD_BYTES: Final = 64 * 1024
_FRAME_BYTES: Final = 4096
#: Header fields that stand once in a request (RFC 9110 §5.3), and mean two things where they do not.
_ONCE: Final = frozenset(
    {
        b"authorization", b"content-length", b"content-range", b"content-type", b"expect", b"host", b"if-range",
        b"range", b"transfer-encoding", b"user-agent",
    }
)  # fmt: skip
_FIELDS: Final = _ONCE | {b"if-match", b"if-none-match", b"traceparent"}
_REPEATED_MAX: Final = 512
_REPEATED_BYTES: Final = 2048


class Head(msgspec.Struct, frozen=True):
    """The head of a request; ``length`` of its body in bytes, None for chunks.

    ``fields`` are those that the edge itself reads, by their names in lower case.
    """

    method: str
    target: str
    raw_headers: Sequence[tuple[bytes, bytes]]
    fields: Mapping[bytes, bytes]
    length: int | None
    keep_alive: bool
    expects_continue: bool


class Events(Protocol):
    """The connection, which is told of what is parsed."""

    def head_read(self, head: Head) -> None:
        """A head is whole; without a body (length 0) the message is."""

    def body_read(self, data: bytes) -> None:
        """Bytes of the body have come."""

    def body_ended(self) -> None:
        """The body has come to its end."""


class HandshakeOnPlainPort(MessageInvalid):
    """The client speaks TLS to a port without TLS, as docker does first with a registry that it may reach by HTTP."""

    def __init__(self) -> None:
        super().__init__("this port speaks HTTP; a TLS handshake came")


class Parser:
    """Parses the bytes of one connection. ``in_head``, ``in_body``: what the next byte belongs to, if to a message."""

    #: The heads parsed last, of all connections, by their bytes: a client that polls repeats its own to the byte.
    _repeated: ClassVar[dict[bytes, Head]] = {}

    def __init__(self, events: Events) -> None:
        self.in_head = False
        self.in_body = False
        self._events = events
        self._llhttp = httptools.HttpRequestParser(self)
        self._target = b""
        self._raw_headers: list[tuple[bytes, bytes]] = []
        self._length: int | None = 0
        self._frame_bytes = 0
        self._head: Head  # the last of so many
        self._heads = 0
        self._refusal: MessageInvalid | None = None

    def feed(self, data: memoryview) -> None:
        """Parse ``data``. Raises MessageInvalid: what comes behind cannot be parsed."""
        if self.in_head or self.in_body or len(data) > _REPEATED_BYTES:
            self._feed(data)
            return
        whole = bytes(data)
        head = self._repeated.get(whole)
        if head is not None:
            self._events.head_read(head)
            return
        heads = self._heads
        self._feed(data)
        if self._heads == heads + 1 and self._length == 0 and self._stands_between():
            if len(self._repeated) >= _REPEATED_MAX:
                self._repeated.clear()
            self._repeated[whole] = self._head

    def _stands_between(self) -> bool:
        return not self.in_head and not self.in_body

    def _feed(self, data: memoryview) -> None:
        self._frame_bytes += len(data)
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            raise self._refusal or self._malformed(bytes(data[:1])) from error
        if self.in_body:
            if len(self._raw_headers) > HEADERS_MAX:  # trailers, which nobody asked for
                raise HeadersTooLarge(LINE_BYTES, HEADERS_MAX)
            if self._frame_bytes > _FRAME_BYTES:
                raise BodyMalformed
        elif self._frame_bytes > _HEAD_BYTES:
            raise HeadersTooLarge(LINE_BYTES, HEADERS_MAX)

    def skip_body(self) -> None:
        """Take the body for read: its bytes went past the parser."""
        self._llhttp = httptools.HttpRequestParser(self)
        self.on_message_complete()

    def _malformed(self, first: bytes) -> MessageInvalid:
        if self.in_body:
            return BodyMalformed()
        if first == b"\x16" and not self._target:
            return HandshakeOnPlainPort()
        return MessageInvalid()

    def _decline_upgrade(self, rest: memoryview) -> None:
        """Read on with another llhttp: this one has ended with the head, and a body may follow."""
        self._llhttp = httptools.HttpRequestParser(self)
        if self.in_body:
            length = self._length
            framing = b"Transfer-Encoding: chunked" if length is None else b"Content-Length: %d" % length
            self._llhttp.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)
        if rest:
            self._feed(rest)  # not the memory: this is within a piece whose heads are counted

    # -- llhttp's side; of the head that _decline_upgrade() makes up nothing is told

    def on_message_begin(self) -> None:
        if not self.in_body:
            self._target, self._raw_headers = b"", []
            self.in_head = True
            self._frame_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > LINE_BYTES:
            self._refuse(TargetTooLong(LINE_BYTES))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw_headers.append((name, value))  # once for each of them: what there is to check is checked later

    def on_headers_complete(self) -> None:
        if self.in_body:
            return
        raw_headers, self._raw_headers = self._raw_headers, []
        fields, llhttp = self._fields_of(raw_headers), self._llhttp
        version = llhttp.get_http_version()
        if version not in {"1.0", "1.1"} or (version == "1.1" and b"host" not in fields):
            self._refuse(MessageInvalid("expected HTTP/1.1, with one header Host"))
        chunked = b"transfer-encoding" in fields
        if chunked and (fields[b"transfer-encoding"].lower() != b"chunked" or version == "1.0"):
            self._refuse(MessageInvalid("expected no Transfer-Encoding but chunked"))
        self._length = None if chunked else int(fields.get(b"content-length", b"0"))
        self.in_head, self.in_body = False, True
        self._frame_bytes = 0
        self._heads += 1
        self._head = Head(
            llhttp.get_method().decode("ascii"),
            self._target.decode("ascii", "surrogateescape"),
            raw_headers,
            fields,
            self._length,
            keep_alive=version == "1.1" and llhttp.should_keep_alive(),
            expects_continue=version == "1.1" and fields.get(b"expect", b"").lower() == b"100-continue",
        )
        self._events.head_read(self._head)

    def _fields_of(self, raw_headers: Sequence[tuple[bytes, bytes]]) -> Mapping[bytes, bytes]:
        if len(raw_headers) > HEADERS_MAX:
            self._refuse(HeadersTooLarge(LINE_BYTES, HEADERS_MAX))
        fields: dict[bytes, bytes] = {}
        for raw, value in raw_headers:
            if len(raw) + len(value) > LINE_BYTES:
                self._refuse(HeadersTooLarge(LINE_BYTES, HEADERS_MAX))
            name = raw.lower()
            if name in _FIELDS:
                if name in fields and name in _ONCE:
                    self._refuse(MessageInvalid(f"expected the header {name.decode()} once"))
                fields[name] = value.strip(b" \t")
        return fields

    def _refuse(self, refusal: MessageInvalid) -> NoReturn:
        self._refusal = refusal  # llhttp raises an error of its own
        raise refusal

    def on_body(self, data: bytes) -> None:
        self._frame_bytes = 0
        self._events.body_read(data)

    def on_message_complete(self) -> None:
        if self._length != 0 and self._llhttp.should_upgrade():
            return  # its body is still to come
        self.in_body = False
        self._frame_bytes = 0
        if self._length != 0:
            self._events.body_ended()
