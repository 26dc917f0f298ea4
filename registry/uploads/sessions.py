"""The rules of upload sessions: received in chunks, by any process, and published when the digest matches.

Between requests everything is in Postgres (``storage.metadata.uploads``) and in the object store. Within a request:
claim the lease → receive, hash, cut parts → make the rest durable → give the lease back. What a client is told it has
sent is durable. Nothing is copied and nothing read back, but to join pieces that are too small to be parts.

A body that is short and all here takes a shorter way, without a lease (``storage.metadata.sessions``); what that way
will not do, a refusal among it, is done by the long one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, cast
from uuid import UUID

from registry.errors import (
    BlobUploadUnknown,
    DigestInvalid,
    LayerTooLarge,
    RangeInvalid,
    TooManyRequests,
    UploadBusy,
    UploadExpired,
)
from registry.uploads.buffer_pool import BufferPool
from registry.uploads.room import QuotaExceeded, warning_of
from registry.uploads.stall_timeout import StallTimeout
from registry.uploads.writer import INLINE_BYTES, Stored, UploadWriter
from storage.errors import ObjectCorrupt, UploadGone
from storage.metadata import blobs, quotas, sessions, uploads
from storage.metadata.access_facts import AccessFacts
from storage.metadata.database import Database, ForeignKeyMissing
from storage.metadata.quotas import Room
from storage.metadata.sessions import Known, Session
from storage.metadata.uploads import State, Upload
from storage.names import Digest, UploadId
from storage.objects.base import ObjectKey, Stores
from storage.objects.hashing import ResumableHash

#: How often a request looks whether the one that holds its session is over.
_BUSY_POLL_SECONDS: Final = 0.2
_PUBLISH_TRIES: Final = 3
#: Between the look at a token and the row of the session that it opens, and between two clocks.
_OPENING_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class UploadSettings:
    layer_limit_bytes: int = 10 * 1024**3
    upload_seconds: float = 600.0
    lease_seconds: float = 9.0
    busy_seconds: float = 10.0  # how long a request waits for another one that holds the same session
    sessions_max: int = 1000  # open at once, per account
    buffer_bytes: int = 48 * 1024**2  # per process
    link_grace_seconds: float = 24 * 3600.0
    stall_timeout: StallTimeout = field(default_factory=StallTimeout)


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a session: other callers get BlobUploadUnknown."""

    package_id: int
    account_id: int
    token_id: int | None


def opened_before(found: Session, token_id: int | None, at: float) -> bool:
    """Return whether the session is open and was opened with the token by the time ``at`` (Unix seconds)."""
    latest = at + _OPENING_SECONDS
    mine = found.opened_at is not None and found.opened_by == token_id and found.opened_at <= latest
    return mine and found.state == "open" and not found.expired


