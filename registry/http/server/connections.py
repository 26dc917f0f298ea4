"""All connections of a process: late ones are ended, and every one when the process stops."""

import asyncio
import contextlib
import time
from typing import Final

from registry.http.server.protocol import Server

#: What requests under way get when the process stops; then once half as long for what is cancelled.
_SHUTDOWN_SECONDS: Final = 9.0
_LOOK_SECONDS: Final = 0.05


async def watch(server: Server) -> None:
    """End late connections, until cancelled. One look at all of them costs less than a timer for each request."""
    while True:
        await asyncio.sleep(min(1.0, server.limits.head_seconds / 4))
        now = time.monotonic()
        for connection in list(server.connections):
            if connection.deadline is not None and connection.deadline <= now:
                connection.expire()


async def leave(server: Server) -> None:
    """Wait for the process to leave; from then on each response is the last of its connection."""
    await server.leaving.wait()
    for connection in server.connections:
        connection.leaving = True


async def shutdown(server: Server) -> None:
    """Close idle connections, and give requests under way their time."""
    for connection in list(server.connections):
        connection.finish()
    await _closed(server, _SHUTDOWN_SECONDS)


async def abort(server: Server) -> None:
    """Abort what is left after ``shutdown``, once its handlers were cancelled."""
    await _closed(server, _SHUTDOWN_SECONDS / 2)
    for connection in list(server.connections):
        if connection.transport is not None:
            connection.transport.abort()


async def _closed(server: Server, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while server.connections:  # noqa: ASYNC110 - at the end of a process only
                await asyncio.sleep(_LOOK_SECONDS)
