"""One request of ``/v2``: the caller, the parsed request, and responses in the dialect of OCI clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from auth.challenge import challenge
from auth.identity import Action, Identity
from auth.permissions import Allowed, Challenged, Denied, decide
from registry import errors
from registry.http.answers import INERT
from registry.http.asked import Asked, LongWay
from registry.http.bodies import Incoming, go_on
from registry.http.urls import origin
from registry.oci.headers import next_link
from registry.oci.request import Kind, OCIRequest, next_page
from registry.packages.refusals import Forbidden, NotThere
from registry.services import Services
from storage.metadata.access_facts import AccessFacts

#: What every answer carries.
HEADERS: Final[Mapping[str, str]] = {"Docker-Distribution-Api-Version": "registry/2.0", **INERT}

_ACTION: Final = {
    Kind.MANIFEST_PUT: "pull,push",
    Kind.UPLOAD_START: "pull,push",
    Kind.UPLOAD_CHUNK: "pull,push",
    Kind.UPLOAD_FINISH: "pull,push",
    Kind.UPLOAD_STATUS: "pull,push",
    Kind.UPLOAD_CANCEL: "pull,push",
    Kind.MANIFEST_DELETE: "pull,delete",
    Kind.BLOB_DELETE: "pull,delete",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A parsed request with its caller."""

    http: Asked
    oci: OCIRequest
    identity: Identity
    services: Services

    def authorize(self, action: Action, standing: AccessFacts) -> Allowed:
        """Check that the caller may do ``action``. Raises Unauthorized, NameUnknown (hidden or missing) or Denied."""
        decision = decide(self.identity, action, self.oci.package, standing)
        match decision:
            case Allowed():
                return decision
            case Challenged(error=error):
                raise unauthorized(self.http, self.services, self.oci, error)
            case Denied(words=words, missing=missing, have=have, fix=fix):
                raise errors.Denied(missing=missing, have=have, fix=fix, words=words)
            case _:
                raise errors.NameUnknown(self.oci.package)

    async def package_to_push(self, standing: AccessFacts) -> int:
        """Return the package's id for an allowed push, creating a missing package. Raises NameUnknown, Denied."""
        try:
            return await self.services.packages.ensure(self.oci.package, standing, self.identity.token_id)
        except NotThere as error:
            raise errors.NameUnknown(self.oci.package) from error
        except Forbidden as refused:
            raise errors.Denied("a name that is free", (), refused.fix or "", refused.message) from refused

    @property
    def origin(self) -> str:
        """The registry's own URL, as the client knows it."""
        return origin(self.http, self.services.settings.public_url)

    def next_page(self, last: str, size: int) -> str:
        """The Link header to the page after ``last``."""
        return next_link(next_page(self.oci, last, size))

    async def body(self, taken: bytes | None = None) -> Incoming:
        """Send ``100 Continue`` if expected, and return the body as a stream.

        ``taken``: what was read of it already.
        """
        http = self.stream()
        await go_on(http)
        return Incoming(http, taken or b"")

    def stream(self) -> web.Request:
        """The aiohttp request, for streamed bodies. Raises LongWay, so call before any side effect."""
        if not isinstance(self.http, web.Request):
            raise LongWay
        return self.http


def unauthorized(http: Asked, services: Services, oci: OCIRequest | None, error: str | None) -> errors.Unauthorized:
    """Create the 401 with the challenge, which names the token endpoint of the requested host."""
    scope = None
    if oci is not None and oci.name is not None:
        scope = f"repository:{oci.name}:{_ACTION.get(oci.kind, 'pull')}"
    elif oci is not None and oci.kind is Kind.CATALOG:
        scope = "registry:catalog:*"
    realm = f"{origin(http, services.settings.public_url)}/token"
    why = "authentication required" if error is None else f"the credentials do not do: {error}"
    return errors.Unauthorized(why, challenge(realm, services.service, scope, error))
