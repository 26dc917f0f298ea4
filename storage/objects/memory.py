"""Object store in the memory of this process, for tests; S3's refusals are reproduced."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

from storage.errors import ObjectCorrupt, ObjectNotFound, UploadGone
from storage.objects.base import (
    MIN_PART_BYTES,
    MultipartId,
    MultipartInfo,
    ObjectInfo,
    ObjectKey,
    ObjectReader,
    Part,
    Pieces,
    Span,
)

_CHUNK_BYTES = 64 * 1024


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    modified: datetime


@dataclass(frozen=True, slots=True)
class _Upload:
    key: ObjectKey
    started: datetime
    parts: dict[int, tuple[str, bytes]] = field(default_factory=dict)  # number → etag, bytes


@dataclass(frozen=True, slots=True)
class _Reader:
    data: memoryview
    object_size: int

    @property
    def size(self) -> int:
        return len(self.data)

    def source(self) -> None:
        """Return None: the bytes are in no file."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), _CHUNK_BYTES):
            yield bytes(self.data[start : start + _CHUNK_BYTES])


class MemoryStore:
    """An ``ObjectStore`` and ``MultipartStore`` in memory; ``now`` is aware."""

    def __init__(self, *, now: Callable[[], datetime] = _utc_now, new_id: Callable[[], str] = _new_id) -> None:
        self._now = now
        self._new_id = new_id
        self._objects: dict[ObjectKey, _Object] = {}
        self._uploads: dict[MultipartId, _Upload] = {}

    async def put(self, key: ObjectKey, data: Pieces) -> None:
        """Store ``data``."""
        self._objects[key] = _Object(b"".join(data), self._now())

    @asynccontextmanager
    async def reader(self, key: ObjectKey, span: Span | None = None) -> AsyncIterator[ObjectReader]:
        """The bytes of ``span``, or all. Raises ObjectNotFound, ObjectCorrupt when the object ends within ``span``."""
        data = memoryview(self._found(key).data)
        if span is not None and span.stop > len(data):
            raise ObjectCorrupt(f"asked for bytes to {span.stop}, the object has {len(data)}")
        yield _Reader(data if span is None else data[span.start : span.stop], len(data))

    async def presign(self, *_: object, **__: object) -> None:
        """Return None: there is no URL of this memory."""
        return

    def presign_now(self, *_: object, **__: object) -> None:
        """None: nobody else can read this memory."""
        return

    async def stat(self, key: ObjectKey) -> ObjectInfo:
        """The size and modification time of an object. Raises ObjectNotFound."""
        return self._info(key, self._found(key))

    async def delete(self, keys: Sequence[ObjectKey]) -> None:
        """Delete the objects ``keys``, ignoring missing ones."""
        for key in keys:
            self._objects.pop(key, None)

    async def scan(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects under ``prefix``, in the order of their keys."""
        for key, found in sorted(self._objects.items(), key=lambda item: item[0]):
            if key.startswith(prefix):
                yield self._info(key, found)

    async def create(self, key: ObjectKey) -> MultipartId:
        """Create a multipart upload."""
        multipart = MultipartId(self._new_id())
        self._uploads[multipart] = _Upload(key, self._now())
        return multipart

    async def put_part(self, key: ObjectKey, multipart: MultipartId, number: int, data: Pieces) -> Part:
        """Store ``data`` as part ``number``. Raises UploadGone."""
        upload = self._upload(key, multipart)
        joined = b"".join(data)
        etag = f'"{sha256(joined).hexdigest()[:32]}"'
        upload.parts[number] = (etag, joined)
        return Part(number, etag, len(joined))

    async def complete(self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]) -> int:
        """Assemble the object of ``parts``, by number; its size. Raises UploadGone, ObjectCorrupt, ValueError."""
        if not parts:
            raise ValueError("a multipart upload has at least one part")
        if multipart in self._uploads:
            upload = self._upload(key, multipart)
            self._objects[key] = _Object(_joined(upload, parts), self._now())
            del self._uploads[multipart]
        elif key not in self._objects:
            raise UploadGone(f"no upload {multipart}, and nothing under its key")
        size, expected = len(self._objects[key].data), sum(part.size for part in parts)
        if size != expected:
            raise ObjectCorrupt(f"sent {expected} bytes, the object has {size}")
        return size

    async def abort(self, key: ObjectKey, multipart: MultipartId) -> None:  # noqa: ARG002
        """Abort an upload and delete its parts; a missing or completed upload is ignored."""
        self._uploads.pop(multipart, None)

    async def uploads(self, prefix: str) -> AsyncIterator[MultipartInfo]:
        """All multipart uploads under ``prefix`` that are neither completed nor aborted."""
        for multipart, upload in list(self._uploads.items()):
            if upload.key.startswith(prefix):
                yield MultipartInfo(upload.key, multipart, upload.started)

    def _found(self, key: ObjectKey) -> _Object:
        try:
            return self._objects[key]
        except KeyError:
            raise ObjectNotFound("nothing is stored under this key") from None

    def _upload(self, key: ObjectKey, multipart: MultipartId) -> _Upload:
        upload = self._uploads.get(multipart)
        if upload is None or upload.key != key:
            raise UploadGone(f"no upload {multipart} for this key")
        return upload

    @staticmethod
    def _info(key: ObjectKey, found: _Object) -> ObjectInfo:
        return ObjectInfo(key, len(found.data), found.modified)


def _joined(upload: _Upload, parts: Sequence[Part]) -> bytes:
    """Join the listed parts; all other parts are dropped. Raises ObjectCorrupt for parts that S3 refuses."""
    ordered = sorted(parts, key=lambda part: part.number)
    for part in ordered:
        etag, data = upload.parts.get(part.number, ("", b""))
        if etag != part.etag:
            raise ObjectCorrupt(f"part {part.number} is not the one that was recorded")
        if len(data) < MIN_PART_BYTES and part is not ordered[-1]:
            raise ObjectCorrupt(f"part {part.number} has {len(data)} bytes and is not the last")
    return b"".join(upload.parts[part.number][1] for part in ordered)
