"""Tags: mutable names of a package's manifests."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final, LiteralString

from storage.metadata import access_facts, events, tag_rules
from storage.metadata.access_facts import AccessFacts
from storage.metadata.events import Actor
from storage.metadata.manifests import TAGGED
from storage.metadata.query import Executor, command, select
from storage.names import Digest, PackageName, TagName


class TagPage(AccessFacts, frozen=True):
    published: bool
    names: list[str]


_PAGE, _PAGE_FAST, _PAGE_KEYLESS = access_facts.every_way(
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
    if access_facts.is_service_account(token_id):
        return await _PAGE_KEYLESS.one(db, *asked)
    found = await _PAGE_FAST.one(db, *asked)
    return found if found.role != access_facts.NEEDS_FULL_QUERY else await _PAGE.one(db, *asked)


# A tag that moves while this waits for its row is compared as it is then.
_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), removed AS (
        DELETE FROM tags WHERE package_id = $1 AND name = $2 AND ($3::text IS NULL OR digest = $3::text)
           AND {tag_rules.permits(tag_rules.DELETE, "tags.name", "tags.digest", "$4")}
        RETURNING name, digest
    )
    {events.record(events.event(f"'{events.TAG_DELETED}'", "removed CROSS JOIN actor", before="digest", tag="name"))}
    """
)


async def remove(db: Executor, package_id: int, tag: str, actor: Actor, digest: str | None = None) -> bool:
    """Delete a tag, if it is of ``digest`` where one is given; the manifest stays. False when there was no such tag.

    Raises TagRefused.
    """
    return await _REMOVE.run(db, package_id, tag, digest, events.by(actor)) == 1


@dataclass(frozen=True, slots=True)
class _Tagged:
    digest: str


_LOCKED: Final = select(_Tagged, "SELECT digest FROM tags WHERE package_id = $1 AND name = $2 FOR UPDATE")


async def locked(db: Executor, package_id: int, tag: TagName) -> str | None:
    """Lock a tag for the caller's transaction, which holds the package; the digest of its manifest, or None."""
    found = await _LOCKED.maybe(db, package_id, tag)
    return None if found is None else found.digest


@dataclass(frozen=True, slots=True)
class ShownTag:
    """A tag with its version and pusher; ``size``: of the image in bytes, None where it is not yet added up."""

    name: str
    digest: str
    updated_at: datetime
    version_id: int
    media_type: str
    kind: str
    platforms: list[str]
    size: int | None
    downloads: int
    pusher_id: int | None
    pusher_login: str | None
    pusher_via: str | None
    pusher_token: str | None


def _shown(condition: LiteralString, order: LiteralString) -> LiteralString:
    return f"""
    SELECT tag.name, tag.digest, tag.updated_at, version.id AS version_id, version.media_type, version.sort AS kind,
           version.platforms, version.image_size AS size,
           coalesce((SELECT count FROM download_totals WHERE version_id = version.id), 0) AS downloads,
           tag.pusher_id, (SELECT login FROM accounts WHERE id = tag.pusher_id) AS pusher_login,
           tag.pusher_via, tag.pusher_token
      FROM (SELECT * FROM tags WHERE package_id = $1 AND {condition}) AS tag
     CROSS JOIN LATERAL (
            SELECT id, media_type, sort, platforms, image_size FROM manifests
             WHERE package_id = $1 AND digest = tag.digest LIMIT 1
           ) AS version
     {order}
    """


def _ordered(condition: LiteralString, columns: LiteralString) -> LiteralString:
    """Render a page of tags, LIMIT $2."""
    return _shown(f"{condition} ORDER BY {columns} LIMIT $2", f"ORDER BY {columns.replace('name', 'tag.name')}")


class Order(Enum):
    """The order of a list: ascending, or descending."""

    UP = False
    DOWN = True


_ONE: Final = select(ShownTag, _shown("name = $2", ""))
_BY_NAME: Final = select(ShownTag, _ordered("name >= $3 AND name < $4 AND name > $5", "name"))
_BY_NAME_DOWN: Final = select(ShownTag, _ordered("name >= $3 AND name < $4 AND name < $5", "name DESC"))
_BY_TIME: Final = select(ShownTag, _ordered("(updated_at, name) > ($3, $4)", "updated_at, name"))
_BY_TIME_DOWN: Final = select(ShownTag, _ordered("(updated_at, name) < ($3, $4)", "updated_at DESC, name DESC"))

