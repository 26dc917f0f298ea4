"""The listener of operators: metrics and health, at an address of its own that no client reaches."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from registry.process.gauges import Gauges
from registry.process.metrics import Slabs, render

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@asynccontextmanager
async def admin_listener(slabs: Slabs, gauges: Gauges, listener: socket.socket | None) -> AsyncIterator[None]:
    """Answer operators on ``listener`` within the block; None: another process of the node does."""
    if listener is None:
        yield
        return

    async def metrics(http: web.Request) -> web.Response:
        """Show the metrics of all processes of the node; those of this one are of now."""
        gauges.sample()
        openmetrics = "application/openmetrics-text" in http.headers.get("Accept", "")
        body = render(slabs, openmetrics=openmetrics)
        return web.Response(body=body, headers={"Content-Type": _OPENMETRICS if openmetrics else _TEXT})

    async def alive(_http: web.Request) -> web.Response:
        """Tell that the process runs its loop."""
        return web.Response(text="ok\n")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", alive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield
    finally:
        await runner.cleanup()
