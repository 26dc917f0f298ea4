"""``/api/v3``: the table of routes, and the one place that authenticates, admits and renders errors."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from auth.credentials import TokenCredentials, parse_authorization
from auth.errors import Unauthenticated
from auth.tokens import hash_of
from registry.http.api import accounts, admin, collaborators, meta, organizations, repositories, teams
from registry.http.api.call import ApiCall, admit, read_body
from registry.http.api.errors import ApiError, bad_credentials, not_found, validation_failed
from registry.http.api.routes import Route
from registry.http.keys import SERVICES
from registry.logins import AccountError, AccountUnknown
from registry.services import Services
from storage.errors import StorageError, Unavailable
from storage.metadata import tokens
from storage.metadata.tokens import StoredToken

log = structlog.get_logger()

PREFIX: Final = "/api/v3"
ROUTES: Final[tuple[Route, ...]] = (
    *meta.ROUTES,
    *admin.ROUTES,
    *accounts.ROUTES,
    *organizations.ROUTES,
    *teams.ROUTES,
    *repositories.ROUTES,
    *collaborators.ROUTES,
)


def _endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(http: web.Request) -> web.StreamResponse:
        try:
            services = http.app[SERVICES]
            viewer = await _viewer(services, http)
            admit(route, viewer)
            body = await read_body(http) if http.can_read_body else b""
            return await route.handler(ApiCall(http, route, services, viewer, body))
        except ApiError as error:
            return error.response()
        except AccountUnknown:
            return not_found().response()
        except AccountError as error:
            return validation_failed(error.resource, error.field, error.code, str(error)).response()
        except Unavailable as error:
            log.warning("storage.unavailable", error=str(error), path=http.path)
            return ApiError(503, "Try again later", headers={"Retry-After": "2"}).response()
        except StorageError as error:
            log.exception("storage.failed", error=str(error), path=http.path)
            return ApiError(503, "Try again later", headers={"Retry-After": "5"}).response()
        except ConnectionError:
            raise  # the client is gone: nobody is left to be told
        except Exception:
            log.exception("request.failed", method=http.method, path=http.path)
            return ApiError(500, "This is our fault, and it is in our log").response()

    return endpoint


async def _viewer(services: Services, http: web.Request) -> StoredToken | None:
    try:
        credentials = parse_authorization(http.headers.getall("Authorization", ()))
    except Unauthenticated as error:
        raise bad_credentials() from error
    if credentials is None:
        return None
    if not isinstance(credentials, TokenCredentials):
        raise bad_credentials()  # a bearer token of /token is for /v2 only
    stored = await tokens.by_hash(services.db, hash_of(credentials.token))
    if stored is None:
        raise bad_credentials()
    await tokens.note_use(services.db, stored.id)
    return stored


async def _unknown(_http: web.Request) -> web.Response:
    return not_found().response()


async def _no_early_continue(_http: web.Request) -> None:
    """``100 Continue`` is sent once the caller is known (call.read_body)."""


def add_routes(app: web.Application) -> None:
    """Everything under ``/api/v3``."""
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, _endpoint(route), expect_handler=_no_early_continue)
    app.router.add_route("*", PREFIX + "{rest:.*}", _unknown, expect_handler=_no_early_continue)
