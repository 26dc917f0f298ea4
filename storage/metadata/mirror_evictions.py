"""Versions of mirrors that nobody needs: idle for long, or above the bytes that a mirror may keep."""

from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata.query import Executor, select


@dataclass(frozen=True, slots=True)
class Idle:
    """A version that may be deleted, with its package."""

    package_id: int
    image: str
    id: int
    digest: str


#: When a version was last asked for: itself, one of its tags at the upstream, or a platform of it by digest.
_USED_AT: Final[LiteralString] = """greatest(
        version.created_at,
        (SELECT last_at FROM download_totals WHERE version_id = version.id),
        (SELECT max(answer.told_at)
           FROM tags tag JOIN mirror_answers answer ON answer.image = package.name AND answer.reference = tag.name
          WHERE tag.package_id = package.id AND tag.digest = version.digest AND answer.owner_id = $1),
        (SELECT max(total.last_at)
           FROM manifest_children nested
           JOIN manifests child ON child.package_id = nested.package_id AND child.digest = nested.child
           JOIN download_totals total ON total.version_id = child.id
          WHERE nested.package_id = package.id AND nested.parent = version.digest))"""
_IDLE: Final = select(
    Idle,
    f"""
    SELECT package_id, image, id, digest
      FROM (SELECT *, sum(bytes) OVER (ORDER BY used_at DESC, id DESC) AS upto
              FROM (SELECT package.id AS package_id, package.name AS image, version.id, version.digest,
                           coalesce(version.image_size, 0) AS bytes, {_USED_AT} AS used_at
                      FROM packages package JOIN manifests version ON version.package_id = package.id
                     WHERE package.owner_id = $1 AND package.deleted_at IS NULL
                       AND version.deleted_at IS NULL AND version.subject IS NULL
                       AND NOT EXISTS (SELECT FROM manifest_children nested
                                        WHERE nested.package_id = package.id AND nested.child = version.digest)
                   ) AS used
           ) AS ranked
     WHERE used_at < now() - make_interval(days => $2)
        OR (upto > $3 AND used_at < now() - interval '1 hour')
     ORDER BY used_at, id LIMIT $4
    """,
)


async def idle(db: Executor, owner_id: int, days: int | None, max_bytes: int | None, limit: int) -> list[Idle]:
    """Versions of a mirror that nobody asked for in so many days, and above its bytes, the longest idle first."""
    return await _IDLE.all(db, owner_id, days, max_bytes, limit)


@dataclass(frozen=True, slots=True)
class _Digest:
    digest: str


_GONE: Final = select(
    _Digest,
    "SELECT digest FROM manifests WHERE package_id = $1 AND (id = $2 OR deleted_with = $2) AND deleted_at IS NOT NULL",
)


async def gone(db: Executor, package_id: int, version_id: int) -> list[str]:
    """The digests of a version that was deleted, and of those that were deleted with it."""
    return [row.digest for row in await _GONE.all(db, package_id, version_id)]
