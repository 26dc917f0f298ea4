"""``/api/v3``: the table of routes, and the one place that authenticates, admits and renders errors."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from auth.credentials import TokenCredentials
from auth.errors import Forbidden, Unauthenticated
from registry.accounts.names import AccountError, AccountUnknown
from registry.errors import TooManyRequests
from registry.http.api import (
    access,
    accounts,
    admin,
    collaborators,
    downloads,
    meta,
    openapi,
    organizations,
    packages,
    repositories,
    teams,
    tokens,
    versions,
    workflows,
)
from registry.http.api.call import ApiCall, read_body
from registry.http.api.errors import ApiError, bad_credentials, forbidden, not_found, validation_failed
from registry.http.api.routes import Route, admit
from registry.http.authenticate import credentials_of, holder
from registry.http.keys import SERVICES
from registry.packages.refusals import Refusal
from storage.errors import StorageError, Unavailable
from storage.metadata.tokens import StoredToken

log = structlog.get_logger()

PREFIX: Final = "/api/v3"
_TABLE: Final[tuple[Route, ...]] = (
    *meta.ROUTES,
    *admin.ROUTES,
    *accounts.ROUTES,
    *organizations.ROUTES,
    *teams.ROUTES,
    *repositories.ROUTES,
    *collaborators.ROUTES,
    *packages.ROUTES,
    *versions.ROUTES,
    *access.ROUTES,
    *downloads.ROUTES,
    *tokens.ROUTES,
    *workflows.ROUTES,
)
ROUTES: Final = (*_TABLE, openapi.route(_TABLE))


def _endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(http: web.Request) -> web.StreamResponse:
        try:
            viewer = await _viewer(http)
            admit(route, viewer)
            body = await read_body(http) if http.can_read_body else b""
            return await route.handler(ApiCall(http, http.app[SERVICES], viewer, body))
        except ConnectionError:
            raise  # the client is gone: nobody is left to be told
        except Exception as error:  # noqa: BLE001 - the last resort
            return (_refused(error) or _failed(http, error)).response()

    return endpoint


def _refused(error: Exception) -> ApiError | None:
    """Map an error of the rules or of access control to its API error; None for any other error."""
    match error:
        case ApiError():
            return error
        case AccountUnknown():
            return not_found()
        case AccountError():
            return validation_failed(error.resource, error.field, error.code, str(error))
        case Forbidden():
            return forbidden(error.missing, sorted(error.have), error.fix)
        case Refusal() | TooManyRequests():
            return _ruled(error)
        case _:
            return None


def _ruled(error: Refusal | TooManyRequests) -> ApiError:
    if isinstance(error, TooManyRequests):
        return ApiError(429, error.message, headers=error.headers)
    return ApiError(error.status, error.message, extra={"fix": error.fix} if error.fix else {})


def _failed(http: web.Request, error: Exception) -> ApiError:
    """Map a storage failure to 503 and an unexpected error to 500, and log the error."""
    match error:
        case Unavailable():
            log.warning("storage.unavailable", error=str(error), path=http.path)
            return ApiError(503, "Try again later", headers={"Retry-After": "2"})
        case StorageError():
            log.error("storage.failed", error=str(error), path=http.path, exc_info=error)
            return ApiError(503, "Try again later", headers={"Retry-After": "5"})
        case _:
            log.error("request.failed", method=http.method, path=http.path, exc_info=error)
            return ApiError(500, "This is our fault, and it is in our log")


async def _viewer(http: web.Request) -> StoredToken | None:
    try:
        credentials = credentials_of(http)
        if credentials is None:
            return None
        if not isinstance(credentials, TokenCredentials):
            raise bad_credentials()  # a bearer token of /token, or of another issuer, is for /v2 only
        return (await holder(http, credentials)).token
    except Unauthenticated as error:
        raise bad_credentials() from error


async def _unknown(_http: web.Request) -> web.Response:
    return not_found().response()


async def _no_early_continue(_http: web.Request) -> None:
    """``100 Continue`` is sent once the caller is known (call.read_body)."""


def add_routes(app: web.Application, prefix: str = PREFIX) -> None:
    """Register the routes under ``/api/v3``, and without the prefix on the API's own host, as on api.github.com."""
    for route in ROUTES:
        path = prefix + route.path
        app.router.add_route(route.method, path or "/", _endpoint(route), expect_handler=_no_early_continue)
    rest = prefix + "{rest:.*}" if prefix else "/{rest:.*}"
    app.router.add_route("*", rest, _unknown, expect_handler=_no_early_continue)
