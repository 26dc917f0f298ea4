"""HTTP as bytes on a socket, for what no client library would send."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from multidict import CIMultiDict


@dataclass
class RawAnswer:
    """A response; ``status`` 0: the connection was closed without one."""

    status: int
    headers: CIMultiDict[str]
    body: bytes
    version: str = ""


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator["Wire"]:
        wire = await cls.open(url)
        try:
            yield wire
        finally:
            await wire.close()

    @classmethod
    async def open(cls, url: str, tls: ssl.SSLContext | None = None) -> "Wire":
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, ssl=tls))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, *, head: bool = False, seconds: float = 10) -> RawAnswer:
        """The next response; of a request by HEAD without its body."""
        async with asyncio.timeout(seconds):
            try:
                block = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return RawAnswer(0, CIMultiDict(), b"")
            first, *lines = block.removesuffix("\r\n\r\n").split("\r\n")
            headers = CIMultiDict[str]((name, value) for name, _, value in (line.partition(": ") for line in lines))
            version, status = first.split(" ")[:2]
            bodiless = head or status in {"204", "304"} or status.startswith("1")
            body = b"" if bodiless else await self._reader.readexactly(int(headers["Content-Length"]))
            return RawAnswer(int(status), headers, body, version)

    async def closed(self, seconds: float = 10) -> bool:
        """Whether the server ends the connection within that time, with nothing more to say."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    async def rest(self, seconds: float = 10) -> bytes:
        """All that comes until the server ends the connection, or resets it."""
        got = bytearray()
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionResetError):
                while chunk := await self._reader.read(65_536):
                    got += chunk
        return bytes(got)

    async def silent(self, seconds: float = 0.2) -> bool:
        """Whether nothing comes within that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._reader.read(1)
        except TimeoutError:
            return True
        return False

    def half_close(self) -> None:
        self._writer.write_eof()

    def abort(self) -> None:
        """Leave without a word: what was sent and not yet acknowledged is lost."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """A request with a Host; a length is the caller's business."""
    lines = [f"{method} {target} HTTP/1.1", "Host: registry.example", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def ask(url: str, data: bytes, *, head: bool = False) -> RawAnswer:
    """The first answer to ``data``, on a connection of its own."""
    async with Wire.to(url) as wire:
        await wire.send(data)
        return await wire.answer(head=head)
