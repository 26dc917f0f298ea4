"""Server-wide middleware: request ids, admission control, unexpected exceptions to responses."""

import itertools
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web

from registry.http import ops
from registry.http.answers import error_answer
from registry.http.asked import Plain
from registry.http.connections import dress
from registry.http.errors import MessageInvalid, NothingHere, Refused, is_for_api, too_many
from registry.http.keys import BEGUN, VISIT, Visit
from registry.oci.errors import RegistryError
from registry.process.logs import request_id
from registry.services import Services

log = structlog.get_logger()

_NOT_FOUND: Final = 404
_BLOB: Final = re.compile(r"/blobs/(?:uploads/)?[^/?]*(?:\?|$)")
_SESSION: Final = re.compile(r"/blobs/uploads/[^/?]+(?:\?|$)")
#: Of answers to what is not worth reading to its end.
_CLOSING: Final = frozenset({408, 413, 503})


def request_ids() -> Callable[[], str]:
    """A generator of request ids, unique among processes; client ids are never used: log lines could be forged."""
    prefix, numbers = secrets.token_hex(6), itertools.count(1)
    return lambda: f"{prefix}-{next(numbers):06x}"


def install(server: web.Server, services: Services) -> None:
    """Install the middleware on ``server``: it rejects requests when full, and closes connections on shutdown."""
    make, handle = server.request_factory, server.request_handler
    new_id, crowd, leaving, api_host = request_ids(), services.crowd, services.leaving, services.settings.api_host

    def numbered(*args: Any) -> web.BaseRequest:
        request = make(*args)
        number = new_id()
        request_id.set(number)
        request[VISIT] = Visit(number, time.monotonic())
        return request

    async def let_in(request: web.BaseRequest) -> web.StreamResponse:
        if crowd.crammed and may_wait(request.raw_path):
            api = is_for_api(request.raw_path, request.headers.get("Host", ""), api_host)
            refused = error_answer(too_many(crowd.retry_after_seconds(), api=api))
            dress(refused, request)  # the application, which would, has not seen it
            return refused
        if _moves_bytes(request):
            return await handle(request)
        crowd.working += 1
        try:
            return await handle(request)
        finally:
            crowd.leave()

    async def answered(request: web.BaseRequest) -> web.StreamResponse:
        try:
            response = await let_in(request)
        except Exception as error:  # noqa: BLE001 - the last resort
            response = _last_resort(request, error)
        if leaving.is_set() or (request.can_read_body and _ends(request, response)):
            response.force_close()
        return response

    server.request_factory, server.request_handler = numbered, answered


def _moves_bytes(request: web.BaseRequest) -> bool:
    return (request.method == "GET" or request.can_read_body) and _BLOB.search(request.raw_path) is not None


def may_wait(target: str) -> bool:
    """Return whether a request may be queued or rejected: open uploads and health checks are always admitted."""
    return not target.startswith(ops.PATHS) and _SESSION.search(target) is None


def _ends(request: web.BaseRequest, response: web.StreamResponse) -> bool:
    """Return whether the connection must close after the response, as the body was not read.

    After ``Expect`` it may come or not, and what comes next could not be told from it.
    """
    return response.status in _CLOSING or "Expect" in request.headers


async def dressed(http: web.Request, response: web.StreamResponse) -> None:
    """The ``on_response_prepare`` of the application."""
    dress(response, http)


def _last_resort(request: web.BaseRequest, error: Exception) -> web.StreamResponse:
    gone = request.transport is None or request.transport.is_closing()
    if gone or BEGUN in request:
        # Nobody is left to be told, or half of a blob is on its way: all that is left to say is that it is not whole.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from error
    response = error_answer(unexpected(request, error))
    if isinstance(error, web.RequestPayloadError):
        response.force_close()
    return response


def unexpected(request: web.BaseRequest | Plain, error: Exception) -> RegistryError:
    """Map an unexpected exception to the RegistryError of its response."""
    match error:
        case web.RequestPayloadError():
            return MessageInvalid("expected a well-formed body")
        case web.HTTPException(status=status):
            return NothingHere() if status == _NOT_FOUND else Refused(status)
        case RegistryError():
            return error
        case _:
            log.error("request.failed", method=request.method, path=request.raw_path.partition("?")[0], exc_info=error)
            return RegistryError("this is our fault, and it is in our log under the id of this request")
