"""Blob endpoints of the distribution specification: end-2, end-10."""

from datetime import timedelta
from typing import Final

from aiohttp import web

from auth.identity import Action
from auth.permissions import may
from registry.errors import BlobInUse, BlobUnknown
from registry.http.keys import BEGUN
from registry.http.sending import send
from registry.http.v2.call import HEADERS, Call
from registry.oci.headers import content_range, etag, if_range, none_match, parse_range
from registry.oci.media_types import OCTET_STREAM
from storage.metadata import blobs, packages
from storage.metadata.blobs import LocatedBlob, Unlinking
from storage.metadata.database import Transaction
from storage.names import Digest
from storage.objects.base import Span

#: A redirected client has this long to begin. Whoever has lost the right meanwhile has it as long too; so no longer,
#: though a clock that is as much behind that of S3 makes URLs that are over.
_URL_TTL: Final = timedelta(minutes=5)


async def get(call: Call) -> web.StreamResponse:  # end-2
    """Send the blob: from Postgres, streamed from the object store, or by a redirect to the store."""
    blob, digest = await _located(call)
    size = blob.size or 0
    if none_match(call.http.headers.getall("If-None-Match", ()), etag(digest)):
        return web.Response(status=304, headers={**HEADERS, "ETag": etag(digest)})
    asked = call.http.headers.get("Range")
    span = parse_range(asked, size) if if_range(call.http.headers.get("If-Range"), etag(digest)) else None
    if blob.body is not None:
        part = blob.body if span is None else blob.body[span.start : span.stop]
        return web.Response(status=200 if span is None else 206, body=part, headers=headers_of(digest, span, size))
    assert blob.object_key is not None  # noqa: S101 - a blob has a body or a key
    if call.services.settings.redirect:
        url = await call.services.stores.presign(blob.object_key, ttl=_URL_TTL, content_type=OCTET_STREAM)
        if url is not None:
            return web.Response(status=307, headers={**HEADERS, "Location": url, "Docker-Content-Digest": digest})
    return await _streamed(call, blob, digest, span)


async def _streamed(call: Call, blob: LocatedBlob, digest: Digest, span: Span | None) -> web.StreamResponse:
    size = blob.size or 0
    assert blob.object_key is not None  # noqa: S101 - told by get()
    async with call.services.stores.reader(blob.object_key, span) as reader:
        response = web.StreamResponse(status=200 if span is None else 206, headers=headers_of(digest, span, size))
        response.content_length = size if span is None else span.size
        # From here on an error can only be told by cutting the connection (v2.app).
        call.stream()[BEGUN] = True
        await send(call.stream(), response, reader, call.services.settings.http.stall_seconds)
    return response


async def head(call: Call) -> web.StreamResponse:  # end-2
    """Answer HEAD of a blob; a pusher's stale link is renewed: the garbage collector spares the blob for its grace."""
    blob, digest = await _located(call)
    size = blob.size or 0
    if (
        blob.stale_link
        and blob.package_id is not None
        and may(call.identity, Action.PUSH, call.oci.package, blob)
        and not await blobs.touch(call.services.db, blob.package_id, digest)
    ):
        raise BlobUnknown(digest)
    span = parse_range(call.http.headers.get("Range"), size)
    response = web.StreamResponse(status=200 if span is None else 206, headers=headers_of(digest, span, size))
    response.content_length = size if span is None else span.size
    return response


async def delete(call: Call) -> web.Response:  # end-10
    """Delete the blob's link to the package, unless a manifest references the blob."""
    digest = _digest(call)
    blob = await call.services.lookups.blob(call.identity.token_id, call.oci.package, digest)
    package_id = call.authorize(Action.DELETE, blob).package_id
    if package_id is None or blob.size is None:
        raise BlobUnknown(digest)

    async def work(tx: Transaction) -> Unlinking:
        # A manifest that is being published or restored is seen behind the lock, and its blobs stay.
        await packages.lock(tx, package_id)
        return await blobs.unlink(tx, package_id, digest)

    outcome = await call.services.db.repeat(work)
    if outcome.users:
        raise BlobInUse(digest, [Digest(user) for user in outcome.users])
    if not outcome.gone:
        raise BlobUnknown(digest)
    return web.Response(status=202, headers=HEADERS)


async def _located(call: Call) -> tuple[LocatedBlob, Digest]:
    digest = _digest(call)
    blob = await call.services.lookups.blob(call.identity.token_id, call.oci.package, digest)
    call.authorize(Action.PULL, blob)
    if blob.size is None:
        raise BlobUnknown(digest)
    return blob, digest


def _digest(call: Call) -> Digest:
    assert call.oci.digest is not None  # noqa: S101 - the parser sets it for every kind that comes here
    return call.oci.digest


def headers_of(digest: Digest, span: Span | None, size: int) -> dict[str, str]:
    """Headers of a response with the blob of ``size`` bytes, or with its range ``span``."""
    headers = {
        **HEADERS,
        "Content-Type": OCTET_STREAM,
        "Content-Disposition": "attachment",
        "Docker-Content-Digest": digest,
        "ETag": etag(digest),
        "Accept-Ranges": "bytes",
    }
    if span is not None:
        headers["Content-Range"] = content_range(span, size)
    return headers
