"""GET over plain HTTP, on sockets without an asyncio transport, so that the bytes need not be copied.

It takes a tenth of the CPU that it takes by aiohttp. aiohttp does the rest: TLS, proxies, PUT, which costs the same
there, and all requests with a response in XML.
"""

import asyncio
import errno
import os
import re
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from storage.errors import StorageError, StoreUnavailable, Unavailable
from storage.objects.base import Source, Span
from storage.objects.descriptors import readable, writable
from storage.objects.s3.attempts import ERROR_BODY_BYTES, Transient, code_in, refusal
from storage.objects.s3.messages import expected_of, sizes

_HEAD_BYTES: Final = 32 * 1024
_FIRST_BYTES: Final = 64 * 1024  # read with the headers; more would only be copied
_CHUNK_BYTES: Final = 256 * 1024
KEEPALIVE_SECONDS: Final = 10.0  # shorter than what servers allow, so that few connections die as they are used
_SPLICES: Final = hasattr(os, "splice")  # what takes a stream as a source

_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([2-5][0-9][0-9])(?: [^\x00-\x08\x0a-\x1f]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f]*?)[ \t]*")
#: Fields that are kept as they are, in the order of ``Head``.
_TOLD: Final = (b"content-range", b"etag")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Head:
    """The parsed head of a response; ``length`` None: the head has no Content-Length."""

    status: int
    length: int | None
    keeps: bool  # the connection goes on after the body
    content_range: str = ""
    etag: str = ""


def parsed(head: bytes) -> Head:
    """Parse the head of a response, without its empty line. Raises ValueError for a malformed or ambiguous head."""
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise ValueError("expected a status line")
    lengths, encoded, said, told = set[bytes](), False, b"", dict[bytes, str]()
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise ValueError("expected a header")
        name, value = field[1].lower(), field[2]
        if name == b"content-length":
            lengths.add(value)
        elif name == b"connection":
            said += b"," + value.lower()
        elif name in _TOLD:
            told[name] = value.decode("latin-1")
        encoded = encoded or name == b"transfer-encoding"
    if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)) or (lengths and encoded):
        raise ValueError("expected one length")
    closes = status[1] == b"0" or b"close" in (token.strip() for token in said.split(b","))
    length = int(lengths.pop()) if lengths else None
    return Head(int(status[2]), length, not closes, *(told.get(name, "") for name in _TOLD))


