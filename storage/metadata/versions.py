"""Versions of packages: a version is a manifest of its package, with an id that is never reused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata.deletions import BACK
from storage.metadata.query import COUNTED, Executor, command, select


@dataclass(frozen=True, slots=True)
class Version:
    """A version; ``tags``: the tags of the version; of a deleted version its former tags.

    ``parents``: digests of the indexes that it is part of, at most 100.
    """

    id: int
    digest: str
    description: str | None
    licenses: str | None
    licenses_spdx: bool | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    tags: list[str]
    parents: list[str]


@dataclass(frozen=True, slots=True)
class ListedVersion(Version):
    """A version of a page; ``total``: the versions of all pages, as far as they are counted."""

    total: int


_COLUMNS: Final[LiteralString] = """
    version.id, version.digest, version.description, version.licenses, version.licenses_spdx, version.created_at,
    version.updated_at, version.deleted_at,
    CASE WHEN version.deleted_at IS NULL
         THEN ARRAY(SELECT name FROM tags WHERE package_id = version.package_id AND digest = version.digest
                     ORDER BY updated_at DESC, name)
         ELSE version.deleted_tags END AS tags,
    ARRAY(SELECT nesting.parent
            FROM manifest_children nesting
           CROSS JOIN LATERAL (SELECT deleted_at FROM manifests
                                WHERE package_id = nesting.package_id AND digest = nesting.parent LIMIT 1) AS above
           WHERE nesting.package_id = version.package_id AND nesting.child = version.digest
             AND above.deleted_at IS NULL
           ORDER BY nesting.parent LIMIT 100) AS parents
"""

_GET: Final = select(
    Version,
    f"SELECT {_COLUMNS} FROM manifests version WHERE package_id = $1 AND id = $2 AND deleted_at IS NULL",
)


async def get(db: Executor, package_id: int, version_id: int) -> Version | None:
    """Find a version of the package by id; None: no such version, or a deleted one."""
    return await _GET.maybe(db, package_id, version_id)


_PAGE: Final = select(
    ListedVersion,
    f"""
    SELECT {_COLUMNS},
           (SELECT count(*) FROM (SELECT 1 FROM manifests
                                   WHERE package_id = $1 AND deleted_at IS NULL LIMIT {COUNTED}) AS near)::int AS total
      FROM (SELECT id FROM manifests
             WHERE package_id = $1 AND deleted_at IS NULL ORDER BY id DESC LIMIT $2 OFFSET $3) AS page
      JOIN manifests version ON version.id = page.id
     ORDER BY version.id DESC
    """,
)
_DELETED: Final = select(
    ListedVersion,
    f"""
    SELECT {_COLUMNS},
           (SELECT count(*) FROM (SELECT 1 FROM manifests
                                   WHERE package_id = $1 AND deleted_at > now() - make_interval(secs => $4)
                                   LIMIT {COUNTED}) AS counted)::int AS total
      FROM (SELECT id FROM manifests
             WHERE package_id = $1 AND deleted_at > now() - make_interval(secs => $4)
             ORDER BY deleted_at DESC, id DESC LIMIT $2 OFFSET $3) AS page
      JOIN manifests version ON version.id = page.id
     ORDER BY version.deleted_at DESC, version.id DESC
    """,
)


async def page(db: Executor, package_id: int, limit: int, offset: int) -> list[ListedVersion]:
    """Versions of a package, the newest first."""
    return await _PAGE.all(db, package_id, limit, offset)


async def deleted(
    db: Executor, package_id: int, limit: int, offset: int, *, window_seconds: float
) -> list[ListedVersion]:
    """Versions that can be restored, the last deleted first."""
    return await _DELETED.all(db, package_id, limit, offset, window_seconds)


_HIDE: Final = command(
    """
    WITH untagged AS (
        DELETE FROM tags WHERE package_id = $1 AND digest = ANY ($3::text[]) RETURNING digest, name
    ), touched AS (
        UPDATE packages SET updated_at = now() WHERE id = $1
    )
    UPDATE manifests version
       SET deleted_at = now(), deleted_by = $4, deleted_with = CASE WHEN id <> $2 THEN $2 END,
           deleted_tags = ARRAY(SELECT name FROM untagged WHERE untagged.digest = version.digest ORDER BY name)
     WHERE package_id = $1 AND digest = ANY ($3::text[]) AND deleted_at IS NULL
    """
)


async def hide(db: Executor, package_id: int, version_id: int, digests: Sequence[str], deleted_by: int) -> int:
    """Soft-delete a version and its followers, with their tags, until restore or purge; returns their number."""
    return await _HIDE.run(db, package_id, version_id, list(digests), deleted_by)


@dataclass(frozen=True, slots=True)
class Identified:
    id: int
    digest: str


_LOCK_DELETED: Final = select(
    Identified,
    """
    SELECT id, digest FROM manifests
     WHERE package_id = $1 AND id = $2 AND deleted_at > now() - make_interval(secs => $3)
       FOR UPDATE
    """,
)
_RETURNING: Final = select(
    Identified,
    f"""
    {BACK}
    SELECT id, digest FROM manifests
     WHERE package_id = $1 AND digest IN (SELECT digest FROM back) AND deleted_at IS NOT NULL
     ORDER BY digest FOR UPDATE
    """,
)


async def returning(db: Executor, package_id: int, version_id: int, window_seconds: float) -> list[str]:
    """Lock and return the digests to be restored with a deleted version: its children, and versions deleted with it.

    The row of the version is the one that a purge locks: it is restored, or purged, never both. Empty: the
    version is not deleted, is purged, or its window is over.
    """
    if await _LOCK_DELETED.maybe(db, package_id, version_id, window_seconds) is None:
        return []
    return [row.digest for row in await _RETURNING.all(db, package_id, version_id)]


_LOCK_LINKS: Final = select(
    Identified,
    """
    SELECT package_id AS id, digest FROM package_blobs
     WHERE package_id = $1
       AND digest IN (SELECT blob FROM manifest_blobs WHERE package_id = $1 AND manifest = ANY ($2::text[]))
     ORDER BY digest FOR UPDATE
    """,
)
_UNHIDE_LINKS: Final = command(
    "UPDATE package_blobs SET deleted_at = NULL WHERE package_id = $1 AND digest = ANY ($2::text[])"
)
# Names that somebody has given to another version meanwhile stay with it.
_UNHIDE: Final = command(
    """
    WITH tagged AS (
        INSERT INTO tags (package_id, name, digest)
        SELECT DISTINCT ON (name) $1, name, version.digest
          FROM manifests version CROSS JOIN LATERAL unnest(version.deleted_tags) AS had (name)
         WHERE version.package_id = $1 AND version.digest = ANY ($2::text[])
         ORDER BY name, version.deleted_at DESC
        ON CONFLICT (package_id, name) DO NOTHING
    ), touched AS (
        UPDATE packages SET updated_at = now() WHERE id = $1
    )
    UPDATE manifests SET deleted_at = NULL, deleted_by = NULL, deleted_with = NULL, deleted_tags = '{}'
     WHERE package_id = $1 AND digest = ANY ($2::text[])
    """
)


async def unhide(db: Executor, package_id: int, digests: Sequence[str]) -> int:
    """Restore versions with their blobs and the tags whose names are free, inside the caller's transaction."""
    # A blob that its user deletes in this moment waits for the lock, and is looked at anew behind it.
    links = await _LOCK_LINKS.all(db, package_id, list(digests))
    await _UNHIDE_LINKS.run(db, package_id, [link.digest for link in links])
    return await _UNHIDE.run(db, package_id, list(digests))


