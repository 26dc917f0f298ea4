"""``/v2``: one resource, parsed by ``registry.oci.request``, dispatched by kind to a look-up or a coroutine."""

from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Any, Final

import msgspec

from auth.credentials import BearerCredentials, parse_for_registry
from auth.errors import Unauthenticated
from registry.errors import OwnerNotNamed, RegistryError, UnavailableNow
from registry.http import mirror_names
from registry.http.authenticate import authenticate, identity_at_hand
from registry.http.errors import unavailable
from registry.http.login_throttle import LoginThrottle
from registry.http.rate_limits import wait
from registry.http.server.message import Request, Response, error_response
from registry.http.urls import decoded_path, raw_path
from registry.http.v2 import blobs, manifests, mirrored, owners, tags, uploads
from registry.http.v2.call import HEADERS, Call, unauthorized
from registry.http.v2.pulls import LOOK_UPS, LookUp
from registry.oci.request import Kind, OCIRequest, parse
from registry.packages.owners import OwnerMissing
from registry.rate_limits import RateLimited
from registry.services import Services
from storage.errors import StorageError
from storage.metadata.reads.lookups import caller, key

Handler = Callable[[Call], Awaitable[Response]]
#: What a look-up ends with: a response, a coroutine that makes one, or an error that nobody has expected.
Answer = Response | Awaitable[Response] | Exception

#: What adds bytes to the stores: refused where the disk has no room for more.
_TAKES_ROOM: Final = frozenset({Kind.UPLOAD_START, Kind.UPLOAD_CHUNK, Kind.UPLOAD_FINISH, Kind.MANIFEST_PUT})
_FULL_SECONDS: Final = 60

_EXPECTED: Final = (Unauthenticated, RegistryError, StorageError)
_PULLS: Final = frozenset({"GET", "HEAD"})
_HEADS_MAX: Final = 1024  # of a few hundred bytes


class DiskFull(UnavailableNow):
    """The disk of the registry has next to no room: nothing new is taken."""

    def __init__(self) -> None:
        super().__init__(
            _FULL_SECONDS,
            "the disk of this registry is full: no pushes until packages are deleted or there is more room",
        )


async def base(call: Call) -> Response:  # end-1
    """Challenge a client without credentials, and confirm those that a client has, a bearer token of nobody too."""
    if call.identity.token_id is None and call.identity.grants is None:
        raise unauthorized(call.http, call.services, call.oci, None)
    return Response(200, {**HEADERS, "Content-Type": "application/json; charset=utf-8"}, b"{}")


HANDLERS: Final[dict[Kind, Handler]] = {
    Kind.BASE: base,
    Kind.CATALOG: tags.catalog,
    Kind.TAGS_LIST: tags.page,
    Kind.REFERRERS: manifests.referrers,
    Kind.BLOB_DELETE: blobs.delete,
    Kind.UPLOAD_START: uploads.start,
    Kind.UPLOAD_STATUS: uploads.status,
    Kind.UPLOAD_CHUNK: uploads.append,
    Kind.UPLOAD_FINISH: uploads.finish,
    Kind.UPLOAD_CANCEL: uploads.cancel,
    Kind.MANIFEST_PUT: manifests.put,
    Kind.MANIFEST_DELETE: manifests.delete,
    **{kind: look_up.answer for kind, look_up in LOOK_UPS.items()},
}


#: A session carries its own grant (uploads.py): the bearer token that opened it may have expired meanwhile.
_OF_SESSIONS: Final = frozenset({Kind.UPLOAD_STATUS, Kind.UPLOAD_CHUNK, Kind.UPLOAD_FINISH, Kind.UPLOAD_CANCEL})


async def serve(services: Services, throttle: LoginThrottle, http: Request) -> Response:
    """Answer one request of ``/v2``. What is raised here is unexpected."""
    oci: OCIRequest | None = None
    try:
        oci = parse(http.method, mirror_names.path_of(services, http, decoded_path(http.target)), http.query)
        http.route = oci.kind
        identity = await authenticate(services, throttle, http, expired_ok=oci.kind in _OF_SESSIONS)
        http.account_id, http.token_id = identity.account_id, identity.token_id
        room = services.settings.room
        if room is not None and oci.kind in _TAKES_ROOM and await room.is_short():
            raise DiskFull
        return await HANDLERS[oci.kind](Call(http, oci, identity, services))
    except (OwnerNotNamed, OwnerMissing) as error:
        return _refused(services, http, oci, await _advised(services, throttle, http, error))
    except _EXPECTED as error:
        return _refused(services, http, oci, error)


