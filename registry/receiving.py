"""One request's hold on an upload: receives, hashes, cuts parts, and makes durable what came.

The order of things, each step only after the one before: a part is in the store → it is in Postgres with the offset
and the hash state behind it → the client may be told. Parts travel at the same time, but are recorded in order.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, Protocol, cast

from registry.errors import DigestInvalid, LayerTooLarge, SizeInvalid, UnavailableNow, UploadBusy, UploadExpired
from registry.pace import Pace, paced
from registry.pending import HELD_BYTES, Cut, Pending
from registry.slots import Slots
from storage.errors import ObjectCorrupt, StorageError, Unavailable
from storage.metadata import uploads
from storage.metadata.database import Database
from storage.metadata.uploads import Upload
from storage.names import Digest, UploadId
from storage.objects.base import MultipartId, MultipartStore, ObjectKey, ObjectStore, Part
from storage.objects.hashing import ResumableHash

#: Blobs up to this size live in Postgres, and so do the last bytes of a session between its requests.
INLINE_BYTES: Final = 64 * 1024
#: Parts of one upload on their way to the store at the same time.
_PARTS_IN_FLIGHT: Final = 4
#: After these there is nothing worth making durable, or nobody to do it with.
_NOTHING_TO_KEEP: Final = (DigestInvalid, LayerTooLarge, UploadBusy, UploadExpired, StorageError)


class Stores(ObjectStore, MultipartStore, Protocol):
    """An object store that does both."""

    async def ping(self) -> None: ...  # raises Unavailable


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a finished upload's bytes are: under a key, or here."""

    size: int
    object_key: ObjectKey | None
    body: bytes | None


class _Way:
    """A part's place among those in flight, and the slot it was collected in; given back once, however it ends."""

    def __init__(self, in_flight: asyncio.Semaphore, slots: Slots | None) -> None:
        self._in_flight = in_flight
        self._slots = slots
        self._open = True

    def leave(self, _task: object = None) -> None:
        if self._open:
            self._open = False
            self._in_flight.release()
            if self._slots is not None:
                self._slots.give()


