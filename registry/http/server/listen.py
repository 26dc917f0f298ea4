"""The listening sockets of a process, with or without TLS, as long as it serves."""

import asyncio
import contextlib
import resource
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Final

from registry.config import Settings
from registry.http.server import connections
from registry.http.server.access_log import AccessLog, Count, to_stderr
from registry.http.server.connections import Ending
from registry.http.server.protocol import Connection, Limits, Server, Site
from registry.http.server.tls import tls_context

_BACKLOG: Final = 4096
#: uvloop accepts one connection in a turn of the loop for each socket that listens; under load a turn takes 10 ms.
_ACCEPTED_AT_ONCE: Final = 16


@contextlib.asynccontextmanager
async def serving(
    site: Site,
    settings: Settings,
    listener: socket.socket,
    ending: Ending,
    counts: Sequence[Count] = (),
) -> AsyncIterator[Server]:
    """Serve ``site`` on ``listener`` within the block; afterwards finish the requests under way.

    ``counts`` are given the finished requests, many at a time, by the access log.
    """
    limits = Limits(settings.http.head_seconds, settings.http.idle_seconds)
    write = to_stderr if settings.http.access_log else None
    access = None if write is None and not counts else AccessLog(write, counts=counts)
    server, loop = Server(site, limits, access, ending.leaving, _connections_most()), asyncio.get_running_loop()
    async with tls_context(settings.tls) as context, asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(connections.watch(server)), tasks.create_task(connections.leave(server))]
        listening = [
            await loop.create_server(
                lambda: Connection(server),
                sock=door,
                ssl=context,
                ssl_handshake_timeout=None if context is None else settings.http.head_seconds,
                backlog=_BACKLOG,
            )
            for door in (listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1)))
        ]
        try:
            yield server
        finally:
            for door in listening:
                door.close()
            await connections.shutdown(server, ending, settings.stop_seconds)
            for watcher in watchers:
                watcher.cancel()
            if access is not None:
                access.flush()


def _connections_most() -> int:
    """Half of the descriptors; the other half is for what is done for them: connections to Postgres and S3, files."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if descriptors == resource.RLIM_INFINITY else descriptors // 2
