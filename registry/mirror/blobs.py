"""Blobs of mirrors: one fetch a blob in the whole cluster, for all who ask.

A fetch is an upload session with its lease: a process that dies leaves bytes that are durable, and another one goes on
behind them. All processes of the fetcher's node serve its bytes from the spool as they come; on other nodes a client
waits for the end, which is a redirect or a read of the store. The last byte is held back until the digest was proved
and the blob is stored. A fetch goes on when those who asked for it leave.
"""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import structlog

from registry.errors import BlobUnknown, BlobUploadUnknown, DigestInvalid, RegistryError, UploadBusy, UploadExpired
from registry.mirror.bodies import FetchedBody
from registry.mirror.failures import rest_of, told
from registry.mirror.mirrors import Mirror
from registry.mirror.spool import Spool, SpoolReader
from registry.mirror.storing import blob_came
from registry.mirror.upstream import Upstream, UpstreamError
from registry.uploads.room import QuotaExceeded
from registry.uploads.sessions import Owner, Uploads
from registry.uploads.writer import UploadWriter
from storage.errors import StorageError, Unavailable
from storage.metadata import mirror_contents, uploads
from storage.metadata.quotas import Room
from storage.names import Digest, UploadId
from storage.objects.base import ObjectKey, Source, Span

log = structlog.get_logger()

#: What is counted of fetches.
FETCHES: Final = ("begun", "resumed", "stored", "failed")
#: A fetch that nobody has ended by then is forgotten, with what it has.
_FETCH_SECONDS: Final = 6 * 3600.0
#: How often a process looks how far another one is: by the spool of their node, and in PostgreSQL.
_SPOOL_SECONDS: Final = 0.05
_LOOK_SECONDS: Final = 0.25
#: So often in a row a session may be neither had nor held by another: its package is gone.
_BUSY_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Place:
    """A blob that a mirror's manifest names. ``there``: what the upstream calls the package."""

    mirror: Mirror
    package_id: int
    there: str
    digest: Digest
    size: int


