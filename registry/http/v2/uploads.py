"""Upload endpoints of the distribution specification: end-4a, 4b, 5, 6, 11, 13, 14."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Final

from auth.identity import Action
from registry.errors import BlobUploadUnknown, SizeInvalid
from registry.http.server.body import Body
from registry.http.server.message import Response
from registry.http.v2.call import HEADERS, Call, unauthorized
from registry.oci.headers import parse_content_range, upload_range
from registry.oci.request import blob_path, upload_path
from registry.uploads.sessions import Owner, opened_before
from storage.metadata.database import ForeignKeyMissing
from storage.metadata.sessions import Session
from storage.names import Digest, UploadId

#: A chunk smaller than this costs an object of its own.
_CHUNK_MIN: Final = str(5 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A request's chunk: its start offset, its announced size, and its bytes if already received."""

    at: int | None
    size: int | None
    body: bytes | None

    @property
    def short(self) -> bytes | None:
        """The chunk's bytes, if all were received and match the announced size."""
        return self.body if self.body is not None and self.size in {None, len(self.body)} else None


async def start(call: Call) -> Response:  # end-4a, end-4b, end-4c, end-11
    """Opens a session, or spares one: by mounting, or by taking the whole blob at once."""
    chunk = cache(partial(_chunk, call))  # the bytes that are at hand can be taken once
    try:
        begun = await _begin(call, chunk)
    except ForeignKeyMissing:
        # The package had been begun long ago, and was forgotten since it was looked up: it is made anew.
        begun = await _begin(call, chunk)
    if isinstance(begun, Response):
        return begun
    assert call.oci.digest is not None  # noqa: S101 - told by _begin()
    return await _receive_all(call, *begun, chunk(), call.oci.digest)


async def _begin(call: Call, taken: Callable[[], Chunk]) -> Response | tuple[Owner, UploadId]:
    """The answer, or the session that the body goes to. Raises ForeignKeyMissing; no more than is at hand is read."""
    standing = await call.services.lookups.standing(call.identity.token_id, call.oci.package)
    call.authorize(Action.PUSH, standing)
    package_id = await call.services.packages.ensure(call.oci.package, standing, call.identity.token_id)
    assert standing.account_id is not None  # noqa: S101 - allowed to push
    mount, source = call.oci.mount, call.oci.source
    if mount is not None and await call.services.blobs.mount(call.identity, package_id, mount, source):
        return created(call, mount)
    owner = Owner(package_id, standing.account_id, call.identity.token_id)
    sessions, digest = call.services.uploads, call.oci.digest
    granted = call.identity.granted_names
    if digest is None:
        upload, warning = await sessions.start(owner, standing, call.oci.algorithm, granted=granted)
        return accepted(call, upload, 0, warning)
    chunk = taken()
    if chunk.short is not None and not chunk.at and await sessions.put(package_id, chunk.short, digest):
        return created(call, digest)
    upload, _ = await sessions.start(owner, standing, digest.algorithm, expected_bytes=chunk.size or 0, granted=granted)
    return owner, upload


async def status(call: Call) -> Response:  # end-13
    """How much is durable; and stays so, if no other request holds the session for long."""
    upload = _upload(call)
    owner, _ = await _session(call, upload)
    return _located(call, upload, await call.services.uploads.status(owner, upload), 204)


async def append(call: Call) -> Response:  # end-5
    """Append a chunk to the session. docker sends no Content-Range and no length."""
    upload, sessions = _upload(call), call.services.uploads
    owner, found = await _session(call, upload)
    chunk = _chunk(call)
    if chunk.short is not None:
        end = await sessions.append(upload, found, chunk.short, chunk.at)
        if end is not None:
            return accepted(call, upload, end)
    async with sessions.open(owner, upload, at=chunk.at, expected_bytes=chunk.size) as receiver:
        await receiver.receive(_body(call), chunk.size)
    return accepted(call, upload, receiver.durable)


