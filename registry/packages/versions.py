"""The rules of versions: delete with referrers and tags, restore within the window."""

from dataclasses import dataclass

from registry.errors import Denied, ManifestUnknown, NotDeletable, NotFound
from registry.oci.headers import Condition, etag
from registry.packages.conditions import Check
from registry.packages.deletion_rules import (
    HeldByIndex,
    LastTaggedVersion,
    LastVersion,
    LifetimeSettings,
    ManifestInUse,
    PopularVersion,
)
from storage.metadata import packages, versions
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.manifests import ResolvedManifest
from storage.metadata.versions import Leaving


@dataclass(frozen=True, slots=True)
class Versions:
    """The rules of versions; the callers check access before."""

    db: Database
    settings: LifetimeSettings

    async def delete(
        self,
        package_id: int,
        version_id: int,
        actor: Actor,
        *,
        may_be_last: bool = False,
        check: Check | None = None,
    ) -> None:
        """Hide a version with its referrers and tags until restored or purged. Raises NotFound, NotDeletable.

        ``may_be_last``: what the packages API refuses and the distribution specification does not.
        """

        async def work(tx: Transaction) -> None:
            held = await packages.lock(tx, package_id)
            leaving = None if held is None else await versions.leaving(tx, package_id, version_id)
            if held is None or leaving is None:
                raise NotFound
            if check is not None:
                await check(tx)
            most = self.settings.downloads_lock
            if most is not None and held.visibility == "public" and leaving.downloads > most:
                raise PopularVersion(most)
            holders = {one.digest: one.tags for one in await versions.holders(tx, package_id, leaving.digest)}
            if holders:
                raise HeldByIndex(leaving.digest, holders)
            if not may_be_last:
                _check_others(leaving)
            await versions.hide(tx, package_id, version_id, leaving.digests, actor)

        await self.db.repeat(work, package_id)

    async def withdraw(
        self,
        found: ResolvedManifest,
        reference: str,
        actor: Actor,
        condition: Condition | None = None,
    ) -> None:
        """Delete a manifest with its tags.

        ``reference``: what the client has named. The last version may go, by the distribution specification.
        Raises ManifestUnknown, ManifestInUse, Denied, PreconditionFailed.
        """
        if found.package_id is None or found.version_id is None:
            raise ManifestUnknown(reference)
        if condition is not None:
            condition.check(None if found.digest is None else etag(found.digest))
        try:
            await self.delete(found.package_id, found.version_id, actor, may_be_last=True)
        except NotFound as error:
            raise ManifestUnknown(reference) from error
        except HeldByIndex as held:
            raise ManifestInUse(held) from held
        except NotDeletable as refused:
            # GitHub's API answers this 400, of which OCI's clients would make an invalid request.
            raise Denied("a version that may be deleted", (), refused.fix or "", refused.message) from refused

    async def restore(self, package_id: int, version_id: int, actor: Actor) -> None:
        """Restore a version with its referrers, its children, and its tags that no other version has.

        Raises NotFound.
        """

        async def work(tx: Transaction) -> None:
            if await packages.lock(tx, package_id) is None:
                raise NotFound
            window = self.settings.restore_seconds
            returning = await versions.returning(tx, package_id, version_id, window)
            if not returning:
                raise NotFound
            await versions.unhide(tx, package_id, returning, actor)

        await self.db.repeat(work, package_id)


def _check_others(leaving: Leaving) -> None:
    if leaving.tagged and not leaving.tagged_others:
        raise LastTaggedVersion
    if not leaving.others:
        raise LastVersion
