"""Pulls from mirrors: what is missing is fetched, and a tag that was not looked at for a while is asked for.

The rights are those of every pull; who may cause a first fetch, the mirror says.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from auth.identity import Action
from auth.permissions import may
from registry.errors import BlobUnknown, ManifestUnknown, NameUnknown, RegistryError
from registry.http.server.message import Response
from registry.http.server.sending import send
from registry.http.v2.call import Call, unauthorized
from registry.mirror.blobs import Place
from registry.mirror.mirroring import Stale, allows
from registry.mirror.mirrors import Mirror
from registry.oci.request import Kind
from storage.metadata import mirror_contents
from storage.metadata.access_facts import AccessFacts
from storage.metadata.manifests import ResolvedManifest
from storage.names import Digest
from storage.objects.base import Span

#: What a mirror may have after all.
MISSING: Final = (NameUnknown, ManifestUnknown, BlobUnknown)

Again = Callable[[], Awaitable[Response]]


def is_due(call: Call, found: ResolvedManifest) -> bool:
    """Return whether a mirror's tag that was found is to be looked at before it is served."""
    mirroring, tag = call.services.mirroring, call.oci.tag
    if found.owner_id not in mirroring.known or tag is None or found.package_id is None:
        return False
    return mirroring.is_due(found.package_id, tag)


async def looked_at(call: Call, found: ResolvedManifest) -> Stale | None:
    """Ask for a tag that is due; return why what is served may be old."""
    mirror, tag = call.services.mirroring.of(found.owner_id), call.oci.tag
    if mirror is None or tag is None or found.digest is None:
        return None
    return await call.services.mirroring.refresh(mirror, call.oci.package, found.package_id, tag, Digest(found.digest))


async def fetched(call: Call, found: Any, error: RegistryError, again: Again) -> Response:
    """Fetch what was not found, and answer by ``again``. Raises ``error`` where it is no mirror's, or not the caller's."""
    mirror = call.services.mirroring.of(found.owner_id)
    if mirror is None:
        raise error
    _check(call, found, mirror, error)
    if call.oci.kind in {Kind.BLOB_GET, Kind.BLOB_HEAD}:
        return await _blob(call, found, mirror, error, again)
    mirroring, name = call.services.mirroring, call.oci.package
    if call.oci.tag is not None:
        await mirroring.refresh(mirror, name, found.package_id, call.oci.tag, None)
    elif call.oci.digest is not None:
        await mirroring.fetch(mirror, name, found.package_id, call.oci.digest)
    return await again()


def _check(call: Call, found: AccessFacts, mirror: Mirror, error: RegistryError) -> None:
    """Refuse who may not have this fetched: hidden is hidden. Raises ``error``, Unauthorized."""
    action = Action.PUSH if mirror.fetch_by == "write" else Action.PULL
    if found.package_id is None:  # as an internal package, which it is about to be
        facts = msgspec.structs.replace(found, package_id=0, visibility="internal", role=found.namespace_role)
    else:
        facts = found
        if isinstance(error, NameUnknown):
            raise error
    if call.identity.token_id is None and mirror.fetch_by != "anonymous":
        raise unauthorized(call.http, call.services, call.oci, None)
    if not may(call.identity, action, call.oci.package, facts):
        raise error


async def _blob(call: Call, found: Any, mirror: Mirror, error: RegistryError, again: Again) -> Response:
    # The helpers of pulls are asked for here: they ask for this module.
    from registry.http.v2 import pulls  # noqa: PLC0415

    digest, package_id, services = call.oci.digest, found.package_id, call.services
    if digest is None or package_id is None or mirror.paused or not allows(mirror, call.oci.package.image):
        raise error
    wanted = await mirror_contents.wanted(services.db, package_id, digest)
    if wanted is None:
        raise error
    if call.oci.kind is Kind.BLOB_HEAD:
        return pulls.described(call, wanted.size)

    async def is_stored() -> bool:
        return (await services.lookups.blob(call.identity.token_id, call.oci.package, digest)).size is not None

    place = Place(mirror, package_id, services.mirroring.there(mirror, call.oci.package), digest, wanted.size)
    spans = pulls.spans(call, wanted.size)
    span: Span | None = spans[0] if spans is not None and len(spans) == 1 else None
    if spans is not None and len(spans) > 1:
        span = Span(wanted.size - 1, wanted.size)  # several at once are sent of the whole
    growing = await services.mirroring.blobs.opened(place, span, is_stored)
    if growing is None:
        return await again()
    try:
        response = Response(
            200 if span is None else 206, pulls.blob_headers(digest, span, wanted.size), length=growing.size
        )
        await send(call.http, response, growing, services.settings.http.stall_seconds)
    finally:
        growing.close()
    return response
