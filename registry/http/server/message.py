"""HTTP messages as handlers read and write them, and ``render``, the one renderer of heads."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import parse_qsl

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy

from registry.errors import MessageInvalid, RegistryError
from registry.http.server.body import Body
from registry.http.statuses import oci_body, status_of

REQUEST_ID_HEADER: Final = "X-Moorage-Request-Id"
SERVER: Final = "Moorage"
#: RFC 9110 §8.6: a response with one of these has no Content-Length, and no body.
_BODILESS: Final = frozenset({204, 304})
#: Statuses of responses to requests that are not worth reading to their end.
_CLOSING: Final = frozenset({408, 413, 503})
_NO_QUERY: Final = MultiDictProxy(MultiDict[str]())


class Client(Protocol):
    """The connection of a request, as handlers see it; ``remote`` is the address of its peer, if any.

    ``leaving``: each response is its last. ``observer`` is told, beside the connection, when the transport can be
    written to, and when it is lost.
    """

    leaving: bool
    remote: str
    observer: asyncio.Protocol | None

    def respond(self, request: "Request", response: "Response") -> None:
        """Send ``response``, or what is left to do for one that was begun; the exchange is over then."""

    def cut(self, request: "Request") -> None:
        """Abort the connection: the response cannot be told, or not to its end."""

    async def drain(self) -> None:
        """Wait until the transport takes more. Raises ConnectionResetError."""


class Request(msgspec.Struct, eq=False):
    """One request: its head as parsed, and its body as it comes.

    ``raw_headers`` are pairs of name and value as sent; ``fields`` the values of those that the edge itself reads, by
    their names in lower case. ``started`` is in seconds of time.monotonic(). ``account_id`` and ``token_id`` are the
    caller's; ``status``, ``sent_bytes``
    and ``redirected_bytes``, which the store sends, are of the response, for the access log and the metrics; ``route``
    is the name of the request in a table of routes.
    """

    method: str
    target: str
    raw_headers: Sequence[tuple[bytes, bytes]]
    fields: Mapping[bytes, bytes]
    keep_alive: bool
    body: Body
    id: str
    started: float
    transport: asyncio.Transport
    client: Client
    account_id: int | None = None
    token_id: int | None = None
    status: int | None = None
    sent_bytes: int = 0
    redirected_bytes: int = 0
    route: str = "other"
    _headers: CIMultiDictProxy[str] | None = None
    _query: MultiDictProxy[str] | None = None

    def settle(self, status: int) -> None:
        """Decide with the status of the response whether the connection stays.

        After ``Expect`` a body may come or not, and the next request could not be distinguished from it.
        """
        self.status = status
        body = self.body
        unread = not body.complete and (status in _CLOSING or body.expects_continue)
        if unread or body.error is not None or self.client.leaving:
            self.keep_alive = False

    def field(self, name: bytes) -> str | None:
        """The value of one of ``fields``; bytes that are no UTF-8 are surrogates."""
        value = self.fields.get(name)
        return None if value is None else value.decode("utf-8", "surrogateescape")

    def begin(self, response: "Response") -> None:
        """Write the head of a response whose body its handler sends; errors can only cut the connection now."""
        self.settle(response.status)
        head = render(response, self.id, close=not self.keep_alive)
        self.sent_bytes += len(head)
        self.transport.write(head)

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields; names compare without case, and bytes that are no UTF-8 are surrogates."""
        if self._headers is None:
            headers = CIMultiDict[str]()
            for name, value in self.raw_headers:
                headers.add(name.decode("ascii"), value.strip(b" \t").decode("utf-8", "surrogateescape"))
            self._headers = CIMultiDictProxy(headers)
        return self._headers

    @property
    def query(self) -> MultiDictProxy[str]:
        """The parameters of the target's query. Raises MessageInvalid for escapes that are no UTF-8."""
        if self._query is None:
            text = self.target.partition("#")[0].partition("?")[2]
            try:
                pairs = parse_qsl(text, keep_blank_values=True, errors="strict") if text else ()
            except ValueError:
                raise MessageInvalid("expected a query that is percent-encoded UTF-8") from None
            self._query = MultiDictProxy(MultiDict(pairs)) if pairs else _NO_QUERY
        return self._query

    @property
    def scheme(self) -> str:
        """``https`` where the connection is TLS, else ``http``."""
        return "http" if self.transport.get_extra_info("sslcontext") is None else "https"


class Response(msgspec.Struct):
    """A response whose body is whole.

    ``length`` announces the bytes of a body that is not sent: the response to HEAD, or one whose body ``stream`` sends
    itself after the head. ``more_headers`` are fields whose names repeat.
    ``extra`` are fields that an answer has now and then, beside ``headers`` that are rendered once.
    """

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    length: int | None = None
    more_headers: Sequence[tuple[str, str]] = ()
    extra: Mapping[str, str] = {}


#: What every response carries; blobs and manifests are data, whatever a browser would like to make of them.
INERT: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "private, no-store, no-transform",
}


def error_response(error: RegistryError, headers: Mapping[str, str] = INERT) -> Response:
    """Render ``error`` in the JSON of its dialect."""
    return Response(status_of(error), {**headers, **error.headers, "Content-Type": "application/json"}, oci_body(error))


class Rendered(dict[str, str]):
    """Header fields that are rendered once, for responses that repeat them. Raises ValueError as ``render``."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.lines: Final = _lines(self, ())


def render(response: Response, request_id: str, *, close: bool, body: bytes = b"") -> bytes:
    """Render the head of a response, with ``body`` behind it. Raises ValueError for a field that would be two lines."""
    status, headers, more, extra = response.status, response.headers, response.more_headers, response.extra
    lines = headers.lines if isinstance(headers, Rendered) and not more else _lines(headers, more)
    if extra:
        lines += extra.lines if isinstance(extra, Rendered) else _lines(extra, ())
    length = len(response.body) if response.length is None else response.length
    sized = b"" if status in _BODILESS else b"Content-Length: %d\r\n" % length
    common = _common(int(time.time()))
    closing = _CLOSE if close else b""
    return b"".join((_line(status), lines, sized, closing, common, request_id.encode(), _END, body))


_CLOSE: Final = b"Connection: close\r\n"
_END: Final = b"\r\n\r\n"


def _lines(headers: Mapping[str, str], more: Sequence[tuple[str, str]]) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in (*headers.items(), *more)])
    if not lines.count("\n") == lines.count("\r") == len(headers) + len(more):
        raise ValueError("a line break in a header")
    return lines.encode()


@lru_cache
def _line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


@lru_cache(maxsize=2)
def _common(unix: int) -> bytes:
    """Render the fields that every response has in a second, and the name of the one behind them."""
    return f"Server: {SERVER}\r\nDate: {formatdate(unix, usegmt=True)}\r\n{REQUEST_ID_HEADER}: ".encode()
