"""The adoption of a folder: scan its blobs, then take one repository after the other. To run again is to go on.

What is a package's already is not read again, so that a run that was killed, and one after the old registry became
read-only, take what is missing, and the tags that moved.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeVar

from registry.errors import AccountError, ManifestInvalid, ManifestTooLarge, Refusal
from registry.oci.manifest import MAX_MANIFEST_BYTES, Manifest, parse_manifest
from registry.packages.adoption import layout
from registry.packages.adoption.layout import Repository
from registry.packages.adoption.names import Naming
from registry.packages.publishing import Manifests, Push
from storage.errors import ObjectCorrupt, ObjectNotFound
from storage.metadata import adoptions, packages, tags
from storage.metadata.adoptions import Pointed
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.names import Digest, InvalidName, PackageName, TagName
from storage.objects.base import ObjectKey, ObjectStore, whole

_T = TypeVar("_T")

#: What events and versions say of who wrote them.
VIA: Final = "adoption"
_ACTOR: Final = Actor(None, None, via=VIA, spared="all")
_NOTED: Final = 1000
_SIZED: Final = 1000
#: Manifests of a batch, which are all in memory; together they have no more bytes than one may have.
_BATCH: Final = 32
_LINK_MAX: Final = 200


class Sealed(Refusal):
    """The folder is sealed: its objects are the registry's, and what it holds is not taken twice."""

    def __init__(self, root: str) -> None:
        super().__init__(f"{root} is sealed already.", "What was pushed there since comes by moorage copy.")


class NotBegun(Refusal):
    """No adoption of the folder is open."""

    def __init__(self, root: str) -> None:
        super().__init__(f"No adoption of {root} is open.", "moorage adopt begins one.")


class _Unfit(Exception):
    """The manifest cannot be adopted; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was not adopted, and why; ``what``: a tag or a digest, "" for the whole repository."""

    repository: str
    what: str
    why: str


@dataclass(slots=True)
class Report:
    """The outcome of a run. ``known``: the manifests that were here before."""

    blobs: int = 0
    bytes: int = 0
    repositories: int = 0
    manifests: int = 0
    known: int = 0
    tags: int = 0
    removed_tags: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Read:
    """A manifest whose bytes have its digest."""

    digest: Digest
    manifest: Manifest
    body: bytes


@dataclass(frozen=True, slots=True)
class Adoption:
    """The adoption of the folder ``root``; ``owner_of``: the id of the account of this login, None if there is none.

    It may raise AccountError. ``dry``: nothing is written but what the scan finds.
    """

    db: Database
    store: ObjectStore
    manifests: Manifests
    root: str
    naming: Naming
    owner_of: Callable[[str], Awaitable[int | None]]
    grace_seconds: float
    dry: bool = False
    report: Report = field(default_factory=Report)

    async def run(self) -> Report:
        """Take all that is not here yet. Raises Sealed, Unavailable."""
        if not self.dry and not await adoptions.begin(self.db, self.root):
            raise Sealed(self.root)
        await adoptions.forget(self.db, self.root)
        async for batch in _batches(layout.blobs(self.store, self.root), _NOTED):
            await adoptions.note(self.db, self.root, dict(batch))
            self.report.blobs += len(batch)
            self.report.bytes += sum(size for _, size in batch)
        async for repository in layout.repositories(self.store, self.root):
            self.report.repositories += 1
            await self._take(repository)
        return self.report

    async def _take(self, repository: Repository) -> None:
        for digest in repository.broken:
            self._find(repository, digest, "its link is broken")
        try:
            name = self.naming.name_of(repository.name)
        except InvalidName as error:
            self._find(repository, "", str(error))
            return
        try:
            owner_id = await self.owner_of(name.owner)
        except AccountError as error:
            self._find(repository, "", str(error))
            return
        if owner_id is None:
            self._find(repository, "", f"no account {name.owner} is here")
            return
        package_id = None
        if not self.dry:
            package_id = await packages.ensure(self.db, owner_id, name.image, owner_id, None)
            if package_id is None:
                self._find(repository, "", f"the name {name} is retired")
                return
        await _Taking(self, repository, name, package_id).run()

    def _find(self, repository: Repository, what: str, why: str) -> None:
        self.report.findings.append(Finding(repository.name, what, why))


