"""Blobs of mirrors: one fetch a blob in the whole cluster, for all who ask.

A fetch is an upload session with its lease: a process that dies leaves bytes that are durable, and the next one who is
asked goes on behind them. Who asks the node of the fetch is served from its spool while the bytes come; who asks
another one waits for the end. The last byte is held back until the digest was proved and the blob is stored.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from registry.errors import (
    BlobUploadUnknown,
    DigestInvalid,
    RegistryError,
    TooManyRequests,
    UnavailableNow,
    UploadBusy,
    UploadExpired,
)
from registry.mirror.bodies import FetchedBody
from registry.mirror.mirrors import Mirror
from registry.mirror.spool import Spool, SpoolReader
from registry.mirror.storing import blob_came
from registry.mirror.upstream import Upstream, UpstreamError
from registry.uploads.room import QuotaExceeded
from registry.uploads.sessions import Owner, Uploads
from storage.errors import StorageError, Unavailable
from storage.metadata import manifests, mirror_contents, uploads
from storage.metadata.quotas import Room
from storage.names import Digest, UploadId
from storage.objects.base import ObjectKey, Source, Span

log = structlog.get_logger()

#: A fetch that nobody has ended by then is forgotten, with what it has.
_FETCH_SECONDS: Final = 6 * 3600.0
_POLL_SECONDS: Final = 0.05
#: How often a reader looks how the fetch goes, where no byte comes.
_LOOK_SECONDS: Final = 0.5
#: A fetch that failed is told to those who ask for so long; then it is tried again.
_FAILED_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """A blob that a mirror's manifest names. ``there``: what the upstream calls the package."""

    mirror: Mirror
    package_id: int
    there: str
    digest: Digest
    size: int


@dataclass(slots=True)
class _Failed:
    until: float
    error: RegistryError | StorageError


