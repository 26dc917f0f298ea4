"""HTTP transport to S3: aiohttp, and plain sockets for GET, with our own signature.

aiobotocore costs several times the CPU for a small PUT, asks for ``100 Continue`` and cannot repeat a body it streams.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from storage.errors import StoreUnavailable
from storage.objects.base import Pieces, Span
from storage.objects.s3.attempts import ERROR_BODY_BYTES, Transient, code_in, refusal
from storage.objects.s3.messages import Document, expected_of, sizes
from storage.objects.s3.pieces import slices
from storage.objects.s3.signing import Credentials, Request, Signer
from storage.objects.s3.sockets import KEEPALIVE_SECONDS, SocketReader, Sockets

BINARY: Final = "application/octet-stream"
_OK: Final = 200
_DONE: Final = (_OK, 204)
_INTERNAL_ERROR: Final = 500
_READ_BUFFER_BYTES: Final = 256 * 1024
_HTTP_ERRORS: Final = (aiohttp.ClientError, TimeoutError, ConnectionError)


class _Body(aiohttp.Payload):
    """A request body of known length that can be sent again, also by aiohttp when a kept connection has gone away.

    ``whole``: all of it has been written.
    """

    def __init__(self, data: Pieces, stall_seconds: float) -> None:
        super().__init__(data, content_type=BINARY)
        self._data = data
        self._stall_seconds = stall_seconds
        self.whole = False

    @property
    def size(self) -> int:
        return sum(map(len, self._data))

    async def write(self, writer: AbstractStreamWriter) -> None:
        self.whole = False
        try:
            for piece in slices(self._data):
                async with asyncio.timeout(self._stall_seconds):  # aiohttp times only what it reads
                    await writer.write(piece)
            self.whole = True
        except BaseException:
            _abort(writer)
            raise

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002  ours, always
        await self.write(writer)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._data).decode(encoding, errors)


def _abort(writer: AbstractStreamWriter) -> None:
    """Abort the connection: closing would wait for the peer to read the remaining bytes."""
    transport = writer.transport if isinstance(writer, aiohttp.http.StreamWriter) else None
    if transport is not None:
        transport.abort()


@dataclass(frozen=True, slots=True)
class Wire:
    """Single attempts of signed requests; the caller retries.

    ``stall_seconds``: how long a body may stand still. ``proxy``: the URL of an HTTP proxy. ``sockets``: for GET where
    nothing stands between us and the server.
    """

    http: aiohttp.ClientSession
    signer: Signer
    credentials: Callable[[], Awaitable[Credentials]]
    credentials_at_hand: Callable[[], Credentials | None]
    now: Callable[[], datetime]
    stall_seconds: float
    proxy: str | None = None
    sockets: Sockets | None = None

    async def put(self, where: str, request: Request, data: Pieces) -> str:
        """PUT ``data`` and return S3's ETag. Raises the error of ``refusal``, Transient without a response."""
        body = _Body(data, self.stall_seconds)
        response = await self._send(where, request, {}, body)
        async with response:
            refused = None if response.status == _OK else await _refused(where, response)
            await asyncio.sleep(0)  # a body that has just been written has its turn to say so
            if not body.whole:
                response.close()  # the rest would be taken for another request
                refused = refused or Transient(f"{where}: S3 answered before it had all bytes")
            if refused is not None:
                raise refused
            etag = response.headers.get("ETag", "")
        if not etag:
            raise StoreUnavailable(f"{where}: S3 answered without an ETag")
        return etag

    async def ask(
        self, where: str, request: Request, body: bytes = b"", extra: Mapping[str, str] | None = None
    ) -> "Answer":
        """Send ``body`` and read the whole response. Raises as ``put``."""
        response = await self._send(where, request, extra or {}, body or None)
        async with response:
            if response.status not in _DONE:
                raise await _refused(where, response, head=request.method == "HEAD")
            try:
                answer = Answer(where, response.headers, await response.read())
            except _HTTP_ERRORS as error:
                raise Transient(f"{where}: {type(error).__name__}") from error
        if answer.body and (document := answer.document()).is_error:
            raise refusal(where, _INTERNAL_ERROR, document.text("Code"))
        return answer

    async def get(
        self, where: str, request: Request, span: Span | None, if_match: str = ""
    ) -> "WireReader | SocketReader":
        """Send a GET and read the head of the response; the caller closes the reader. Raises as ``put``.

        ``if_match``: the etag that the object must still have.
        """
        extra = {} if span is None else {"range": f"bytes={span.start}-{span.stop - 1}"}
        if if_match.startswith('"'):  # a weak one matches nothing (RFC 9110 §13.1.1)
            extra["if-match"] = if_match
        if self.sockets is not None:
            headers = self.signer.headers(await self.credentials(), request, self.now(), extra)
            return await self.sockets.get(where, _spelled(request, headers), span)
        response = await self._send(where, request, extra, None)
        if response.status not in expected_of(span):
            async with response:
                raise await _refused(where, response)
        try:
            size, whole = sizes(span, response.content_length, response.headers.get("Content-Range", ""))
        except ValueError as error:
            response.close()
            raise StoreUnavailable(f"{where}: {error}") from error
        return WireReader(where, response, size, whole)

    async def _send(
        self, where: str, request: Request, extra: Mapping[str, str], body: _Body | bytes | None
    ) -> aiohttp.ClientResponse:
        headers = self.signer.headers(await self.credentials(), request, self.now(), extra)
        url = URL(request.url, encoded=True)
        try:
            return await self.http.request(
                request.method, url, headers=headers, data=body, proxy=self.proxy, allow_redirects=False
            )
        except _HTTP_ERRORS as error:
            raise Transient(f"{where}: {type(error).__name__}") from error


