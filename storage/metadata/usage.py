"""Disk usage of packages and of accounts, by blobs and by images."""

from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata.query import Executor, select

#: More links of blobs, and more uses of them by manifests, than these are not added up.
LOOKED_AT: Final = 200_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of distinct blobs and manifests: ``stored`` by versions that are there; ``deleted`` by deleted ones alone,
    until they are purged; ``loose`` by none, of uploads not published yet or no more. ``pulled``: the sum of all
    images, as one pulls each.

    ``complete``: False, where there was more than is added up at once.
    """

    stored: int
    pulled: int
    deleted: int
    loose: int
    complete: bool


def _usage(packages: LiteralString) -> LiteralString:
    """Render the usage of ``packages``, a SELECT of ids. No word of others: who shares a blob is not to be learnt."""
    return f"""
    WITH whose AS MATERIALIZED ({packages}), links AS MATERIALIZED (
        SELECT link.digest FROM whose
         CROSS JOIN LATERAL (SELECT digest FROM package_blobs WHERE package_id = whose.id) AS link
         LIMIT {LOOKED_AT}
    ), versions AS MATERIALIZED (
        SELECT version.package_id, version.digest, version.size, version.deleted_at IS NULL AND whose.live AS live
          FROM whose
         CROSS JOIN LATERAL (SELECT package_id, digest, size, deleted_at FROM manifests WHERE package_id = whose.id)
               AS version
         LIMIT {LOOKED_AT}
    ), uses AS MATERIALIZED (
        SELECT used.blob, versions.live
          FROM versions
         CROSS JOIN LATERAL (SELECT blob FROM manifest_blobs
                              WHERE package_id = versions.package_id AND manifest = versions.digest) AS used
         LIMIT {LOOKED_AT}
    ), used AS MATERIALIZED (
        SELECT blob, count(*) FILTER (WHERE live) AS pulls FROM uses GROUP BY blob
    ), sized AS MATERIALIZED (
        SELECT blob.size, used.pulls
          FROM (SELECT DISTINCT digest FROM links) AS kept
         CROSS JOIN LATERAL (SELECT size FROM blobs WHERE digest = kept.digest LIMIT 1) AS blob
          LEFT JOIN used ON used.blob = kept.digest
    ), bodies AS (
        SELECT coalesce(sum(size) FILTER (WHERE live), 0)::bigint AS live,
               coalesce(sum(size) FILTER (WHERE NOT live), 0)::bigint AS deleted
          FROM versions
    )
    SELECT coalesce(sum(size) FILTER (WHERE pulls > 0), 0)::bigint + (SELECT live FROM bodies) AS stored,
           coalesce(sum(size * pulls), 0)::bigint + (SELECT live FROM bodies) AS pulled,
           coalesce(sum(size) FILTER (WHERE pulls = 0), 0)::bigint + (SELECT deleted FROM bodies) AS deleted,
           coalesce(sum(size) FILTER (WHERE pulls IS NULL), 0)::bigint AS loose,
           (SELECT count(*) FROM links) < {LOOKED_AT} AND (SELECT count(*) FROM uses) < {LOOKED_AT}
               AND (SELECT count(*) FROM versions) < {LOOKED_AT} AS complete
      FROM sized
    """


_OF_PACKAGE: Final = select(Usage, _usage("SELECT id, deleted_at IS NULL AS live FROM packages WHERE id = $1"))
# A deleted package is stored until it is purged.
_OF_OWNER: Final = select(
    Usage,
    _usage(
        """SELECT id, true AS live FROM packages WHERE owner_id = $1 AND deleted_at IS NULL
            UNION ALL SELECT id, false FROM packages WHERE owner_id = $1 AND deleted_at IS NOT NULL"""
    ),
)


async def of_package(db: Executor, package_id: int) -> Usage:
    """The usage of a package."""
    return await _OF_PACKAGE.one(db, package_id)


async def of_owner(db: Executor, account_id: int) -> Usage:
    """The usage of all packages of an account, also of the deleted ones."""
    return await _OF_OWNER.one(db, account_id)
