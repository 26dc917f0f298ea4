"""The writer of one request to an upload: receives, hashes, cuts parts, and makes the bytes durable.

The order of things, each step only after the one before: a part is in the store → it is in Postgres with the offset
and the hash state behind it → the client may be told. Parts travel at the same time, but are recorded in order.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, cast

from registry.errors import DigestInvalid, LayerTooLarge, SizeInvalid, UnavailableNow, UploadBusy, UploadExpired
from registry.uploads.buffer_pool import SLOT_BYTES, BufferPool
from registry.uploads.part_buffer import HELD_BYTES, Pending, PendingPart
from registry.uploads.part_sender import Parts, give
from registry.uploads.segments import Segments
from registry.uploads.stall_timeout import Body, Paced, StallTimeout
from storage.errors import ObjectCorrupt, StorageError, Unavailable
from storage.metadata import uploads
from storage.metadata.database import Database
from storage.metadata.uploads import Upload
from storage.names import Digest, UploadId
from storage.objects.base import MultipartId, ObjectKey, Part, Stores, whole
from storage.objects.hashing import ResumableHash

#: Blobs up to this size live in Postgres, and so do the last bytes of a session between its requests.
INLINE_BYTES: Final = 64 * 1024
#: Read while there is no slot, to be copied: what comes first, and what comes when a slot is full.
_SPARE_BYTES: Final = 4 * 1024
#: After these there is nothing worth making durable, or nobody to do it with.
_NOTHING_TO_KEEP: Final = (DigestInvalid, LayerTooLarge, SizeInvalid, UploadBusy, UploadExpired, StorageError)


@dataclass(frozen=True, slots=True)
class Stored:
    """The bytes of a finished upload: an object's key, or the body itself."""

    size: int
    object_key: ObjectKey | None
    body: bytes | None


