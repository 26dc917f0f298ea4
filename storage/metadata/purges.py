"""The purge of versions whose restore window is over, and of packages whose window an operator ends."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata import usage_counts
from storage.metadata.query import Executor, command, counted, select
from storage.metadata.versions import Identified

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
    f"""
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
    ), purged AS (
        DELETE FROM manifests WHERE package_id = $1 AND digest = $2 AND id = $3
        RETURNING package_id, digest, -size AS size
    )
    {usage_counts.delta("SELECT * FROM purged", links="0")}
    """
)


async def purge(db: Executor, package_id: int, digest: str, window_seconds: float) -> bool:
    """Remove a version for good and release its blobs to the garbage collector, inside the caller's transaction.

    False: the version is being restored or pushed, or has been.
    """
    held = await _LOCK_DUE.maybe(db, package_id, digest, window_seconds)
    return held is not None and await _PURGE.run(db, package_id, digest, held.id) == 1


@dataclass(frozen=True, slots=True)
class DeletedPackage:
    """A deleted package in its restore window; ``versions``: as far as COUNTED."""

    id: int
    deleted_at: datetime
    versions: int


_DELETED: Final = select(
    DeletedPackage,
    f"""
    SELECT package.id, package.deleted_at,
           {counted("manifests WHERE package_id = package.id")}::int AS versions
      FROM accounts owner JOIN packages package ON package.owner_id = owner.id
     WHERE lower(owner.login) = $1 AND owner.deleted_at IS NULL AND package.name = $2
       AND package.deleted_at IS NOT NULL AND package.published_at IS NOT NULL
     ORDER BY package.deleted_at LIMIT 100
    """,
)


async def deleted(db: Executor, owner: str, image: str) -> list[DeletedPackage]:
    """Deleted packages that had this name, the first deleted first; ``owner`` is a login in lower case."""
    return await _DELETED.all(db, owner, image)


_END_WINDOW: Final = command(
    "UPDATE packages SET published_at = NULL WHERE id = $1 AND deleted_at IS NOT NULL AND published_at IS NOT NULL"
)


async def end_window(db: Executor, package_id: int) -> bool:
    """End the restore window of a deleted package, so that ``purge`` takes it; False: it is restored, or purged."""
    return await _END_WINDOW.run(db, package_id) == 1