#: Behind every character of a tag.
_END: Final = "~"
_EARLIEST: Final = datetime(1, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)


async def shown(db: Executor, package_id: int, name: str) -> ShownTag | None:
    """Find a tag by its name, with its version and pusher."""
    return await _ONE.maybe(db, package_id, name)


async def by_name(
    db: Executor, package_id: int, prefix: str, after: str | None, limit: int, order: Order
) -> list[ShownTag]:
    """Tags whose names begin with ``prefix``, in the order of bytes, past ``after``."""
    bounds = limit, prefix, prefix + _END
    if order is Order.UP:
        return await _BY_NAME.all(db, package_id, *bounds, after or "")
    return await _BY_NAME_DOWN.all(db, package_id, *bounds, _END if after is None else after)


async def by_time(
    db: Executor, package_id: int, after: tuple[datetime, str] | None, limit: int, order: Order
) -> list[ShownTag]:
    """Tags in the order of their last pushes, past the time and name of ``after``."""
    if order is Order.UP:
        return await _BY_TIME.all(db, package_id, limit, *(after or (_EARLIEST, "")))
    return await _BY_TIME_DOWN.all(db, package_id, limit, *(after or (_LATEST, "")))


@dataclass(frozen=True, slots=True)
class _Put:
    made: bool


#: Whether a version says of its package what it is, as a push of it would: see publishing.
_DESCRIBES: Final[LiteralString] = "version.sort = 'image' AND version.subject IS NULL"
_PUT: Final = select(
    _Put,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), version AS MATERIALIZED (
        SELECT * FROM (SELECT * FROM manifests WHERE package_id = $1 AND digest = $3 LIMIT 1) AS kept
         WHERE deleted_at IS NULL
    ), old AS MATERIALIZED (
        SELECT name, digest FROM tags WHERE package_id = $1 AND name = $2 FOR NO KEY UPDATE
    ), package AS (
        UPDATE packages
           SET updated_at = now(),
               description = CASE WHEN {_DESCRIBES} THEN version.description ELSE packages.description END,
               licenses = CASE WHEN {_DESCRIBES} THEN version.licenses ELSE packages.licenses END,
               licenses_spdx = CASE WHEN {_DESCRIBES} THEN version.licenses_spdx ELSE packages.licenses_spdx END,
               source_url = CASE WHEN {_DESCRIBES} THEN version.source_url ELSE packages.source_url END
          FROM version
         WHERE packages.id = $1
    ), touched AS (
        UPDATE manifests SET updated_at = now() WHERE id = (SELECT id FROM version)
    ), moved AS (
        INSERT INTO tags (package_id, name, digest, pusher_id, pusher_via, pusher_token)
        SELECT $1, $2, version.digest, actor.id, actor.via, actor.token_name
          FROM version CROSS JOIN actor LEFT JOIN old ON true
         WHERE {tag_rules.permits_creation("$2", "old.digest", "$4")}
        ON CONFLICT (package_id, name) DO UPDATE SET {TAGGED} WHERE {tag_rules.permits_move("$4")}
        RETURNING name
    ), recorded AS ({
        events.record(
            events.event(
                f"coalesce($5::text, {events.WRITTEN})",
                "version CROSS JOIN actor CROSS JOIN moved LEFT JOIN old USING (name)"
                " WHERE old.digest IS DISTINCT FROM version.digest",
                version="version.id",
                digest="version.digest",
                before="old.digest",
                tag="name",
            )
        )
    })
    SELECT old.digest IS NULL AS made FROM version LEFT JOIN old ON true
    """,
)


async def put(
    db: Executor, package_id: int, tag: TagName, digest: Digest, actor: Actor, *, action: str | None = None
) -> bool | None:
    """Point a tag at a version of the package that the caller's transaction holds; True: the tag is new.

    ``action``: of the event, where it is more than a tag that is made or moved. None: the package has no such version.
    Raises TagRefused.
    """
    done = await _PUT.maybe(db, package_id, tag, digest, events.by(actor), action)
    return None if done is None else done.made
