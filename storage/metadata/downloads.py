"""Downloads of manifests, counted by version and day (UTC)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from storage.metadata.query import Executor, command, select

_ADD: Final = command(
    """
    WITH new AS MATERIALIZED (
        SELECT version.id, version.package_id, given.day, given.count
          FROM unnest($1::bigint[], $2::date[], $3::bigint[]) AS given (version_id, day, count)
          JOIN manifests version ON version.id = given.version_id
    ), seen AS MATERIALIZED (
        SELECT version.id, version.package_id, to_timestamp(given.at) AS at
          FROM unnest($4::bigint[], $5::float8[]) AS given (version_id, at)
          JOIN manifests version ON version.id = given.version_id
    ), totals AS (
        INSERT INTO download_totals (version_id, package_id, count, last_at)
        SELECT id, package_id, coalesce(pulled.count, 0), seen.at
          FROM seen FULL JOIN (SELECT id, package_id, sum(count) AS count FROM new GROUP BY id, package_id) AS pulled
               USING (id, package_id)
         ORDER BY id
        ON CONFLICT (version_id) DO UPDATE
           SET count = download_totals.count + excluded.count,
               last_at = greatest(download_totals.last_at, excluded.last_at)
    )
    INSERT INTO downloads (version_id, day, count)
    SELECT id, day, count FROM new ORDER BY id, day
    ON CONFLICT (version_id, day) DO UPDATE SET count = downloads.count + excluded.count
    """
)


async def add(db: Executor, counts: Mapping[tuple[int, date], int], seen: Mapping[int, float]) -> None:
    """Add to the download counts of versions and days; counts of purged versions are dropped.

    ``seen``: when clients last asked for versions, in Unix seconds.
    """
    days = [key[0] for key in counts], [key[1] for key in counts], list(counts.values())
    await _ADD.run(db, *days, list(seen), list(seen.values()))


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Downloads of one day; ``kind``: image, or signature (or attestation)."""

    day: date
    kind: str
    count: int


_DAYS: Final = select(
    Downloaded,
    """
    WITH counted AS (
        SELECT id, sort FROM manifests WHERE package_id = $1 AND id = $2
         UNION
        SELECT follower.id, 'signature'
          FROM manifests version
          JOIN manifests follower ON follower.package_id = $1 AND follower.subject = version.digest
         WHERE version.package_id = $1 AND version.id = $2
           AND follower.deleted_at IS NULL AND follower.sort = 'signature'
         UNION
        SELECT follower.id, 'signature'
          FROM manifests version
          JOIN tags tag ON tag.package_id = $1
                       AND tag.name = ANY (ARRAY[replace(version.digest, ':', '-') || '.sig',
                                                 replace(version.digest, ':', '-') || '.att',
                                                 replace(version.digest, ':', '-') || '.sbom'])
          JOIN manifests follower ON follower.package_id = $1 AND follower.digest = tag.digest
         WHERE version.package_id = $1 AND version.id = $2 AND follower.id <> version.id
    )
    SELECT downloads.day, counted.sort AS kind, sum(downloads.count)::int8 AS count
      FROM counted JOIN downloads ON downloads.version_id = counted.id
     GROUP BY downloads.day, counted.sort
     ORDER BY downloads.day, counted.sort
    """,
)


async def days(db: Executor, package_id: int, version_id: int) -> list[Downloaded]:
    """The downloads of a version by day, with the downloads of its signatures and attestations apart."""
    return await _DAYS.all(db, package_id, version_id)