@dataclass(frozen=True, slots=True)
class Uploads:
    """The rules of uploads."""

    db: Database
    stores: Stores
    settings: UploadSettings
    pool: BufferPool
    new_id: Callable[[], UUID]
    known: Known
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    #: ``stolen``: leases of requests that never gave them back; ``over_quota``: sessions that a quota refused.
    counts: Counter[str] = field(default_factory=Counter)

    async def start(
        self,
        owner: Owner,
        standing: AccessFacts,
        algorithm: str,
        *,
        expected_bytes: int = 0,
        granted: Sequence[str] | None = None,
    ) -> tuple[UploadId, str | None]:
        """Start a session that expires after ``upload_seconds``; return its id, and a warning if there is little room.

        ``standing``: the caller's access facts; ``granted``: the packages that the caller may be told of beside public
        ones, or None for all. Raises TooManyRequests, QuotaExceeded.
        """
        upload = UploadId(self.new_id())
        started = await uploads.start(
            self.db,
            upload,
            owner.package_id,
            owner.account_id,
            owner.token_id,
            algorithm=algorithm,
            object_key=ObjectKey(f"b/{upload.hex[:2]}/{upload.hex}"),
            lives_seconds=self.settings.upload_seconds,
            most_open=self.settings.sessions_max,
            expected_bytes=expected_bytes,
        )
        if started.open_sessions >= (most := self.settings.sessions_max):
            raise TooManyRequests(30, f"open uploads: an account may have {most} uploads open at once")
        room = None if started.room is None else Room.of(started.room)
        if room is not None and room.is_full:
            self.counts["over_quota"] += 1
            largest = await quotas.largest_readable(self.db, owner.token_id, owner.package_id, granted)
            raise QuotaExceeded(room, largest)
        self.known.begun(upload, standing, owner.token_id, algorithm, started.at)
        return upload, None if room is None else warning_of(room)

    async def status(self, owner: Owner, upload: UploadId) -> int:
        """Return the durable offset in bytes. Raises BlobUploadUnknown, UploadExpired.

        Waits for the end of the request that holds the session, ``busy_seconds`` at most: as long as the server has not
        noticed that its client is gone, the offset moves.
        """
        waited = 0.0
        while (state := await self._open(owner, upload)).leased and waited < self.settings.busy_seconds:
            await asyncio.sleep(_BUSY_POLL_SECONDS)
            waited += _BUSY_POLL_SECONDS
        return state.received

    async def _open(self, owner: Owner, upload: UploadId) -> State:
        """Return the state of an open session. Raises BlobUploadUnknown, UploadExpired."""
        state = await uploads.state(self.db, upload, owner.package_id, owner.account_id)
        if state is None or state.state != "open":
            raise BlobUploadUnknown(upload)
        if state.expired:
            raise UploadExpired(upload)
        return state

    async def cancel(self, owner: Owner, upload: UploadId) -> None:
        """Cancel a session, even one that is receiving. Raises BlobUploadUnknown."""
        if not await uploads.abort(self.db, upload, owner.package_id, owner.account_id):
            raise BlobUploadUnknown(upload)

    async def append(self, upload: UploadId, found: Session, body: bytes, at: int | None) -> int | None:
        """Append a short body in one query and return the durable offset; None if the caller must use ``open``."""
        hasher = self._short(found, body, at)
        if hasher is None or found.fence is None or found.received is None:
            return None
        self.known.drop(upload)
        end, state = found.received + len(body), hasher.state()
        if not await sessions.append(self.db, upload, found.fence, found.received, body, state):
            return None
        self.known.appended(upload, found, end, state)
        return end

    async def finish(self, upload: UploadId, found: Session, body: bytes, at: int | None, digest: Digest) -> bool:
        """Publish a session that ends with a short body; False if the caller must use ``open`` and ``commit``."""
        self.known.drop(upload)
        hasher = self._short(found, body, at)
        fence, end = found.fence, found.received
        if hasher is None or fence is None or end is None or not _proves(hasher, digest, found.algorithm):
            return False
        grace = self.settings.link_grace_seconds
        return await _repeated(lambda: sessions.finish(self.db, upload, fence, end, digest, body, grace_seconds=grace))

    def is_done(self, found: Session, digest: Digest) -> bool:
        """Return whether the session was published already, as this digest. Raises DigestInvalid for another one."""
        if found.state != "done" or found.digest is None:
            return False
        if found.digest != digest:
            raise DigestInvalid(digest, Digest(found.digest))
        return True

    async def put(self, package_id: int, body: bytes, digest: Digest) -> bool:
        """Publish a short body without a session; False: too large, another digest, or the package is gone."""
        if len(body) > self.settings.layer_limit_bytes or Digest.of(body, digest.algorithm) != digest:
            return False
        grace = self.settings.link_grace_seconds
        return await _repeated(lambda: sessions.put(self.db, package_id, digest, body, grace_seconds=grace))

    def _short(self, found: Session, body: bytes, at: int | None) -> ResumableHash | None:
        """Return the hash of a session with ``body`` appended; None if the bytes do not fit into the row."""
        if not found.free or not found.in_row or found.received is None or at not in {None, found.received}:
            return None
        if found.received + len(body) > min(INLINE_BYTES, self.settings.layer_limit_bytes):
            return None
        algorithm = cast('Literal["sha256", "sha512"]', found.algorithm)
        hasher = ResumableHash.restore(found.hash_state) if found.hash_state else ResumableHash(algorithm)
        hasher.update(body)
        return hasher

    @asynccontextmanager
    async def open(
        self, owner: Owner, upload: UploadId, *, at: int | None, expected_bytes: int | None
    ) -> AsyncIterator[UploadWriter]:
        """Lease a session for one request. Received bytes are made durable at exit, even if the client is gone.

        ``at``: where the client says its bytes begin; ``expected_bytes``: how many it announces, if it does.
        Raises BlobUploadUnknown, UploadExpired, UploadBusy, RangeInvalid, LayerTooLarge, ObjectCorrupt, Unavailable.
        """
        self.known.drop(upload)
        held = await self._claim(owner, upload, stores=expected_bytes != 0)
        receiver = UploadWriter(
            held,
            self.db,
            self.stores,
            self.pool,
            self.draining,
            limit=self.settings.layer_limit_bytes,
            stall_timeout=self.settings.stall_timeout,
        )
        try:
            self._check(held, at, expected_bytes)
            async with receiver.running(self.settings.lease_seconds):
                yield receiver
        except (LayerTooLarge, DigestInvalid):
            receiver.released = await uploads.fail(self.db, upload, held.fence)
            raise
        except UploadGone as error:
            # The store has dropped its parts: nobody can go on with this one.
            receiver.released = await uploads.fail(self.db, upload, held.fence)
            raise BlobUploadUnknown(upload) from error
        except UploadBusy:
            await self._open(owner, upload)  # it may be cancelled or finished rather than busy
            raise
        finally:
            if not receiver.released:
                await asyncio.shield(uploads.release(self.db, upload, held.fence))

    def _check(self, held: Upload, at: int | None, expected_bytes: int | None) -> None:
        if held.found != held.received:
            raise ObjectCorrupt(f"upload {held.id} has {held.found} of the {held.received} bytes that were received")
        if at is not None and at != held.received:
            raise RangeInvalid(expected=held.received, got=at)
        if held.received + (expected_bytes or 0) > self.settings.layer_limit_bytes:
            raise LayerTooLarge(self.settings.layer_limit_bytes)

    async def _claim(self, owner: Owner, upload: UploadId, *, stores: bool) -> Upload:
        waited = 0.0
        while True:
            held = await uploads.claim(
                self.db,
                upload,
                owner.package_id,
                owner.account_id,
                lease_seconds=self.settings.lease_seconds,
                stores=stores,
            )
            if held is not None:
                self.counts["stolen"] += held.stolen
                return held
            await self._open(owner, upload)  # raises when there is nothing to wait for
            if waited >= self.settings.busy_seconds:
                raise UploadBusy(upload)
            await asyncio.sleep(_BUSY_POLL_SECONDS)
            waited += _BUSY_POLL_SECONDS

    async def commit(self, receiver: UploadWriter, digest: Digest) -> int:
        """Publish the received bytes as a blob of the package and return its size in bytes.

        Raises DigestInvalid (the session is over then: its parts are swept), BlobUploadUnknown, ObjectCorrupt,
        Unavailable.
        """
        if not await receiver.matches(digest):
            raise receiver.mismatch(digest)
        stored = await receiver.finish()
        held = await blobs.stored(self.db, digest)
        if held is not None and not held.suspect:
            # These bytes replace an object that is gone, and that nobody has missed yet.
            await blobs.is_there(self.db, self.stores, digest, held.object_key, held.size)
        if not await self._publish(receiver, digest, stored):
            raise UploadBusy(receiver.id)
        receiver.released = True
        return stored.size

    async def _publish(self, receiver: UploadWriter, digest: Digest, stored: Stored) -> bool:
        return await _repeated(
            lambda: uploads.publish(
                self.db,
                receiver.id,
                receiver.fence,
                digest,
                stored.size,
                object_key=stored.object_key,
                body=stored.body,
                grace_seconds=self.settings.link_grace_seconds,
            )
        )


def _proves(hasher: ResumableHash, digest: Digest, algorithm: str | None) -> bool:
    """Return whether the hashed bytes have this digest; False for a digest of another algorithm."""
    return algorithm == digest.algorithm and hasher.hexdigest() == digest.hex


async def _repeated(publish: Callable[[], Awaitable[bool]]) -> bool:
    """Call ``publish``, again if the collector deletes the blob's row meanwhile: the next insert wins."""
    for left in reversed(range(_PUBLISH_TRIES)):
        try:
            return await publish()
        except ForeignKeyMissing:
            if not left:
                raise
    return False
