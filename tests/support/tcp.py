"""A TCP proxy that takes a server away, as the network would: refused, silent, slow, narrow, or deaf at a chosen moment."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_READ_BYTES = 64 * 1024


class TcpProxy:
    """Forwards to the host and port of ``upstream``, a URL; for one event loop."""

    def __init__(self, upstream: str) -> None:
        self.move(upstream)
        self._original = "{}:{}".format(*self._upstream)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._silent = False
        self._late_seconds = 0.0
        self._bytes_per_second: float | None = None
        self._due = 0.0  # when the line is free again
        self._deaf_after: bytes | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._handlers: set[asyncio.Task[None]] = set()
        self.accepted = 0  # connections, ever
        self.sent_bytes = 0  # what clients have sent
        self.heard = 0  # pieces that clients have sent: one a statement, where none waits behind another
        self.deafened = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        for handler in list(self._handlers):
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)

    def through(self, url: str) -> str:
        """``url`` with this proxy in the place of the upstream."""
        return url.replace(self._original, f"127.0.0.1:{self._port}")

    def move(self, upstream: str) -> None:
        """Connections that are made from now on go to ``upstream``; those that are there stay."""
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._upstream = (parts.hostname, parts.port)

    async def refuse(self) -> None:
        """Nobody listens any more, and every connection is cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Every connection is reset; new ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    def silence(self) -> None:
        """Connections stay, and are made; nothing comes through."""
        self._silent = True

    def slow(self, late_seconds: float) -> None:
        """The server hears everything this much later."""
        self._late_seconds = late_seconds

    def narrow(self, bytes_per_second: float) -> None:
        """So much comes through to the server from all connections together."""
        self._bytes_per_second = bytes_per_second

    def deafen_after(self, said: bytes) -> None:
        """Once a client has said this, its server still hears it, and the answer is lost with the connection."""
        self._deaf_after = said
        self.deafened.clear()

    async def heal(self) -> None:
        """As before; connections that were silent are cut."""
        if self._silent:
            self._silent = False
            self.cut()
        self._bytes_per_second = None
        self._deaf_after = None
        self._late_seconds = 0.0
        if self._server is None:
            await self._listen()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        self.accepted += 1
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            writer.transport.abort()
            self._handlers.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._upstream)
        self._writers |= {writer, back}
        deaf = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, back, hears=deaf))
                tasks.create_task(self._pump(there, writer, obeys=deaf))
        except* OSError:
            pass
        finally:
            self._writers -= {writer, back}
            back.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        hears: asyncio.Event | None = None,
        obeys: asyncio.Event | None = None,
    ) -> None:
        while data := await reader.read(_READ_BYTES):
            self.heard += hears is not None
            self.sent_bytes += len(data) if hears is not None else 0
            if hears is not None and self._deaf_after is not None and self._deaf_after in data:
                self._deaf_after = None
                hears.set()
            if obeys is not None and obeys.is_set():
                self.deafened.set()
                raise ConnectionResetError  # the server has answered, and nobody is to know
            if hears is not None:
                await asyncio.sleep(self._late_seconds)
            if hears is not None and self._bytes_per_second is not None:
                now = asyncio.get_running_loop().time()
                self._due = max(now, self._due) + len(data) / self._bytes_per_second
                await asyncio.sleep(self._due - now)
            if not self._silent:
                writer.write(data)
                await writer.drain()
        writer.close()
