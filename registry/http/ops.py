"""Health checks for load balancers and operators, and the 404 of all unknown paths."""

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
    """Liveness: the process runs its event loop."""
    return _text(http, 200, "ok")


async def ready(http: web.Request) -> web.Response:
    """Readiness: Postgres and the object store respond, and the process is not shutting down."""
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
    """Answer 404 for a path that belongs to no dialect."""
    return error_answer(NothingHere())


def add_routes(app: web.Application) -> None:
    """Register the routes ``/healthz`` and ``/readyz``."""
    for path, handler in zip(PATHS, (alive, ready), strict=True):
        app.router.add_route("*", path, handler, expect_handler=no_early_continue)


def add_nothing(app: web.Application) -> None:
    """Register the 404 of all other paths; call after all other routes were added."""
    app.router.add_route("*", "/{rest:.*}", nothing_here, expect_handler=no_early_continue)
