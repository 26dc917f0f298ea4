"""Object store on the local disk of one node (Linux), shared by all processes of the node.

    objects/b/ab/abcd…         an object under its key: complete, on the disk, and never written again
    uploads/b%2Fab%2Fabcd…@ID  an object being written; after a crash ``uploads`` lists it, to be aborted

The parts of an upload are written straight to their places in one file, so that nothing is copied to complete it. A
part is allocated its place at the end of the file, which is extended under a lock: no other part ever gets that place,
not even when its writer stalls and goes on after another process has taken over. The ETag encodes the place.
"""

import asyncio
import fcntl
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Final, TypeVar, TypeVarTuple
from uuid import uuid4

from storage.errors import ObjectCorrupt, ObjectNotFound, StoreUnavailable, UploadGone
from storage.objects.base import (
    MIN_PART_BYTES,
    MultipartId,
    MultipartInfo,
    ObjectInfo,
    ObjectKey,
    ObjectReader,
    Part,
    Pieces,
    Source,
    Span,
)
from storage.objects.local.files import absent, copy, delete, look_up, open_to_read, opened, sync_folder, walk, write

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_THREADS: Final = 16  # files that a process reads or writes at the same time: more than there are slots for uploads
_READ_BYTES: Final = 512 * 1024
_SCAN_BATCH: Final = 500
_ID: Final = re.compile(r"([0-9a-f]{16})[0-9a-f]{16}")  # when it began in nanoseconds, and chance
_ETAG: Final = re.compile(r'"([0-9]+)-([0-9]+)-([0-9]+)"')  # number, offset, size


def _chance() -> str:
    return uuid4().hex[:16]


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Settings of the local store; ``path``: an existing directory."""

    path: Path


@dataclass(frozen=True, slots=True)
class _Threads:
    """Threads for blocking operations of the disk."""

    pool: Executor

    async def run(self, function: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Run ``function`` in a thread and wait for its end, even when cancelled, so that its memory can be reused.

        Raises what it raises, Unavailable for what the system refuses (a full disk).
        """
        future = asyncio.get_running_loop().run_in_executor(self.pool, function, *args)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait((future,))
            raise
        except OSError as error:
            raise StoreUnavailable(f"the disk of the objects: {error.strerror or type(error).__name__}") from error