def route_of(http: Request) -> str:
    """Return the kind of a request that nobody has parsed; one that is none keeps its route."""
    try:
        return parse(http.method, decoded_path(http.target), http.query).kind
    except RegistryError:
        return http.route


async def _advised(
    services: Services, throttle: LoginThrottle, http: Request, error: OwnerNotNamed | OwnerMissing
) -> Unauthenticated | RegistryError | StorageError:
    """Return the error for a name whose owner is not named, or is not there: with advice for this caller."""
    try:
        identity = await authenticate(services, throttle, http)
        return await owners.advise(services, http, identity, error)
    except _EXPECTED as failure:
        return failure


def look_up(services: Services, http: Request, respond: Callable[[Request, Answer], None]) -> bool:
    """Answer a pull of a caller who is identified without waiting; False: it is no such request."""
    if http.method not in _PULLS or not http.target.startswith("/v2/"):
        return False
    asked = parsed_pull(http.method, http.target, http.fields.get(b"authorization"))
    if asked is None:
        return False
    try:
        identity = identity_at_hand(services, asked.credentials)
    except Unauthenticated:
        return False  # the coroutine tells why, and knows other issuers
    http.account_id, http.token_id, http.route = identity.account_id, identity.token_id, asked.oci.kind
    call = Call(http, asked.oci, identity, services)
    asked_for = caller(identity.token_id), *asked.place
    asked.how.rows(services.lookups, asked.oci).ask(asked_for, partial(_answer, call, asked.how, respond))
    return True


def _answer(call: Call, how: LookUp[Any], respond: Callable[[Request, Answer], None], found: Any) -> None:
    """Answer a pull with the row that was found, or with an error."""
    answer: Answer
    try:
        if isinstance(found, Exception):
            answer = _told(call, found)
        else:
            answer = how.render(call, found) or _caught(call, how, how.go_on(call, found))
    except RateLimited as error:
        answer = _held(call, how, error)
    except mirrored.MISSING as error:
        of_mirror = found.owner_id in call.services.mirroring.known
        answer = _caught(call, how, how.fetch(call, found, error)) if of_mirror else _told(call, error)
    except Exception as error:  # noqa: BLE001 - in the callback of a look-up; the last resort is the router's
        answer = _told(call, error)
    respond(call.http, answer)


async def _caught(call: Call, how: LookUp[Any], going_on: Awaitable[Response]) -> Response:
    try:
        return await going_on
    except RateLimited as error:
        return await _held(call, how, error)
    except _EXPECTED as error:
        return _refused(call.services, call.http, call.oci, error)


async def _held(call: Call, how: LookUp[Any], limited: RateLimited) -> Response:
    """Answer a pull that is over a rate limit, a while later."""
    told: Unauthenticated | RegistryError | StorageError = limited
    if await wait(call.services, limited):
        try:
            return await how.answer(call)
        except _EXPECTED as error:
            told = error
    return _refused(call.services, call.http, call.oci, told)


def _told(call: Call, error: Exception) -> Response | Exception:
    return _refused(call.services, call.http, call.oci, error) if isinstance(error, _EXPECTED) else error


class Pull(msgspec.Struct, frozen=True):
    """A parsed pull; ``place`` is the part of its look-up's key that the target has."""

    oci: OCIRequest
    how: LookUp[Any]
    place: tuple[str, ...]
    credentials: BearerCredentials | None


@lru_cache(maxsize=_HEADS_MAX)
def parsed_pull(method: str, target: str, authorization: bytes | None) -> Pull | None:
    """Parse a pull; None: it is none, or a coroutine is to identify its caller. Nothing of it is believed yet."""
    try:
        oci = parse(method, decoded_path(target), {}) if "?" not in target else None
        credentials = parse_for_registry(() if authorization is None else (authorization.decode("latin-1"),))
    except (RegistryError, Unauthenticated):
        return None
    if oci is None or oci.kind not in LOOK_UPS or not isinstance(credentials, BearerCredentials | None):
        return None
    return Pull(oci, LOOK_UPS[oci.kind], key(None, oci.package, oci.reference)[1:], credentials)


def _refused(
    services: Services, http: Request, oci: OCIRequest | None, error: Unauthenticated | RegistryError | StorageError
) -> Response:
    """Render what the caller is told of ``error``; raises it once half of a response is on its way."""
    told: RegistryError
    match error:
        case Unauthenticated():
            told = unauthorized(http, services, oci, error.error or "invalid_token")
        case StorageError():
            told = unavailable(error, raw_path(http.target), services.outages)
        case RegistryError():
            told = error
    if http.status is not None:
        raise error
    return error_response(told, HEADERS)
