"""A line that counts: a TCP proxy that tells how many bytes went up and down, and holds those up from a number on."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_BLOCK = 1 << 16
_RANGES = re.compile(rb"\r\nRange: bytes=([0-9,-]+)\r\n", re.IGNORECASE)


class Line:
    """Its near end, the bytes that went up to the server and down from it, and the number at which no more goes up."""

    def __init__(self) -> None:
        self.host = ""
        self.up = 0
        self.down = 0
        self.ranges: list[str] = []  # that requests ask for, by HTTP without TLS
        self.held = asyncio.Event()
        self._holds_at: int | None = None
        self._goes_on = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    def hold_at(self, count: int) -> None:
        """Counts anew, and lets so many bytes up."""
        self.up, self._holds_at = 0, count
        self.held.clear()
        self._goes_on.clear()

    def go_on(self) -> None:
        """Lets up what was held, and all that follows."""
        self._holds_at = None
        self._goes_on.set()

    def cut(self) -> None:
        """Ends all connections, and holds no more."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.go_on()

    async def pump_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                if self._holds_at is not None and self.up >= self._holds_at:
                    self.held.set()
                    await self._goes_on.wait()
                room = _BLOCK if self._holds_at is None else min(_BLOCK, self._holds_at - self.up)
                data = await reader.read(room)
                if not data:
                    break
                self.up += len(data)
                self.ranges += [found.decode() for found in _RANGES.findall(data)]
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, RuntimeError, OSError):
            writer.write_eof()

    async def pump_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_BLOCK):
                self.down += len(data)
                writer.write(data)
                await writer.drain()
        with suppress(ConnectionError, RuntimeError):
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behind: str) -> None:
        host, _, port = behind.rpartition(":")
        up_reader, up_writer = await asyncio.open_connection(host, int(port))
        self._writers += [writer, up_writer]
        try:
            await asyncio.gather(self.pump_up(reader, up_writer), self.pump_down(up_reader, writer))
        finally:
            up_writer.transport.abort()


@asynccontextmanager
async def counting(behind: str) -> AsyncIterator[Line]:
    """Serves in front of ``host:port``."""
    line = Line()
    connections: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        with suppress(asyncio.CancelledError):
            await line.serve(reader, writer, behind)

    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BLOCK)  # what is held is in no buffer on the way
    server = await asyncio.start_server(connect, sock=listener, limit=_BLOCK)
    line.host = f"127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        line.cut()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
