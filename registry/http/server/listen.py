"""The listening server: limits, deadlines, TLS, and the end.

Collaborators: ``Connection`` for each client, ``Site`` for the answers.
"""

import asyncio
import contextlib
import itertools
import resource
import secrets
import socket
import sys
from collections.abc import AsyncIterator
from typing import Final

from registry.config import Settings
from registry.http.server.access_log import AccessLog
from registry.http.server.host import Limits, Peer, Site
from registry.http.server.protocol import Connection
from registry.http.server.tls import tls_context

#: What requests under way get when the process stops; then once half as long for what is cancelled.
_SHUTDOWN_SECONDS: Final = 9.0
_LOOK_SECONDS: Final = 0.05
_BACKLOG: Final = 4096
#: uvloop accepts one connection in a turn of the loop for each socket that listens; under load a turn takes 10 ms.
_ACCEPTED_AT_ONCE: Final = 16


class Server:
    """All connections of a process."""

    def __init__(self, site: Site, limits: Limits, access: AccessLog | None, leaving: asyncio.Event) -> None:
        self.site = site
        self.limits = limits
        self.access = access
        self.leaving = leaving
        self._most = _connections_most()
        self._connections: set[Peer] = set()
        # What a client sends is never an id, or it could forge lines of the log.
        self._prefix, self._numbers = secrets.token_hex(6), itertools.count(1)

    def new_id(self) -> str:
        """Return an id that no other request of any process has."""
        return f"{self._prefix}-{next(self._numbers):06x}"

    def enter(self, connection: Peer) -> bool:
        """Count a connection; False: it is one too many."""
        self._connections.add(connection)
        return len(self._connections) <= self._most

    def leave(self, connection: Peer) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    async def watch(self) -> None:
        """End late connections, until cancelled. One look at all of them costs less than a timer for each request."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(min(1.0, self.limits.head_seconds / 4))
            now = clock()
            for connection in list(self._connections):
                if connection.deadline is not None and connection.deadline <= now:
                    connection.expire()

    async def shutdown(self) -> None:
        """Close idle connections, give requests under way their time, then abort them."""
        for connection in list(self._connections):
            connection.finish()
        await self._closed(_SHUTDOWN_SECONDS)

    async def abort(self) -> None:
        """Abort what is left after ``shutdown``, once its handlers were cancelled."""
        await self._closed(_SHUTDOWN_SECONDS / 2)
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def _closed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._connections:  # noqa: ASYNC110 - at the end of a process only
                    await asyncio.sleep(_LOOK_SECONDS)


@contextlib.asynccontextmanager
async def serving(
    site: Site, settings: Settings, listener: socket.socket, leaving: asyncio.Event, handlers: set[asyncio.Task[None]]
) -> AsyncIterator[None]:
    """Serve ``site`` on ``listener`` within the block; afterwards finish the requests under way.

    ``handlers`` are the tasks that answer: those that do not end in time are cancelled.
    """
    limits = Limits(settings.http.head_seconds, settings.http.idle_seconds)
    access = AccessLog() if settings.http.access_log else None
    server, loop = Server(site, limits, access, leaving), asyncio.get_running_loop()
    async with tls_context(settings.tls) as context, asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(server.watch())
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
            yield
        finally:
            for door in listening:
                door.close()
            await server.shutdown()
            for handler in list(handlers):
                handler.cancel()
            await server.abort()
            watcher.cancel()
            if access is not None:
                access.flush()


def _connections_most() -> int:
    """Half of the descriptors; the other half is for what is done for them: connections to Postgres and S3, files."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if descriptors == resource.RLIM_INFINITY else descriptors // 2
