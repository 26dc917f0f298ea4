"""Packages: lookup, creation, deletion, restore and purge."""

from dataclasses import dataclass
from typing import Final

from storage.metadata import access_facts, events, tag_rules
from storage.metadata.access_facts import AccessFacts
from storage.metadata.events import Actor
from storage.metadata.query import Executor, command, select
from storage.metadata.uploads import ABORT
from storage.names import PackageName

_ACCESS_FACTS: Final = select(AccessFacts, f"SELECT {access_facts.COLUMNS} {access_facts.FROM}")


async def access_facts_of(db: Executor, token_id: int | None, package: PackageName) -> AccessFacts:
    """The caller's access facts for a package that may not be there."""
    return await _ACCESS_FACTS.one(db, token_id, package.owner, package.image)


#: Over lines of tokens, owners, images and anything; a row each, in their order.
ACCESS_FACTS, ACCESS_FACTS_FAST, ACCESS_FACTS_KEYLESS = access_facts.every_way(
    AccessFacts, lambda facts: f"SELECT {facts.columns} {facts.many} ORDER BY asked.place"
)

_ACCESS_FACTS_DELETED: Final = select(AccessFacts, f"SELECT {access_facts.COLUMNS} {access_facts.FROM_DELETED}")


async def standing_of_deleted(
    db: Executor, token_id: int | None, package: PackageName, package_id: int | None
) -> AccessFacts:
    """The caller's access facts for the deleted package of that name and id; None: for the one deleted last."""
    return await _ACCESS_FACTS_DELETED.one(db, token_id, package.owner, package.image, package_id)


@dataclass(frozen=True, slots=True)
class Made:
    id: int


# What a token of a repository makes first belongs to that repository: linked, as visible, and under its tokens. Who
# makes a package in an organization has the role of an admin over it; the account that owns it needs none.
_ENSURE: Final = select(
    Made,
    """
    WITH made AS (
        INSERT INTO packages (owner_id, name, creator_id, visibility, repository_id, inherit_access)
        SELECT owner.id, $2, $3, coalesce(source.visibility, 'private'), source.id,
               source.id IS NOT NULL AND owner.packages_inherit_access
          FROM accounts owner
          LEFT JOIN repositories source
                 ON source.id = (SELECT repository_id FROM tokens WHERE id = $4)
                    AND source.owner_id = owner.id AND source.deleted_at IS NULL
         WHERE owner.id = $1 AND owner.deleted_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM retired_names WHERE owner_login = lower(owner.login) AND name = $2)
        ON CONFLICT (owner_id, name) WHERE deleted_at IS NULL DO NOTHING
        RETURNING id, owner_id, repository_id
    ), creator AS (
        INSERT INTO package_users (package_id, user_id, role)
        SELECT made.id, seat.user_id, 3
          FROM made JOIN memberships seat ON seat.org_id = made.owner_id AND seat.user_id = $3
         WHERE made.repository_id IS NULL
           FOR KEY SHARE OF seat  -- see organizations.unseat
    ), robots AS (
        INSERT INTO package_repositories (package_id, repository_id, audience, role)
        SELECT made.id, made.repository_id,
               CASE token.kind WHEN 'workflow' THEN 'actions' ELSE 'codespaces' END,
               CASE token.kind WHEN 'workflow' THEN 3 ELSE 2 END
          FROM made JOIN tokens token ON token.id = $4
         WHERE made.repository_id IS NOT NULL
    )
    SELECT id FROM made
    UNION ALL
    SELECT id FROM packages WHERE owner_id = $1 AND name = $2 AND deleted_at IS NULL
    LIMIT 1
    """,
)


async def ensure(db: Executor, owner_id: int, image: str, creator_id: int, token_id: int | None) -> int | None:
    """The id of the package, created if missing; None: the name is retired, or its owner has just been deleted."""
    where = (owner_id, image, creator_id, token_id)
    # A row that a concurrent statement has just made is not in this one's snapshot; it is in the next.
    made = await _ENSURE.maybe(db, *where) or await _ENSURE.maybe(db, *where)
    return None if made is None else made.id


@dataclass(frozen=True, slots=True)
class Held:
    """A package locked by a transaction; ``published``: the package has had a manifest."""

    id: int
    name: str
    owner_id: int
    owner_kind: str
    visibility: str
    repository_id: int | None
    inherit_access: bool
    published: bool


_LOCK: Final = select(
    Held,
    """
    SELECT package.id, package.name, package.owner_id, owner.kind AS owner_kind, package.visibility,
           package.repository_id, package.inherit_access, package.published_at IS NOT NULL AS published
      FROM packages package JOIN accounts owner ON owner.id = package.owner_id
     WHERE package.id = $1 AND package.deleted_at IS NULL
       FOR NO KEY UPDATE OF package
    """,
)


async def lock(db: Executor, package_id: int) -> Held | None:
    """Lock a package for the caller's transaction; None: the package is gone.

    Every change of a package's manifests, tags or settings first takes this lock or writes the row: changes are serial,
    and never deadlock.
    """
    return await _LOCK.maybe(db, package_id)


