"""The routes of load balancers and operators."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from registry.errors import Unsupported
from registry.http.server.message import INERT, Request, Response, error_response
from registry.services import Services
from storage.errors import Unavailable
from storage.metadata import read_only
from storage.metadata.readiness import require_ready

_READ: Final = ("GET", "HEAD")


async def alive(_services: Services, http: Request) -> Response:
    """The process runs its loop."""
    return _text(http, 200, "ok")


async def ready(services: Services, http: Request) -> Response:
    """Requests can be answered: a Postgres that writes and has our schema, and a process that stays.

    What else is wrong is told, and is no reason to take the process out of service: another has the same store, and
    tags and tokens need none.
    """
    if services.leaving.is_set():
        return _text(http, 503, "draining", retry_seconds=1)
    try:
        told = ["ready", *filter(None, [await require_ready(services.db)])]
        found = await read_only.state(services.db)
    except Unavailable as error:
        services.outages.note(error, path=http.target)
        return _text(http, 503, str(error), retry_seconds=2)
    if found is not None:
        told.append(f"read-only: {found.reason}")
    try:
        await services.stores.ping()
    except Unavailable as error:
        services.outages.note(error, path=http.target)
        told.append(f"without its store, so that no layer can be pushed: {error}")
    return _text(http, 200, "; ".join(told))


def _text(http: Request, status: int, text: str, *, retry_seconds: int | None = None) -> Response:
    if http.method not in _READ:
        return error_response(Unsupported("this method", allow=_READ))
    headers = {**INERT, **({} if retry_seconds is None else {"Retry-After": str(retry_seconds)})}
    return Response(status, {**headers, "Content-Type": "text/plain; charset=utf-8"}, (text + "\n").encode())


HANDLERS: Final[Mapping[str, Callable[[Services, Request], Awaitable[Response]]]] = {
    "/healthz": alive,
    "/readyz": ready,
}
