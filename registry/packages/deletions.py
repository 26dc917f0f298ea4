"""Deletions with all that goes along, and why one is refused: one decision for preview and deletion."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from registry.errors import Conflict, NotDeletable, NotFound, RegistryError
from registry.packages.deletion_rules import (
    HeldByIndex,
    LastTaggedVersion,
    LastVersion,
    LifetimeSettings,
    PopularPackage,
    PopularVersion,
)
from registry.packages.kept_tags import TagProtected, protected
from storage.metadata import deletions
from storage.metadata.deletions import (
    Effect,
    Holder,
    Leaving,
    LeavingPackage,
    Left,
    Orphan,
    Returning,
    ReturningPackage,
)
from storage.metadata.query import Executor
from storage.metadata.tag_rules import KeptTag

_ETAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Deletion:
    """The deletion of versions: all that goes, in order; ``refused``: why it does not.

    TagProtected is for a preview: a deletion is judged by the statement that does it, which knows whom a rule spares.
    """

    leaving: list[Leaving]
    refused: NotDeletable | TagProtected | None

    @property
    def versions(self) -> list[Leaving]:
        """All that goes, each version once."""
        return list({one.id: one for one in self.leaving}.values())

    @property
    def etag(self) -> str:
        """The entity tag of what goes: as long as it is the same, the same versions and tags go."""
        return _etag([f"{one.id} {one.digest} {' '.join(one.tags)}" for one in self.versions])


async def plan(
    db: Executor,
    package_id: int,
    version_ids: Sequence[int],
    settings: LifetimeSettings,
    *,
    may_be_last: bool = False,
) -> Deletion:
    """Decide the deletion of versions. Raises NotFound, if one of them is not there."""
    leaving, named = await _leaving(db, package_id, version_ids)
    digests = [one.digest for one in leaving]
    holders, left, kept = await deletions.around(db, package_id, digests, [one.digest for one in named])
    return Deletion(leaving, _refusal(leaving, holders, left, kept, settings, may_be_last=may_be_last))


async def _leaving(db: Executor, package_id: int, version_ids: Sequence[int]) -> tuple[list[Leaving], list[Leaving]]:
    """Return all that goes, and of it the versions that are named. Raises NotFound, if one of these is not there."""
    leaving = await deletions.leaving(db, package_id, version_ids)
    named = _named(leaving)
    if not version_ids or {one.id for one in named} != set(version_ids):
        raise NotFound
    return leaving, named


def _named(leaving: list[Leaving]) -> list[Leaving]:
    return [one for one in leaving if one.id == one.root]


def _refusal(
    leaving: list[Leaving],
    holders: list[Holder],
    left: Left,
    kept: list[KeptTag],
    settings: LifetimeSettings,
    *,
    may_be_last: bool = False,
) -> NotDeletable | TagProtected | None:
    named, most = _named(leaving), settings.downloads_lock
    if most is not None and any(one.public and one.downloads > most for one in named):
        return PopularVersion(most)
    if holders:
        child = holders[0].child
        return HeldByIndex(child, {one.digest: one.tags for one in holders if one.child == child})
    if kept:
        return protected(kept[0])
    if may_be_last:
        return None
    if any(one.tags for one in named) and not left.tagged_others:
        return LastTaggedVersion()
    return None if left.others else LastVersion()


@dataclass(frozen=True, slots=True)
class Preview:
    """A deletion as it is shown before: with its ``effect``, and children that ``stay``, though nothing holds them."""

    deletion: Deletion
    effect: Effect
    stay: list[Orphan]


async def preview(db: Executor, package_id: int, version_ids: Sequence[int], settings: LifetimeSettings) -> Preview:
    """Show the deletion of versions. Raises NotFound."""
    leaving, named = await _leaving(db, package_id, version_ids)
    all_that_goes = {one.id: one.digest for one in leaving}
    holders, left, kept, effect, orphans = await deletions.preview(
        db, package_id, list(all_that_goes.values()), [one.digest for one in named], list(all_that_goes)
    )
    return Preview(Deletion(leaving, _refusal(leaving, holders, left, kept, settings)), effect, orphans)


@dataclass(frozen=True, slots=True)
class PackageDeletion:
    """The deletion of a package; ``refused``: why it does not go."""

    leaving: LeavingPackage
    refused: NotDeletable | TagProtected | None

    @property
    def etag(self) -> str:
        """The entity tag of what goes."""
        here = self.leaving
        return _etag([f"{here.id} {here.updated_at.isoformat()} {here.versions} {here.newest} {here.tags}"])


async def plan_package(db: Executor, package_id: int, settings: LifetimeSettings) -> PackageDeletion:
    """Decide the deletion of a package. Raises NotFound."""
    leaving, kept = await deletions.leaving_package(db, package_id)
    if leaving is None:
        raise NotFound
    most = settings.downloads_lock
    if most is not None and leaving.visibility == "public" and leaving.most > most:
        return PackageDeletion(leaving, PopularPackage(most))
    return PackageDeletion(leaving, protected(kept[0]) if kept else None)


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore of versions as it is shown before; ``until``: when it cannot be done any more."""

    returning: list[Returning]
    until: datetime


async def preview_restore(db: Executor, package_id: int, version_id: int, settings: LifetimeSettings) -> Restore:
    """Show what a restore of a version brings back. Raises NotFound."""
    returning = await deletions.returning(db, package_id, version_id, settings.restore_seconds)
    if not returning:
        raise NotFound
    return Restore(returning, returning[0].deleted_at + timedelta(seconds=settings.restore_seconds))


@dataclass(frozen=True, slots=True)
class PackageRestore:
    """A restore of a package as it is shown before; ``refused``: why it does not come back."""

    returning: ReturningPackage
    until: datetime
    refused: RegistryError | None


class NameInUse(Conflict):
    """A published package has the name of the deleted package."""

    def __init__(self, package_id: int) -> None:
        super().__init__(
            "A package with this name exists. Delete it before you restore the deleted one.",
            f"DELETE the new package, then POST …/restore?token={package_id}, the id of the one to be restored.",
        )


async def preview_package_restore(db: Executor, package_id: int, settings: LifetimeSettings) -> PackageRestore:
    """Show what a restore of a package brings back. Raises NotFound."""
    returning = await deletions.returning_package(db, package_id, settings.restore_seconds)
    if returning is None:
        raise NotFound
    until = returning.deleted_at + timedelta(seconds=settings.restore_seconds)
    return PackageRestore(returning, until, NameInUse(package_id) if returning.taken else None)


def _etag(lines: Sequence[str]) -> str:
    return f'"{blake2b(chr(10).join(lines).encode(), digest_size=_ETAG_BYTES).hexdigest()}"'