async def finish(call: Call) -> Response:  # end-6
    """Receive the last bytes of the session, if there are any, and publish the blob.

    The same request may have done so before, or be about to: then the session is done when it is looked up again.
    """
    upload, digest = _upload(call), call.oci.digest
    assert digest is not None  # noqa: S101 - the parser demands it
    owner, found = await _session(call, upload)
    chunk, sessions = _chunk(call), call.services.uploads
    if chunk.short is not None and found.free and found.in_row:
        if await sessions.finish(upload, found, chunk.short, chunk.at, digest):
            return created(call, digest)
        owner, found = await _session(call, upload)  # the same request may have been faster elsewhere
    if not sessions.is_done(found, digest):
        try:
            return await _receive_all(call, owner, upload, chunk, digest)
        except BlobUploadUnknown:
            _, found = await _session(call, upload)
            if not sessions.is_done(found, digest):
                raise
    return created(call, digest)


async def _receive_all(call: Call, owner: Owner, upload: UploadId, chunk: Chunk, digest: Digest) -> Response:
    sessions = call.services.uploads
    async with sessions.open(owner, upload, at=chunk.at, expected_bytes=chunk.size) as receiver:
        if chunk.size != 0:
            await receiver.receive(_body(call), chunk.size)
            # That may have taken long: who has lost the right meanwhile publishes nothing.
            if (await _session(call, upload))[0] != owner:
                raise BlobUploadUnknown(upload)
        await sessions.commit(receiver, digest)
    return created(call, digest)


async def cancel(call: Call) -> Response:  # end-14
    """Ends the session."""
    upload = _upload(call)
    owner, _ = await _session(call, upload)
    await call.services.uploads.cancel(owner, upload)
    return Response(204, HEADERS)


async def _session(call: Call, upload: UploadId) -> tuple[Owner, Session]:
    """Look up the session, and its required owner by the caller's current rights."""
    identity = call.identity
    found = await call.services.lookups.session(identity.token_id, call.oci.package, upload)
    if identity.expired_at is not None and not opened_before(found, identity.token_id, identity.expired_at):
        raise unauthorized(call.http, call.services, call.oci, "invalid_token")
    package_id = call.authorize(Action.PUSH, found).package_id
    if package_id is None or found.account_id is None:
        raise BlobUploadUnknown(upload)
    return Owner(package_id, found.account_id, identity.token_id), found


def _upload(call: Call) -> UploadId:
    assert call.oci.upload is not None  # noqa: S101 - the parser sets it for every kind that comes here
    return call.oci.upload


def _body(call: Call) -> Body:
    """Return the body as it comes, after the ``100 Continue`` that its client may wait for."""
    call.http.body.send_continue()
    return call.http.body


def _chunk(call: Call) -> Chunk:
    """A request's bytes, as far as its headers tell of them, and those at hand. Raises SizeInvalid."""
    body = call.http.body.at_hand()
    length = call.http.body.length
    text = call.http.field(b"content-range")
    if length is None and body == b"":
        length = 0
    if text is None or (length == 0 and call.oci.digest is not None):
        return Chunk(None, length, body)
    span = parse_content_range(text)
    if length is not None and length != span.size:
        raise SizeInvalid(expected=span.size, got=length)
    return Chunk(span.start, span.size, body)


def accepted(call: Call, upload: UploadId, offset: int, warning: str | None = None) -> Response:
    """202: where to go on, and with what; with a warning in the form of the specification («Warnings»)."""
    response = _located(call, upload, offset, 202)
    response.headers = {**response.headers, "OCI-Chunk-Min-Length": _CHUNK_MIN}
    if warning is not None:
        response.headers = {**response.headers, "Warning": f'299 - "{warning}"'}
    return response


def _located(call: Call, upload: UploadId, offset: int, status: int) -> Response:
    headers = {
        **HEADERS,
        "Location": upload_path(call.oci.package, upload),
        "Range": upload_range(offset),
        "Docker-Upload-UUID": str(upload),
    }
    return Response(status, headers)


def created(call: Call, digest: Digest) -> Response:
    """201: the blob is in the package."""
    headers = {**HEADERS, "Location": blob_path(call.oci.package, digest), "Docker-Content-Digest": digest}
    return Response(201, headers)
