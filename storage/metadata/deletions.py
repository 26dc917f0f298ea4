"""The effect of a deletion, and of a restore: what goes or comes back with versions, and what forbids it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata.query import Executor, Query, counted, select, together
from storage.metadata.tag_rules import KEPT_OF_PACKAGE, KEPT_OF_VERSIONS, KeptTag


@dataclass(frozen=True, slots=True)
class Leaving:
    """A version that goes with the one of the id ``root``: itself, or a follower; ``downloads``: since it was pushed.

    ``size``: of the image in bytes; ``tags``: a follower has such as its subject is named in; ``public``: everybody may
    see the package.
    """

    root: int
    id: int
    digest: str
    media_type: str
    artifact_type: str | None
    subject: str | None
    sort: str
    platforms: list[str]
    size: int
    tags: list[str]
    downloads: int
    public: bool


def fallback_tags(digest: LiteralString) -> LiteralString:
    """Render the tags by which cosign and the referrers tag schema of OCI 1.1 name what belongs to ``digest``."""
    named: LiteralString = f"replace({digest}, ':', '-')"
    return f"ARRAY[{named}, {named} || '.sig', {named} || '.att', {named} || '.sbom']"


_FALLBACK: Final = fallback_tags("near.digest")

_LEAVING: Final = select(
    Leaving,
    f"""
    WITH RECURSIVE leaving AS (
        SELECT id AS root, digest FROM manifests
         WHERE package_id = $1 AND id = ANY ($2::bigint[]) AND deleted_at IS NULL
         UNION
        SELECT near.root, next.digest
          FROM leaving near
         CROSS JOIN LATERAL (
            SELECT follower.digest
              FROM (SELECT digest FROM manifests
                     WHERE package_id = $1 AND subject = near.digest AND deleted_at IS NULL
                     UNION
                    SELECT digest FROM tags WHERE package_id = $1 AND name = ANY ({_FALLBACK})) AS follower
             WHERE NOT EXISTS (SELECT 1 FROM tags own
                                WHERE own.package_id = $1 AND own.digest = follower.digest
                                  AND own.name <> ALL ({_FALLBACK}))
               AND NOT EXISTS (SELECT 1 FROM manifest_children nesting
                                CROSS JOIN LATERAL (SELECT name FROM tags
                                                     WHERE package_id = $1 AND digest = nesting.parent) AS own
                                WHERE nesting.package_id = $1 AND nesting.child = follower.digest
                                  AND own.name <> ALL ({_FALLBACK}))
         ) AS next
    )
    SELECT leaving.root, version.id, version.digest, version.media_type, version.artifact_type, version.subject,
           version.sort, version.platforms, coalesce(version.image_size, version.size) AS size,
           ARRAY(SELECT name FROM tags WHERE package_id = $1 AND digest = version.digest ORDER BY name) AS tags,
           coalesce((SELECT count FROM download_totals WHERE version_id = version.id), 0) AS downloads,
           (SELECT visibility = 'public' FROM packages WHERE id = $1) AS public
      FROM leaving
     CROSS JOIN LATERAL (SELECT * FROM manifests
                          WHERE package_id = $1 AND digest = leaving.digest AND deleted_at IS NULL LIMIT 1) AS version
     ORDER BY leaving.root, version.digest
    """,
)


async def leaving(db: Executor, package_id: int, version_ids: Sequence[int]) -> list[Leaving]:
    """The versions of these ids that are there, each with its direct and indirect referrers.

    A referrer stays that has a tag of its own, or is part of an index that has one.
    """
    return await _LEAVING.all(db, package_id, list(version_ids))


@dataclass(frozen=True, slots=True)
class Left:
    """The rest of a package: whether there are versions, and tagged ones."""

    others: bool
    tagged_others: bool


_LEFT: Final = Query(
    Left,
    """
    SELECT EXISTS (SELECT 1 FROM manifests
                    WHERE package_id = $1 AND deleted_at IS NULL AND digest <> ALL ($2::text[])) AS others,
           EXISTS (SELECT 1 FROM tags WHERE package_id = $1 AND digest <> ALL ($2::text[])) AS tagged_others
    """,
)


@dataclass(frozen=True, slots=True)
class Holder:
    """An index that has a tag, and that the version ``child`` is part of."""

    child: str
    digest: str
    tags: list[str]


# Lists of referrers, which clients keep under a tag where a registry has no API for them, hold nothing.
_HOLDERS: Final = Query(
    Holder,
    """
    WITH RECURSIVE above AS (
        SELECT digest COLLATE "C" AS child, digest COLLATE "C" AS digest FROM unnest($3::text[]) AS asked (digest)
         UNION
        SELECT above.child, parent.digest
          FROM above
         CROSS JOIN LATERAL (
            SELECT nesting.parent AS digest
              FROM manifest_children nesting
             CROSS JOIN LATERAL (SELECT deleted_at FROM manifests
                                  WHERE package_id = $1 AND digest = nesting.parent LIMIT 1) AS version
             WHERE nesting.package_id = $1 AND nesting.child = above.digest AND version.deleted_at IS NULL
         ) AS parent
    )
    SELECT above.child, above.digest, named.tags
      FROM above
     CROSS JOIN LATERAL (
        SELECT ARRAY(SELECT name FROM tags
                      WHERE package_id = $1 AND digest = above.digest AND name !~ '^sha(256|512)-[0-9a-f]{64}$'
                      ORDER BY name LIMIT 20) AS tags
     ) AS named
     WHERE above.digest <> ALL ($3::text[]) AND cardinality(named.tags) > 0
     ORDER BY above.child, above.digest LIMIT 20
    """,
)


_AROUND: Final = together(_HOLDERS, _LEFT, KEPT_OF_VERSIONS)


async def around(
    db: Executor, package_id: int, digests: Sequence[str], named: Sequence[str]
) -> tuple[list[Holder], Left, list[KeptTag]]:
    """Indexes with tags that a version of ``named`` is part of, and the rest of a package without all ``digests``.

    With a tag of ``digests`` that a rule forbids to delete, if there is one. The indexes hold directly or through other
    indexes, and are 20 at most. One of ``named`` itself is none.
    """
    holders, (left,), kept = await _AROUND.all(db, package_id, list(digests), list(named))
    return holders, left, kept


@dataclass(frozen=True, slots=True)
class Effect:
    """The rest of a deletion's effect. ``bytes``: what no other version of the package needs.

    So much comes free when they are purged, unless other packages need some of it, which nobody is told.
    ``recent``: the downloads of the last 30 days.
    """

    bytes: int
    recent: int


_EFFECT: Final = Query(
    Effect,
    """
    SELECT (SELECT coalesce(sum(blob.size), 0)::bigint
              FROM (SELECT DISTINCT blob FROM manifest_blobs
                     WHERE package_id = $1 AND manifest = ANY ($2::text[])) AS used
             CROSS JOIN LATERAL (SELECT size FROM blobs WHERE digest = used.blob LIMIT 1) AS blob
             WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs other
                                CROSS JOIN LATERAL (SELECT deleted_at FROM manifests
                                                     WHERE package_id = $1 AND digest = other.manifest
                                                     LIMIT 1) AS version
                                WHERE other.package_id = $1 AND other.blob = used.blob
                                  AND other.manifest <> ALL ($2::text[]) AND version.deleted_at IS NULL))
           + (SELECT coalesce(sum(size), 0) FROM manifests
               WHERE package_id = $1 AND digest = ANY ($2::text[])) AS bytes,
           (SELECT coalesce(sum(day.count), 0)::bigint
              FROM unnest($4::bigint[]) AS version (id)
              JOIN downloads day ON day.version_id = version.id AND day.day > current_date - 30) AS recent
    """,
)


@dataclass(frozen=True, slots=True)
class Orphan:
    """A part of indexes that go, which nothing else holds: it stays, without a tag."""

    id: int
    digest: str
    platforms: list[str]
    size: int


_ORPHANS: Final = Query(
    Orphan,
    """
    SELECT child.id, child.digest, child.platforms, coalesce(child.image_size, child.size) AS size
      FROM (SELECT DISTINCT child FROM manifest_children WHERE package_id = $1 AND parent = ANY ($2::text[])) AS nesting
     CROSS JOIN LATERAL (SELECT * FROM manifests
                          WHERE package_id = $1 AND digest = nesting.child AND deleted_at IS NULL LIMIT 1) AS child
     WHERE child.digest <> ALL ($2::text[])
       AND (SELECT name FROM tags WHERE package_id = $1 AND digest = child.digest LIMIT 1) IS NULL
       AND (SELECT other.parent FROM manifest_children other
             CROSS JOIN LATERAL (SELECT deleted_at FROM manifests
                                  WHERE package_id = $1 AND digest = other.parent LIMIT 1) AS above
             WHERE other.package_id = $1 AND other.child = child.digest
               AND other.parent <> ALL ($2::text[]) AND above.deleted_at IS NULL LIMIT 1) IS NULL
     ORDER BY child.digest LIMIT 100
    """,
)


_PREVIEW: Final = together(_HOLDERS, _LEFT, KEPT_OF_VERSIONS, _EFFECT, _ORPHANS)


async def preview(
    db: Executor, package_id: int, digests: Sequence[str], named: Sequence[str], version_ids: Sequence[int]
) -> tuple[list[Holder], Left, list[KeptTag], Effect, list[Orphan]]:
    """The answer of ``around``, with the effect of deleting these versions, and children that only they hold.

    The children do not go with them, and are 100 at most.
    """
    holders, (left,), kept, (effect,), orphans = await _PREVIEW.all(
        db, package_id, list(digests), list(named), list(version_ids)
    )
    return holders, left, kept, effect, orphans


@dataclass(frozen=True, slots=True)
class LeavingPackage:
    """The effect of deleting a package, ``tags`` and ``versions`` as far as counted; ``most``: downloads of one."""

    id: int
    visibility: str
    updated_at: datetime
    versions: int
    newest: int
    tags: int
    most: int


_ONE_PACKAGE: Final = Query(
    LeavingPackage,
    f"""
    SELECT package.id, package.visibility, package.updated_at,
           {counted("manifests WHERE package_id = $1 AND deleted_at IS NULL")}::int AS versions,
           coalesce((SELECT id FROM manifests WHERE package_id = $1 AND deleted_at IS NULL
                      ORDER BY id DESC LIMIT 1), 0) AS newest,
           {counted("tags WHERE package_id = $1")}::int AS tags,
           coalesce((SELECT total.count
                       FROM download_totals total JOIN manifests version ON version.id = total.version_id
                      WHERE total.package_id = $1 AND version.deleted_at IS NULL
                      ORDER BY total.count DESC LIMIT 1), 0) AS most
      FROM packages package
     WHERE package.id = $1 AND package.deleted_at IS NULL AND package.published_at IS NOT NULL
    """,
)


_LEAVING_PACKAGE: Final = together(_ONE_PACKAGE, KEPT_OF_PACKAGE)


async def leaving_package(db: Executor, package_id: int) -> tuple[LeavingPackage | None, list[KeptTag]]:
    """The effect of deleting a package, and a tag that rules forbid to delete, if there is one.

    None: the package is gone, or was never published.
    """
    found, kept = await _LEAVING_PACKAGE.all(db, package_id)
    return next(iter(found), None), kept


@dataclass(frozen=True, slots=True)
class Returning:
    """A version that comes back: with its former ``tags``, but for those that are ``taken`` by others meanwhile."""

    id: int
    digest: str
    sort: str
    subject: str | None
    deleted_at: datetime
    tags: list[str]
    taken: list[str]


#: A deleted version ``$2`` of the package ``$1``, the versions that were deleted with it, and its children.
BACK: Final[LiteralString] = """
    WITH RECURSIVE back AS (
        SELECT id, digest FROM manifests WHERE package_id = $1 AND id = $2
         UNION
        SELECT next.id, next.digest
          FROM back near
         CROSS JOIN LATERAL (
            SELECT id, digest FROM manifests WHERE package_id = $1 AND deleted_with = near.id AND deleted_at IS NOT NULL
             UNION
            SELECT child.id, child.digest
              FROM manifest_children nesting
              JOIN manifests child ON child.package_id = nesting.package_id AND child.digest = nesting.child
             WHERE nesting.package_id = $1 AND nesting.parent = near.digest AND child.deleted_at IS NOT NULL
         ) AS next
    )
