"""What load balancers and operators ask."""

from aiohttp import web

from registry.http.keys import SERVICES
from storage.errors import Unavailable


async def alive(_http: web.Request) -> web.Response:
    """The process runs its loop."""
    return web.Response(text="ok\n")


async def ready(http: web.Request) -> web.Response:
    """Requests can be answered: Postgres is there and the process is not draining."""
    services = http.app[SERVICES]
    if services.uploads.draining.is_set():
        return web.Response(status=503, text="draining\n", headers={"Retry-After": "1"})
    try:
        await services.db.fetchrow("SELECT 1")
        await services.stores.ping()
    except Unavailable as error:
        return web.Response(status=503, text=f"{error}\n", headers={"Retry-After": "2"})
    return web.Response(text="ready\n")


def add_routes(app: web.Application) -> None:
    """``/healthz`` and ``/readyz``."""
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