class _Taking:
    """One repository on its way into its package; ``package_id`` None: dry."""

    def __init__(self, adoption: Adoption, repository: Repository, name: PackageName, package_id: int | None) -> None:
        self._adoption = adoption
        self._repository = repository
        self._name = name
        self._package_id = package_id
        self._db = adoption.db
        self._report = adoption.report
        self._here: set[str] = set()
        self._pointed: dict[str, Digest] = {}
        self._named: dict[Digest, list[TagName]] = {}

    async def run(self) -> None:
        """Take the manifests that are not here, children first, then the tags."""
        package_id, revisions = self._package_id, self._repository.revisions
        ours = {} if package_id is None else await adoptions.tags(self._db, package_id, VIA)
        await self._read_links()
        self._leave(ours)
        for tag, digest in self._pointed.items():
            self._named.setdefault(digest, []).append(TagName(tag))
        if package_id is not None:
            for batch in _chunks(revisions, _NOTED):
                self._here |= await adoptions.known(self._db, package_id, batch)
        before = frozenset(self._here)
        self._report.known += len(before)
        await self._take([digest for digest in revisions if digest not in before])
        for tag, digest in self._pointed.items():
            if digest not in self._here:
                self._find(tag, f"its manifest {digest} was not adopted")
            elif digest in before and (tag not in ours or ours[tag].digest != digest):
                await self._point(TagName(tag), digest)
        await self._remove([tag for tag, now in ours.items() if now.adopted and tag not in self._repository.tags])

    def _leave(self, ours: Mapping[str, Pointed]) -> None:
        """Leave the tags alone that somebody has written here."""
        for tag, now in ours.items():
            if not now.adopted and now.digest != self._pointed.get(tag, now.digest):
                self._find(tag, "it was written here since, and stays as it is here")
                del self._pointed[tag]

    async def _take(self, digests: Sequence[Digest]) -> None:
        """Publish manifests; an index waits for its children, and is read again then, for nothing holds its bytes."""
        waiting = digests
        while waiting:
            missing: dict[Digest, Digest] = {}
            async for read in self._batches(waiting):
                await self._publish([one for one in read if not one.manifest.children])
                missing |= await self._publish_indexes([one for one in read if one.manifest.children])
            if len(missing) == len(waiting):
                for digest, child in missing.items():
                    self._find(digest, f"its manifest {child} is missing")
                return
            waiting = list(missing)

    async def _publish_indexes(self, read: Sequence[_Read]) -> dict[Digest, Digest]:
        """Publish the indexes whose children are here; the others, each with a child that is not."""
        missing: dict[Digest, Digest] = {}
        for one in read:
            absent = next((child for child in one.manifest.children if child not in self._here), None)
            if absent is None:
                await self._publish([one])
            else:
                missing[one.digest] = absent
        return missing

    async def _read_links(self) -> None:
        """Read what each tag points at."""
        names = []
        for tag in self._repository.tags:
            try:
                names.append(TagName.parse(tag))
            except InvalidName as error:
                self._find(tag, str(error))
        for batch in _chunks(names, _BATCH):
            for tag, digest in zip(batch, await asyncio.gather(*map(self._link, batch)), strict=True):
                if digest is None:
                    self._find(tag, "its link is broken")
                else:
                    self._pointed[tag] = digest

    async def _link(self, tag: str) -> Digest | None:
        link = self._repository.tags[tag]
        if link.size > _LINK_MAX:
            return None
        try:
            return Digest.parse((await self._bytes(link.key, link.size)).decode())
        except (InvalidName, UnicodeDecodeError, ObjectNotFound, ObjectCorrupt):
            return None

    async def _bytes(self, key: ObjectKey, size: int) -> bytes:
        async with whole(self._adoption.store, key, size) as reader:
            return b"".join([chunk async for chunk in reader])

    async def _batches(self, digests: Sequence[Digest]) -> AsyncIterator[list[_Read]]:
        """Read the manifests that are whole, and tell of the others; what is in memory at once has a bound."""
        for known in _chunks(digests, _SIZED):
            sizes = await adoptions.sizes(self._db, self._adoption.root, known)
            for batch in _weighed(known, sizes):
                read = await asyncio.gather(*(self._read(digest, sizes.get(digest)) for digest in batch))
                yield await self._whole([one for one in read if one is not None])

    async def _read(self, digest: Digest, size: int | None) -> _Read | None:
        try:
            return await self._manifest(digest, size)
        except (_Unfit, ManifestInvalid, ManifestTooLarge) as error:
            self._find(digest, str(error))
            return None

    async def _manifest(self, digest: Digest, size: int | None) -> _Read:
        """Read a manifest. Raises _Unfit, ManifestInvalid, ManifestTooLarge."""
        if size is None:
            raise _Unfit("its bytes are missing")
        if size > MAX_MANIFEST_BYTES:
            raise ManifestTooLarge(MAX_MANIFEST_BYTES)
        try:
            body = await self._bytes(layout.key_of(self._adoption.root, digest), size)
        except (ObjectNotFound, ObjectCorrupt) as error:
            raise _Unfit("its bytes are missing") from error
        if Digest.of(body, digest.algorithm) != digest:
            raise _Unfit("its bytes have another digest")
        return _Read(digest, await asyncio.to_thread(parse_manifest, body, None), body)

    async def _whole(self, read: Sequence[_Read]) -> list[_Read]:
        """Return those whose blobs are all in the folder, with the sizes that their manifests tell."""
        blobs = sorted({blob for one in read for blob in one.manifest.blobs})
        found = await adoptions.sizes(self._db, self._adoption.root, blobs) if blobs else {}
        whole = []
        for one in read:
            unfit = _unfit(one.manifest, found)
            if unfit is None:
                whole.append(one)
            else:
                self._find(one.digest, unfit)
        return whole

    async def _publish(self, read: Sequence[_Read]) -> None:
        """Publish manifests whose children are here, with their tags."""
        if self._package_id is not None and read:
            blobs = sorted({blob for one in read for blob in (*one.manifest.blobs, *one.manifest.foreign)})
            grace = self._adoption.grace_seconds
            await adoptions.take(self._db, self._adoption.root, self._package_id, blobs, grace_seconds=grace)
            await asyncio.gather(*(self._publish_one(self._package_id, one) for one in read))
        self._here |= {one.digest for one in read}
        self._report.manifests += len(read)

    async def _publish_one(self, package_id: int, one: _Read) -> None:
        named = self._named.get(one.digest, [])
        push = Push(
            self._name,
            one.digest,
            one.manifest,
            one.body,
            named,
            _ACTOR,
            origin="",
            known=False,
            condition=None,
            addressed=None,
        )
        await self._adoption.manifests.publish(package_id, push)
        self._report.tags += len(named)

    async def _point(self, tag: TagName, digest: Digest) -> None:
        """Point a tag at a manifest that was here before."""
        package_id = self._package_id
        if package_id is None:
            return

        async def work(tx: Transaction) -> bool:
            return await packages.lock(tx, package_id) is not None and (
                await tags.put(tx, package_id, tag, digest, _ACTOR) is not None
            )

        if await self._db.repeat(work, package_id):
            self._report.tags += 1
        else:
            self._find(tag, f"its manifest {digest} is deleted here")

    async def _remove(self, gone: Sequence[str]) -> None:
        """Remove the tags that an adoption has made, and the old registry no longer has."""
        for tag in gone:
            if self._package_id is not None and await tags.remove(self._db, self._package_id, tag, _ACTOR):
                self._report.removed_tags += 1

    def _find(self, what: str, why: str) -> None:
        self._report.findings.append(Finding(self._repository.name, what, why))


def _weighed(digests: Iterable[Digest], sizes: Mapping[str, int]) -> Iterable[list[Digest]]:
    """Cut into batches of manifests that are read together."""
    batch: list[Digest] = []
    weight = 0
    for digest in digests:
        size = min(sizes.get(digest, 0), MAX_MANIFEST_BYTES)
        if batch and (len(batch) == _BATCH or weight + size > MAX_MANIFEST_BYTES):
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


async def seal(db: Database, root: str) -> None:
    """End the hold of a folder: from now on its objects go when nothing needs them. Raises NotBegun."""

    async def work(tx: Transaction) -> bool:
        return await adoptions.seal(tx, root)

    if not await db.repeat(work):
        raise NotBegun(root)


def _chunks(items: Iterable[_T], size: int) -> Iterable[list[_T]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


async def _batches(items: AsyncIterator[_T], size: int) -> AsyncIterator[list[_T]]:
    batch: list[_T] = []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
