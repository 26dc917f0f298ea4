"""One repository of the old registry on its way into its package: manifests, children first, and then the tags."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from registry.packages.adoption.layout import Repository
from registry.packages.adoption.reading import BATCH, Read, Reader, chunks
from registry.packages.adoption.report import Report
from registry.packages.publishing import Manifests, Push
from storage.metadata import adoptions, packages, tags
from storage.metadata.adoptions import Pointed
from storage.metadata.database import Transaction
from storage.metadata.events import Actor
from storage.names import Digest, InvalidName, PackageName, TagName

#: What events and versions say of who wrote them.
VIA: Final = "adoption"
_ACTOR: Final = Actor(None, None, via=VIA, spared="all")
_KNOWN: Final = 1000


class Taking:
    """One repository on its way into its package; ``package_id`` None: dry."""

    def __init__(
        self,
        reader: Reader,
        manifests: Manifests,
        repository: Repository,
        name: PackageName,
        package_id: int | None,
        report: Report,
        *,
        grace_seconds: float,
    ) -> None:
        self._reader = reader
        self._manifests = manifests
        self._repository = repository
        self._name = name
        self._package_id = package_id
        self._db = reader.db
        self._report = report
        self._grace_seconds = grace_seconds
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
            for batch in chunks(revisions, _KNOWN):
                self._here |= await adoptions.known(self._db, package_id, batch)
        before = frozenset(self._here)
        self._report.known += len(before)
        await self._take([digest for digest in revisions if digest not in before])
        for tag, digest in self._pointed.items():
            if digest not in self._here:
                self._reader.find(tag, f"its manifest {digest} was not adopted")
            elif digest in before and (tag not in ours or ours[tag].digest != digest):
                await self._point(TagName(tag), digest)
        await self._remove([tag for tag, now in ours.items() if now.adopted and tag not in self._repository.tags])

    def _leave(self, ours: Mapping[str, Pointed]) -> None:
        """Leave the tags alone that somebody has written here."""
        for tag, now in ours.items():
            if not now.adopted and now.digest != self._pointed.get(tag, now.digest):
                self._reader.find(tag, "it was written here since, and stays as it is here")
                del self._pointed[tag]

    async def _take(self, digests: Sequence[Digest]) -> None:
        """Publish manifests; an index waits for its children, and is read again then, for nothing holds its bytes."""
        waiting = digests
        while waiting:
            missing: dict[Digest, Digest] = {}
            async for read in self._reader.batches(waiting):
                await self._publish([one for one in read if not one.manifest.children])
                missing |= await self._publish_indexes([one for one in read if one.manifest.children])
            if len(missing) == len(waiting):
                for digest, child in missing.items():
                    self._reader.find(digest, f"its manifest {child} is missing")
                return
            waiting = list(missing)

    async def _publish_indexes(self, read: Sequence[Read]) -> dict[Digest, Digest]:
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
                self._reader.find(tag, str(error))
        for batch in chunks(names, BATCH):
            for tag, digest in zip(batch, await self._links(batch), strict=True):
                if digest is None:
                    self._reader.find(tag, "its link is broken")
                else:
                    self._pointed[tag] = digest

    async def _links(self, batch: Sequence[TagName]) -> list[Digest | None]:
        return await asyncio.gather(*(self._reader.link(self._repository.tags[tag]) for tag in batch))

    async def _publish(self, read: Sequence[Read]) -> None:
        """Publish manifests whose children are here, with their tags."""
        if self._package_id is not None and read:
            blobs = sorted({blob for one in read for blob in (*one.manifest.blobs, *one.manifest.foreign)})
            grace, root = self._grace_seconds, self._reader.root
            await adoptions.take(self._db, root, self._package_id, blobs, grace_seconds=grace)
            await asyncio.gather(*(self._publish_one(self._package_id, one) for one in read))
        self._here |= {one.digest for one in read}
        self._report.manifests += len(read)

    async def _publish_one(self, package_id: int, one: Read) -> None:
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
        await self._manifests.publish(package_id, push)
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
            self._reader.find(tag, f"its manifest {digest} is deleted here")

    async def _remove(self, gone: Sequence[str]) -> None:
        """Remove the tags that an adoption has made, and the old registry no longer has."""
        for tag in gone:
            if self._package_id is not None and await tags.remove(self._db, self._package_id, tag, _ACTOR):
                self._report.removed_tags += 1
