"""The reading of links and manifests: what is read is compared with its digest, and what is in memory has a bound."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from registry.errors import ManifestInvalid, ManifestTooLarge
from registry.oci.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from registry.packages.adoption import layout
from storage.errors import ObjectCorrupt, ObjectNotFound
from storage.metadata import adoptions
from storage.metadata.database import Database
from storage.names import Digest, InvalidName
from storage.objects.base import ObjectInfo, ObjectKey, ObjectStore, whole

_T = TypeVar("_T")

_SIZED: Final = 1000
#: Objects that are read at once; the manifests among them have together no more bytes than one may have.
BATCH: Final = 32
_LINK_MAX: Final = 200
_WRONG: Final = "its bytes have another digest"


class _Unfit(Exception):
    """The manifest cannot be adopted; the text says why."""


@dataclass(frozen=True, slots=True)
class Read:
    """A manifest whose bytes have its digest."""

    digest: Digest
    manifest: Manifest
    body: bytes


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of one repository's links and manifests; ``find`` is told what is broken, and why.

    ``wrong``: blobs whose bytes were read, and have another digest.
    """

    db: Database
    store: ObjectStore
    root: str
    find: Callable[[str, str], None]
    wrong: Collection[str]

    async def link(self, link: ObjectInfo) -> Digest | None:
        """Read the digest in a link; None: the link is broken."""
        if link.size > _LINK_MAX:
            return None
        try:
            return Digest.parse((await self._bytes(link.key, link.size)).decode())
        except (InvalidName, UnicodeDecodeError, ObjectNotFound, ObjectCorrupt):
            return None

    async def batches(self, digests: Sequence[Digest]) -> AsyncIterator[list[Read]]:
        """Read the manifests that are whole, and tell of the others."""
        for known in chunks(digests, _SIZED):
            sizes = await self._sizes(known)
            for batch in _weighed(known, sizes):
                read = await asyncio.gather(*(self._read(digest, sizes.get(digest)) for digest in batch))
                yield await self._whole([one for one in read if one is not None])

    async def _read(self, digest: Digest, size: int | None) -> Read | None:
        try:
            return await self._manifest(digest, size)
        except (_Unfit, ManifestInvalid, ManifestTooLarge) as error:
            self.find(digest, str(error))
            return None

    async def _manifest(self, digest: Digest, size: int | None) -> Read:
        """Read a manifest. Raises _Unfit, ManifestInvalid, ManifestTooLarge."""
        if digest in self.wrong:
            raise _Unfit(_WRONG)
        if size is None:
            raise _Unfit("its bytes are missing")
        if size > MAX_MANIFEST_BYTES:
            raise ManifestTooLarge(MAX_MANIFEST_BYTES)
        try:
            body = await self._bytes(layout.key_of(self.root, digest), size)
        except (ObjectNotFound, ObjectCorrupt) as error:
            raise _Unfit("its bytes are missing") from error
        if Digest.of(body, digest.algorithm) != digest:
            raise _Unfit(_WRONG)
        return Read(digest, await asyncio.to_thread(parse_manifest, body, None), body)

    async def _whole(self, read: Sequence[Read]) -> list[Read]:
        """Return those whose blobs are all in the folder, with the sizes that their manifests tell."""
        blobs = sorted({blob for one in read for blob in one.manifest.blobs})
        found = await self._sizes(blobs)
        whole_ones = []
        for one in read:
            unfit = self._unfit(one.manifest, found)
            if unfit is None:
                whole_ones.append(one)
            else:
                self.find(one.digest, unfit)
        return whole_ones

    def _unfit(self, manifest: Manifest, found: Mapping[str, int]) -> str | None:
        """Tell which blob of a manifest is not in the folder, or is another; None: all are there."""
        for blob in manifest.blobs:
            if blob in self.wrong:
                return f"the bytes of its blob {blob} have another digest"
            if blob not in found:
                return f"its blob {blob} is missing"
        for part in filter(None, (manifest.config, *manifest.layers)):
            if not part.foreign and found[part.digest] != part.size:
                return f"its blob {part.digest} has {found[part.digest]} bytes, not {part.size}"
        return None

    async def _sizes(self, digests: Sequence[str]) -> dict[str, int]:
        """Return the sizes of those that are in the folder: what was pushed since the scan is asked for one by one."""
        found = await adoptions.sizes(self.db, self.root, digests) if digests else {}
        new: dict[str, int] = {}
        for batch in chunks((digest for digest in digests if digest not in found), BATCH):
            sizes = await asyncio.gather(*map(self._size, batch))
            new |= {digest: size for digest, size in zip(batch, sizes, strict=True) if size is not None}
        if new:
            await adoptions.note(self.db, self.root, new)
        return found | new

    async def _size(self, digest: str) -> int | None:
        try:
            return (await self.store.stat(layout.key_of(self.root, digest))).size
        except ObjectNotFound:
            return None

    async def _bytes(self, key: ObjectKey, size: int) -> bytes:
        async with whole(self.store, key, size) as reader:
            return b"".join([chunk async for chunk in reader])


def _weighed(digests: Iterable[Digest], sizes: Mapping[str, int]) -> Iterable[list[Digest]]:
    """Cut into batches of manifests that are read together."""
    batch: list[Digest] = []
    weight = 0
    for digest in digests:
        size = min(sizes.get(digest, 0), MAX_MANIFEST_BYTES)
        if batch and (len(batch) == BATCH or weight + size > MAX_MANIFEST_BYTES):
            yield batch
            batch, weight = [], 0
        batch.append(digest)
        weight += size
    if batch:
        yield batch


def chunks(items: Iterable[_T], size: int) -> Iterable[list[_T]]:
    """Cut into lists of ``size`` items; the last may be shorter."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