class LocalStore:
    """An ``ObjectStore`` and ``MultipartStore`` over one directory. Create with ``open``."""

    def __init__(
        self, root: Path, disk: _Threads, places: _Threads, now_ns: Callable[[], int], chance: Callable[[], str]
    ) -> None:
        self._objects = root / "objects"
        self._uploads = root / "uploads"
        self._disk = disk
        self._places = places
        self._now_ns = now_ns
        self._chance = chance
        self._folders = {self._objects}  # whose own names are on the disk

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: LocalSettings, *, now_ns: Callable[[], int] = time.time_ns, chance: Callable[[], str] = _chance
    ) -> AsyncIterator["LocalStore"]:
        """Open the store with its threads until the block ends; no other user needs access to the directory.

        ``now_ns``: Unix time; ``chance``: 16 hexadecimal digits. Raises Unavailable when the directory is unusable.
        """
        with (
            ThreadPoolExecutor(_THREADS, "disk") as disk,
            # One thread gives places in the order they are asked for, so that parts lie in the order of their numbers.
            ThreadPoolExecutor(1, "places") as places,
        ):
            store = cls(settings.path, _Threads(disk), _Threads(places), now_ns, chance)
            await store._disk.run(store._prepare, settings.path)
            yield store

    def _prepare(self, root: Path) -> None:
        try:
            for folder in (self._objects, self._uploads):
                folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(root)
        except OSError as error:
            raise StoreUnavailable(f"{root} cannot be used for objects: {error.strerror}") from error

    # ObjectStore

    async def put(self, key: ObjectKey, data: Pieces) -> None:
        """Store ``data``, all of it or nothing. Raises Unavailable."""
        await self._disk.run(self._put, key, lambda fd: write(fd, data, 0))

    def _put(self, key: ObjectKey, fill: Callable[[int], None]) -> None:
        draft = self._draft(key, self._new_id())
        try:
            with opened(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
                fill(fd)
                os.fdatasync(fd)
            self._publish(draft, key)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self._settle(key)

    @asynccontextmanager
    async def reader(self, key: ObjectKey, span: Span | None = None) -> AsyncIterator[ObjectReader]:
        """The bytes of ``span``, or all. Raises ObjectNotFound, ObjectCorrupt when the object ends within ``span``."""
        # A file object, no descriptor: when this is cancelled as it waits, the file is closed as it is dropped.
        file, size = await self._disk.run(open_to_read, self._path(key))
        with file:
            if span is not None and span.stop > size:
                raise ObjectCorrupt(f"asked for bytes to {span.stop}, the object has {size}")
            found = Span(0, size) if span is None else span
            yield _Reader(Source(file.fileno(), found.start, found.size), found, size, self._disk)

    async def presign(self, *_: object, **__: object) -> None:
        """Return None: there is no URL of a local disk."""
        return

    def presign_now(self, *_: object, **__: object) -> None:
        """None: nobody else can read this disk."""
        return

    async def stat(self, key: ObjectKey) -> ObjectInfo:
        """The size and modification time of an object. Raises ObjectNotFound."""
        return await self._disk.run(look_up, self._path(key), key)

    async def delete(self, keys: Sequence[ObjectKey]) -> None:
        """Delete the objects ``keys``, ignoring missing ones. Raises Unavailable; some may be deleted then."""
        await self._disk.run(delete, [self._path(key) for key in keys])

    async def scan(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects under ``prefix``, in the order of their keys."""
        folder, slash, start = prefix.rpartition("/")
        if slash:
            self._path(ObjectKey(folder))  # refuses what leads elsewhere
        found = walk(self._objects, folder + slash, start)
        while batch := await self._disk.run(lambda: list(islice(found, _SCAN_BATCH))):
            for info in batch:
                yield info

    # MultipartStore

    async def create(self, key: ObjectKey) -> MultipartId:
        """Create a multipart upload."""
        multipart = self._new_id()
        await self._disk.run(self._create, self._draft(key, multipart))
        return multipart

    def _create(self, draft: Path) -> None:
        with opened(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL):
            sync_folder(self._uploads)

    async def put_part(self, key: ObjectKey, multipart: MultipartId, number: int, data: Pieces) -> Part:
        """Store ``data`` as part ``number``. Raises UploadGone."""
        draft, size = self._draft(key, multipart), sum(map(len, data))
        offset = await self._places.run(_take_place, draft, size)
        # The file is opened anew: a descriptor handed from thread to thread would be lost when this is cancelled.
        await self._disk.run(_put_part, draft, Span(offset, offset + size), data)
        return Part(number, f'"{number}-{offset}-{size}"', size)

    async def complete(self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]) -> int:
        """Assemble the object of ``parts``, by number; its size. Raises UploadGone, ObjectCorrupt, ValueError."""
        if not parts:
            raise ValueError("a multipart upload has at least one part")
        size = await self._disk.run(self._complete, key, multipart, sorted(parts, key=lambda part: part.number))
        expected = sum(part.size for part in parts)
        if size != expected:
            raise ObjectCorrupt(f"sent {expected} bytes, the object has {size}")
        return size

    def _complete(self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]) -> int:
        draft = self._draft(key, multipart)
        with suppress(UploadGone), _to_continue(draft, os.O_RDONLY) as fd:
            with _locked(fd, draft) as end:
                places = _places(parts, end)
                whole = _adjoin(places, end)
                if whole:
                    self._publish(draft, key)
            if not whole:
                # Parts lie between or behind that nobody listed, and may still be written to: these bytes stay theirs.
                self._put(key, lambda to: copy(fd, to, places))
                draft.unlink(missing_ok=True)
        try:
            size = look_up(self._path(key), key).size
        except ObjectNotFound:
            raise UploadGone(f"no upload {multipart}, and nothing under its key") from None
        self._settle(key)  # for one who renamed and died, too
        return size

    async def abort(self, key: ObjectKey, multipart: MultipartId) -> None:
        """Abort an upload and delete its parts; a missing or completed upload is ignored."""
        await self._disk.run(delete, [self._draft(key, multipart)])

    async def uploads(self, prefix: str) -> AsyncIterator[MultipartInfo]:
        """Unfinished writes under ``prefix``, of multipart uploads and whole objects, also of dead processes."""
        for name in await self._disk.run(os.listdir, self._uploads):
            quoted, _, multipart = name.rpartition("@")
            key, form = quoted.replace("%2F", "/").replace("%25", "%"), _ID.fullmatch(multipart)
            if form is not None and key.startswith(prefix):
                started = datetime.fromtimestamp(int(form[1], 16) / 1e9, UTC)
                yield MultipartInfo(ObjectKey(key), MultipartId(multipart), started)

    # The directory

    async def ping(self) -> None:
        """Check that the directory exists. Raises Unavailable."""
        await self._disk.run(os.stat, self._uploads)

    def _path(self, key: ObjectKey) -> Path:
        if not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise ValueError(f"{key!r} leads elsewhere")
        return self._objects / key

    def _draft(self, key: ObjectKey, multipart: MultipartId) -> Path:
        quoted = key.replace("%", "%25").replace("/", "%2F")
        return self._uploads / f"{quoted}@{multipart.replace('/', '%2F')}"

    def _new_id(self) -> MultipartId:
        return MultipartId(f"{self._now_ns():016x}{self._chance()}")

    def _publish(self, draft: Path, key: ObjectKey) -> None:
        path = self._path(key)
        for folder in reversed(self._new_folders(path)):
            folder.mkdir(mode=0o700, exist_ok=True)
        draft.rename(path)

    def _settle(self, key: ObjectKey) -> None:
        """Sync the object's directory and the new directories above, so that the object's name is durable."""
        path = self._path(key)
        sync_folder(path.parent)
        made = self._new_folders(path)
        for folder in made:
            sync_folder(folder.parent)
        self._folders.update(made)

    def _new_folders(self, path: Path) -> list[Path]:
        """Directories above ``path``, nearest first, whose names this process has not yet synced."""
        return list(takewhile(lambda folder: folder not in self._folders, path.parents))


@dataclass(frozen=True, slots=True)
class _Reader:
    """A reader of ``span`` of an open file."""

    where: Source
    span: Span
    object_size: int
    disk: _Threads

    @property
    def size(self) -> int:
        return self.span.size

    def source(self) -> Source:
        """The file, for os.sendfile."""
        return self.where

    async def __aiter__(self) -> AsyncIterator[bytes]:
        at, stop = self.span.start, self.span.stop
        while at < stop:
            chunk = await self.disk.run(os.pread, self.where.fd, min(_READ_BYTES, stop - at), at)
            if not chunk:
                raise StoreUnavailable(f"the disk of the objects: {stop - at} of {self.size} bytes missing")
            yield chunk
            at += len(chunk)


@contextmanager
def _to_continue(draft: Path, flags: int) -> Iterator[int]:
    """Open the file of an upload. Raises UploadGone."""
    with absent(UploadGone("no such upload for this key")), opened(draft, flags) as fd:
        yield fd


@contextmanager
def _locked(fd: int, draft: Path) -> Iterator[int]:
    """Lock a file against allocation of places and completion; yields its size. Raises FileNotFoundError.

    The lock is held for an instant only: a process that finds it taken is late, or the holder stalls; nobody waits.
    """
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        found = os.fstat(fd)
        if not os.path.samestat(found, draft.lstat()):
            raise FileNotFoundError
        yield found.st_size
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _take_place(draft: Path, size: int) -> int:
    with _to_continue(draft, os.O_WRONLY) as fd, _locked(fd, draft) as end:
        os.ftruncate(fd, end + size)
        return end


def _give_back(fd: int, draft: Path, place: Span) -> None:
    with _locked(fd, draft) as end:
        if end == place.stop:
            os.ftruncate(fd, place.start)


def _put_part(draft: Path, place: Span, data: Pieces) -> None:
    with _to_continue(draft, os.O_WRONLY) as fd:
        try:
            write(fd, data, place.start)
            os.fdatasync(fd)
        except OSError:
            with suppress(OSError):
                _give_back(fd, draft, place)
            raise


def _places(parts: Sequence[Part], end: int) -> list[Span]:
    """The ranges of parts in a file of ``end`` bytes. Raises ObjectCorrupt for parts that S3 refuses."""
    places: list[Span] = []
    for part in parts:
        form = _ETAG.fullmatch(part.etag)
        number, offset, size = map(int, form.groups()) if form is not None else (0, 0, 0)
        if (number, size) != (part.number, part.size) or offset + size > end:
            raise ObjectCorrupt(f"part {part.number} is not the one that was recorded")
        if size < MIN_PART_BYTES and part is not parts[-1]:
            raise ObjectCorrupt(f"part {part.number} has {size} bytes and is not the last")
        places.append(Span(offset, offset + size))
    return places


def _adjoin(places: Sequence[Span], end: int) -> bool:
    """Return whether places are contiguous from 0 to ``end``: then no other part was ever allocated a place."""
    at = 0
    for place in places:
        if place.start != at:
            return False
        at = place.stop
    return at == end
