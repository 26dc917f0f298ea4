"""The rules of versions: delete with referrers and tags, restore within the window."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.errors import Denied, ManifestUnknown, NotDeletable, NotFound
from registry.oci.headers import Condition, etag
from registry.packages.conditions import DeletionCheck
from registry.packages.deletion_rules import HeldByIndex, LifetimeSettings, ManifestInUse
from registry.packages.deletions import Preview, Restore, plan, preview, preview_restore
from registry.packages.kept_tags import TagProtected, told
from registry.packages.selections import Batch, batch
from storage.metadata import packages, versions
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.manifests import ResolvedManifest
from storage.metadata.selections import Filter


@dataclass(frozen=True, slots=True)
class Versions:
    """The rules of versions; the callers check access before."""

    db: Database
    settings: LifetimeSettings

    async def delete(
        self,
        package_id: int,
        version_ids: Sequence[int],
        actor: Actor,
        *,
        may_be_last: bool = False,
        check: DeletionCheck | None = None,
    ) -> None:
        """Hide versions, all or none, with their referrers and tags until restored or purged.

        ``may_be_last``: what the packages API refuses and the distribution specification does not.
        Raises NotFound, NotDeletable, TagProtected.
        """

        async def work(tx: Transaction) -> None:
            if await packages.lock(tx, package_id) is None:
                raise NotFound
            decided = await plan(tx, package_id, version_ids, self.settings, may_be_last=may_be_last)
            if check is not None:
                await check(tx, decided.etag)
            if decided.refused is not None and not isinstance(decided.refused, TagProtected):
                raise decided.refused
            for root in dict.fromkeys(version_ids):
                digests = [one.digest for one in decided.leaving if one.root == root]
                await versions.hide(tx, package_id, root, digests, actor)

        with told():
            await self.db.repeat(work, package_id)

    async def preview(self, package_id: int, version_ids: Sequence[int]) -> Preview:
        """Show what the deletion of versions takes along, and whether it is refused. Raises NotFound."""
        return await preview(self.db, package_id, version_ids, self.settings)

    async def batch(self, package_id: int, wanted: Filter, after: int) -> Batch:
        """Show the deletion of the next versions that match, with an id above ``after``."""
        return await batch(self.db, package_id, wanted, after, self.settings)

    async def preview_restore(self, package_id: int, version_id: int) -> Restore:
        """Show what the restore of a version brings back. Raises NotFound."""
        return await preview_restore(self.db, package_id, version_id, self.settings)

    async def withdraw(
        self,
        found: ResolvedManifest,
        reference: str,
        actor: Actor,
        condition: Condition | None = None,
    ) -> None:
        """Delete a manifest with its tags.

        ``reference``: what the client has named. The last version may go, by the distribution specification.
        Raises ManifestUnknown, ManifestInUse, Denied, PreconditionFailed, TagProtected.
        """
        if found.package_id is None or found.version_id is None:
            raise ManifestUnknown(reference)
        if condition is not None:
            condition.check(None if found.digest is None else etag(found.digest))
        try:
            await self.delete(found.package_id, [found.version_id], actor, may_be_last=True)
        except NotFound as error:
            raise ManifestUnknown(reference) from error
        except HeldByIndex as held:
            raise ManifestInUse(held) from held
        except NotDeletable as refused:
            # GitHub's API answers this 400, of which OCI's clients would make an invalid request.
            raise Denied("a version that may be deleted", (), refused.fix or "", refused.message) from refused

    async def restore(self, package_id: int, version_id: int, actor: Actor) -> None:
        """Restore a version with its referrers, its children, and its tags that no other version has.

        Raises NotFound, TagProtected.
        """

        async def work(tx: Transaction) -> None:
            if await packages.lock(tx, package_id) is None:
                raise NotFound
            window = self.settings.restore_seconds
            returning = await versions.returning(tx, package_id, version_id, window)
            if not returning:
                raise NotFound
            await versions.unhide(tx, package_id, returning, actor)

        with told():
            await self.db.repeat(work, package_id)
