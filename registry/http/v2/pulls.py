"""Pulls: GET and HEAD of manifests and blobs (end-2, end-3), each a look-up of one row and a pure rendering of it.

``LookUp.render`` makes the response of the row; where it cannot at once (a manifest's body is not in memory, a link is
to be renewed, bytes have to be streamed), ``LookUp.go_on`` does, as a coroutine. Rights are in the row: it is read for
every request, and each rendering begins with ``Call.authorize``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, Generic, TypeVar

from auth.identity import Action
from auth.permissions import may
from registry.errors import BlobUnknown, ManifestUnknown, RegistryError
from registry.http.origin import origin_of
from registry.http.rate_limits import pulls_left, take_pull
from registry.http.server.message import Rendered, Response
from registry.http.server.sending import send, send_parts
from registry.http.v2 import mirrored
from registry.http.v2.blob_heads import blob_headers, described, digest_of, spans, whole_headers
from registry.http.v2.call import HEADERS, Call
from registry.http.v2.redirects import target_of
from registry.oci.headers import (
    PART_END,
    etag,
    none_match,
    part_head,
)
from registry.oci.media_types import OCTET_STREAM
from registry.oci.request import Kind, OCIRequest
from storage.metadata import blobs
from storage.metadata.blobs import LocatedBlob
from storage.metadata.manifests import ResolvedManifest
from storage.metadata.pulls import Pull
from storage.metadata.reads.batching import Batching
from storage.metadata.reads.lookups import Lookups, key
from storage.names import Digest
from storage.objects.base import Span

Row = TypeVar("Row", ResolvedManifest, LocatedBlob)


@dataclass(frozen=True, slots=True)
class LookUp(Generic[Row]):
    """How one kind of request is answered; ``rows`` batches the look-ups of its table."""

    rows: Callable[[Lookups, OCIRequest], Batching[Row]]
    render: Callable[[Call, Row], Response | None]
    go_on: Callable[[Call, Row], Awaitable[Response]]

    async def answer(self, call: Call, *, fetched: bool = False) -> Response:
        """Answer a caller that was identified by a coroutine; ``fetched``: a mirror has asked its upstream already."""
        oci = call.oci
        found = await self.rows(call.services.lookups, oci).one(
            *key(call.identity.token_id, oci.package, str(oci.reference))
        )
        try:
            return self.render(call, found) or await self.go_on(call, found)
        except mirrored.MISSING as error:
            if found.owner_id not in call.services.mirroring.known or fetched:
                raise
            return await self.fetch(call, found, error)

    async def fetch(self, call: Call, found: Row, error: RegistryError) -> Response:
        """Answer with what a mirror fetches in place of what was not found. Raises ``error`` if it does not."""
        return await mirrored.fetched(call, found, error, partial(self.answer, call, fetched=True))


# -- manifests


def _manifest(call: Call, found: ResolvedManifest) -> Response | None:  # end-3
    """Render the stored bytes, untouched."""
    digest, media_type = _known(call, found)
    if call.services.mirroring.known and mirrored.is_due(call, found):
        return None
    return _rendered(call, found, digest, media_type)


def _rendered(call: Call, found: ResolvedManifest, digest: Digest, media_type: str) -> Response | None:
    """Render a manifest; None: its body is not in memory."""
    headers = _manifest_headers(digest, media_type)
    if _unchanged(call, headers["ETag"]):
        _asked(call, found)
        return Response(304, {name: value for name, value in headers.items() if name != "Content-Type"})
    if call.oci.kind is Kind.MANIFEST_HEAD:
        _asked(call, found)
        response, limits = Response(200, headers, length=found.size), call.services.limits
        if limits is not None:
            response.extra = pulls_left(call.services, limits, call.http)
        return response
    body = call.services.lookups.known_body(digest)
    return None if body is None else _counted(call, found, Response(200, headers, body))


async def _read_manifest(call: Call, found: ResolvedManifest) -> Response:
    digest, media_type = _known(call, found)
    if call.services.mirroring.known and mirrored.is_due(call, found):
        stale = await mirrored.looked_at(call, found)
        found = await _MANIFEST.rows(call.services.lookups, call.oci).one(
            *key(call.identity.token_id, call.oci.package, str(call.oci.reference))
        )
        digest, media_type = _known(call, found)
        response = _rendered(call, found, digest, media_type) or await _read(call, found, digest, media_type)
        if stale is not None:
            response.headers = {**response.headers, **stale.headers}
        return response
    return await _read(call, found, digest, media_type)


async def _read(call: Call, found: ResolvedManifest, digest: Digest, media_type: str) -> Response:
    assert found.package_id is not None  # noqa: S101 - it was rendered before
    body = await call.services.lookups.body(found.package_id, digest)
    if body is None:
        raise ManifestUnknown(call.oci.reference)
    return _counted(call, found, Response(200, _manifest_headers(digest, media_type), body))


def _known(call: Call, found: ResolvedManifest) -> tuple[Digest, str]:
    package_id = call.authorize(Action.PULL, found).package_id
    if found.digest is None or found.media_type is None or package_id is None:
        raise ManifestUnknown(call.oci.reference)
    return Digest(found.digest), found.media_type


def _counted(call: Call, found: ResolvedManifest, response: Response) -> Response:
    limits = call.services.limits
    if limits is not None:
        response.extra = take_pull(call.services, limits, call.http)
    if found.version_id is not None:
        downloads = call.services.downloads
        downloads.note(found.version_id, call.services.now())
        if downloads.pulls is not None:
            downloads.pulls[_pull(call, found.version_id)] += 1
    return response


def _asked(call: Call, found: ResolvedManifest) -> None:
    """Note who looks whether an image is still the same: docker and the kubelet pull no more than that."""
    if found.version_id is not None:
        call.services.downloads.ask(found.version_id, call.services.now())


def _pull(call: Call, version_id: int) -> Pull:
    reference, by = call.oci.reference, call.identity
    origin = origin_of(call.http, call.services.settings.trusted_proxies)
    tag = None if isinstance(reference, Digest) else str(reference)
    return Pull(version_id, tag, by.account_id, by.token_id, origin.remote, origin.user_agent)


@lru_cache(maxsize=1024)
def _manifest_headers(digest: Digest, media_type: str) -> Rendered:
    return Rendered({**HEADERS, "Docker-Content-Digest": digest, "ETag": etag(digest), "Content-Type": media_type})


def _unchanged(call: Call, tag: str) -> bool:
    return b"if-none-match" in call.http.fields and none_match(call.http.headers.getall("If-None-Match"), tag)


# -- blobs


def _blob_head(call: Call, blob: LocatedBlob) -> Response | None:  # end-2
    """Render whether it is here. A pusher who is told so has half of the collector's grace from now on, at least."""
    size, grace = _size(call, blob), call.services.settings.uploads.link_grace_seconds
    doubtful = blob.suspect or (blob.link_age is not None and blob.link_age > grace / 2)
    if doubtful and may(call.identity, Action.PUSH, call.oci.package, blob):
        return None
    return described(call, size)


