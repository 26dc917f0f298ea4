"""The bytes that packages and their owners use, kept up to date without a row that two pushes share.

Each statement that makes or removes a link of a blob, or a manifest, appends to ``usage_deltas`` what that changes. The
fold moves deltas into sums; the recount corrects the sums, and makes the first ones. Of a package a blob counts once,
and of an owner too, in however many packages of the owner it is. Whether the owner has it now, and had it before the
deltas that are folded, is one look at the links in the snapshot in which the deltas are taken: that shows just the
links whose deltas it shows. So the sums are exact, whatever runs at the same time.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, LiteralString

from storage.metadata import quotas
from storage.metadata.query import Executor, command, select


def delta(source: LiteralString, *, links: LiteralString) -> LiteralString:
    """Render the INSERT of a delta for each row of ``source`` (package_id, digest, size); ``links``: 1, -1 or 0."""
    sign = "-" if links == "-1" else ""
    return f"""
        INSERT INTO usage_deltas (owner_id, package_id, digest, links, bytes)
        SELECT package.owner_id, package.id, changed.digest, {links}, {sign}changed.size
          FROM ({source}) AS changed JOIN packages package ON package.id = changed.package_id
    """


#: A digest that is in more packages than these is looked for in the packages of the owner instead.
_NEAR: Final[LiteralString] = "100"
#: An owner with so many packages is counted in parts, so that no statement takes long.
_MANY: Final[LiteralString] = "1000"


def _packages(owner: LiteralString) -> LiteralString:
    """Render the SELECT of the ids of an owner's packages, the deleted ones too: by two indexes, each of a part."""
    return f"""
        SELECT id FROM packages WHERE owner_id = {owner} AND deleted_at IS NULL
         UNION ALL
        SELECT id FROM packages WHERE owner_id = {owner} AND deleted_at IS NOT NULL
    """


def _linked(owner: LiteralString, digest: LiteralString, most: LiteralString) -> LiteralString:
    """Render the number of packages of an owner that have a blob, as far as ``most``."""
    return f"""
        SELECT CASE WHEN near.all < {_NEAR} OR near.own >= {most} THEN least(near.own, {most})
                    ELSE (SELECT count(*)
                            FROM (SELECT 1
                                    FROM ({_packages(owner)}) AS package
                                   CROSS JOIN LATERAL (SELECT 1 FROM package_blobs
                                                        WHERE package_id = package.id AND digest = {digest}
                                                        LIMIT 1) AS link
                                   LIMIT {most}) AS found) END AS now
          FROM (SELECT count(*) AS all, count(*) FILTER (WHERE package.owner_id = {owner}) AS own
                  FROM (SELECT package_id FROM package_blobs WHERE digest = {digest} LIMIT {_NEAR}) AS link
                 CROSS JOIN LATERAL (SELECT owner_id FROM packages WHERE id = link.package_id LIMIT 1) AS package
               ) AS near
    """


def _owner_bytes(deltas: LiteralString) -> LiteralString:
    """Render owner_id and bytes: what owners have more by ``deltas``, all there are of each blob of an owner."""
    return f"""
        SELECT key.owner_id,
               CASE WHEN key.links IS NULL THEN key.bytes
                    ELSE key.size * ((linked.now > 0)::int - (linked.now > key.links)::int) END AS bytes
          FROM (SELECT owner_id, digest, max(abs(bytes)) AS size, sum(links) AS links, NULL::numeric AS bytes
                  FROM {deltas} WHERE links <> 0 GROUP BY owner_id, digest
                 UNION ALL
                SELECT owner_id, NULL, NULL, NULL, sum(bytes) FROM {deltas} WHERE links = 0 GROUP BY owner_id) AS key
          LEFT JOIN LATERAL ({_linked("key.owner_id", "key.digest", "(1 + greatest(key.links, 0))")}) AS linked
            ON key.links IS NOT NULL
    """


@dataclass(frozen=True, slots=True)
class _Locked:
    done: bool


_LOCK: Final = select(_Locked, "SELECT pg_try_advisory_xact_lock(hashtext('fold_usage')) AS done")
_WAIT: Final = select(_Locked, "SELECT true AS done FROM pg_advisory_xact_lock(hashtext('fold_usage'))")


@dataclass(frozen=True, slots=True)
class _Folded:
    count: int
    owners: list[int]