"""
_RETURNING: Final = select(
    Returning,
    f"""
    {BACK}
    SELECT version.id, version.digest, version.sort, version.subject, version.deleted_at,
           ARRAY(SELECT name FROM unnest(version.deleted_tags) AS had (name)
                  WHERE NOT EXISTS (SELECT 1 FROM tags WHERE package_id = $1 AND tags.name = had.name)
                  ORDER BY name) AS tags,
           ARRAY(SELECT name FROM unnest(version.deleted_tags) AS had (name)
                  WHERE EXISTS (SELECT 1 FROM tags WHERE package_id = $1 AND tags.name = had.name)
                  ORDER BY name) AS taken
      FROM manifests asked
      JOIN back ON true
      JOIN manifests version ON version.id = back.id AND version.deleted_at IS NOT NULL
     WHERE asked.package_id = $1 AND asked.id = $2 AND asked.deleted_at > now() - make_interval(secs => $3)
     ORDER BY version.id <> $2, version.digest
    """,
)


async def returning(db: Executor, package_id: int, version_id: int, window_seconds: float) -> list[Returning]:
    """The versions that a restore of a deleted version brings back, that first; empty: it cannot be restored."""
    return await _RETURNING.all(db, package_id, version_id, window_seconds)


@dataclass(frozen=True, slots=True)
class ReturningPackage:
    """A deleted package that can be restored; ``taken``: a published package has its name now."""

    id: int
    deleted_at: datetime
    versions: int
    tags: int
    taken: bool


_RETURNING_PACKAGE: Final = select(
    ReturningPackage,
    f"""
    SELECT package.id, package.deleted_at,
           {counted("manifests WHERE package_id = $1 AND deleted_at IS NULL")}::int AS versions,
           {counted("tags WHERE package_id = $1")}::int AS tags,
           EXISTS (SELECT 1 FROM packages
                    WHERE owner_id = package.owner_id AND name = package.name
                      AND deleted_at IS NULL AND published_at IS NOT NULL) AS taken
      FROM packages package
     WHERE package.id = $1 AND package.published_at IS NOT NULL
       AND package.deleted_at > now() - make_interval(secs => $2)
    """,
)


async def returning_package(db: Executor, package_id: int, window_seconds: float) -> ReturningPackage | None:
    """The effect of restoring a deleted package; None: it cannot be restored."""
    return await _RETURNING_PACKAGE.maybe(db, package_id, window_seconds)
