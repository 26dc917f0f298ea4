"""The rules of the history of tags: roll a tag back to where it pointed, and tell where it pointed at a moment."""

from datetime import UTC, datetime
from typing import Final

from registry.errors import Invalid, NotAllowed, NotFound
from registry.packages import conditions
from registry.packages.conditions import Check
from registry.packages.deletion_rules import LifetimeSettings
from registry.packages.kept_tags import told
from storage.metadata import tag_history as storage
from storage.metadata import tags, versions
from storage.metadata.database import Database, Transaction
from storage.metadata.events import TAG_ROLLED_BACK, Actor
from storage.metadata.query import Executor
from storage.metadata.tag_history import TagThen
from storage.names import Digest, TagName

_MONTHS: Final = 12


async def roll_back(
    db: Database,
    package_id: int,
    name: TagName,
    to: Digest | None,
    actor: Actor,
    settings: LifetimeSettings,
    *,
    may_restore: bool,
    check: Check | None = None,
) -> Digest:
    """Point a tag at a version where it pointed, None: at the one before the present one; return the digest.

    A deleted version is restored first, if the actor may do that. Raises NotFound, Invalid, NotAllowed, TagProtected.
    """

    async def work(tx: Transaction) -> Digest:
        await conditions.held(tx, package_id, check)
        target = to or await _previous(tx, package_id, name)
        found = await storage.kept(tx, package_id, target)
        if found is None:
            raise Invalid(f"This package has no version {target} any more.", "Push the image again.")
        if found.deleted:
            if not may_restore:
                raise NotAllowed(
                    "The version is deleted, and restoring it needs the role admin over the package.",
                    "Ask one of its admins for it.",
                )
            returning = await versions.returning(tx, package_id, found.id, settings.restore_seconds)
            if not returning:
                raise Invalid(f"The version {target} can no longer be restored.", "Push the image again.")
            await versions.unhide(tx, package_id, returning, actor)
        if await tags.put(tx, package_id, name, target, actor, action=TAG_ROLLED_BACK) is None:
            raise NotFound
        return target

    with told():
        return await db.repeat(work, package_id)


async def _previous(tx: Transaction, package_id: int, name: TagName) -> Digest:
    """Return the digest that the tag had before. Raises Invalid."""
    now = await tags.locked(tx, package_id, name)
    found = await storage.previous(tx, package_id, name, now)
    if found is None:
        raise Invalid(f"Nothing is recorded of another version that the tag {name} had.", "Say which digest is meant.")
    return Digest(found)


async def then(db: Executor, package_id: int, name: TagName, at: datetime, *, now: datetime, months: int) -> TagThen:
    """Tell where a tag pointed at a moment of the past ``months``. Raises NotFound, Invalid."""
    ago = now.year * _MONTHS + now.month - 1 - months
    if at < datetime(ago // _MONTHS, ago % _MONTHS + 1, 1, tzinfo=UTC):
        raise Invalid(f"What happened to tags is kept for {months} months.", "Ask for a later time.")
    found = await storage.then(db, package_id, name, min(at, now))
    if found is None:
        raise NotFound
    return found