class Receiver:
    """The lease on an upload, for as long as a request lives. ``limit``: bytes of a whole blob."""

    def __init__(
        self,
        held: Upload,
        db: Database,
        stores: Stores,
        slots: Slots,
        draining: asyncio.Event,
        *,
        limit: int,
        pace: Pace,
    ) -> None:
        self.id: UploadId = held.id
        self.fence = held.fence
        self.durable = held.received
        self.released = False
        self._limit = limit
        self._pace = pace
        self._held = held
        self._db = db
        self._stores = stores
        self._slots = slots
        self._draining = draining
        algorithm = cast('Literal["sha256", "sha512"]', held.algorithm)
        hasher = ResumableHash.restore(held.hash_state) if held.hash_state else ResumableHash(algorithm)
        self._segments = list(zip(held.segment_keys, held.segment_sizes, strict=True))
        self._pending = Pending(hasher, held.received, base=sum(held.segment_sizes))
        self._pending.resume(held.tail)
        self._parts: list[Part] = held.parts
        self._multipart: MultipartId | None = held.multipart
        self._keys_made = 0
        self._spent = False
        self._stop: int | None = None
        self._has_slot = False
        self._slot_since = 0.0
        self._in_flight = asyncio.Semaphore(_PARTS_IN_FLIGHT)
        self._recorded: asyncio.Future[None] | None = None
        self._hashing: asyncio.Future[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None

    # -- the life of a hold

    @asynccontextmanager
    async def running(self, lease_seconds: float) -> AsyncIterator[None]:
        """Keeps the lease while the body runs; at its end what arrived is made durable, whatever ended it.

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
                    await self._flush(release=True)
                keeper.cancel()
        except BaseExceptionGroup as group:
            raise _reason(failure, group) from group
        finally:
            self._give_slot()
        if failure is not None:
            raise failure

    async def _keep(self, lease_seconds: float) -> None:
        while True:
            await asyncio.sleep(lease_seconds / 3)
            try:
                kept = await uploads.renew(self._db, self.id, self.fence, lease_seconds)
            except Unavailable:
                continue  # every write asks for the fence: nothing is lost if nobody takes the lease meanwhile
            if not kept:
                raise UploadBusy(self.id)

    # -- receiving

    async def receive(self, body: AsyncIterator[bytes], expected: int | None = None) -> None:
        """Takes a whole body, of ``expected`` bytes if its length is known.

        ``body.__anext__`` may be cancelled and called again without losing bytes. Raises LayerTooLarge, SizeInvalid,
        UploadExpired, BlobUploadInvalid, UnavailableNow, Unavailable, ConnectionError.
        """
        begin = self._pending.received
        self._stop = None if expected is None else begin + expected
        lifetime = asyncio.timeout(self._held.expires_in)
        try:
            async with lifetime:
                await self._receive(body)
        except TimeoutError as error:
            if lifetime.expired():
                raise UploadExpired(self.id) from error
            raise
        got = self._pending.received - begin
        if expected is not None and got != expected:
            raise SizeInvalid(expected, got)

    async def _receive(self, body: AsyncIterator[bytes]) -> None:
        clock = asyncio.get_running_loop().time
        async with aclosing(paced(body, self._pace)) as chunks:
            async for chunk in chunks:
                if chunk:
                    await self._take(chunk)
                held_seconds = clock() - self._slot_since
                if self._has_slot and self._slots.contended and held_seconds > self._pace.slow_seconds:
                    await self._flush()
                if self._draining.is_set():
                    raise UnavailableNow(retry_after_seconds=1)

    async def _take(self, chunk: bytes) -> None:
        end = self._pending.received + len(chunk)
        if end > self._limit:
            raise LayerTooLarge(self._limit)
        if self._stop is not None and end > self._stop:
            raise SizeInvalid(self._stop - self._held.received, end - self._held.received)
        if not self._has_slot and self._pending.size + len(chunk) > INLINE_BYTES:
            await self._take_slot()
        await self._hashed()
        self._pending.add(chunk)
        if self._pending.part_due:
            # With others waiting, nothing is held back: the slot goes round, and memory stays within the budget.
            await self._ship(self._pending.cut_all() if self._slots.contended else self._pending.cut_part())
        elif self._pending.hash_due:
            self._hashing = asyncio.get_running_loop().run_in_executor(None, self._pending.hash_now)

    async def _take_slot(self) -> None:
        await self._slots.take()
        self._has_slot = True
        self._slot_since = asyncio.get_running_loop().time()

    async def _hashed(self) -> None:
        if self._hashing is not None:
            await self._hashing
            self._hashing = None

    def _give_slot(self) -> None:
        if self._has_slot:
            self._has_slot = False
            self._slots.give()

    # -- making it durable

    async def _ship(self, cut: Cut) -> None:
        """Sends a part on its way, in the slot it was collected in; what comes next is collected in another."""
        size = await self._join_segments(cut)
        await self._in_flight.acquire()
        if self._multipart is None:
            self._multipart = await self._stores.create(self._held.object_key)
        number = await uploads.number_part(self._db, self.id, self.fence, self._multipart)
        if number is None:
            raise UploadBusy(self.id)
        before, self._recorded = self._recorded, asyncio.get_running_loop().create_future()
        way = _Way(self._in_flight, self._slots if self._has_slot else None)
        assert self._tasks is not None  # noqa: S101 - running() was entered
        task = self._tasks.create_task(self._send(cut, size, number, way, before, self._recorded))
        task.add_done_callback(way.leave)  # a task that is cancelled before it began runs none of its code
        self._has_slot = False
        if self._pending.size > INLINE_BYTES:
            await self._take_slot()

    async def _send(
        self,
        cut: Cut,
        size: int,
        number: int,
        way: _Way,
        before: "asyncio.Future[None] | None",
        recorded: "asyncio.Future[None]",
    ) -> None:
        assert self._multipart is not None  # noqa: S101 - made before the number was
        part = await self._stores.put_part(self._held.object_key, self._multipart, number, cut.pieces)
        # The bytes go with their slot, whoever still holds the cut.
        cut.pieces.clear()
        way.leave()
        if before is not None:
            await before
        await self._record(cut, part=Part(number, part.etag, size))
        self._parts.append(Part(number, part.etag, size))
        recorded.set_result(None)

    async def _join_segments(self, cut: Cut) -> int:
        """Puts the segments that lie before the cut into it, read back; they are too small to be a part alone."""
        before: list[bytes | memoryview] = []
        for key, _size in self._segments:
            async with self._stores.reader(key) as reader:
                before.extend([chunk async for chunk in reader])
        cut.pieces[:0] = before
        size = cut.size + sum(size for _, size in self._segments)
        self._segments = []
        return size

    def _new_key(self) -> ObjectKey:
        """A key that nobody had or will have: the fence is this request's, the number is used once in it."""
        self._keys_made += 1
        return ObjectKey(f"{self._held.object_key}.{self.fence}.{self._keys_made}")

    async def _record(
        self,
        cut: Cut,
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
            received=cut.end,
            hash_state=cut.state,
            tail=tail,
            part=part,
            segment=segment,
            release=release,
        )
        if not kept:
            raise UploadBusy(self.id)
        self.durable = cut.end

    async def _settled(self) -> None:
        """Waits until every part that was sent is recorded."""
        if self._recorded is not None:
            await self._recorded
            self._recorded = None

    async def _flush(self, *, release: bool = False) -> None:
        """Makes everything durable that has come: as a part, as a segment, or in the row."""
        await self._hashed()
        if self._pending.total >= HELD_BYTES and self._pending.size:
            await self._ship(self._pending.cut_all())
            await self._settled()
            if release:
                await uploads.release(self._db, self.id, self.fence)
                self.released = True
            return
        await self._settled()
        cut = self._pending.cut_all()
        if cut.size <= INLINE_BYTES:
            tail = b"".join(cut.pieces)
            await self._record(cut, tail=tail, release=release)
            self._pending.resume(tail)
        else:
            key = self._new_key()
            await self._stores.put(key, cut.pieces)
            await self._record(cut, segment=(key, cut.size), release=release)
            self._segments.append((key, cut.size))
        self._pending.base = sum(size for _, size in self._segments)
        self.released = release
        self._give_slot()

    # -- the end

    async def matches(self, digest: Digest) -> bool:
        """Whether what was received has this digest."""
        await self._hashed()
        self._pending.hash_now()
        if digest.algorithm != self._held.algorithm:
            return await self._rehashed(digest) == digest.hex
        return self._pending.hasher.hexdigest() == digest.hex

    def mismatch(self, digest: Digest) -> DigestInvalid:
        """The error of a wrong digest."""
        return DigestInvalid(digest, Digest(f"{self._held.algorithm}:{self._pending.hasher.hexdigest()}"))

    async def finish(self) -> Stored:
        """The bytes as they can be published: in one object, or in hand. Nothing is made durable after this."""
        self._spent = True
        await self._settled()
        size = self._pending.received
        if self._parts:
            if self._pending.total:
                await self._ship(self._pending.cut_all())
                await self._settled()
            assert self._multipart is not None  # noqa: S101 - there are parts
            if await self._stores.complete(self._held.object_key, self._multipart, self._parts) != size:
                raise ObjectCorrupt(f"the parts of upload {self.id} are not the {size} bytes that were received")
            return Stored(size, self._held.object_key, None)
        if len(self._segments) == 1 and not self._pending.size:
            return Stored(size, self._segments[0][0], None)
        cut = self._pending.cut_all()
        if size <= INLINE_BYTES and not self._segments:
            return Stored(size, None, b"".join(cut.pieces))
        await self._join_segments(cut)
        key = self._new_key()
        await self._stores.put(key, cut.pieces)
        return Stored(size, key, None)

    async def _rehashed(self, digest: Digest) -> str:
        """The hash by another algorithm than the session's: only that costs reading the bytes again."""
        hasher = ResumableHash(cast('Literal["sha256", "sha512"]', digest.algorithm))
        stored = await self.finish()
        if stored.body is not None:
            hasher.update(stored.body)
            self._pending.resume(stored.body)
        elif stored.object_key is not None:
            async with self._stores.reader(stored.object_key) as reader:
                async for chunk in reader:
                    hasher.update(chunk)
            self._segments = [(stored.object_key, stored.size)] if not self._parts else self._segments
        return hasher.hexdigest()


def _reason(failure: Exception | None, group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that began it; the others are its echoes."""
    if isinstance(failure, _NOTHING_TO_KEEP):
        return failure
    first = group.exceptions[0]
    return _reason(None, first) if isinstance(first, BaseExceptionGroup) else first
