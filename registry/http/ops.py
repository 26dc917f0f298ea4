"""What load balancers and operators ask, and the answer to all that nobody should ask."""

from typing import Final

from aiohttp import web

from registry.http.answers import INERT, error_answer
from registry.http.bodies import no_early_continue
from registry.http.errors import NothingHere
from registry.http.keys import SERVICES
from registry.oci.errors import Unsupported
from storage.errors import Unavailable

PATHS: Final = ("/healthz", "/readyz")
_READ: Final = ("GET", "HEAD")


async def alive(http: web.Request) -> web.Response:
    """The process runs its loop."""
    return _text(http, 200, "ok")


async def ready(http: web.Request) -> web.Response:
    """Requests can be answered: Postgres and the store are there, and the process is not about to leave."""
    services = http.app[SERVICES]
    if services.leaving.is_set():
        return _text(http, 503, "draining", retry_seconds=1)
    try:
        await services.db.fetchrow("SELECT 1")
        await services.stores.ping()
    except Unavailable as error:
        return _text(http, 503, str(error), retry_seconds=2)
    return _text(http, 200, "ready")


def _text(http: web.Request, status: int, text: str, *, retry_seconds: int | None = None) -> web.Response:
    if http.method not in _READ:
        return error_answer(Unsupported("this method", allow=_READ))
    headers = {**INERT, **({} if retry_seconds is None else {"Retry-After": str(retry_seconds)})}
    return web.Response(status=status, text=text + "\n", headers=headers)


async def nothing_here(_http: web.Request) -> web.Response:
    """404, the same for every path that no dialect has."""
    return error_answer(NothingHere())


def add_routes(app: web.Application) -> None:
    """``/healthz`` and ``/readyz``."""
    for path, handler in zip(PATHS, (alive, ready), strict=True):
        app.router.add_route("*", path, handler, expect_handler=no_early_continue)


def add_nothing(app: web.Application) -> None:
    """All other paths; after every route."""
    app.router.add_route("*", "/{rest:.*}", nothing_here, expect_handler=no_early_continue)
