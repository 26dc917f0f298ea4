"""One request of ``/v2``: the caller, the parsed request, and responses in the dialect of OCI clients."""

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from auth.challenge import basic_challenge, challenge
from auth.errors import Unauthenticated
from auth.identity import Action, Identity
from auth.permissions import Allowed, Challenged, Denied, NoSuchOwner, decide
from registry import errors
from registry.http import mirror_names
from registry.http.errors import unavailable
from registry.http.proxies import says_https
from registry.http.server.message import INERT, Request, Response, error_response
from registry.http.urls import origin, raw_path
from registry.mirror.mirrors import PushedToMirror
from registry.oci.headers import next_link
from registry.oci.request import Kind, OCIRequest, next_page
from registry.packages.owners import OwnerMissing
from registry.services import Services
from storage.errors import Unavailable
from storage.metadata.access_facts import AccessFacts

log = structlog.get_logger()

#: What every answer carries.
HEADERS: Final[Mapping[str, str]] = {"Docker-Distribution-Api-Version": "registry/2.0", **INERT}

# One action, as `/token` grants all that the caller may do anyway: some clients cut a challenge at each comma.
#: What is said of each code of RFC 6750, and of none: nothing that could be looked at was sent.
_WHY: Final[Mapping[str | None, str]] = {
    None: "authentication required",
    "insufficient_scope": "these credentials do not allow this (insufficient_scope)",
    "invalid_token": "these credentials are wrong, expired or revoked (invalid_token)",
    "invalid_request": "the header Authorization is malformed (invalid_request)",
}
_ACTION: Final = {
    Kind.MANIFEST_PUT: "push",
    Kind.UPLOAD_START: "push",
    Kind.UPLOAD_CHUNK: "push",
    Kind.UPLOAD_FINISH: "push",
    Kind.UPLOAD_STATUS: "push",
    Kind.UPLOAD_CANCEL: "push",
    Kind.MANIFEST_DELETE: "delete",
    Kind.BLOB_DELETE: "delete",
}


class Call(msgspec.Struct, frozen=True):
    """A parsed request with its caller."""

    http: Request
    oci: OCIRequest
    identity: Identity
    services: Services

    def authorize(self, action: Action, standing: AccessFacts) -> Allowed:
        """Check that the caller may do ``action``. Raises Unauthorized, NameUnknown (hidden or missing), Denied."""
        decision = decide(self.identity, action, self.oci.package, standing)
        match decision:
            case Allowed():
                if action is Action.PUSH and (mirror := self.services.mirroring.of(standing.owner_id)) is not None:
                    raise PushedToMirror(mirror)
                return decision
            case Challenged(error=error):
                nobody = self.identity.token_id is None
                raise unauthorized(self.http, self.services, self.oci, error, nobody=nobody)
            case NoSuchOwner():
                raise OwnerMissing(self.oci.package)
            case Denied(words=words, missing=missing, have=have, fix=fix):
                raise errors.Denied(missing=missing, have=have, fix=fix, words=words)
            case _:
                raise errors.NameUnknown(self.oci.package)

    @property
    def origin(self) -> str:
        """The registry's own URL, as the client knows it."""
        return origin(self.http, self.services.settings)

    def next_page(self, last: str, size: int) -> str:
        """The Link header to the page after ``last``."""
        return next_link(next_page(self.oci, last, size))


def unauthorized(
    http: Request, services: Services, oci: OCIRequest | None, error: str | None, *, nobody: bool = False
) -> errors.Unauthorized:
    """401 with the challenge that sends a client to the token endpoint of the host it has asked.

    ``nobody`` has been there, and came back with a bearer token of nobody's: a person has to sign in.
    """
    scope = None
    if oci is not None and oci.name is not None:
        name = mirror_names.asked_name(services, http, str(oci.name))
        scope = f"repository:{name}:{_ACTION.get(oci.kind, 'pull')}"
        if oci.source is not None and oci.source != oci.name:
            scope += f" repository:{oci.source}:pull"  # the mount's source
    elif oci is not None and oci.kind is Kind.CATALOG:
        scope = "registry:catalog:*"
    here = mirror_names.origin_of(services, http)
    if here.startswith("http://") and not services.warned and says_https(http):
        _warn(http, services)
    host = here.partition("://")[2]
    why = f"{_WHY.get(error, error)}: docker login {host}"
    advice = f"sign in first: docker login {host}" if nobody and error is not None else ""
    return errors.Unauthorized(why, challenge(f"{here}/token", services.service, scope, error, advice))


def refused_basic(
    services: Services,
    http: Request,
    error: Unauthenticated | errors.RegistryError | Unavailable,
    headers: Mapping[str, str],
) -> Response:
    """Render what the caller of a route that is asked with Basic is told of ``error``."""
    told: errors.RegistryError
    match error:
        case Unauthenticated():
            told = errors.Unauthorized(error.reason, basic_challenge("Moorage"))
        case Unavailable():
            told = unavailable(error, raw_path(http.target), services.outages)
        case errors.RegistryError():
            told = error
    return error_response(told, headers)


def _warn(http: Request, services: Services) -> None:
    """Tell the operator once that clients who came by https are sent to an address by http."""
    services.warned.append("https")
    peer = http.transport.get_extra_info("peername")
    log.warning(
        "proxy.https_unknown",
        peer=peer[0] if isinstance(peer, tuple) else None,
        problem="a proxy says https, and the address of /token is told as http: clients cannot log in",
        fix="set MOORAGE_PUBLIC_URL to the https:// address, or MOORAGE_TRUSTED_PROXIES to the proxy's network",
    )
