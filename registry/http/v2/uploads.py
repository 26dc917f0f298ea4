"""Uploads on the wire: end-4a, 4b, 5, 6, 11, 13, 14 of the distribution specification."""

from typing import Final

from aiohttp import web

from auth.identity import Action
from auth.permissions import may
from registry.errors import BlobUploadUnknown, DigestInvalid, SizeInvalid
from registry.http.v2.call import HEADERS, Call, unauthorized
from registry.oci.headers import parse_content_range, upload_range
from registry.oci.request import blob_path, upload_path
from registry.uploads import Owner
from storage.metadata import blobs, packages, uploads
from storage.names import Digest, UploadId

#: A chunk smaller than this costs an object of its own.
_CHUNK_MIN: Final = str(5 * 1024 * 1024)


async def start(call: Call) -> web.Response:  # end-4a, end-4b, end-4c, end-11
    """Opens a session, or spares one: by mounting, or by taking the whole blob at once."""
    standing = await packages.standing_of(call.services.db, call.identity.token_id, call.oci.package)
    call.authorize(Action.PUSH, standing)
    package_id = await call.package_to_push(standing)
    assert standing.account_id is not None  # noqa: S101 - allowed to push
    if call.oci.mount is not None and await _mounted(call, package_id, call.oci.mount):
        return created(call, call.oci.mount)
    owner = Owner(package_id, standing.account_id, call.identity.token_id)
    algorithm = call.oci.algorithm if call.oci.digest is None else call.oci.digest.algorithm
    upload = await call.services.uploads.start(owner, algorithm)
    if call.oci.digest is not None:
        return await _receive_all(call, owner, upload, call.oci.digest)
    return accepted(call, upload, 0)


async def _mounted(call: Call, package_id: int, digest: Digest) -> bool:
    db, token = call.services.db, call.identity.token_id
    if call.oci.source is None:
        # Over what the caller's account may read, whatever the bearer token was asked for: a client that mounts
        # blindly cannot know which repository to name.
        source_id = await blobs.readable_source(db, token, digest) or package_id
    else:
        found = await packages.standing_of(db, token, call.oci.source)
        if found.package_id is None or not may(call.identity, Action.PULL, call.oci.source, found):
            return False
        source_id = found.package_id
    return await blobs.mount(db, source_id, package_id, digest)


async def status(call: Call) -> web.Response:  # end-13
    """How much is durable."""
    upload = _upload(call)
    offset = await call.services.uploads.status(await _owner(call, upload), upload)
    return _located(call, upload, offset, 204)


async def append(call: Call) -> web.Response:  # end-5
    """Takes a chunk. docker sends no Content-Range and no length."""
    upload = _upload(call)
    owner = await _owner(call, upload)
    at, expected = _announced(call)
    async with call.services.uploads.open(owner, upload, at=at, expected_bytes=expected) as receiver:
        await receiver.receive(await call.body(), expected)
    return accepted(call, upload, receiver.durable)


async def finish(call: Call) -> web.Response:  # end-6
    """Takes the last bytes, if there are any, and publishes the blob."""
    upload, digest = _upload(call), call.oci.digest
    assert digest is not None  # noqa: S101 - the parser demands it
    owner = await _owner(call, upload)
    done = await call.services.uploads.finished(owner, upload)
    if done is not None:
        if done.digest != digest:
            raise DigestInvalid(digest, done.digest)
        return created(call, digest)
    return await _receive_all(call, owner, upload, digest)


async def _receive_all(call: Call, owner: Owner, upload: UploadId, digest: Digest) -> web.Response:
    at, expected = _announced(call)
    sessions = call.services.uploads
    async with sessions.open(owner, upload, at=at, expected_bytes=expected) as receiver:
        if expected != 0:
            await receiver.receive(await call.body(), expected)
            # That may have taken long: who has lost the right meanwhile publishes nothing.
            if await _owner(call, upload) != owner:
                raise BlobUploadUnknown(upload)
        await sessions.commit(receiver, digest)
    return created(call, digest)


async def cancel(call: Call) -> web.Response:  # end-14
    """Ends the session."""
    upload = _upload(call)
    await call.services.uploads.cancel(await _owner(call, upload), upload)
    return web.Response(status=204, headers=HEADERS)


async def _owner(call: Call, upload: UploadId) -> Owner:
    """Whom the session must belong to, by the rights of this moment."""
    identity = call.identity
    if identity.expired_at is not None and not await uploads.opened_before(
        call.services.db, upload, identity.token_id, identity.expired_at
    ):
        raise unauthorized(call.http, call.services, call.oci, "invalid_token")
    standing = await packages.standing_of(call.services.db, call.identity.token_id, call.oci.package)
    package_id = call.authorize(Action.PUSH, standing).package_id
    if package_id is None or standing.account_id is None:
        raise BlobUploadUnknown(upload)
    return Owner(package_id, standing.account_id, call.identity.token_id)


def _upload(call: Call) -> UploadId:
    assert call.oci.upload is not None  # noqa: S101 - the parser sets it for every kind that comes here
    return call.oci.upload


def _announced(call: Call) -> tuple[int | None, int | None]:
    """Where the chunk begins and how many bytes it has, as far as its headers say. Raises SizeInvalid."""
    length = call.http.content_length
    text = call.http.headers.get("Content-Range")
    if length is None and not call.http.can_read_body:
        length = 0
    if text is None or (length == 0 and call.oci.digest is not None):
        return None, length
    span = parse_content_range(text)
    if length is not None and length != span.size:
        raise SizeInvalid(expected=span.size, got=length)
    return span.start, span.size


def accepted(call: Call, upload: UploadId, offset: int) -> web.Response:
    """202: where to go on, and with what."""
    response = _located(call, upload, offset, 202)
    response.headers["OCI-Chunk-Min-Length"] = _CHUNK_MIN
    return response


def _located(call: Call, upload: UploadId, offset: int, status: int) -> web.Response:
    headers = {
        **HEADERS,
        "Location": upload_path(call.oci.package, upload),
        "Range": upload_range(offset),
        "Docker-Upload-UUID": str(upload),
    }
    return web.Response(status=status, headers=headers)


def created(call: Call, digest: Digest) -> web.Response:
    """201: the blob is in the package."""
    headers = {**HEADERS, "Location": blob_path(call.oci.package, digest), "Docker-Content-Digest": digest}
    return web.Response(status=201, headers=headers)
