"""Manifest endpoints of the distribution specification: end-3, end-7a, end-7b, end-9, end-12."""

import asyncio
from functools import lru_cache
from typing import Final

import orjson
from aiohttp import web

from auth.identity import Action
from auth.permissions import may
from registry.errors import Denied, DigestInvalid, ManifestTooLarge, ManifestUnknown
from registry.http.bodies import at_hand, read_body
from registry.http.v2.call import HEADERS, Call
from registry.oci.headers import etag, none_match
from registry.oci.manifest import MAX_MANIFEST_BYTES, Descriptor, Manifest, parse_manifest
from registry.oci.media_types import OCI_INDEX
from registry.oci.request import Kind, manifest_path
from registry.oci.responses import referrers_index
from registry.packages.publishing import Push
from registry.packages.refusals import NotDeletable, NotThere
from storage.metadata import manifests, tags
from storage.metadata.manifests import Referrers, ResolvedManifest
from storage.names import Digest

#: Above this a manifest is parsed in a thread: the loop is not to stand still for more than a few milliseconds.
_THREAD_BYTES: Final = 256 * 1024
#: Up to this what is read of a manifest is remembered.
_KNOWN_BYTES: Final = 8 * 1024
_PAGE: Final = 100


async def get(call: Call) -> web.StreamResponse:  # end-3
    """Send the manifest's stored bytes. One statement reads the manifest and the caller's rights."""
    found = await _resolved(call)
    package_id = call.authorize(Action.PULL, found).package_id
    if found.digest is None or found.media_type is None or package_id is None:
        raise ManifestUnknown(call.oci.reference)
    digest = Digest(found.digest)
    headers = headers_of(digest, found.media_type)
    if none_match(call.http.headers.getall("If-None-Match", ()), headers["ETag"]):
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    if call.oci.kind is Kind.MANIFEST_HEAD:
        response = web.StreamResponse(headers=headers)
        response.content_length = found.size
        return response
    body = await call.services.lookups.body(package_id, digest)
    if body is None:
        raise ManifestUnknown(call.oci.reference)
    if found.version_id is not None:
        call.services.downloads.note(found.version_id, call.services.now())
    return web.Response(body=body, headers=headers)


def headers_of(digest: Digest, media_type: str) -> dict[str, str]:
    """Headers of a response to GET or HEAD of a manifest."""
    return {**HEADERS, "Docker-Content-Digest": digest, "ETag": etag(digest), "Content-Type": media_type}


async def _resolved(call: Call) -> ResolvedManifest:
    lookups, token = call.services.lookups, call.identity.token_id
    if call.oci.tag is not None:
        return await lookups.by_tag(token, call.oci.package, call.oci.tag)
    assert call.oci.digest is not None  # noqa: S101 - a reference is a tag or a digest
    return await lookups.by_digest(token, call.oci.package, call.oci.digest)


async def put(call: Call) -> web.Response:  # end-7a, end-7b
    """Store a manifest whose references all exist, and move its tags."""
    body = at_hand(call.http)
    if body is None:
        call.authorize(Action.PUSH, await call.services.lookups.standing(call.identity.token_id, call.oci.package))
        seconds = call.services.settings.http.body_seconds
        body = await read_body(call.http, MAX_MANIFEST_BYTES, seconds, ManifestTooLarge(MAX_MANIFEST_BYTES))
    expected, token_id = call.oci.digest, call.identity.token_id
    digest = Digest.of(body, "sha256" if expected is None else expected.algorithm)
    # The body took its time: what counts is the right that there is now.
    with call.services.manifests.moves.expected(call.oci.package):
        found = await call.services.lookups.by_digest(token_id, call.oci.package, digest)
    call.authorize(Action.PUSH, found)
    manifest = await _parsed(body, call.http.headers.get("Content-Type"))
    if expected is not None and expected != digest:
        raise DigestInvalid(expected, digest)
    names = call.oci.tags if call.oci.tag is None else (call.oci.tag, *call.oci.tags)
    push = Push(call.oci.package, digest, manifest, body, names, token_id, call.origin, found.version_id is not None)
    await call.services.manifests.publish(await call.package_to_push(found), push)
    headers = {**HEADERS, "Location": manifest_path(call.oci.package, digest), "Docker-Content-Digest": digest}
    if manifest.subject is not None:
        headers["OCI-Subject"] = manifest.subject.digest
    response = web.Response(status=201, headers=headers)
    for name in call.oci.tags:
        response.headers.add("OCI-Tag", name)
    return response


async def _parsed(body: bytes, content_type: str | None) -> Manifest:
    if len(body) > _THREAD_BYTES:
        return await asyncio.to_thread(parse_manifest, body, content_type)
    return _known(body, content_type) if len(body) <= _KNOWN_BYTES else parse_manifest(body, content_type)


@lru_cache(maxsize=128)
def _known(body: bytes, content_type: str | None) -> Manifest:
    """Parse a manifest, cached: the same manifest is often pushed under several names."""
    return parse_manifest(body, content_type)


async def delete(call: Call) -> web.Response:  # end-9
    """Delete by tag: remove the tag. By digest: delete the manifest with its tags; both can be restored."""
    found = await _resolved(call)
    package_id = call.authorize(Action.DELETE, found).package_id
    if found.version_id is None or found.account_id is None or package_id is None:
        raise ManifestUnknown(call.oci.reference)
    if call.oci.tag is not None:
        if not await tags.remove(call.services.db, package_id, call.oci.tag):
            raise ManifestUnknown(call.oci.reference)
    else:
        await _delete_version(call, package_id, found.version_id, found.account_id)
    return web.Response(status=202, headers=HEADERS)


async def _delete_version(call: Call, package_id: int, version_id: int, account_id: int) -> None:
    try:
        await call.services.versions.delete(package_id, version_id, account_id, may_be_last=True)
    except NotThere as error:
        raise ManifestUnknown(call.oci.reference) from error
    except NotDeletable as refused:
        raise Denied("a version that may be deleted", (), refused.fix or "", refused.message) from refused


async def referrers(call: Call) -> web.Response:  # end-12a, end-12b
    """List the manifests with the digest as subject; an unknown subject has an empty list."""
    subject, wanted = call.oci.digest, call.oci.artifact_type
    assert subject is not None  # noqa: S101 - the parser demands it
    size = call.oci.n or _PAGE
    found = await manifests.referrers(
        call.services.db,
        call.identity.token_id,
        call.oci.package,
        subject,
        artifact_type=wanted,
        after=call.oci.last or "",
        limit=size,
    )
    # A package that the caller may make has no referrers yet: clients ask before they push.
    if found.package_id is not None or not may(call.identity, Action.PUSH, call.oci.package, found):
        call.authorize(Action.PULL, found)
    headers = {**HEADERS, "Content-Type": OCI_INDEX}
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    if found.more:
        headers["Link"] = call.next_page(found.digests[-1], size)
    return web.Response(body=referrers_index(_descriptors(found)), headers=headers)


def _descriptors(found: Referrers) -> list[Descriptor]:
    rows = zip(found.digests, found.media_types, found.sizes, found.artifact_types, found.annotations, strict=True)
    return [
        Descriptor(media_type, Digest(digest), size, kind or None, orjson.loads(notes) if notes else {})
        for digest, media_type, size, kind, notes in rows
    ]
