"""The HTTP server: listening, limits, deadlines, TLS, and graceful shutdown."""

import asyncio
import contextlib
import resource
import socket
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from aiohttp import web

from registry.config import Settings
from registry.http import edge
from registry.http.access_log import AccessLog
from registry.http.connections import HEADERS_MAX, LINE_BYTES, Connection, Inlet, Room, Shortcut, watch
from registry.http.keys import SERVICES
from registry.http.tls import tls_context

#: What requests under way get when the process stops; aiohttp grants it once more to those that do not end.
_SHUTDOWN_SECONDS: Final = 9.0
#: Beyond twice this aiohttp reads no further: what clients of uploads have sent that wait for memory, beside one read.
_READ_BYTES: Final = 8 * 1024
#: How long an unwanted body is read on, so that its sender gets to read our answer.
_LINGER_SECONDS: Final = 5.0
_BACKLOG: Final = 4096
#: uvloop accepts one connection in a turn of the loop for each socket that listens; under load a turn takes 10 ms.
_ACCEPTED_AT_ONCE: Final = 16


@contextlib.asynccontextmanager
async def serving(
    app: web.Application, settings: Settings, listener: socket.socket, shortcut: Shortcut
) -> AsyncIterator[None]:
    """Serve ``app`` on ``listener`` within the block; afterwards finish the requests in progress."""
    runner = web.AppRunner(app, shutdown_timeout=_SHUTDOWN_SECONDS)
    app.on_response_prepare.append(edge.dressed)
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101 - setup() made it
    edge.install(server, app[SERVICES])
    access = AccessLog() if settings.http.access_log else None
    try:
        async with tls_context(settings.tls) as context, asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(watch(server, settings.http.head_seconds))
            connected = partial(
                Connection,
                server,
                access,
                shortcut,
                Room(_connections_most()),
                loop=asyncio.get_running_loop(),
                keepalive_timeout=settings.http.idle_seconds,
                auto_decompress=False,  # digests are over the bytes as sent; and no bomb is ever unpacked
                read_bufsize=_READ_BYTES,
                lingering_time=_LINGER_SECONDS,
                max_line_size=LINE_BYTES,
                max_field_size=LINE_BYTES,
                max_headers=HEADERS_MAX,
            )
            listening = [
                await asyncio.get_running_loop().create_server(
                    lambda: Inlet(connected()),
                    sock=door,
                    ssl=context,
                    ssl_handshake_timeout=None if context is None else settings.http.head_seconds,
                    backlog=_BACKLOG,
                )
                for door in (listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1)))
            ]
            try:
                yield
            finally:
                for door in listening:
                    door.close()
                watcher.cancel()
    finally:
        await runner.cleanup()
        if access is not None:
            access.flush()


def _connections_most() -> int:
    """The connection limit: half of the file descriptors; the other half is for Postgres, S3 and files."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if descriptors == resource.RLIM_INFINITY else descriptors // 2
