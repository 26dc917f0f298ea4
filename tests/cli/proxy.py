"""A proxy to the outside, as companies have them: CONNECT for HTTPS, whole addresses for HTTP, and perhaps a password."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Proxy:
    """Its address, what it was asked, and the Proxy-Authorization that it wants."""

    upstream: tuple[str, int]
    wants: str = ""
    address: str = ""
    asked: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = first.split(" ")
        self.asked.append(f"{method} {target}")
        if self.wants and f"Proxy-Authorization: {self.wants}" not in lines:
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            return
        inner_reader, inner = await asyncio.open_connection(*self.upstream)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            url = urlsplit(target)
            kept = [one for one in lines if one and not one.lower().startswith(("proxy-", "connection"))]
            path = url.path + (f"?{url.query}" if url.query else "")
            inner.write("\r\n".join([f"{method} {path} HTTP/1.1", *kept, "Connection: close", "", ""]).encode())
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, inner))
            group.create_task(_pump(inner_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """Serves a proxy that reaches the server at this URL, by whatever name it is asked for."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    made = Proxy((parts.hostname, parts.port))
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
