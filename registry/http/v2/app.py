"""``/v2``: one resource, parsed by ``registry.oci.request``, dispatched by kind."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web

from auth.errors import Unauthenticated
from registry import errors
from registry.errors import RegistryError
from registry.http.answers import error_answer
from registry.http.asked import Asked
from registry.http.authenticate import authenticate
from registry.http.bodies import no_early_continue
from registry.http.keys import BEGUN, SERVICES, VISIT
from registry.http.urls import raw_path
from registry.http.v2 import blobs, manifests, tags, uploads
from registry.http.v2.call import HEADERS, Call, unauthorized
from registry.oci.request import Kind, OCIRequest, parse
from storage.errors import StorageError, Unavailable

log = structlog.get_logger()

Handler = Callable[[Call], Awaitable[web.StreamResponse]]


async def base(call: Call) -> web.Response:  # end-1
    """Answer ``GET /v2/``: 200 for an authenticated client, 401 with the challenge for an anonymous one."""
    if call.identity.token_id is None:
        raise unauthorized(call.http, call.services, call.oci, None)
    return web.json_response({}, headers=HEADERS)


HANDLERS: Final[dict[Kind, Handler]] = {
    Kind.BASE: base,
    Kind.CATALOG: tags.catalog,
    Kind.TAGS_LIST: tags.page,
    Kind.REFERRERS: manifests.referrers,
    Kind.BLOB_GET: blobs.get,
    Kind.BLOB_HEAD: blobs.head,
    Kind.BLOB_DELETE: blobs.delete,
    Kind.UPLOAD_START: uploads.start,
    Kind.UPLOAD_STATUS: uploads.status,
    Kind.UPLOAD_CHUNK: uploads.append,
    Kind.UPLOAD_FINISH: uploads.finish,
    Kind.UPLOAD_CANCEL: uploads.cancel,
    Kind.MANIFEST_GET: manifests.get,
    Kind.MANIFEST_HEAD: manifests.get,
    Kind.MANIFEST_PUT: manifests.put,
    Kind.MANIFEST_DELETE: manifests.delete,
}


#: A session carries its own grant (uploads.py): the bearer token that opened it may have expired meanwhile.
_OF_SESSIONS: Final = frozenset({Kind.UPLOAD_STATUS, Kind.UPLOAD_CHUNK, Kind.UPLOAD_FINISH, Kind.UPLOAD_CANCEL})


async def serve(http: Asked) -> web.StreamResponse:
    """Answer one request of ``/v2``. Exceptions are rendered as responses by ``registry.http.edge``."""
    services = http.app[SERVICES]
    oci: OCIRequest | None = None
    try:
        oci = parse(http.method, raw_path(http), http.query)
        identity = await authenticate(http, expired_ok=oci.kind in _OF_SESSIONS)
        http[VISIT].account_id = identity.account_id
        return await HANDLERS[oci.kind](Call(http, oci, identity, services))
    except Unauthenticated as error:
        return error_answer(unauthorized(http, services, oci, error.error or "invalid_token"), HEADERS)
    except RegistryError as error:
        return _answer(http, error)
    except Unavailable as error:
        log.warning("storage.unavailable", error=str(error), path=raw_path(http))
        return _answer(http, errors.UnavailableNow(retry_after_seconds=2))
    except StorageError as error:
        log.exception("storage.failed", error=str(error), path=raw_path(http))
        return _answer(http, errors.UnavailableNow(retry_after_seconds=5))


def _answer(http: Asked, error: RegistryError) -> web.StreamResponse:
    if isinstance(http, web.Request) and BEGUN in http:
        raise error
    return error_answer(error, HEADERS)


def add_routes(app: web.Application) -> None:
    """Register the routes under ``/v2``."""
    app.router.add_route("*", "/v2{rest:.*}", serve, expect_handler=no_early_continue)
