"""``/api/v3``: the table of routes, and the one place that authenticates, admits and renders errors."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import structlog
from aiohttp import web

from auth.credentials import TokenCredentials, parse_authorization
from auth.errors import Unauthenticated
from auth.tokens import TokenKind
from registry.errors import NotFound, RegistryError, Unsupported
from registry.http.api import (
    access,
    accounts,
    admin,
    administration,
    audit,
    avatars,
    billing,
    clusters,
    collaborators,
    deletions,
    downloads,
    hooks,
    installation,
    meta,
    mirrors,
    openapi,
    organizations,
    packages,
    pulls,
    quotas,
    repositories,
    retention,
    search,
    tag_rules,
    tags,
    teams,
    tokens,
    usage,
    versions,
    workflows,
)
from registry.http.api.call import ApiCall, nothing, read_body
from registry.http.api.conditions import on_condition, tagged
from registry.http.api.errors import bad_credentials, error_response
from registry.http.api.routes import Route, admit
from registry.http.authenticate import credentials_of, stored_token
from registry.http.errors import unavailable
from registry.http.keys import SERVICES, THROTTLE
from registry.http.login_throttle import LoginThrottle
from registry.http.rate_limits import requests_left, take_request
from registry.http.server.guest import request_of
from registry.http.server.message import Request
from registry.http.urls import api_base
from registry.services import Services
from storage.errors import StorageError
from storage.metadata.events import ACTOR, Actor
from storage.metadata.tokens import StoredToken

log = structlog.get_logger()

PREFIX: Final = "/api/v3"
_TABLE: Final[tuple[Route, ...]] = (
    *meta.ROUTES,
    *admin.ROUTES,
    *administration.ROUTES,
    *audit.ROUTES,
    *installation.ROUTES,
    *accounts.ROUTES,
    *avatars.ROUTES,
    *organizations.ROUTES,
    *teams.ROUTES,
    *repositories.ROUTES,
    *collaborators.ROUTES,
    *hooks.ROUTES,
    *mirrors.ROUTES,
    *search.ROUTES,
    *packages.ROUTES,
    *pulls.ROUTES,
    *versions.ROUTES,
    *tags.ROUTES,
    *tag_rules.ROUTES,
    *clusters.ROUTES,
    *deletions.ROUTES,
    *retention.ROUTES,
    *usage.ROUTES,
    *quotas.ROUTES,
    *billing.ROUTES,
    *access.ROUTES,
    *downloads.ROUTES,
    *tokens.ROUTES,
    *workflows.ROUTES,
)
ROUTES: Final = (*_TABLE, openapi.route(_TABLE))
_READS: Final = {route.path: route for route in ROUTES if route.method == "GET"}
_WRITES: Final = frozenset({"PATCH", "PUT", "DELETE"})


def _endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(http: web.Request) -> web.StreamResponse:
        services, request, viewer = http.app[SERVICES], request_of(http), None
        request.route = route.path
        try:
            viewer = await _viewer(services, http.app[THROTTLE], request)
            if viewer is not None:
                request.account_id, request.token_id = viewer.account_id, viewer.id
                ACTOR.set(Actor(viewer.account_id, viewer.id))
            take_request(services, request)
            admit(route, viewer)
            _check_names(http)
            body = await read_body(request, services.settings.http.body_seconds)
            call = ApiCall(http, request, services, viewer, body)
            if route.method in _WRITES and not route.locks:
                done = await on_condition(call, partial(_read, _READS.get(route.told_by or route.path)), route.handler)
            else:
                done = await route.handler(call)
            response = tagged(call, done)
        except ConnectionError:
            raise  # the client is gone: nobody is left to be told
        except Exception as error:  # noqa: BLE001 - the last resort
            response = error_response(_told(services, http, error), api_base(request, services.settings))
        response.headers.update(requests_left(services, request))
        if viewer is not None and viewer.kind == TokenKind.CLASSIC:
            response.headers["X-OAuth-Scopes"] = ", ".join(sorted(viewer.scopes))
            response.headers["X-Accepted-OAuth-Scopes"] = route.needed_scope or ""
        return response

    return endpoint


def _check_names(http: web.Request) -> None:
    """Refuse U+0000 in the path: nothing has such a name, and PostgreSQL has no place for it. Raises NotFound."""
    if any("\0" in value for value in http.match_info.values()):
        raise NotFound


async def _read(route: Route | None, call: ApiCall) -> web.Response | None:
    """Return what a GET of the path tells the viewer; None: nothing is there, or nothing that the viewer may see."""
    if route is None:
        return None
    try:
        admit(route, call.viewer)
        return await route.handler(call)
    except RegistryError:
        return None


def _told(services: Services, http: web.Request, error: Exception) -> RegistryError:
    """Convert an error to the one that the caller is told of; an unexpected error is logged."""
    match error:
        case RegistryError():
            return error
        case StorageError():
            return unavailable(error, http.path, services.outages)
        case _:
            log.error("request.failed", method=http.method, path=http.path, exc_info=error)
            return RegistryError("This is our fault, and it is in our log under the id of this request")


async def _viewer(services: Services, throttle: LoginThrottle, request: Request) -> StoredToken | None:
    try:
        credentials = credentials_of(services, throttle, request, parse_authorization)
        if credentials is None:
            return None
        if not isinstance(credentials, TokenCredentials):
            raise bad_credentials()  # a bearer token of /token, or of another issuer, is for /v2 only
        return await stored_token(services, throttle, request, credentials)
    except Unauthenticated as error:
        raise bad_credentials() from error


def _others(resources: Sequence[web.Resource]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Make the endpoint of all that no route answers: OPTIONS, a wrong method of a path, and a path that is none."""

    async def endpoint(http: web.Request) -> web.Response:
        methods = {method for one in resources for method in (await one.resolve(http))[1]}
        base = api_base(request_of(http), http.app[SERVICES].settings)
        if not methods:
            return error_response(NotFound(), base)
        allow = sorted({*methods, "OPTIONS"})
        if http.method == "OPTIONS":
            return nothing({"Allow": ", ".join(allow)})
        return error_response(Unsupported(http.method, allow), base)

    return endpoint


def add_routes(app: web.Application, prefix: str = PREFIX) -> None:
    """Register the routes under ``/api/v3``, and without the prefix on the API's own host, as on api.github.com."""
    resources: dict[str, web.Resource] = {}
    for route in ROUTES:
        path = prefix + route.path or "/"
        resource = resources.get(path) or resources.setdefault(path, app.router.add_resource(path))
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            resource.add_route(method, _endpoint(route))
    rest = prefix + "{rest:.*}" if prefix else "/{rest:.*}"
    app.router.add_route("*", rest, _others([*resources.values()]))