class Sockets:
    """A pool of connections to one server, kept for some seconds; at most ``connections`` at once, others wait."""

    def __init__(self, origin: str, *, connect_seconds: float, silence_seconds: float, connections: int) -> None:
        parts = urlsplit(origin)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._connect_seconds = connect_seconds
        self._silence_seconds = silence_seconds
        self._idle: list[tuple[float, socket.socket]] = []  # since, oldest first
        self._free = asyncio.Semaphore(connections)

    async def get(self, where: str, request: bytes, span: Span | None) -> "SocketReader":
        """Send a GET of ``span``, or of all, and read the head of the response, and some of the body.

        The caller closes the reader. Raises Transient without an answer, what ``refusal`` gives for another status,
        Unavailable for a response that is of other bytes.
        """
        connection, head, first = await self._asked(where, request, expected_of(span))
        try:
            size, object_size = sizes(span, head.length, head.content_range)
        except ValueError as error:
            self.release(connection, keep=False)
            raise StoreUnavailable(f"{where}: {error}") from error
        source = Source(
            connection.fileno(), None, size - len(first), first=first, silence_seconds=self._silence_seconds
        )
        return SocketReader(where, self, connection, source, head, size=size, object_size=object_size)

    async def _asked(self, where: str, request: bytes, expected: tuple[int, ...]) -> tuple[socket.socket, Head, bytes]:
        """Send a request; returns the connection, to be released by the caller, the head and the body's first bytes."""
        await self._free.acquire()
        try:
            while (kept := self._kept()) is not None:
                try:
                    return await self._answer(where, kept, request, expected)
                except ConnectionError:  # the server has closed it meanwhile
                    continue
            return await self._answer(where, await self._connected(), request, expected)
        except BaseException as error:
            self._free.release()
            if isinstance(error, StorageError) or not isinstance(error, (OSError, ValueError)):
                raise
            raise Transient(f"{where}: {type(error).__name__}") from error

    def release(self, connection: socket.socket, *, keep: bool) -> None:
        """Return the connection of a response to the pool, or close the connection unless ``keep``."""
        self._free.release()
        if keep:
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()

    def close(self) -> None:
        """Close the idle connections."""
        for _, connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _answer(
        self, where: str, connection: socket.socket, request: bytes, expected: tuple[int, ...]
    ) -> tuple[socket.socket, Head, bytes]:
        try:
            await self._sent(connection, request)
            head, first = await self._answered(connection)
            if head.status in expected:
                return connection, head, first
            refused = await self._refused(where, connection, head, first)
        except BaseException:
            connection.close()
            raise
        connection.close()
        raise refused

    async def _sent(self, connection: socket.socket, request: bytes) -> None:
        """Send a request without a body. Raises TimeoutError, ConnectionError."""
        left = memoryview(request)
        while left:
            try:
                left = left[connection.send(left) :]
            except BlockingIOError:
                await writable(connection.fileno(), self._silence_seconds)

    async def _answered(self, connection: socket.socket) -> tuple[Head, bytes]:
        """Read the head of the response, and the bytes that came with it. Raises OSError, ValueError."""
        came = b""
        while (end := came.find(b"\r\n\r\n")) < 0:
            if len(came) > _HEAD_BYTES:
                raise ValueError("expected the head to end")
            came += await self._received(connection, _FIRST_BYTES)
        head, first = parsed(came[:end]), came[end + 4 :]
        if head.length is not None and len(first) > head.length:
            raise ValueError("more came than was told")
        return head, first

    async def _refused(self, where: str, connection: socket.socket, head: Head, body: bytes) -> StorageError:
        wanted = ERROR_BODY_BYTES if head.length is None else min(head.length, ERROR_BODY_BYTES)
        try:
            while len(body) < wanted and not code_in(body):
                body += await self._received(connection, _FIRST_BYTES)
        except OSError:
            pass  # the status has to do
        return refusal(where, head.status, code_in(body))

    async def _received(self, connection: socket.socket, count: int) -> bytes:
        """Read some bytes, at least one. Raises TimeoutError, ConnectionError."""
        while True:
            try:
                data = connection.recv(count)
            except BlockingIOError:
                await readable(connection.fileno(), self._silence_seconds)
                continue
            if not data:
                raise ConnectionResetError
            return data

    def _kept(self) -> socket.socket | None:
        """The connection that was used last, of those that are not idle for too long and still silent."""
        since = time.monotonic() - KEEPALIVE_SECONDS
        while self._idle and self._idle[0][0] < since:
            self._idle.pop(0)[1].close()
        while self._idle:
            connection = self._idle.pop()[1]
            if _is_silent(connection):
                return connection
            connection.close()
        return None

    async def _connected(self) -> socket.socket:
        failure: OSError = ConnectionRefusedError()
        async with asyncio.timeout(self._connect_seconds):
            for family, kind, protocol, _, address in await self._addresses():
                connection = socket.socket(family, kind, protocol)
                try:
                    await _connect(connection, address)
                except OSError as error:
                    connection.close()
                    failure = error
                except BaseException:
                    connection.close()
                    raise
                else:
                    return connection
        raise failure

    async def _addresses(self) -> list[tuple[Any, Any, int, str, Any]]:
        try:  # an address needs nobody's answer, and no thread that waits for it
            flags = socket.AI_NUMERICHOST
            return [*socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=flags)]
        except socket.gaierror:
            loop = asyncio.get_running_loop()
            return [*await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)]


def _is_silent(connection: socket.socket) -> bool:
    """Return whether nothing came on an idle connection: more bytes than a response announced, or the end."""
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


async def _connect(connection: socket.socket, address: object) -> None:
    """Connect a socket, without blocking. Raises OSError."""
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = connection.connect_ex(address)  # type: ignore[arg-type]  # as getaddrinfo gives it
    if code == errno.EINPROGRESS:
        await writable(connection.fileno(), None)
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


class SocketReader:
    """A reader of the body of a response; ``size`` and ``object_size`` in bytes."""

    __slots__ = ("_connection", "_keeps", "_sockets", "_source", "_where", "etag", "object_size", "size")

    def __init__(
        self,
        where: str,
        sockets: Sockets,
        connection: socket.socket,
        source: Source,
        head: Head,
        *,
        size: int,
        object_size: int,
    ) -> None:
        self._where = where
        self._sockets = sockets
        self._connection = connection
        self._source = source
        self._keeps = head.keeps
        self.etag = head.etag
        self.size = size
        self.object_size = object_size

    @property
    def left(self) -> int:
        """The bytes that were not yet read."""
        return self._source.left

    def source(self) -> Source | None:
        """The socket; None when all bytes have been read, or without os.splice."""
        return self._source if _SPLICES and self._source.left else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks as they arrive. Raises Unavailable when the body ends early or stalls."""
        source = self._source
        if first := source.take_first():
            yield first
        while source.left:
            try:
                chunk = self._connection.recv(min(source.left, _CHUNK_BYTES))
                if not chunk:
                    raise ConnectionResetError
            except BlockingIOError:
                await self._silence()
                continue
            except OSError as error:
                raise self._cut(error) from error
            source.advance(len(chunk))
            yield chunk

    async def _silence(self) -> None:
        try:
            await readable(self._source.fd, self._source.silence_seconds)
        except TimeoutError as error:
            raise self._cut(error) from error

    def _cut(self, error: OSError) -> Unavailable:
        return StoreUnavailable(
            f"{self._where}: {type(error).__name__}, {self._source.left} of {self.size} bytes missing"
        )

    def close(self) -> None:
        """Return the connection to the pool when the body was read to its end, else close the connection."""
        self._sockets.release(self._connection, keep=self._keeps and self._source.left == 0)
