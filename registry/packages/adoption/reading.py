"""The reading of links and manifests: what is read is compared with its digest, and what is in memory has a bound."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
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
    """The reader of one repository's links and manifests; ``find`` is told what is broken, and why."""

    db: Database
    store: ObjectStore
    root: str
    find: Callable[[str, str], None]

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
            sizes = await adoptions.sizes(self.db, self.root, known)
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
        if size is None:
            raise _Unfit("its bytes are missing")
        if size > MAX_MANIFEST_BYTES:
            raise ManifestTooLarge(MAX_MANIFEST_BYTES)
        try:
            body = await self._bytes(layout.key_of(self.root, digest), size)
        except (ObjectNotFound, ObjectCorrupt) as error:
            raise _Unfit("its bytes are missing") from error
        if Digest.of(body, digest.algorithm) != digest:
            raise _Unfit("its bytes have another digest")
        return Read(digest, await asyncio.to_thread(parse_manifest, body, None), body)

    async def _whole(self, read: Sequence[Read]) -> list[Read]:
        """Return those whose blobs are all in the folder, with the sizes that their manifests tell."""
        blobs = sorted({blob for one in read for blob in one.manifest.blobs})
        found = await adoptions.sizes(self.db, self.root, blobs) if blobs else {}
        whole_ones = []
        for one in read:
            unfit = _unfit(one.manifest, found)
            if unfit is None:
                whole_ones.append(one)
            else:
                self.find(one.digest, unfit)
        return whole_ones

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


def _unfit(manifest: Manifest, found: Mapping[str, int]) -> str | None:
    """Tell which blob of a manifest is not in the folder, or has another size; None: all are there."""
    for blob in manifest.blobs:
        if blob not in found:
            return f"its blob {blob} is missing"
    for part in filter(None, (manifest.config, *manifest.layers)):
        if not part.foreign and found[part.digest] != part.size:
            return f"its blob {part.digest} has {found[part.digest]} bytes, not {part.size}"
    return None


def chunks(items: Iterable[_T], size: int) -> Iterable[list[_T]]:
    """Cut into lists of ``size`` items; the last may be shorter."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