_FOLD: Final = select(
    _Folded,
    f"""
    WITH last AS MATERIALIZED (
        SELECT owner_id, digest
          FROM (SELECT owner_id, digest FROM usage_deltas ORDER BY owner_id, digest LIMIT $1) AS first
         ORDER BY owner_id DESC, digest DESC LIMIT 1
    ), taken AS (
        DELETE FROM usage_deltas
         WHERE (owner_id, digest) <= ((SELECT owner_id FROM last), (SELECT digest FROM last))
        RETURNING owner_id, package_id, digest, links, bytes
    ), owners AS (
        INSERT INTO owner_usage AS known (owner_id, bytes)
        SELECT owner_id, sum(bytes) FROM ({_owner_bytes("taken")}) AS more GROUP BY owner_id
        ON CONFLICT (owner_id) DO UPDATE SET bytes = known.bytes + excluded.bytes
    ), owned AS (
        INSERT INTO package_usage AS known (package_id, owner_id, bytes)
        SELECT package_id, coalesce((SELECT owner_id FROM packages WHERE id = package_id), max(owner_id)), sum(bytes)
          FROM taken GROUP BY package_id
        ON CONFLICT (package_id) DO UPDATE SET bytes = known.bytes + excluded.bytes
    )
    SELECT count(*)::int AS count, coalesce(array_agg(DISTINCT owner_id), '{{}}') AS owners FROM taken
    """,
)
_SWEEP: Final = command("DELETE FROM package_usage WHERE bytes = 0")


async def fold(tx: Executor, limit: int) -> int:
    """Fold about ``limit`` deltas inside the caller's transaction; returns the number, 0 while others fold."""
    if not (await _LOCK.one(tx)).done:
        return 0
    folded = await _FOLD.one(tx, limit)
    if folded.count:
        await _SWEEP.run(tx)
        await quotas.warn(tx, folded.owners)
    return folded.count


@dataclass(frozen=True, slots=True)
class Due:
    """An owner whose sums are due for a recount; ``packages``: as far as 1,000."""

    owner_id: int
    packages: int


_DUE: Final = select(
    Due,
    f"""
    SELECT due.owner_id, near.packages
      FROM (SELECT owner_id, counted_at FROM owner_usage
             WHERE counted_at IS NULL OR counted_at < now() - make_interval(secs => $1)
             ORDER BY counted_at NULLS FIRST LIMIT $2) AS due
     CROSS JOIN LATERAL (SELECT count(*)::int AS packages
                           FROM (SELECT 1 FROM packages
                                  WHERE owner_id = due.owner_id AND deleted_at IS NULL LIMIT {_MANY}) AS owned) AS near
     ORDER BY due.counted_at NULLS FIRST
    """,
)


async def due(db: Executor, every_seconds: float, limit: int) -> list[Due]:
    """The owners that were never counted, or longest ago and before ``every_seconds``."""
    return await _DUE.all(db, every_seconds, limit)


@dataclass(frozen=True, slots=True)
class _Lack:
    """The bytes that the sums lack: of the owner, and of each of ``packages``."""

    bytes: int
    packages: list[int]
    package_bytes: list[int]