async def _renew_link(call: Call, blob: LocatedBlob) -> Response:
    """Promise a pusher that the blob stays, once the store has shown it; who hears that it is missing pushes it."""
    size, digest, db = _size(call, blob), digest_of(call), call.services.db
    place = blob.object_key
    if blob.suspect or (place is not None and not await blobs.is_there(db, call.services.stores, digest, place, size)):
        raise BlobUnknown(digest)
    if blob.package_id is not None and not await blobs.touch(db, blob.package_id, digest):
        raise BlobUnknown(digest)
    return described(call, size)


def _blob(call: Call, blob: LocatedBlob) -> Response | None:  # end-2
    """Render the bytes that are in Postgres, or the redirect to the store."""
    size, digest = _size(call, blob), digest_of(call)
    if _unchanged(call, etag(digest)):
        return Response(304, {**HEADERS, "ETag": etag(digest)})
    asked = spans(call, size)
    if blob.body is not None:
        if asked is not None and len(asked) > 1:
            response, parts = _several(call, asked, size)
            response.body = b"".join(head + blob.body[span.start : span.stop] + end for head, span, end in parts)
            return response
        span = None if asked is None else asked[0]
        part = blob.body if span is None else blob.body[span.start : span.stop]
        return Response(200 if span is None else 206, blob_headers(digest, span, size), part)
    assert blob.object_key is not None  # noqa: S101 - a blob has a body or a key
    if asked is not None and len(asked) > 1:
        return None  # a store knows one range at a time
    if blob.suspect:
        return None
    target = target_of(call)
    url = None if target is None else target.url_now(blob.object_key)
    return None if url is None else _redirect(call, digest, url, size)


