"""A slow line: a TCP proxy that lets so many bytes a second up to the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_TURN_SECONDS = 0.1


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bytes_per_second: int | None) -> None:
    size = 65536 if bytes_per_second is None else max(1, int(bytes_per_second * _TURN_SECONDS))
    with suppress(ConnectionError):
        while data := await reader.read(size):
            writer.write(data)
            await writer.drain()
            if bytes_per_second is not None:
                await asyncio.sleep(len(data) / bytes_per_second)
    with suppress(ConnectionError, RuntimeError):
        writer.close()


@asynccontextmanager
async def throttled(host: str, port: int, bytes_per_second: int) -> AsyncIterator[str]:
    """``host:port`` of the near end of a line to ``host:port``, whose every connection is so slow upwards."""

    connections: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        up_reader, up_writer = await asyncio.open_connection(host, port)
        writers.extend((writer, up_writer))
        await asyncio.gather(_pump(reader, up_writer, bytes_per_second), _pump(up_reader, writer, None))

    # A small buffer, so that what the client has sent is about what has arrived.
    server = await asyncio.start_server(connect, "127.0.0.1", 0, limit=4096)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        # A client may keep its connection for a later request: that must not outlive the loop.
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*connections, return_exceptions=True)