_HIDE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}
    ), sessions AS ({ABORT} package_id = $1
    ), hidden AS (
        UPDATE packages SET deleted_at = now(), deleted_by = (SELECT id FROM actor)
         WHERE id = $1 AND deleted_at IS NULL AND {tag_rules.permits_deletions("$2")}
        RETURNING owner_id
    )
    {events.record(events.event(f"'{events.PACKAGE_DELETED}'", "hidden CROSS JOIN actor", owner="owner_id"))}
    """
)


async def hide(db: Executor, package_id: int, actor: Actor) -> bool:
    """Soft-delete a package until its restore or purge, and abort its uploads; False: the package was gone.

    Raises TagRefused.
    """
    return await _HIDE.run(db, package_id, events.by(actor)) == 1


_GIVE_WAY: Final = command(
    """
    UPDATE packages begun SET deleted_at = now()
      FROM packages deleted
     WHERE deleted.id = $1 AND begun.owner_id = deleted.owner_id AND begun.name = deleted.name
       AND begun.deleted_at IS NULL AND begun.published_at IS NULL
    """
)
# A repository that went while the package was deleted is no longer its own.
_UNHIDE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}
    ), restored AS (
        UPDATE packages package
           SET deleted_at = NULL, deleted_by = NULL, updated_at = now(),
               repository_id = source.id, inherit_access = old.inherit_access AND source.id IS NOT NULL
          FROM packages old
          LEFT JOIN repositories source
                 ON source.id = old.repository_id AND source.owner_id = old.owner_id AND source.deleted_at IS NULL
         WHERE old.id = $1 AND package.id = old.id AND package.published_at IS NOT NULL
           AND package.deleted_at > now() - make_interval(secs => $2)
        RETURNING package.owner_id
    )
    {events.record(events.event(f"'{events.PACKAGE_RESTORED}'", "restored CROSS JOIN actor", owner="owner_id"))}
    """
)


async def unhide(db: Executor, package_id: int, window_seconds: float, actor: Actor) -> bool:
    """Restore a package, inside the caller's transaction; an unpublished package of the same name is deleted.

    False: the package is not deleted, or its window is over. Raises AlreadyThere when a published package has its name.
    """
    await _GIVE_WAY.run(db, package_id)
    return await _UNHIDE.run(db, package_id, window_seconds, events.by(actor)) == 1


@dataclass(frozen=True, slots=True)
class Listed:
    name: str


_CATALOG: Final = select(
    Listed,
    f"""
    {access_facts.GIVEN}
    SELECT lower(owner.login) || '/' || near.name AS name
      FROM accounts owner
      JOIN {access_facts.HOLDER} ON token.id = $1
     CROSS JOIN LATERAL (
        SELECT package.name FROM packages package
         WHERE package.owner_id = owner.id AND package.deleted_at IS NULL AND package.published_at IS NOT NULL
           AND (lower(owner.login) || '/' || package.name) COLLATE "C" > $2 AND {access_facts.READABLE}
         ORDER BY package.name LIMIT $3
     ) AS near
     WHERE owner.deleted_at IS NULL AND (lower(owner.login) || '/') COLLATE "C" >= split_part($2, '/', 1) || '/'
     ORDER BY (lower(owner.login) || '/') COLLATE "C", near.name
     LIMIT $3
    """,
)


async def readable(db: Executor, token_id: int, after: str, limit: int) -> list[str]:
    """At most ``limit`` full names of packages that the token may read, in byte order, past ``after``."""
    return [row.name for row in await _CATALOG.all(db, token_id, after, limit)]


_FORGET_UNPUBLISHED: Final = command(
    """
    DELETE FROM packages
     WHERE id = ANY (ARRAY(SELECT package.id FROM packages package
                            WHERE package.published_at IS NULL
                              AND package.created_at < now() - make_interval(secs => $1)
                              AND NOT EXISTS (SELECT 1 FROM package_blobs WHERE package_id = package.id)
                              AND NOT EXISTS (SELECT 1 FROM manifests WHERE package_id = package.id)
                              AND NOT EXISTS (SELECT 1 FROM uploads WHERE package_id = package.id)
                            ORDER BY package.created_at LIMIT $2))
    """
)


async def forget_unpublished(db: Executor, older_than_seconds: float, limit: int) -> int:
    """Remove packages that were created long ago and never got a manifest; returns their number."""
    return await _FORGET_UNPUBLISHED.run(db, older_than_seconds, limit)


_EXPIRE: Final = command(
    """
    UPDATE packages SET published_at = NULL
     WHERE deleted_at <= now() - make_interval(secs => $1) AND published_at IS NOT NULL
    """
)
# Blobs are let go at once: nothing can bring the package back.
_LET_GO: Final = command(
    """
    WITH links AS (
        UPDATE package_blobs link SET deleted_at = now()
          FROM packages package
         WHERE package.id = link.package_id AND package.deleted_at IS NOT NULL AND package.published_at IS NULL
           AND link.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM manifests WHERE package_id = package.id)
        RETURNING link.package_id, link.digest
    )
    INSERT INTO link_reviews (package_id, digest, due_at) SELECT package_id, digest, now() FROM links
    ON CONFLICT (package_id, digest) DO UPDATE SET due_at = excluded.due_at
    """
)
_PURGE: Final = command(
    """
    DELETE FROM packages package
     WHERE package.deleted_at IS NOT NULL AND package.published_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM package_blobs WHERE package_id = package.id)
       AND NOT EXISTS (SELECT 1 FROM manifests WHERE package_id = package.id)
       AND NOT EXISTS (SELECT 1 FROM uploads WHERE package_id = package.id)
    """
)


async def expire(db: Executor, window_seconds: float) -> int:
    """End the restore window of packages that were deleted before the window; returns their number."""
    return await _EXPIRE.run(db, window_seconds)


async def purge(db: Executor) -> int:
    """Release the blobs of expired packages without manifests, and remove the packages; returns the number of both."""
    return await _LET_GO.run(db) + await _PURGE.run(db)
