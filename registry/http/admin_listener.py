"""The listener of operators: metrics and health, at an address of its own that no client reaches."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from registry.errors import Unsupported
from registry.http.server import connections
from registry.http.server.message import Request, Response, error_response
from registry.http.server.protocol import Connection, Limits, Server
from registry.http.urls import raw_path
from registry.process.gauges import Gauges
from registry.process.metrics import Slabs, render

_PLAIN: Final = "text/plain; charset=utf-8"
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_READS: Final = ("GET", "HEAD")
#: Whoever asks here may be slow, or many, and takes nothing from clients: few connections, and not for long.
_LIMITS: Final = Limits(head_seconds=10.0, idle_seconds=75.0)
_CONNECTIONS_MOST: Final = 64


class _Site:
    """The site answers operators: with the metrics of all processes of the node, and that this one runs its loop."""

    def __init__(self, slabs: Slabs, gauges: Gauges) -> None:
        self._slabs: Final = slabs
        self._gauges: Final = gauges

    def answer(self, request: Request) -> None:
        """Answer at once."""
        request.client.respond(request, self._found(request))

    def _found(self, request: Request) -> Response:
        path = raw_path(request.target)
        if path not in {"/metrics", "/healthz"}:
            return Response(404, {"Content-Type": _PLAIN}, b"there are /metrics and /healthz\n")
        if request.method not in _READS:
            return error_response(Unsupported("this method", allow=_READS))
        if path == "/healthz":
            return Response(200, {"Content-Type": _PLAIN}, b"ok\n")
        self._gauges.sample()  # those of this process are of now
        openmetrics = "application/openmetrics-text" in request.headers.get("Accept", "")
        body = render(self._slabs, openmetrics=openmetrics)
        return Response(200, {"Content-Type": _OPENMETRICS if openmetrics else _TEXT}, body)


@asynccontextmanager
async def admin_listener(slabs: Slabs, gauges: Gauges, listener: socket.socket | None) -> AsyncIterator[None]:
    """Answer operators on ``listener`` within the block; None: another process of the node does."""
    if listener is None:
        yield
        return
    server = Server(_Site(slabs, gauges), _LIMITS, None, asyncio.Event(), _CONNECTIONS_MOST)
    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(connections.watch(server))
        door = await asyncio.get_running_loop().create_server(lambda: Connection(server), sock=listener)
        try:
            yield
        finally:
            door.close()
            watcher.cancel()
            for connection in list(server.connections):
                connection.transport.abort()  # who reads nothing keeps no process from its end