_DUE: Final = select(
    Identified,
    """
    (SELECT package_id AS id, digest FROM manifests
      WHERE deleted_at <= now() - make_interval(secs => $1) ORDER BY deleted_at LIMIT $2)
    UNION
    (SELECT version.package_id, version.digest
       FROM packages package JOIN manifests version ON version.package_id = package.id
      WHERE package.deleted_at IS NOT NULL AND package.published_at IS NULL LIMIT $2)
    """,
)


async def due(db: Executor, window_seconds: float, limit: int) -> list[Identified]:
    """Versions that are due for purge; ``id`` is the id of the package."""
    return await _DUE.all(db, window_seconds, limit)


_LOCK_DUE: Final = select(
    Identified,
    """
    SELECT version.id, version.digest
      FROM manifests version JOIN packages package ON package.id = version.package_id
     WHERE version.package_id = $1 AND version.digest = $2
       AND (version.deleted_at <= now() - make_interval(secs => $3)
            OR (package.deleted_at IS NOT NULL AND package.published_at IS NULL))
       FOR UPDATE OF version SKIP LOCKED
    """,
)
_PURGE: Final = command(
    """
    WITH uses AS (
        DELETE FROM manifest_blobs WHERE package_id = $1 AND manifest = $2 RETURNING blob
    ), reviews AS (
        INSERT INTO link_reviews (package_id, digest, due_at) SELECT $1, blob, now() FROM uses ORDER BY blob
        ON CONFLICT (package_id, digest) DO UPDATE SET due_at = excluded.due_at
    ), nesting AS (
        DELETE FROM manifest_children WHERE package_id = $1 AND $2 IN (parent, child)
    ), untagged AS (
        DELETE FROM tags WHERE package_id = $1 AND digest = $2
    ), counted AS (
        DELETE FROM downloads WHERE version_id = $3
    ), totalled AS (
        DELETE FROM download_totals WHERE version_id = $3
    )
    DELETE FROM manifests WHERE package_id = $1 AND digest = $2 AND id = $3
    """
)


async def purge(db: Executor, package_id: int, digest: str, window_seconds: float) -> bool:
    """Remove a version for good and release its blobs to the garbage collector, inside the caller's transaction.

    False: the version is being restored or pushed, or has been.
    """
    held = await _LOCK_DUE.maybe(db, package_id, digest, window_seconds)
    return held is not None and await _PURGE.run(db, package_id, digest, held.id) == 1
