"""The rules of versions: delete with referrers and tags, restore within the window."""

from dataclasses import dataclass

from registry.packages.deletion_rules import LastTaggedVersion, LastVersion, LifetimeSettings, PopularVersion
from registry.packages.refusals import NotThere
from storage.metadata import packages, versions
from storage.metadata.database import Database, Transaction
from storage.metadata.versions import Leaving


@dataclass(frozen=True, slots=True)
class Versions:
    """The rules of versions; the callers check access before."""

    db: Database
    settings: LifetimeSettings

    async def delete(self, package_id: int, version_id: int, deleted_by: int, *, may_be_last: bool = False) -> None:
        """Hide a version with its referrers and tags until restored or purged. Raises NotThere, NotDeletable.

        ``may_be_last``: what the packages API refuses and the distribution specification does not.
        """

        async def work(tx: Transaction) -> None:
            held = await packages.lock(tx, package_id)
            leaving = None if held is None else await versions.leaving(tx, package_id, version_id)
            if held is None or leaving is None:
                raise NotThere
            most = self.settings.downloads_lock
            if most is not None and held.visibility == "public" and leaving.downloads > most:
                raise PopularVersion(most)
            if not may_be_last:
                _check_others(leaving)
            await versions.hide(tx, package_id, version_id, leaving.digests, deleted_by)

        await self.db.repeat(work)

    async def restore(self, package_id: int, version_id: int) -> None:
        """Restore a version with its referrers, its children, and its tags that no other version has.

        Raises NotThere.
        """

        async def work(tx: Transaction) -> None:
            if await packages.lock(tx, package_id) is None:
                raise NotThere
            window = self.settings.restore_seconds
            returning = await versions.returning(tx, package_id, version_id, window)
            if not returning:
                raise NotThere
            await versions.unhide(tx, package_id, returning)

        await self.db.repeat(work)


def _check_others(leaving: Leaving) -> None:
    if leaving.tagged and not leaving.tagged_others:
        raise LastTaggedVersion
    if not leaving.others:
        raise LastVersion
