"""The Protocols of an object store: immutable bytes under opaque keys.

A key is made for one upload, written at most once, and never used again: nothing here overwrites.
``MultipartStore`` is stateless (Arrow's ``MultipartStore``, not its ``MultipartUpload``): the state of an upload lives
in Postgres, so that any process can go on with it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NewType, Protocol

from storage.errors import ObjectCorrupt

ObjectKey = NewType("ObjectKey", str)
MultipartId = NewType("MultipartId", str)

#: S3 refuses a part below this size unless it is the last (AWS «Multipart upload limits»).
MIN_PART_BYTES: Final = 5 * 1024 * 1024

#: Bytes to be written, as the pieces they arrived in: they are never joined only to be sent.
Pieces = Sequence[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range ``[start, stop)`` of bytes."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the store has acknowledged; ``size`` in bytes."""

    number: int
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: ObjectKey
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class MultipartInfo:
    key: ObjectKey
    multipart: MultipartId
    started: datetime


class Source:
    """The descriptor of a reader's bytes: ``left`` bytes in ``fd``, which the reader owns and closes.

    ``offset`` is that of the first byte in a regular file (os.sendfile), None in a stream, which never blocks, is read
    from where it stands and may be silent for ``silence_seconds``. A caller that takes bytes out of ``fd`` tells
    ``advance``, from which the reader learns whether all were taken.
    """

    __slots__ = ("_first", "_left", "fd", "offset", "silence_seconds")

    def __init__(
        self, fd: int, offset: int | None, left: int, *, first: bytes = b"", silence_seconds: float | None = None
    ) -> None:
        self.fd = fd
        self.offset = offset
        self.silence_seconds = silence_seconds
        self._left = left
        self._first = first

    @property
    def left(self) -> int:
        """The number of bytes that are still to be taken out of ``fd``."""
        return self._left

    def take_first(self) -> bytes:
        """Return the bytes that were read of the stream already, which come before ``left``; b"" the next time."""
        first, self._first = self._first, b""
        return first

    def advance(self, count: int) -> None:
        """Count ``count`` bytes as taken out of ``fd``. Raises ValueError for more bytes than are left."""
        if count > self._left:
            raise ValueError(f"took {count} bytes of {self._left}")
        self._left -= count


class ObjectReader(Protocol):
    """Bytes of one object, in order; the iteration raises Unavailable when the store fails midway."""

    @property
    def size(self) -> int: ...  # bytes this reader will yield
    @property
    def object_size(self) -> int: ...  # bytes of the whole object, as the store has them
    def source(self) -> Source | None: ...  # instead of the iteration; None: there is no descriptor
    # A stream that ends early leaves ``left`` bytes of its source to the iteration, which then begins there.
    def __aiter__(self) -> AsyncIterator[bytes]: ...


def expect_size(reader: ObjectReader, size: int) -> None:
    """Compare the size of an object with the size that was recorded for the object. Raises ObjectCorrupt."""
    if reader.object_size != size:
        raise ObjectCorrupt(f"recorded with {size} bytes, the object has {reader.object_size}")


@asynccontextmanager
async def whole(store: "ObjectStore", key: ObjectKey, size: int) -> AsyncIterator[ObjectReader]:
    """Open an object that was recorded with ``size`` bytes. Raises ObjectCorrupt for another size, or as the reader."""
    async with store.reader(key) as reader:
        expect_size(reader, size)
        yield reader


class ObjectStore(Protocol):
    """A store of whole objects. Every method may raise Unavailable."""

    async def put(self, key: ObjectKey, data: Pieces) -> None: ...  # atomic: all of it, or nothing
    def reader(
        self, key: ObjectKey, span: Span | None = None
    ) -> AbstractAsyncContextManager[
        ObjectReader
    ]: ...  # on entry raises ObjectNotFound, ObjectCorrupt: it ends within span
    async def presign(
        self, key: ObjectKey, *, ttl: timedelta, content_type: str, endpoint: str | None = None
    ) -> str | None: ...  # a GET-only URL, at ``endpoint`` or the public one, or None: this store has none
    def presign_now(
        self, key: ObjectKey, *, ttl: timedelta, content_type: str, endpoint: str | None = None
    ) -> str | None: ...  # the same without waiting, or None: credentials have to be renewed first
    async def stat(self, key: ObjectKey) -> ObjectInfo: ...  # raises ObjectNotFound
    async def delete(self, keys: Sequence[ObjectKey]) -> None: ...  # idempotent, batched
    def scan(self, prefix: str) -> AsyncIterator[ObjectInfo]: ...


class MultipartStore(Protocol):
    """A store of objects in parts. The caller numbers the parts, from 1, and never twice within an upload."""

    async def create(self, key: ObjectKey) -> MultipartId: ...
    async def put_part(
        self, key: ObjectKey, multipart: MultipartId, number: int, data: Pieces
    ) -> Part: ...  # raises UploadGone
    async def complete(
        self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]
    ) -> int: ...  # the object's size, asked of the store; repeatable; raises UploadGone, ObjectCorrupt
    async def abort(self, key: ObjectKey, multipart: MultipartId) -> None: ...  # idempotent, also after complete
    def uploads(self, prefix: str) -> AsyncIterator[MultipartInfo]: ...


class Stores(ObjectStore, MultipartStore, Protocol):
    """An object store with whole objects and with multipart uploads."""

    async def ping(self) -> None: ...  # raises Unavailable