_OWNED: Final[LiteralString] = f"owned AS MATERIALIZED ({_packages('$1')})"
_BY_PACKAGE: Final[LiteralString] = """
    coalesce(array_agg(package_id), '{}') AS packages, coalesce(array_agg(bytes::bigint), '{}') AS package_bytes
      FROM (SELECT package_id, sum(bytes) AS bytes FROM parts GROUP BY package_id HAVING sum(bytes) <> 0) AS lacking
"""
# What the sums are to have of some digests is what there is of them, less what the deltas that are not folded yet will
# add. Pushes do not change that, the fold alone does: so it is asked digest by digest while no fold runs.
_BLOBS: Final = select(
    _Lack,
    f"""
    WITH {_OWNED}, links AS MATERIALIZED (
        SELECT owned.id, link.digest, blob.size
          FROM owned
         CROSS JOIN LATERAL (SELECT digest FROM package_blobs
                              WHERE package_id = owned.id AND digest >= $2 AND digest < $3) AS link
         CROSS JOIN LATERAL (SELECT size FROM blobs WHERE digest = link.digest LIMIT 1) AS blob
    ), pending AS MATERIALIZED (
        SELECT owner_id, package_id, digest, links, bytes FROM usage_deltas
         WHERE owner_id = $1 AND digest >= $2 AND digest < $3 AND links <> 0
    ), parts AS (
        SELECT id AS package_id, size AS bytes FROM links UNION ALL SELECT package_id, -bytes FROM pending
    )
    SELECT ((SELECT coalesce(sum(size), 0) FROM (SELECT DISTINCT digest, size FROM links) AS once)
            - (SELECT coalesce(sum(bytes), 0) FROM ({_owner_bytes("pending")}) AS more))::bigint AS bytes,
           {_BY_PACKAGE}
    """,
)
#: The rest: manifests, less what the sums have; also sums of packages that are gone.
_REST: Final = select(
    _Lack,
    f"""
    WITH {_OWNED}, pending AS MATERIALIZED (
        SELECT package_id, bytes FROM usage_deltas WHERE owner_id = $1 AND links = 0
    ), bodies AS MATERIALIZED (
        SELECT owned.id AS package_id, version.bytes
          FROM owned
         CROSS JOIN LATERAL (SELECT sum(size) AS bytes FROM manifests WHERE package_id = owned.id) AS version
         WHERE version.bytes IS NOT NULL
         UNION ALL
        SELECT package_id, -bytes FROM pending
    ), known AS (
        SELECT owned.id AS package_id, counted.bytes
          FROM owned CROSS JOIN LATERAL (SELECT bytes FROM package_usage WHERE package_id = owned.id LIMIT 1) AS counted
         UNION ALL
        SELECT package_id, bytes FROM package_usage gone
         WHERE owner_id = $1 AND NOT EXISTS (SELECT FROM packages WHERE id = gone.package_id)
    ), parts AS (
        SELECT package_id, bytes FROM bodies UNION ALL SELECT package_id, -bytes FROM known
    )
    SELECT ((SELECT coalesce(sum(bytes), 0) FROM bodies)
            - coalesce((SELECT bytes FROM owner_usage WHERE owner_id = $1), 0))::bigint AS bytes,
           {_BY_PACKAGE}
    """,
)
_CORRECT: Final = command(
    """
    WITH counted AS (
        UPDATE owner_usage SET bytes = bytes + $2, counted_at = now() WHERE owner_id = $1
    )
    INSERT INTO package_usage AS known (package_id, owner_id, bytes)
    SELECT lacking.package_id, $1, lacking.bytes FROM unnest($3::bigint[], $4::bigint[]) AS lacking (package_id, bytes)
    ON CONFLICT (package_id) DO UPDATE SET bytes = known.bytes + excluded.bytes, owner_id = excluded.owner_id
    """
)
#: Of digests in order, the first of each part but the first; sha512 is a part of its own.
_BOUNDS: Final = (*(f"sha256:{digit}" for digit in "123456789abcdef"), "sha512:")


async def recount(tx: Executor, owner: Due) -> None:
    """Count what an owner has, and correct the sums, inside the caller's transaction; folds wait for its end."""
    await _WAIT.one(tx)
    bounds = ("", *(_BOUNDS if owner.packages >= int(_MANY) else ()), "~")
    lacks = [await _BLOBS.one(tx, owner.owner_id, *part) for part in pairwise(bounds)]
    lacks.append(await _REST.one(tx, owner.owner_id))
    packages = Counter[int]()
    for lack in lacks:
        for package_id, count in zip(lack.packages, lack.package_bytes, strict=True):
            packages[package_id] += count
    wrong = {package_id: count for package_id, count in packages.items() if count}
    await _CORRECT.run(tx, owner.owner_id, sum(lack.bytes for lack in lacks), list(wrong), list(wrong.values()))


#: In the transfer of a package, whose row is ``moved`` (id, owner_id: the former owner's): both are counted anew.
MOVED: Final[LiteralString] = """
    anew AS (
        INSERT INTO owner_usage (owner_id)
        SELECT DISTINCT unnest(ARRAY[owner_id, $2]) FROM moved ORDER BY 1
        ON CONFLICT (owner_id) DO UPDATE SET counted_at = NULL
    ), carried AS (
        UPDATE package_usage SET owner_id = $2 WHERE package_id IN (SELECT id FROM moved)
    )
"""

_NOTE: Final = command(
    """
    WITH due AS (
        SELECT owner_id, bytes, noted_at FROM owner_usage
         WHERE noted_at <= now() - interval '1 hour' ORDER BY noted_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ), noted AS (
        INSERT INTO usage_days AS known (owner_id, day, byte_hours)
        SELECT owner_id, (now() AT TIME ZONE 'UTC')::date, bytes * extract(epoch FROM now() - noted_at) / 3600
          FROM due WHERE bytes > 0
        ON CONFLICT (owner_id, day) DO UPDATE SET byte_hours = known.byte_hours + excluded.byte_hours
    )
    UPDATE owner_usage SET noted_at = now() WHERE owner_id IN (SELECT owner_id FROM due)
    """
)


async def note(db: Executor, limit: int) -> int:
    """Note what owners have had since they were noted, an hour ago or more; returns the number of owners."""
    return await _NOTE.run(db, limit)