def _spelled(request: Request, headers: Mapping[str, str]) -> bytes:
    """Serialize a request without a body."""
    lines = (f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()))
    return "\r\n".join((*lines, "", "")).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response of S3; ``headers`` by names in any case."""

    where: str
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Document:
        """Parse the body. Raises Transient for anything but XML: from a gateway on the way, or half of a response."""
        try:
            return Document.parse(self.body)
        except ValueError as error:
            raise Transient(f"{self.where}: {error}") from error


async def _refused(where: str, response: aiohttp.ClientResponse, *, head: bool = False) -> Exception:
    try:
        body = await response.content.read(ERROR_BODY_BYTES)
    except _HTTP_ERRORS:
        body = b""
    return refusal(where, response.status, code_in(body), head=head)


class WireReader:
    """A reader of the body of a response; ``size`` and ``object_size`` in bytes."""

    __slots__ = ("_response", "_where", "etag", "left", "object_size", "size")

    def __init__(self, where: str, response: aiohttp.ClientResponse, size: int, object_size: int) -> None:
        self._where = where
        self._response = response
        self.size = self.left = size
        self.object_size = object_size
        self.etag = response.headers.get("ETag", "")

    def source(self) -> None:
        """Return None: aiohttp reads the socket."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks as they arrive. Raises Unavailable when the body ends early or stalls."""
        try:
            async for chunk in self._response.content.iter_any():
                self.left -= len(chunk)
                yield chunk
        except _HTTP_ERRORS as error:
            missing = f"{self.left} of {self.size} bytes missing"
            raise StoreUnavailable(f"{self._where}: {type(error).__name__}, {missing}") from error
        if self.left:
            raise StoreUnavailable(f"{self._where}: {self.left} of {self.size} bytes missing")

    def close(self) -> None:
        """Return the connection to the pool when the body was read to its end, else close the connection."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def client_session(
    *, connect_seconds: float, silence_seconds: float, connections: int, tls: ssl.SSLContext | None
) -> aiohttp.ClientSession:
    """Create a session for ``Wire``: no cookies, no decompression, a deadline over silence, none over a transfer."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=True if tls is None else tls
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=silence_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # bytes are what they are
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        read_bufsize=_READ_BUFFER_BYTES,
    )
