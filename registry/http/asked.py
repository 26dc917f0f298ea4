"""The request that handlers read: aiohttp's, or a short plain request parsed without aiohttp.

Beside its statements, a request costs that machinery more than anything else; it is there for bodies that come as a
stream, and for all that may be odd about a message. The same handlers answer a request that has neither: a ``Plain``.
Where one of them finds that it needs a stream after all, it raises LongWay before it has done anything.
"""

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy, MultiDict, MultiDictProxy

from registry.http.chunked import HEAD_END
from registry.http.connections import LINE_BYTES, Connection
from registry.http.keys import Visit

#: Of a body: as much may be read before it is known who sends it.
SHORT_BYTES: Final = 64 * 1024
_LINE: Final = re.compile(r"([A-Z]+) ((/[!\"$->@-~]*)(?:\?([!\"$-~]*))?) HTTP/1\.1", re.ASCII)
# A value begins with what is no blank: 8 KiB of them could be shared out in so many ways that trying takes 250 ms.
_HEADER: Final = re.compile(r"([A-Za-z0-9-]+):[ \t]*((?:[!-~][ -~]*)?)", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_HEADERS_MAX: Final = 64
_KNOWN_MAX: Final = 512  # of about a KiB
_ONCE: Final = frozenset({"authorization", "connection", "content-length", "host"})
#: Headers that change what is spoken, or where a message ends.
_NOT_PLAIN: Final = frozenset(
    {"expect", "http2-settings", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_NONE: Final = MultiDictProxy(MultiDict[str]())


class LongWay(Exception):
    """The handler needs a stream and has done nothing: aiohttp must parse the request, and the bytes behind it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The parsed head of a plain request; ``length``: its Content-Length in bytes, if any."""

    method: str
    target: str
    path: str
    query: MultiDictProxy[str]
    headers: CIMultiDictProxy[str]
    length: int | None


def read_head(head: bytes) -> Head | None:
    """Parse a head including its final blank line; None: only aiohttp's parser may judge the head."""
    if len(head) > LINE_BYTES or not head.isascii():
        return None
    first, _, rest = head[: -len(HEAD_END)].decode().partition("\r\n")
    line, headers = _LINE.fullmatch(first), _headers(rest)
    if line is None or headers is None:
        return None
    method, target, path, text = line.groups()
    length = headers.get("Content-Length")
    try:
        query = MultiDictProxy(MultiDict(parse_qsl(text, keep_blank_values=True, errors="strict"))) if text else _NONE
    except ValueError:
        return None
    return Head(method, target, path, query, headers, None if length is None else int(length))


@lru_cache(maxsize=_KNOWN_MAX)
def _headers(block: str) -> CIMultiDictProxy[str] | None:
    """Parse the header block, cached: the headers of a push often repeat byte for byte. None: not plain."""
    headers = CIMultiDict[str]()
    for line in block.split("\r\n"):
        header = _HEADER.fullmatch(line)
        name = "" if header is None else header[1].lower()
        if header is None or name in _NOT_PLAIN or (name in _ONCE and name in headers):
            return None
        headers.add(header[1], header[2].rstrip(" \t"))
    stays = headers.get("Connection", "keep-alive").lower() == "keep-alive"
    counted = _LENGTH.fullmatch(headers.get("Content-Length", "0")) is not None
    return (
        CIMultiDictProxy(headers) if stays and counted and "Host" in headers and len(headers) <= _HEADERS_MAX else None
    )


class Plain:
    """A request on ``connection``; ``start``: the bytes of its head, ``began``: the first bytes of its body."""

    __slots__ = (
        "_body",
        "_connection",
        "_start",
        "app",
        "content_length",
        "headers",
        "method",
        "query",
        "raw_path",
        "visit",
    )

    def __init__(
        self, app: web.Application, head: Head, start: bytes, began: bytes, connection: Connection, visit: Visit
    ) -> None:
        self.app = app
        self.method = head.method
        self.raw_path = head.target
        self.query = head.query
        self.headers = head.headers
        self.content_length = head.length
        self.visit = visit
        self._start = start
        self._body = began
        self._connection = connection

    @property
    def scheme(self) -> str:
        return "http" if self._connection.ssl_context is None else "https"

    @property
    def transport(self) -> asyncio.Transport | None:
        return self._connection.transport

    def __getitem__(self, _key: web.RequestKey[Visit], /) -> Visit:
        return self.visit

    @property
    def raw(self) -> bytes:
        """The bytes of the request read so far."""
        return self._start + self._body

    def body(self) -> bytes | None:
        """The whole body, if it has arrived."""
        missing = (self.content_length or 0) - len(self._body)
        if missing:
            more = self._connection.behind(missing)
            if more is None:
                return None
            self._body += more
        return self._body

    def body_now(self) -> bytes:
        """The whole body. Raises LongWay while the body is incomplete."""
        body = self.body()
        if body is None:
            raise LongWay
        return body


#: What a handler reads of a request.
Asked: TypeAlias = web.Request | Plain