async def _send_blob(call: Call, blob: LocatedBlob) -> Response:
    """Redirect with credentials that have to be renewed, or stream the bytes through us."""
    size, digest, stores = _size(call, blob), digest_of(call), call.services.stores
    db, place, stall_seconds = call.services.db, blob.object_key, call.services.settings.http.stall_seconds
    assert place is not None  # noqa: S101 - told by _blob()
    asked = spans(call, size)
    if asked is not None and len(asked) > 1:
        response, parts = _several(call, asked, size)
        async with blobs.suspecting(db, digest, place):
            await send_parts(call.http, response, parts, lambda span: stores.reader(place, span), size, stall_seconds)
        return response
    target = None if blob.suspect else target_of(call)
    url = None if target is None else await target.url(place)
    if url is not None:
        return _redirect(call, digest, url, size)
    span = None if asked is None else asked[0]
    async with blobs.suspecting(db, digest, place), stores.reader(place, span) as reader:
        headers, length = blob_headers(digest, span, size), size if span is None else span.size
        response = Response(200 if span is None else 206, headers, length=length)
        await send(call.http, response, reader, stall_seconds)
    if blob.suspect:
        await blobs.trust(db, digest, place)
    return response


def _several(call: Call, spans: Sequence[Span], size: int) -> tuple[Response, Sequence[tuple[bytes, Span, bytes]]]:
    """Make a response with several spans, and its parts: the head of each, the span, and what ends it."""
    boundary = f"moorage-{call.http.id}"  # nobody can have pushed it: the id is new, and no client chooses it
    last = PART_END + f"--{boundary}--\r\n".encode()
    parts = [
        (part_head(boundary, OCTET_STREAM, span, size), span, PART_END if number < len(spans) else last)
        for number, span in enumerate(spans, 1)
    ]
    headers = {**whole_headers(digest_of(call)), "Content-Type": f"multipart/byteranges; boundary={boundary}"}
    return Response(206, headers, length=sum(len(head) + span.size + len(end) for head, span, end in parts)), parts


def _redirect(call: Call, digest: Digest, url: str, size: int) -> Response:
    call.http.redirected_bytes = size
    return Response(307, _leading(digest, url))


@lru_cache(maxsize=1024)
def _leading(digest: Digest, url: str) -> Rendered:
    return Rendered({**HEADERS, "Location": url, "Docker-Content-Digest": digest})


def _size(call: Call, blob: LocatedBlob) -> int:
    call.authorize(Action.PULL, blob)
    if blob.size is None:
        raise BlobUnknown(digest_of(call))
    return blob.size


_MANIFEST: Final = LookUp(
    lambda lookups, oci: lookups.digests if oci.tag is None else lookups.tags, _manifest, _read_manifest
)

#: The requests that are look-ups; all others have a coroutine (registry.http.v2.app).
LOOK_UPS: Final[Mapping[Kind, LookUp[Any]]] = {
    Kind.MANIFEST_GET: _MANIFEST,
    Kind.MANIFEST_HEAD: _MANIFEST,
    Kind.BLOB_GET: LookUp(lambda lookups, _: lookups.blobs, _blob, _send_blob),
    Kind.BLOB_HEAD: LookUp(lambda lookups, _: lookups.blobs, _blob_head, _renew_link),
}