class UploadWriter:
    """The lease on an upload for the time of one request. ``limit``: the bytes of a blob at most."""

    def __init__(
        self,
        held: Upload,
        db: Database,
        stores: Stores,
        pool: BufferPool,
        draining: asyncio.Event,
        *,
        limit: int,
        stall_timeout: StallTimeout,
    ) -> None:
        self.id: UploadId = held.id
        self.fence = held.fence
        self.durable = held.received
        self.released = False
        self._limit = limit
        self._stall_timeout = stall_timeout
        self._held = held
        self._db = db
        self._stores = stores
        self._pool = pool
        self._draining = draining
        algorithm = cast('Literal["sha256", "sha512"]', held.algorithm)
        hasher = ResumableHash.restore(held.hash_state) if held.hash_state else ResumableHash(algorithm)
        self._segments = Segments(held, stores)
        self._pending = Pending(hasher, held.received, base=self._segments.size)
        self._pending.resume(held.tail)
        self._row = (held.hash_state or b"", held.tail)
        self._parts = Parts(stores, pool, held, self._number, self._record_part)
        self._spent = self._revocable = False
        self._stop: int | None = None
        self._may_be_whole = not self._parts.recorded and not self._segments
        self._slot_since = 0.0
        self._tasks: asyncio.TaskGroup | None = None

    # -- the life of a hold

    @asynccontextmanager
    async def running(self, lease_seconds: float) -> AsyncIterator[None]:
        """Renew the lease within the block; at its end the received bytes are made durable, whatever ended the block.

        Raises what the body raised, or the first thing that went wrong with a part.
        """
        failure: Exception | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                keeper = tasks.create_task(self._keep(lease_seconds))
                try:
                    yield
                except Exception as error:
                    failure = error
                    if self._spent or isinstance(error, _NOTHING_TO_KEEP):
                        raise  # parts that are still on their way are of no use: they are cut
                if not self.released:
                    self._spent = True
                    await self._flush(release=True, whole=failure is None)
                keeper.cancel()
        except BaseExceptionGroup as group:
            reason = _reason(failure, group)
            if isinstance(reason, SizeInvalid):
                self.released = await uploads.roll_back(self._db, self._held)
            raise reason from group
        finally:
            self._leave_slot()
            give(self._pool, self._pending.cut_all())
        if failure is not None:
            raise failure

    async def _keep(self, lease_seconds: float) -> None:
        while True:
            await asyncio.sleep(lease_seconds / 3)
            try:
                kept = await uploads.renew(self._db, self.id, self.fence, lease_seconds)
            except Unavailable:
                continue  # every write asks for the fence: nothing is lost if nobody takes the lease meanwhile
            if not kept and not self._spent:  # else whoever ends the session or lets it go is told
                raise UploadBusy(self.id)

    # -- receiving

    async def receive(self, body: Body, expected: int | None = None) -> None:
        """Receive a whole body, of ``expected`` bytes if its length is known. SizeInvalid: no byte of it is kept.

        Raises SizeInvalid, LayerTooLarge, UploadExpired, BlobUploadInvalid, UnavailableNow, StorageError, OSError.
        """
        begin = self._pending.received
        self._stop = None if expected is None else begin + expected
        self._revocable = expected is not None and body.length is None  # chunks: they may be more or fewer
        lifetime = asyncio.timeout(self._held.expires_in)
        try:
            async with lifetime:
                await self._receive(Paced(body, self._stall_timeout))
        except TimeoutError as error:
            if lifetime.expired():
                raise UploadExpired(self.id) from error
            raise
        finally:
            body.close()
        got = self._pending.received - begin
        if expected is not None and got != expected:
            raise SizeInvalid(expected, got)

    async def _receive(self, body: Paced) -> None:
        clock = asyncio.get_running_loop().time
        # A slot is queued for when there are bytes for it, not before: a client may announce them and stand still.
        spare = memoryview(bytearray(_SPARE_BYTES))
        while (count := await body.fill(room := self._pending.room() or spare)) != 0:
            if count is not None:
                self._check(self._pending.received + count)
                if room is spare:
                    await self._take(spare[:count])
                else:
                    self._pending.add(count)
                await self._ship_ready()
            held_seconds = clock() - self._slot_since
            if self._pending.slot and self._pool.contended and held_seconds > self._stall_timeout.slow_seconds:
                await self._flush()
            if self._draining.is_set():
                raise UnavailableNow(retry_after_seconds=1)

    @property
    def _coming(self) -> int:
        """The announced bytes that have not arrived."""
        return 0 if self._stop is None else self._stop - self._pending.received

    def _check(self, end: int) -> None:
        if end > self._limit:
            raise LayerTooLarge(self._limit)
        if self._stop is not None and end > self._stop:
            raise SizeInvalid(self._stop - self._held.received, end - self._held.received)

    async def _take(self, data: memoryview) -> None:
        """Append bytes that were received outside the slot: to the small buffer, or copied into a slot."""
        pending = self._pending
        if pending.slot is None and pending.size + max(len(data), self._coming) <= INLINE_BYTES:
            pending.keep(data)
            return
        if pending.slot is None:
            await self._make_room()
        await self._place(data)

    async def _place(self, data: bytes | bytearray | memoryview, *, hashed: bool = False) -> None:
        left = memoryview(data)
        while left:
            room = self._pending.room()
            if not room:
                await self._make_room()
                continue
            count = min(len(room), len(left))
            room[:count] = left[:count]
            self._pending.add(count, hashed=hashed)
            left = left[count:]

    async def _make_room(self) -> None:
        """Get a slot for the next bytes. The bytes of a full one are sent, or kept there if another slot is free."""
        slot = None
        if self._pending.slot is not None:
            self._may_be_whole = False
            await self._ship_ready()
            if self._pending.size:
                slot = await self._pool.take_if_free()
                if slot is None:
                    await self._ship(self._pending.cut_all())
            self._leave_slot()
        hashed, new = self._pending.take_up(slot or await self._pool.take())
        self._slot_since = asyncio.get_running_loop().time()
        if self._pending.base >= HELD_BYTES:
            await self._read_back()
        await self._place(hashed, hashed=True)
        await self._place(new)

    async def _read_back(self) -> None:
        """Read back into slots the segments that are too large to be joined with a part when sent."""
        self._pending.read_back()
        for key, size in self._segments.take():
            async with whole(self._stores, key, size) as reader:
                async for chunk in reader:
                    await self._place(chunk, hashed=True)

    def _leave_slot(self) -> None:
        slot = self._pending.leave()
        if slot is not None:
            self._pool.give(slot)

    # -- making it durable

    async def _ship_ready(self) -> None:
        """Send the complete parts, unless the upload may fit into one object: one request instead of four."""
        if self._may_be_whole and (self._stop is None or self._stop <= SLOT_BYTES):
            return
        while count := self._pending.ready(self._coming):
            await self._ship(self._pending.cut(count))

    async def _ship(self, pending_part: PendingPart) -> None:
        """Send a part, joined with the segments before its bytes."""
        assert self._tasks is not None  # noqa: S101 - running() was entered
        self._may_be_whole = False
        try:
            await self._join_segments(pending_part)
        except BaseException:
            give(self._pool, pending_part)
            raise
        await self._parts.send(pending_part, self._tasks)

    async def _number(self, multipart: MultipartId) -> int:
        number = await uploads.number_part(self._db, self.id, self.fence, multipart)
        if number is None:
            raise UploadBusy(self.id)
        return number

    async def _join_segments(self, pending_part: PendingPart) -> None:
        """Prepend the segments before a part, read back from the store; alone they are too small for a part."""
        # Who has a slot has room beside it, and must not wait for another.
        has_slot = pending_part.slots or self._pending.slot is not None
        await self._segments.put_before(pending_part, None if has_slot else self._pool)

    async def _record(
        self,
        pending_part: PendingPart,
        *,
        tail: bytes = b"",
        part: Part | None = None,
        segment: tuple[ObjectKey, int] | None = None,
        release: bool = False,
    ) -> None:
        kept = await uploads.record(
            self._db,
            self.id,
            self.fence,
            received=pending_part.end,
            hash_state=pending_part.state,
            tail=tail,
            part=part,
            segment=segment,
            release=release,
            revocable=self._revocable,
        )
        if not kept:
            raise UploadBusy(self.id)
        self.durable, self._row = pending_part.end, (pending_part.state, tail)

    async def _record_part(self, pending_part: PendingPart, part: Part) -> None:
        if pending_part.end > self.durable:
            await self._record(pending_part, part=part)
        else:
            # It is what segments were: the tail behind them, which is durable as well, stays in the row.
            state, tail = self._row
            await self._record(PendingPart([], 0, self.durable, state), tail=tail, part=part)

    async def _flush(self, *, release: bool = False, whole: bool = False) -> None:
        """Make all received bytes durable: as a part, as a segment, or in the session's row.

        ``whole``: the body came to its end, so that the upload may be over: then one object is all it takes.
        """
        pending = self._pending
        if pending.size and pending.total >= HELD_BYTES and not (whole and self._may_be_whole):
            await self._ship(pending.cut_all())
            self._leave_slot()
            await self._parts.settled()
            if release:
                await uploads.release(self._db, self.id, self.fence)
                self.released = True
            return
        await self._parts.settled()
        pending_part = pending.cut_all()
        try:
            if pending_part.size <= INLINE_BYTES:
                tail = b"".join(pending_part.pieces)
                await self._record(pending_part, tail=tail, release=release)
                pending.resume(tail)
            else:
                key = await self._segments.write(pending_part.pieces)
                await self._record(pending_part, segment=(key, pending_part.size), release=release)
                self._segments.append(key, pending_part.size)
                self._may_be_whole = False
        finally:
            give(self._pool, pending_part)
            self._leave_slot()
        pending.base = self._segments.size
        self.released = release

    # -- the end

    async def matches(self, digest: Digest) -> bool:
        """Return whether the received bytes have this digest."""
        self._pending.hash_small()
        if digest.algorithm != self._held.algorithm:
            return await self._rehashed(digest) == digest.hex
        return self._pending.hasher.hexdigest() == digest.hex

    def mismatch(self, digest: Digest) -> DigestInvalid:
        """Return the error of a wrong digest."""
        return DigestInvalid(digest, Digest(f"{self._held.algorithm}:{self._pending.hasher.hexdigest()}"))

    async def finish(self) -> Stored:
        """Return the bytes for publishing, in one object or inline. Raises ObjectCorrupt if bytes are missing."""
        self._spent = True  # nothing is made durable any more
        stored, received = await self._whole(), self._pending.received
        if stored.size != received:
            raise ObjectCorrupt(f"upload {self.id} ends with {stored.size} of the {received} bytes that were received")
        return stored

    async def _whole(self) -> Stored:
        if self._pending.size and self._pending.base >= HELD_BYTES:
            await self._make_room()
        await self._parts.settled()
        if self._parts.recorded:
            if self._pending.total:
                await self._ship(self._pending.cut_all())
                await self._parts.settled()
            return Stored(await self._parts.complete(), self._held.object_key, None)
        if len(self._segments) == 1 and not self._pending.size:
            key, size = self._segments.only()
            return Stored(size, key, None)
        inline = self._pending.total <= INLINE_BYTES and not self._segments
        pending_part = self._pending.cut_all()
        try:
            if inline:
                return Stored(pending_part.size, None, b"".join(pending_part.pieces))
            await self._join_segments(pending_part)
            return Stored(pending_part.size, await self._segments.write(pending_part.pieces), None)
        finally:
            give(self._pool, pending_part)

    async def _rehashed(self, digest: Digest) -> str:
        """Compute the hash by another algorithm than the session's, which costs reading the bytes again."""
        hasher = ResumableHash(cast('Literal["sha256", "sha512"]', digest.algorithm))
        stored = await self.finish()
        if stored.body is not None:
            hasher.update(stored.body)
            self._pending.resume(stored.body)
        elif stored.object_key is not None:
            async with whole(self._stores, stored.object_key, stored.size) as reader:
                async for chunk in reader:
                    hasher.update(chunk)
            if not self._parts.recorded:
                self._segments.restart(stored.object_key, stored.size)
        return hasher.hexdigest()


def _reason(failure: Exception | None, group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group, or the failure that caused the others."""
    if isinstance(failure, _NOTHING_TO_KEEP):
        return failure
    first = group.exceptions[0]
    return _reason(None, first) if isinstance(first, BaseExceptionGroup) else first
