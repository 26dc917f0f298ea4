"""Eviction from mirrors: what nobody asked for in a while is deleted at once, as it can be fetched again."""

from dataclasses import dataclass
from typing import Final

from registry.errors import NotDeletable, NotFound
from registry.mirror.mirroring import Mirroring
from registry.mirror.mirrors import Mirror
from registry.mirror.upstream import UpstreamError
from registry.packages.kept_tags import TagProtected
from registry.packages.versions import Versions
from storage.metadata import mirror_evictions, purges
from storage.metadata.database import Transaction
from storage.metadata.events import Actor
from storage.metadata.mirror_evictions import Idle
from storage.names import PackageName

_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Eviction:
    """The deletion of what mirrors need not keep. What a tag rule keeps, or the upstream lacks, stays."""

    mirroring: Mirroring
    versions: Versions

    async def step(self) -> int:
        """Delete some versions of each mirror and return the number of them. Raises StorageError."""
        done = 0
        for mirror in await self.mirroring.mirrors.every():
            days = mirror.idle_days or None
            if mirror.paused or (days is None and mirror.max_bytes is None):
                continue
            for found in await mirror_evictions.idle(
                self.mirroring.db, mirror.owner_id, days, mirror.max_bytes, _BATCH
            ):
                done += await self._evict(mirror, found)
        return done

    async def _evict(self, mirror: Mirror, found: Idle) -> bool:
        there = self.mirroring.there(mirror, PackageName(mirror.login.lower(), found.image))
        try:
            await self.mirroring.upstream.resolve(mirror, there, found.digest)
        except UpstreamError:
            return False  # it may be gone there, and then this is the only one
        try:
            await self.versions.delete(found.package_id, [found.id], Actor(None, None, via="mirror"), may_be_last=True)
        except (NotFound, NotDeletable, TagProtected):
            return False

        async def purge(tx: Transaction) -> None:
            for digest in await mirror_evictions.gone(tx, found.package_id, found.id):
                await purges.purge(tx, found.package_id, digest, 0.0)

        await self.mirroring.db.repeat(purge, found.package_id)
        return True
