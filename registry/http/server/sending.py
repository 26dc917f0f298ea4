"""A blob on its way to the client: below the transport wherever there is a descriptor on both sides.

The kernel sends a file by itself, and what comes from S3 goes from socket to socket through a pipe, without being
copied. TLS on either side leaves it to the transport. Only for a client on this machine, such as a proxy, a file is
copied: what was just written is read from the CPU's cache, pages of a file from memory (2,580 MiB/s on 2 cores, not
2,040).
"""

import asyncio
import contextlib
import fcntl
import mmap
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final

from registry.http.server.message import Request, Response
from storage.errors import ObjectCorrupt, StoreUnavailable, Unavailable
from storage.objects.base import ObjectReader, Source, Span, expect_size
from storage.objects.descriptors import readable, writable

_CHUNK_BYTES: Final = 1024 * 1024  # as much as a pipe holds; then the other connections have their turn
_LEAST_BYTES: Final = 128 * 1024
#: Where a chunk of a file is on its way to a client of this machine; within one turn of the loop, so all may share it.
#: It takes no memory before it is used; and is private, as a process that is forked must have its own.
_ROOM: Final = memoryview(mmap.mmap(-1, _CHUNK_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


async def send(http: Request, response: Response, reader: ObjectReader, stall_seconds: float) -> None:
    """Send the head of ``response``, and the bytes of ``reader``.

    Raises ObjectCorrupt, before anything is sent, when the object is not what the head announces; Unavailable when the
    bytes end early or stand still, ConnectionError when the client leaves, TimeoutError when it takes nothing for
    ``stall_seconds``; half a body is sent then, and never more than was announced.
    """
    recorded = response.headers.get("Content-Range", f"/{response.length}").rpartition("/")[2]
    _compare(reader, int(recorded), response.length)
    transport = http.transport
    if transport.is_closing():
        raise ConnectionResetError
    source = reader.source() if transport.get_extra_info("sslcontext") is None else None
    if source is None:
        http.begin(response)
        await _through(http, reader, reader.size, stall_seconds)
        return
    transport.set_write_buffer_limits(0)  # nothing of the transport's may be left unsent when we go past it
    http.begin(response)
    await _write(http, source.take_first(), stall_seconds)
    cut = False
    try:
        await _past(http, source, stall_seconds)
    except Unavailable:
        if source.offset is not None:
            raise  # a file that has become shorter has no other bytes
        cut = True
    if not transport.is_closing():
        transport.set_write_buffer_limits()  # the usual ones
    if cut:
        await _through(http, reader, source.left, stall_seconds)


async def _through(http: Request, reader: ObjectReader, left: int, stall_seconds: float) -> None:
    """Send the ``left`` bytes that the reader still has, by the transport."""
    async for chunk in reader:
        left -= len(chunk)
        if left < 0:
            break
        await _write(http, chunk, stall_seconds)
    if left:
        raise StoreUnavailable(f"the object store gave more or less than {reader.size} bytes")


def _compare(reader: ObjectReader, recorded: int, announced: int | None) -> None:
    """Compare what was recorded and announced, of the blob and of its part, with the object's. Raises ObjectCorrupt."""
    expect_size(reader, recorded)
    if reader.size != announced:
        raise ObjectCorrupt(f"announced {announced} bytes, the store gives {reader.size}")


async def send_parts(
    http: Request,
    response: Response,
    parts: Sequence[tuple[bytes, Span, bytes]],
    reader_of: Callable[[Span], AbstractAsyncContextManager[ObjectReader]],
    whole_bytes: int,
    stall_seconds: float,
) -> None:
    """Send the head of ``response``, and for each part its own head, its bytes of the object, and what ends it.

    One reader at a time. Raises as send().
    """
    for head, span, end in parts:
        async with reader_of(span) as reader:
            _compare(reader, whole_bytes, span.size)
            if http.status is None:
                http.begin(response)
            await _write(http, head, stall_seconds)
            await _through(http, reader, reader.size, stall_seconds)
        await _write(http, end, stall_seconds)


async def _write(http: Request, data: bytes, stall_seconds: float) -> None:
    if data:
        http.transport.write(data)
        http.sent_bytes += len(data)
    async with asyncio.timeout(stall_seconds):
        await http.client.drain()


async def _past(http: Request, source: Source, stall_seconds: float) -> None:
    transport = http.transport
    if transport.is_closing():
        raise ConnectionResetError
    # A descriptor of our own: a loop has no watchers on one that a transport has.
    fd = os.dup(transport.get_extra_info("socket").fileno())
    client = _Client(fd, http, stall_seconds, _is_here(transport))
    try:
        if source.offset is None:
            await _from_stream(source, client)
        else:
            await _from_file(source, source.offset, client)
    finally:
        os.close(client.fd)


@dataclass(frozen=True, slots=True)
class _Client:
    """A client's socket; ``http`` counts what goes into it. ``here``: the client is on this machine."""

    fd: int
    http: Request
    stall_seconds: float
    here: bool

    async def writable(self) -> None:
        """Wait until the socket is writable. Raises TimeoutError, ConnectionResetError."""
        await writable(self.fd, self.stall_seconds)
        if self.http.transport.is_closing():
            raise ConnectionResetError

    async def write(self, data: memoryview) -> None:
        """Write all of ``data``."""
        while data:
            try:
                sent = os.write(self.fd, data)
            except BlockingIOError:
                await self.writable()
            else:
                self.http.sent_bytes += sent
                data = data[sent:]


class _Pipe:
    """The splice pipe shared by all transfers of this process; each transfer leaves the pipe empty.

    One for each of them would soon be more than an unprivileged user may have (pipe(7), pipe-user-pages-soft).
    """

    def __init__(self) -> None:
        self._out = self._in = -1
        self._held = 0

    def fill(self, source: int, count: int) -> int:
        """Splice up to ``count`` bytes from ``source``; 0 at its end. Raises BlockingIOError when no byte is ready."""
        if self._held or self._in < 0:
            self._renew()  # an error has left another's bytes in it, or this process has none yet
        self._held = os.splice(source, self._in, count, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
        return self._held

    def empty(self, client: int) -> bytes:
        """Splice the pipe's bytes to ``client``; return the bytes that the socket did not accept. Raises OSError."""
        with contextlib.suppress(BlockingIOError):
            self._held -= os.splice(self._out, client, self._held, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
        rest = os.read(self._out, self._held) if self._held else b""
        self._held -= len(rest)
        return rest

    def _renew(self) -> None:
        if self._in >= 0:
            os.close(self._in)
            os.close(self._out)
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._held = 0
        with contextlib.suppress(OSError):  # then it is a small one
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, _CHUNK_BYTES)


_PIPE: Final = _Pipe()


async def _from_stream(source: Source, client: _Client) -> None:
    room = _LEAST_BYTES
    while source.left:
        try:
            came = _PIPE.fill(source.fd, min(source.left, room))
        except BlockingIOError:
            try:
                await readable(source.fd, source.silence_seconds)
            except TimeoutError as error:
                raise StoreUnavailable(f"the object store is silent, {source.left} bytes missing") from error
            continue
        except OSError as error:
            raise StoreUnavailable(f"the object store: {type(error).__name__}, {source.left} bytes missing") from error
        if not came:
            raise StoreUnavailable(f"the object store: {source.left} bytes missing")
        source.advance(came)
        rest = _PIPE.empty(client.fd)
        client.http.sent_bytes += came - len(rest)
        if rest:  # is in our memory: no more for a slow client than it takes
            room = max(_LEAST_BYTES, came - len(rest))
            await client.write(memoryview(rest))
        else:
            room = min(_CHUNK_BYTES, 2 * room)
            await asyncio.sleep(0)


async def _from_file(source: Source, offset: int, client: _Client) -> None:
    while source.left:
        count = min(source.left, _CHUNK_BYTES)
        try:
            if not _is_cached(source.fd, offset, count):
                sent = await _to_thread(os.sendfile, client.fd, source.fd, offset, count)
            elif client.here:
                sent = _copy(client.fd, source.fd, offset, count)
            else:
                sent = os.sendfile(client.fd, source.fd, offset, count)
        except BlockingIOError:
            await client.writable()
            continue
        if not sent:
            raise StoreUnavailable(f"the disk of the objects: {source.left} bytes missing")
        client.http.sent_bytes += sent
        source.advance(sent)
        offset += sent
        await asyncio.sleep(0)


def _copy(client: int, source: int, offset: int, count: int) -> int:
    """Copy ``count`` bytes of a file to the client by read and write, with the contract of os.sendfile."""
    room = _ROOM[:count]
    return os.write(client, room[: os.preadv(source, (room,), offset)])


def _is_here(transport: asyncio.Transport) -> bool:
    """Return whether the peer is on this machine: its address equals the socket's own."""
    peer: Any = transport.get_extra_info("peername")
    own: Any = transport.get_extra_info("sockname")
    return isinstance(peer, tuple) and isinstance(own, tuple) and peer[0] == own[0]


def _is_cached(fd: int, offset: int, count: int) -> bool:
    """Return whether the range of a file is in the page cache, by its two ends; True where the system cannot say."""
    if not hasattr(os, "RWF_NOWAIT"):
        return True
    try:
        for at in (offset, offset + count - 1):
            os.preadv(fd, (bytearray(1),), at, os.RWF_NOWAIT)
    except BlockingIOError:
        return False
    except OSError:  # a file system that does not know the flag
        return True
    return True


async def _to_thread(work: Callable[..., int], *args: int) -> int:
    """Run ``work`` in a thread; even when cancelled, wait for its end, so that descriptors may be closed."""
    future = asyncio.get_running_loop().run_in_executor(None, work, *args)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait((future,))
        raise
