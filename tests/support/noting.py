"""A proxy before an S3 server that notes what is asked, and the bytes that come back."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Final

_LINE: Final = re.compile(r"^((?:GET|PUT|POST|HEAD|DELETE) \S+)", re.MULTILINE)


class Noting:
    """Forwards, and notes the request lines."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.requests: list[str] = []
        self.received = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        with closing(writer), closing(up_writer):
            await asyncio.gather(self._sent(reader, up_writer), self._came(up_reader, writer))

    async def _sent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.requests += _LINE.findall(data.decode("latin-1"))
            writer.write(data)
        writer.close()

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.received += len(data)
            writer.write(data)
        writer.close()


@asynccontextmanager
async def noted(endpoint: str) -> AsyncIterator[tuple[Noting, str]]:
    """Serve before ``endpoint``; the proxy, and its own endpoint."""
    host, _, port = endpoint.removeprefix("http://").partition(":")
    proxy = Noting(host, int(port))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    yield proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