@dataclass(slots=True)
class MirrorBlobs:
    """The fetches of a process. ``uploads``: their sessions, for which nobody waits."""

    upstream: Upstream
    uploads: Uploads
    spool: Spool = field(default_factory=Spool)
    #: ``begun``, ``resumed``, ``stored``, ``failed``: fetches; ``bytes`` of upstreams.
    counts: Counter[str] = field(default_factory=Counter)
    _running: dict[tuple[int, Digest], "asyncio.Task[None]"] = field(default_factory=dict)
    _failed: dict[tuple[int, Digest], _Failed] = field(default_factory=dict)

    async def close(self) -> None:
        """Leave what is being fetched to other processes."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def ensure(self, place: Place) -> UploadId | None:
        """See to it that somebody fetches a blob; return the session, None: it is being begun, or is over.

        Raises what the fetch has failed with.
        """
        key = (place.package_id, place.digest)
        failed = self._failed.get(key)
        if failed is not None:
            if failed.until > time.monotonic():
                raise failed.error
            del self._failed[key]
        fetch = await mirror_contents.fetch(self.uploads.db, place.package_id, place.digest)
        if fetch is not None and fetch.open and (fetch.leased or key in self._running):
            return fetch.upload
        if key not in self._running:
            task = asyncio.get_running_loop().create_task(self._fetched(place, fetch))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return None if fetch is None or not fetch.open else fetch.upload

    async def _fetched(self, place: Place, found: mirror_contents.Fetch | None) -> None:
        """Fetch a blob, unless another process does."""
        try:
            if not await manifests.missing(self.uploads.db, place.package_id, [place.digest], []):
                return  # it has come since the reader looked
            upload = found.upload if found is not None and found.open else await self._begun(place)
            if upload is not None:
                await self._run(place, upload)
        except (UploadBusy, UploadExpired, BlobUploadUnknown):
            return  # another process is at it, or was
        except UpstreamError as error:
            self._note(place, _answer(place, error))
        except (RegistryError, StorageError) as error:
            self._note(place, error)
        except Exception as error:
            log.error("mirror.fetch_failed", digest=place.digest, exc_info=error)
            self._note(place, UnavailableNow(5))

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
            most_open=self.uploads.settings.sessions_max,
            expected_bytes=place.size,
        )
        if started.open_sessions >= self.uploads.settings.sessions_max:
            raise TooManyRequests(30, f"fetches from {place.mirror.shown} at once")
        if started.room is not None and Room.of(started.room).is_full:
            raise QuotaExceeded(Room.of(started.room), [])
        if await mirror_contents.begin_fetch(self.uploads.db, place.package_id, place.digest, upload, place.size):
            self.counts["begun"] += 1
            return upload
        await uploads.abort(self.uploads.db, upload, place.package_id, owner_id)
        return None

    async def _run(self, place: Place, upload: UploadId) -> None:
        owner = Owner(place.package_id, place.mirror.owner_id, None)
        proved = wrong = False
        spool = None
        try:
            async with self.uploads.open(owner, upload, at=None, expected_bytes=None) as receiver:
                begin = receiver.durable
                self.counts["resumed"] += begin > 0
                spool = await self.spool.writer(upload, begin)
                body = FetchedBody(
                    lambda at: self.upstream.blob(place.mirror, place.there, place.digest, at), spool, begin, place.size
                )
                try:
                    async with body.pumping():
                        await receiver.receive(body)
                finally:
                    self.counts["bytes"] += body.fetched
                await self.uploads.commit(receiver, place.digest)
                proved = True
        except DigestInvalid as error:
            wrong = True
            raise UpstreamError("wrong", "the upstream gave other bytes than the digest says") from error
        finally:
            self.counts["stored" if proved else "failed"] += 1
            if spool is not None:
                if proved or wrong:
                    spool.drop()
                else:
                    spool.close()
        await blob_came(self.uploads.db, place.package_id, place.digest)
        await mirror_contents.end_fetch(self.uploads.db, place.package_id, place.digest, upload)

    def _note(self, place: Place, error: RegistryError | StorageError) -> None:
        if len(self._failed) > 10_000:  # noqa: PLR2004
            self._failed.clear()
        self._failed[place.package_id, place.digest] = _Failed(time.monotonic() + _FAILED_SECONDS, error)
        log.warning("mirror.fetch_failed", upstream=place.mirror.shown, digest=place.digest, error=str(error))

    async def opened(
        self, place: Place, span: Span | None, is_stored: Callable[[], Awaitable[bool]]
    ) -> "GrowingBlob | None":
        """Wait until the first byte of ``span`` is there; None: the blob is stored. Raises what the fetch fails with."""
        first = 0 if span is None else span.start
        while not await is_stored():
            upload = await self.ensure(place)
            reader = None if upload is None else await self.spool.reader(upload)
            if reader is not None and upload is not None:
                if await reader.read(first, min(first + 1, place.size - 1)):
                    return GrowingBlob(self, place, upload, reader, span, is_stored)
                reader.close()
            await asyncio.sleep(_POLL_SECONDS)
        return None


class GrowingBlob:
    """A reader of a blob that is being fetched (``ObjectReader``)."""

    def __init__(
        self,
        blobs: MirrorBlobs,
        place: Place,
        upload: UUID,
        reader: SpoolReader,
        span: Span | None,
        is_stored: Callable[[], Awaitable[bool]],
    ) -> None:
        self._blobs: Final = blobs
        self._place: Final = place
        self._upload: Final = upload
        self._reader: Final = reader
        self._span: Final = span or Span(0, place.size)
        self._is_stored: Final = is_stored

    @property
    def size(self) -> int:
        """The bytes that are read."""
        return self._span.size

    @property
    def object_size(self) -> int:
        """The bytes of the blob."""
        return self._place.size

    def source(self) -> Source | None:
        """Return None: the file grows."""
        return None

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they come. Raises what the fetch fails with."""
        at, stored, looked = self._span.start, False, time.monotonic()
        while at < self._span.stop:
            stop = self._span.stop if stored else min(self._span.stop, self._place.size - 1)
            chunk = await self._reader.read(at, stop)
            if chunk:
                at, looked = at + len(chunk), time.monotonic()
                yield chunk
                continue
            if stored:
                raise Unavailable("the spool ended before the blob")
            await asyncio.sleep(_POLL_SECONDS)
            if at >= stop or time.monotonic() - looked > _LOOK_SECONDS:
                looked = time.monotonic()
                stored = await self._is_stored()
                if not stored and await self._blobs.ensure(self._place) not in {None, self._upload}:
                    raise Unavailable("the fetch began anew")


def _answer(place: Place, error: UpstreamError) -> RegistryError:
    if error.kind == "limited":
        return TooManyRequests(error.retry_after or 5, f"requests to {place.mirror.shown}, of which this is a mirror")
    return UnavailableNow(
        error.retry_after or 5, f"{place.mirror.shown}, of which this is a mirror, does not give it: {error.why}"
    )
