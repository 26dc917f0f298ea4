"""Tags: mutable names of a package's manifests."""

from dataclasses import dataclass
from typing import Final

from storage.metadata import access_facts, events
from storage.metadata.access_facts import AccessFacts
from storage.metadata.events import Actor
from storage.metadata.query import Executor, command, select
from storage.names import PackageName, TagName


class TagPage(AccessFacts, frozen=True):
    published: bool
    names: list[str]


_PAGE, _PAGE_FAST = access_facts.full_and_fast(
    TagPage,
    lambda facts: (
        f"""
    SELECT {facts.columns}, package.published_at IS NOT NULL AS published,
           ARRAY(SELECT tag.name FROM tags tag
                  WHERE tag.package_id = package.id AND tag.name > $4 ORDER BY tag.name LIMIT $5) AS names
    {facts.once}
    """
    ),
)


async def page(db: Executor, token_id: int | None, package: PackageName, after: str, limit: int) -> TagPage:
    """At most ``limit`` tags past ``after``, in byte order, with the caller's access facts."""
    asked = token_id, package.owner, package.image, after, limit
    found = await _PAGE_FAST.one(db, *asked)
    return found if found.role != access_facts.NEEDS_FULL_QUERY else await _PAGE.one(db, *asked)


# A tag that moves while this waits for its row is compared as it is then.
_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4::bigint", "$5::bigint")}
    ), removed AS (
        DELETE FROM tags WHERE package_id = $1 AND name = $2 AND ($3::text IS NULL OR digest = $3::text)
        RETURNING name, digest
    )
    {events.record(events.event(f"'{events.TAG_DELETED}'", "removed CROSS JOIN actor", before="digest", tag="name"))}
    """
)


async def remove(db: Executor, package_id: int, tag: TagName, actor: Actor, digest: str | None = None) -> bool:
    """Delete a tag, if it is of ``digest`` where one is given; the manifest stays. False when there was no such tag."""
    return await _REMOVE.run(db, package_id, tag, digest, actor.account_id, actor.token_id) == 1


@dataclass(frozen=True, slots=True)
class _Tagged:
    digest: str


_LOCKED: Final = select(_Tagged, "SELECT digest FROM tags WHERE package_id = $1 AND name = $2 FOR UPDATE")


async def locked(db: Executor, package_id: int, tag: TagName) -> str | None:
    """Lock a tag for the caller's transaction, which holds the package; the digest of its manifest, or None."""
    found = await _LOCKED.maybe(db, package_id, tag)
    return None if found is None else found.digest
