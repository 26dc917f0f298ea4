"""Pulls from mirrors: what is missing is fetched, and a tag that was not looked at for a while is asked for.

The rights are those of every pull; who may cause a fetch, the mirror says: others get what is here.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from auth.identity import Action, Identity
from auth.permissions import READ, may
from registry.errors import BlobUnknown, ManifestUnknown, NameUnknown, RegistryError, Unauthorized
from registry.http.server.message import Response
from registry.http.server.sending import send
from registry.http.v2.blob_heads import blob_headers, described, spans
from registry.http.v2.call import Call, unauthorized
from registry.mirror.blobs import Place
from registry.mirror.mirroring import Stale, allows, made_as
from registry.mirror.mirrors import Mirror
from registry.oci.request import Kind
from registry.services import Services
from storage.metadata import mirror_contents
from storage.metadata.access_facts import AccessFacts
from storage.metadata.manifests import ResolvedManifest
from storage.names import Digest
from storage.objects.base import Span

#: What is said of what a mirror may have after all.
MISSING: Final = (NameUnknown, ManifestUnknown, BlobUnknown, Unauthorized)

Again = Callable[[], Awaitable[Response]]


def is_due(call: Call, found: ResolvedManifest) -> bool:
    """Return whether a mirror's tag that was found is to be looked at before it is served."""
    mirroring, tag = call.services.mirroring, call.oci.tag
    mirror = mirroring.of(found.owner_id)
    if mirror is None or tag is None or found.package_id is None:
        return False
    return mirroring.is_due(found.package_id, tag) and _may_fetch(call, found, mirror)


async def looked_at(call: Call, found: ResolvedManifest) -> Stale | None:
    """Ask for a tag that is due; return why what is served may be old."""
    mirror, tag = call.services.mirroring.of(found.owner_id), call.oci.tag
    if mirror is None or tag is None or found.digest is None or found.package_id is None:
        return None
    return await call.services.mirroring.refresh(mirror, call.oci.package, found.package_id, tag, Digest(found.digest))


async def referrers(call: Call, found: AccessFacts) -> Stale | None:
    """Fetch what refers to a digest there; return why what is here may be old."""
    mirror, subject = call.services.mirroring.of(found.owner_id), call.oci.digest
    if mirror is None or subject is None or found.package_id is None or not _may_fetch(call, found, mirror):
        return None
    return await call.services.mirroring.referrers(mirror, call.oci.package, found.package_id, subject)


async def fetched(call: Call, found: Any, error: RegistryError, again: Again) -> Response:
    """Fetch what was not found, and answer by ``again``. Raises ``error`` if it is not a mirror's, or the caller's."""
    mirror = call.services.mirroring.of(found.owner_id)
    if mirror is None or (found.package_id is not None and isinstance(error, NameUnknown | Unauthorized)):
        raise error  # hidden is hidden
    if call.identity.token_id is None and mirror.fetch_by != "anonymous":
        raise unauthorized(call.http, call.services, call.oci, None)
    if not _may_fetch(call, await as_made(call.services, call.identity, found), mirror):
        raise error
    if call.oci.kind in {Kind.BLOB_GET, Kind.BLOB_HEAD}:
        return await _blob(call, found, mirror, error, again)
    await call.services.mirroring.first(mirror, call.oci.package, found.package_id, call.oci.digest, call.oci.tag)
    return await again()


def _may_fetch(call: Call, found: AccessFacts, mirror: Mirror) -> bool:
    """Return whether the caller, who may read what is here, may have more fetched."""
    if call.identity.token_id is None and mirror.fetch_by != "anonymous":
        return False
    return may(call.identity, Action.PUSH if mirror.fetch_by == "write" else Action.PULL, call.oci.package, found)


async def as_made(services: Services, identity: Identity, found: AccessFacts) -> AccessFacts:
    """Return the access facts of a package that is not here as of the one that a mirror makes; others as they are."""
    mirror = services.mirroring.of(found.owner_id)
    if mirror is None or found.package_id is not None:
        return found
    by, role = identity.account_id, found.namespace_role
    if not role and by is not None and await mirror_contents.is_member(services.db, mirror.owner_id, by):
        role = READ
    return msgspec.structs.replace(found, package_id=0, visibility=made_as(mirror), role=role)


async def _blob(call: Call, found: Any, mirror: Mirror, error: RegistryError, again: Again) -> Response:
    digest, package_id, services = call.oci.digest, found.package_id, call.services
    if digest is None or package_id is None or mirror.paused or not allows(mirror, call.oci.package.image):
        raise error
    wanted = await mirror_contents.wanted(services.db, package_id, digest)
    if wanted is None:
        raise error
    if call.oci.kind is Kind.BLOB_HEAD:
        return described(call, wanted.size)
    place = Place(mirror, package_id, services.mirroring.there(mirror, call.oci.package), digest, wanted.size)
    asked = spans(call, wanted.size)
    span: Span | None = asked[0] if asked is not None and len(asked) == 1 else None
    if asked is not None and len(asked) > 1:
        span = Span(wanted.size - 1, wanted.size)  # several at once are sent of the whole
    growing = await services.mirroring.blobs.opened(place, span)
    if growing is None:
        return await again()
    try:
        status, headers = 200 if span is None else 206, blob_headers(digest, span, wanted.size)
        response = Response(status, headers, length=growing.size)
        await send(call.http, response, growing, services.settings.http.stall_seconds)
    finally:
        growing.close()
    return response
