"""The application of aiohttp: the API, and what is told of all other paths."""

from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from registry.errors import BadRequest, PathUnknown, RegistryError
from registry.http.api import app as api
from registry.http.keys import SERVICES, THROTTLE
from registry.http.login_throttle import LoginThrottle
from registry.http.server.message import error_response
from registry.services import Services

log = structlog.get_logger()


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
    return app


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
