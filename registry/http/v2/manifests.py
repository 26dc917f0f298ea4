"""Manifests on the wire: end-7a, end-7b, end-9, end-12; pulls of them are in ``pulls``."""

import asyncio
from functools import lru_cache
from typing import Final

import orjson

from auth.identity import Action
from auth.permissions import may, spared
from registry.errors import DigestInvalid, ManifestTooLarge
from registry.http.conditions import condition_of
from registry.http.server.message import Response
from registry.http.v2 import mirrored
from registry.http.v2.call import HEADERS, Call
from registry.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest
from registry.oci.media_types import OCI_INDEX
from registry.oci.request import manifest_path
from registry.oci.responses import referrers_index
from registry.packages.publishing import Push
from storage.metadata import manifests
from storage.metadata.events import Actor
from storage.metadata.manifests import Referrers, ResolvedManifest
from storage.names import Digest

#: Above this a manifest is parsed in a thread: the loop is not to stand still for more than a few milliseconds.
_THREAD_BYTES: Final = 256 * 1024
#: Up to this what is read of a manifest is remembered.
_KNOWN_BYTES: Final = 8 * 1024
_PAGE: Final = 100


async def _resolved(call: Call) -> ResolvedManifest:
    lookups, token = call.services.lookups, call.identity.token_id
    if call.oci.tag is not None:
        return await lookups.by_tag(token, call.oci.package, call.oci.tag)
    assert call.oci.digest is not None  # noqa: S101 - a reference is a tag or a digest
    return await lookups.by_digest(token, call.oci.package, call.oci.digest)


async def put(call: Call) -> Response:  # end-7a, end-7b
    """Stores a manifest whose parts are all here, and moves its tags."""
    body = call.http.body.at_hand()
    if body is None:
        call.authorize(Action.PUSH, await call.services.lookups.standing(call.identity.token_id, call.oci.package))
        seconds = call.services.settings.http.body_seconds
        body = await call.http.body.read(MAX_MANIFEST_BYTES, seconds, ManifestTooLarge(MAX_MANIFEST_BYTES))
    if len(body) <= _THREAD_BYTES:
        return await _publish(call, body)
    # What one of thousands of layers takes of the loop, the pool and PostgreSQL, an account takes once at a time.
    async with call.services.manifests.large.turn(call.identity.account_id or -(call.identity.token_id or 0)):
        return await _publish(call, body)


async def _publish(call: Call, body: bytes) -> Response:
    expected, token_id = call.oci.digest, call.identity.token_id
    algorithm = "sha256" if expected is None else expected.algorithm
    large = len(body) > _THREAD_BYTES
    digest = await asyncio.to_thread(Digest.of, body, algorithm) if large else Digest.of(body, algorithm)
    # The body took its time: what counts is the right that there is now.
    with call.services.manifests.moves.expected(call.oci.package):
        found = await call.services.lookups.by_digest(token_id, call.oci.package, digest)
    call.authorize(Action.PUSH, found)
    manifest = await _parsed(body, call.http.field(b"content-type"))
    if expected is not None and expected != digest:
        raise DigestInvalid(expected, digest)
    names = call.oci.tags if call.oci.tag is None else (call.oci.tag, *call.oci.tags)
    push = Push(
        call.oci.package,
        digest,
        manifest,
        body,
        names,
        Actor(None, token_id, spared=spared(call.identity, call.oci.package, found)),
        call.origin,
        known=found.version_id is not None,
        condition=condition_of(call.http),
        addressed=call.oci.tag,
    )
    package_id = await call.services.packages.ensure(call.oci.package, found, token_id)
    await call.services.manifests.publish(package_id, push)
    headers = {**HEADERS, "Location": manifest_path(call.oci.package, digest), "Docker-Content-Digest": digest}
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject.digest
    return Response(201, headers, more_headers=[("OCI-Tag", name) for name in call.oci.tags])


async def _parsed(body: bytes, content_type: str | None) -> Manifest:
    if len(body) > _THREAD_BYTES:
        return await asyncio.to_thread(parse_manifest, body, content_type)
    return _known(body, content_type) if len(body) <= _KNOWN_BYTES else parse_manifest(body, content_type)


@lru_cache(maxsize=128)
def _known(body: bytes, content_type: str | None) -> Manifest:
    """Parse a manifest, cached: the same manifest is often pushed under several names."""
    return parse_manifest(body, content_type)


async def delete(call: Call) -> Response:  # end-9
    """By tag: takes the name away. By digest: takes the manifest and its tags away, until they are restored."""
    found = await _resolved(call)
    call.authorize(Action.DELETE, found)
    actor = Actor(found.account_id, call.identity.token_id, spared=spared(call.identity, call.oci.package, found))
    condition = condition_of(call.http)
    if call.oci.tag is not None:
        await call.services.tags.withdraw(found, call.oci.tag, actor, condition)
    else:
        await call.services.versions.withdraw(found, call.oci.reference, actor, condition)
    return Response(202, HEADERS)


async def referrers(call: Call) -> Response:  # end-12a, end-12b
    """List the referrers of a digest; an unknown subject has an empty list."""
    subject, wanted = call.oci.digest, call.oci.artifact_type
    assert subject is not None  # noqa: S101 - the parser demands it
    size = call.oci.n or _PAGE

    async def page() -> Referrers:
        return await manifests.referrers(
            call.services.db,
            call.identity.token_id,
            call.oci.package,
            subject,
            artifact_type=wanted,
            after=call.oci.last or "",
            limit=size,
        )

    found = await page()
    # A package that the caller may make has no referrers yet: clients ask before they push.
    if found.package_id is not None or not may(call.identity, Action.PUSH, call.oci.package, found):
        call.authorize(Action.PULL, found)
    headers = {**HEADERS, "Content-Type": OCI_INDEX}
    if found.owner_id in call.services.mirroring.known and call.oci.last is None:
        stale = await mirrored.referrers(call, found)
        headers.update({} if stale is None else stale.headers)
        found = await page()
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    if found.more:
        headers["Link"] = call.next_page(found.digests[-1], size)
    return Response(200, headers, referrers_index(_descriptors(found)))


def _descriptors(found: Referrers) -> list[Descriptor]:
    rows = zip(found.digests, found.media_types, found.sizes, found.artifact_types, found.annotations, strict=True)
    return [
        Descriptor(media_type, Digest(digest), size, kind or None, orjson.loads(notes) if notes else {})
        for digest, media_type, size, kind, notes in rows
    ]
