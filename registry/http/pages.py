"""The application of aiohttp: the API, the pages, and the answers to all other paths."""

import asyncio
import importlib
from http import HTTPStatus
from types import ModuleType
from typing import Final, cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from registry.errors import BadRequest, PathUnknown, RegistryError
from registry.http.api import app as api
from registry.http.errors import is_for_pages
from registry.http.keys import SERVICES, THROTTLE
from registry.http.login_throttle import LoginThrottle
from registry.http.server.message import error_response
from registry.services import Services

log = structlog.get_logger()

_PAGES: Final = "registry.http.web.app"
_loaded: Final[list[ModuleType]] = []


def make_app(services: Services, throttle: LoginThrottle) -> web.Application:
    """Make the application over these services."""
    app = web.Application(middlewares=[_last_resort])
    app[SERVICES], app[THROTTLE] = services, throttle
    api.add_routes(app)
    if services.settings.api_host:
        own = web.Application()
        own[SERVICES], own[THROTTLE] = services, throttle
        api.add_routes(own, prefix="")
        app.add_domain(services.settings.api_host, own)
    app.router.add_route("*", "/{path:.*}", _page)
    return app


async def _page(request: web.Request) -> web.StreamResponse:
    """Answer by a page. The pages are imported at the first of them, in a thread, as that takes a while."""
    if not is_for_pages(request.path):
        raise web.HTTPNotFound
    if not _loaded:
        _loaded.append(await asyncio.to_thread(importlib.import_module, _PAGES))
    return cast("web.StreamResponse", await _loaded[0].answer(request))


@web.middleware
async def _last_resort(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return _told(PathUnknown())
        return _told(BadRequest(HTTPStatus(error.status).phrase), error.status)  # as aiohttp has it
    except ConnectionError:
        raise  # the client is gone: nobody is left to be told
    except Exception:
        log.exception("request.failed", method=request.method, path=request.path)
        return _told(RegistryError("this is our fault, and it is in our log under the id of this request"))


def _told(error: RegistryError, status: int | None = None) -> web.Response:
    told = error_response(error)
    return web.Response(status=status or told.status, body=told.body, headers=told.headers)