@dataclass(slots=True, eq=False)
class Fetch:
    """The fetch of a blob as one process sees it, whoever is at it: all readers of the process wait for this.

    ``there``: bytes of the spool that may be read; ``over``: it is ``stored``, or failed with ``error``.
    """

    place: Place
    upload: UploadId | None = None
    file: SpoolReader | None = None
    there: int = 0
    stored: bool = False
    error: RegistryError | StorageError | None = None
    readers: int = 0
    busy: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        return self.stored or self.error is not None

    @property
    def readable(self) -> int:
        """How far readers may read: the last byte waits for the digest."""
        return self.place.size if self.stored else min(self.there, self.place.size - 1)

    def come(self, there: int) -> None:
        """Tell the readers that there are more bytes."""
        self.there = there
        self.tell()

    def tell(self) -> None:
        """Wake the readers."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def more(self) -> None:
        """Wait for more bytes, or the end."""
        await self._changed.wait()

    def leave(self) -> None:
        """Close the file, if nobody reads it any more."""
        if self.file is not None and self.over and not self.readers:
            self.file.close()
            self.file = None


@dataclass(slots=True)
class MirrorBlobs:
    """The fetches of a process. ``uploads``: their sessions; who finds one held does not wait for it."""

    upstream: Upstream
    uploads: Uploads
    spool: Spool = field(default_factory=Spool)
    #: ``FETCHES``, and ``bytes`` of upstreams.
    counts: Counter[str] = field(default_factory=Counter)
    _fetches: dict[tuple[int, Digest], tuple[Fetch, "asyncio.Task[None]"]] = field(default_factory=dict)

    @property
    def under_way(self) -> int:
        """How many fetches this process takes part in."""
        return len(self._fetches)

    async def close(self) -> None:
        """Leave what is being fetched to other processes."""
        tasks = [task for _, task in self._fetches.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def opened(self, place: Place, span: Span | None) -> "GrowingBlob | None":
        """Fetch a blob, and wait until the first byte of ``span`` is there; None: the blob is stored.

        Raises what the fetch fails with.
        """
        fetch, first = self._of(place), 0 if span is None else span.start
        fetch.readers += 1
        try:
            while not fetch.over and fetch.readable <= first:
                await fetch.more()
            if fetch.error is not None:
                raise fetch.error
            if fetch.stored or fetch.file is None:
                return None
            fetch.readers += 1  # the blob's own
            return GrowingBlob(fetch, span or Span(0, place.size))
        finally:
            fetch.readers -= 1
            fetch.leave()

    def _of(self, place: Place) -> Fetch:
        key = (place.package_id, place.digest)
        known = self._fetches.get(key)
        if known is not None:
            return known[0]
        fetch = Fetch(place)
        task = asyncio.get_running_loop().create_task(self._pursue(fetch))
        self._fetches[key] = fetch, task
        task.add_done_callback(lambda _: self._fetches.pop(key, None))
        return fetch

    async def _pursue(self, fetch: Fetch) -> None:
        """See to it that a blob is fetched, by whichever process, and tell the readers of this one."""
        try:
            while not await self._step(fetch):
                pass
            fetch.stored = True
        except UpstreamError as error:
            fetch.error = told(fetch.place.mirror, BlobUnknown(fetch.place.digest), error)
        except (RegistryError, StorageError) as error:
            fetch.error = error
        except Exception as error:
            log.exception("mirror.fetch_broken", digest=fetch.place.digest)
            fetch.error = Unavailable(type(error).__name__)
        finally:
            if not fetch.over:
                fetch.error = Unavailable("this process stops")
            fetch.tell()
            fetch.leave()

    async def _step(self, fetch: Fetch) -> bool:
        """Do what is next: fetch, or look what the fetcher does; return whether the blob is stored."""
        place = fetch.place
        found = await self._looked(place)
        if found.stored:
            return True
        if found.open and found.leased and found.upload is not None:
            fetch.busy = 0
            await self._follow(fetch, found.upload)
            return False
        upload = found.upload if found.open else await self._begun(place)
        if upload is None:
            return False  # another process was faster
        try:
            await self._fetch(fetch, upload)
        except (UploadBusy, UploadExpired, BlobUploadUnknown) as error:
            fetch.busy += 1
            if fetch.busy > _BUSY_MAX:
                raise Unavailable("the fetch cannot be had") from error
            await asyncio.sleep(_SPOOL_SECONDS)  # another process is at it, or was
            return False
        return True

    async def _looked(self, place: Place) -> mirror_contents.Fetch:
        """Look how far a fetch is. Raises UpstreamError while the upstream is left alone after a failure."""
        found = await mirror_contents.fetch(self.uploads.db, place.package_id, place.digest, place.mirror.changed_at)
        if found.rests > 0:
            raise UpstreamError.of(found.kind, found.why, math.ceil(found.rests))
        return found

    async def _follow(self, fetch: Fetch, upload: UploadId) -> None:
        """Read for a moment what another process of this node fetches."""
        if fetch.file is None:
            fetch.file = await self.spool.reader(upload)
            fetch.upload = upload
        _expect(fetch, upload)
        loop = asyncio.get_running_loop()
        until = loop.time() + _LOOK_SECONDS
        while loop.time() < until:
            if fetch.file is not None and (size := fetch.file.size()) > fetch.there:
                fetch.come(size)
            await asyncio.sleep(_SPOOL_SECONDS)

    async def _begun(self, place: Place) -> UploadId | None:
        """Open a session and make it the fetch; None: another process was faster."""
        upload, owner_id = UploadId(self.uploads.new_id()), place.mirror.owner_id
        started = await uploads.start(
            self.uploads.db,
            upload,
            place.package_id,
            owner_id,
            None,
            algorithm=place.digest.algorithm,
            object_key=ObjectKey(f"b/{upload.hex[:2]}/{upload.hex}"),
            lives_seconds=_FETCH_SECONDS,
            most_open=(most := self.uploads.settings.sessions_max),
            expected_bytes=place.size,
        )
        if started.open_sessions >= most:
            raise told(place.mirror, BlobUnknown(place.digest), UpstreamError("limited", f"{most} fetches at once", 30))
        if started.room is not None and Room.of(started.room).is_full:
            raise QuotaExceeded(Room.of(started.room), [])
        if await mirror_contents.begin_fetch(self.uploads.db, place.package_id, place.digest, upload, place.size):
            self.counts["begun"] += 1
            return upload
        await uploads.abort(self.uploads.db, upload, place.package_id, owner_id)
        return None

    async def _fetch(self, fetch: Fetch, upload: UploadId) -> None:
        """Fetch a blob, from where its session is, and store it. Raises UpstreamError, RegistryError, StorageError."""
        place, db = fetch.place, self.uploads.db
        owner = Owner(place.package_id, place.mirror.owner_id, None)
        try:
            async with self.uploads.open(owner, upload, at=None, expected_bytes=None) as receiver:
                await self._looked(place)  # again: who had the lease before may have failed
                try:
                    await self._receive(fetch, upload, receiver)
                except UpstreamError as error:
                    await self._failed(place, upload, error)
                    raise
                except DigestInvalid:
                    await self._failed(place, upload, _lied())
                    raise
        except DigestInvalid as error:
            raise _lied() from error
        self.counts["stored"] += 1
        await blob_came(db, place.package_id, place.digest)
        await mirror_contents.end_fetch(db, place.package_id, place.digest, upload)

    async def _failed(self, place: Place, upload: UploadId, failure: UpstreamError) -> None:
        """Note that a fetch failed, while its lease keeps others from going on."""
        self.counts["failed"] += 1
        log.warning("mirror.fetch_failed", upstream=place.mirror.shown, digest=place.digest, error=failure.why)
        where = (self.uploads.db, place.package_id, place.digest, upload)
        rests = rest_of(place.mirror, failure, 1)
        await mirror_contents.fail_fetch(*where, rests=rests, kind=failure.kind, why=failure.why)

    async def _receive(self, fetch: Fetch, upload: UploadId, receiver: UploadWriter) -> None:
        place, begin = fetch.place, receiver.durable
        self.counts["resumed"] += begin > 0
        async with self.spool.writing(upload, begin) as spool:
            _expect(fetch, upload)
            fetch.file, fetch.upload = fetch.file or await self.spool.reader(upload), upload
            body = FetchedBody(
                lambda at: self.upstream.blob(place.mirror, place.there, place.digest, at),
                spool,
                begin,
                place.size,
                fetch.come,
            )
            try:
                async with body.pumping():
                    await receiver.receive(body)
            finally:
                self.counts["bytes"] += body.fetched
            await self.uploads.commit(receiver, place.digest)
            spool.is_whole = True


def _expect(fetch: Fetch, upload: UploadId) -> None:
    """Refuse to go on for readers with the bytes of another session: those before were wrong. Raises Unavailable."""
    if fetch.upload not in {None, upload}:
        raise Unavailable("the fetch began anew")


def _lied() -> UpstreamError:
    return UpstreamError("wrong", "it gave other bytes than the digest says")


class GrowingBlob:
    """A reader of a blob that is being fetched (``ObjectReader``)."""

    def __init__(self, fetch: Fetch, span: Span) -> None:
        self._fetch: Final = fetch
        self._span: Final = span

    @property
    def size(self) -> int:
        """The bytes that are read."""
        return self._span.size

    @property
    def object_size(self) -> int:
        """The bytes of the blob."""
        return self._fetch.place.size

    def source(self) -> Source | None:
        """Return None: the file grows."""
        return None

    def close(self) -> None:
        """Leave the fetch."""
        self._fetch.readers -= 1
        self._fetch.leave()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come. Raises Unavailable when the fetch fails."""
        fetch, at = self._fetch, self._span.start
        while at < self._span.stop:
            stop = min(self._span.stop, fetch.readable)
            if at < stop:
                chunk = b"" if fetch.file is None else await fetch.file.read(at, stop)
                if not chunk:
                    raise Unavailable("the spool ended before the blob")
                at += len(chunk)
                yield chunk
            elif fetch.error is not None:
                raise Unavailable("the fetch failed") from fetch.error
            else:
                await fetch.more()
