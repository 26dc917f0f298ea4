"""All of a package that its retention depends on, read page by page along its keys, in any order of time."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from storage.metadata import events, tag_rules
from storage.metadata.deletions import fallback_tags
from storage.metadata.query import Executor, select

#: Rows of one statement.
PAGE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Package:
    """A package that a plan goes through."""

    id: int
    name: str


_PACKAGES: Final = select(
    Package,
    """
    SELECT id, name FROM packages
     WHERE owner_id = $1 AND id > $2 AND deleted_at IS NULL AND published_at IS NOT NULL ORDER BY id LIMIT 200
    """,
)


async def packages(db: Executor, owner_id: int, after: int) -> list[Package]:
    """The next published packages of an owner, in the order of their ids."""
    return await _PACKAGES.all(db, owner_id, after)


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of the database, and since when it is noted who asks for a version, in Unix seconds."""

    now: float
    counted_since: float


_CLOCK: Final = select(
    Clock,
    """
    SELECT extract(epoch FROM now())::float8 AS now,
           coalesce((SELECT extract(epoch FROM applied_at)::float8 FROM migrations WHERE name = '0029_retention'),
                    extract(epoch FROM now())::float8) AS counted_since
    """,
)


async def clock(db: Executor) -> Clock:
    """The clock by which tags and versions have their ages."""
    return await _CLOCK.one(db)


class LiveVersion(msgspec.Struct, frozen=True, gc=False):
    """A version; ``kind`` "" and ``pulled`` None where they were not asked for. Times are Unix seconds."""

    id: int
    digest: str
    created: float
    touched: float
    subject: str | None
    kind: str
    pulled: float | None


# BuildKit's caches are images with a config of its own, or indexes of layers: these have no parts.
_VERSIONS: Final = select(
    LiveVersion,
    f"""
    SELECT version.id, version.digest, extract(epoch FROM version.created_at)::float8 AS created,
           extract(epoch FROM version.updated_at)::float8 AS touched, version.subject,
           CASE WHEN NOT $3 THEN ''
                WHEN version.sort = 'signature' THEN 'signature'
                WHEN version.artifact_type = 'application/vnd.buildkit.cacheconfig.v0' THEN 'buildcache'
                WHEN version.media_type IN ('application/vnd.oci.image.index.v1+json',
                                            'application/vnd.docker.distribution.manifest.list.v2+json')
                THEN CASE WHEN NOT EXISTS (SELECT 1 FROM manifest_children part
                                            WHERE part.package_id = $1 AND part.parent = version.digest)
                           AND position('"application/vnd.buildkit.cacheconfig.v0"'::bytea IN version.body) > 0
                          THEN 'buildcache' ELSE 'index' END
                WHEN coalesce(version.artifact_type, '') IN ('', 'application/vnd.oci.image.config.v1+json',
                                                             'application/vnd.docker.container.image.v1+json')
                THEN 'image' ELSE 'artifact' END AS kind,
           CASE WHEN $4 THEN (
                SELECT extract(epoch FROM coalesce(total.last_at, (
                          SELECT (max(day) + 1)::timestamp AT TIME ZONE 'UTC' FROM downloads
                           WHERE version_id = version.id)))::float8
                  FROM download_totals total WHERE total.version_id = version.id) END AS pulled
      FROM (SELECT * FROM manifests
             WHERE package_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT {PAGE}) AS version
     ORDER BY version.id
    """,
)


async def versions(db: Executor, package_id: int, after: int, *, kinds: bool, pulls: bool) -> list[LiveVersion]:
    """The next live versions of a package, in the order of their ids."""
    return await _VERSIONS.all(db, package_id, after, kinds, pulls)


class LiveTag(msgspec.Struct, frozen=True, gc=False):
    """A tag; ``at``: when it was last pushed, in Unix seconds; ``immutable``: a tag rule forbids to delete it."""

    name: str
    digest: str
    at: float
    immutable: bool


_TAGS: Final = select(
    LiveTag,
    f"""
    SELECT name, digest, extract(epoch FROM updated_at)::float8 AS at,
           coalesce(name ~ ({tag_rules.BINDING}), false) AS immutable
      FROM tags
     WHERE package_id = $1 AND name > $2 ORDER BY name LIMIT {PAGE}
    """,
)


async def tags(db: Executor, package_id: int, after: str) -> list[LiveTag]:
    """The next tags of a package, in the order of their names."""
    return await _TAGS.all(db, package_id, after)


class Part(msgspec.Struct, frozen=True, gc=False):
    """A part of an index."""

    parent: str
    child: str


_PARTS: Final = select(
    Part,
    f"""
    SELECT parent, child FROM manifest_children
     WHERE package_id = $1 AND (parent, child) > ($2, $3) ORDER BY parent, child LIMIT {PAGE}
    """,
)


async def parts(db: Executor, package_id: int, after: Part) -> list[Part]:
    """The next parts of the indexes of a package, in the order of their digests."""
    return await _PARTS.all(db, package_id, after.parent, after.child)


class Loss(msgspec.Struct, frozen=True, gc=False):
    """An event in which a version may have lost its last tag, or came back: ``digest`` None, if there is none."""

    id: int
    digest: str | None
    at: float


_LOSSES: Final = select(
    Loss,
    f"""
    SELECT event.id, CASE WHEN event.action IN ('{events.TAG_MOVED}', '{events.TAG_DELETED}')
                          THEN {events.digest_text("event.before_digest")}
                          WHEN event.action = '{events.VERSION_RESTORED}'
                          THEN {events.digest_text("event.digest")} END AS digest,
           extract(epoch FROM event.at)::float8 AS at
      FROM (SELECT id, action, digest, before_digest, at FROM events
             WHERE package_id = $1 AND id > $2 AND at >= to_timestamp($3::float8) ORDER BY id LIMIT {PAGE}) AS event
     ORDER BY event.id
    """,
)


async def losses(db: Executor, package_id: int, after: int, since: float) -> list[Loss]:
    """The next events of a package since that moment, with the digests that lost a tag, or came back."""
    return await _LOSSES.all(db, package_id, after, since)


@dataclass(frozen=True, slots=True)
class Touched:
    """The id of a version that is not as it was."""

    id: int


# What was judged had rested for an hour at least: whatever was pushed, tagged or pulled since shows by its time, also
# if its transaction has ended late. A fallback tag and a referrer go along with their version.
_TOUCHED: Final = select(
    Touched,
    rf"""
    SELECT asked.id
      FROM unnest($2::bigint[]) AS asked (id)
      LEFT JOIN LATERAL (SELECT * FROM manifests
                          WHERE package_id = $1 AND id = asked.id AND deleted_at IS NULL LIMIT 1) AS version ON true
     WHERE version.id IS NULL
        OR version.updated_at > to_timestamp($3::float8)
        OR EXISTS (SELECT 1 FROM tags WHERE package_id = $1 AND digest = version.digest
                                        AND updated_at > to_timestamp($3::float8))
        OR EXISTS (SELECT 1 FROM manifests follower
                    WHERE follower.package_id = $1 AND follower.subject = version.digest
                      AND follower.deleted_at IS NULL AND follower.updated_at > to_timestamp($3::float8))
        OR EXISTS (SELECT 1 FROM tags
                    WHERE package_id = $1 AND updated_at > to_timestamp($3::float8)
                      AND name = ANY ({fallback_tags("version.digest")}))
        OR EXISTS (SELECT 1 FROM manifest_children nesting
                    CROSS JOIN LATERAL (SELECT id, deleted_at FROM manifests
                                         WHERE package_id = $1 AND digest = nesting.parent LIMIT 1) AS above
                    WHERE nesting.package_id = $1 AND nesting.child = version.digest AND above.deleted_at IS NULL
                      AND above.id <> ALL ($2::bigint[]))
        OR EXISTS (SELECT 1 FROM manifests above
                    WHERE above.package_id = $1 AND above.digest = version.subject AND above.deleted_at IS NULL
                      AND above.id <> ALL ($2::bigint[]))
        OR EXISTS (SELECT 1 FROM tags own
                     JOIN manifests above ON above.package_id = $1 AND above.digest = regexp_replace(
                             own.name, '^(sha256|sha512)-([0-9a-f]+)([.](sig|att|sbom))?$', '\1:\2')
                    WHERE own.package_id = $1 AND own.digest = version.digest AND above.deleted_at IS NULL
                      AND above.id <> ALL ($2::bigint[]))
        OR ($4 AND EXISTS (SELECT 1 FROM download_totals
                            WHERE version_id = version.id AND last_at > to_timestamp($3::float8)))
    """,
)


async def touched(db: Executor, package_id: int, ids: list[int], since: float, *, pulls: bool) -> set[int]:
    """Return which of these versions are gone, were touched since, or are part of an index that is not among them.

    ``pulls``: a pull counts, too. The caller's transaction holds the package.
    """
    return {one.id for one in await _TOUCHED.all(db, package_id, ids, since, pulls)}


_TAG_TOUCHED: Final = select(
    Touched,
    r"""
    SELECT package_id AS id FROM tags
     WHERE package_id = $1 AND name = $2 AND digest = $3 AND updated_at <= to_timestamp($4::float8)
    """,
)


async def rested(db: Executor, package_id: int, tag: str, digest: str, since: float) -> bool:
    """Return whether a tag still names that digest, and was not pushed since."""
    return await _TAG_TOUCHED.maybe(db, package_id, tag, digest, since) is not None


# The last event of a tag tells how it is.
_TAG_WENT: Final = select(
    Touched,
    f"""
    SELECT last.id
      FROM (SELECT package_id AS id, action, before_digest, at FROM events
             WHERE package_id = $1 AND tag = $2 ORDER BY events.id DESC LIMIT 1) AS last
     WHERE last.action = '{events.TAG_DELETED}' AND last.at >= $4
       AND last.before_digest = decode(substr($3::text, 8), 'hex')
    """,
)


async def tag_went(db: Executor, package_id: int, tag: str, digest: str, since: datetime) -> bool:
    """Return whether a tag of that digest was deleted since then, and is still gone."""
    return await _TAG_WENT.maybe(db, package_id, tag, digest, since) is not None


_WENT: Final = select(Touched, "SELECT id FROM manifests WHERE id = $1 AND deleted_at >= $2")
_MISSING: Final = select(
    Touched,
    """
    SELECT asked.id
      FROM unnest($2::bigint[]) AS asked (id)
      LEFT JOIN LATERAL (SELECT id FROM manifests
                          WHERE package_id = $1 AND id = asked.id AND deleted_at IS NULL LIMIT 1) AS version ON true
     WHERE version.id IS NULL
    """,
)


async def went(db: Executor, version_id: int, since: datetime) -> bool:
    """Return whether a version was deleted since then, and is still deleted."""
    return await _WENT.maybe(db, version_id, since) is not None


@dataclass(frozen=True, slots=True)
class _Gone:
    digest: str


_GONE: Final = select(
    _Gone,
    """
    SELECT version.digest
      FROM unnest($2::text[]) AS asked (digest)
     CROSS JOIN LATERAL (SELECT digest, deleted_at FROM manifests
                          WHERE package_id = $1 AND digest = asked.digest LIMIT 1) AS version
     WHERE version.deleted_at >= $3
    """,
)


async def gone(db: Executor, package_id: int, digests: Collection[str], since: datetime) -> set[str]:
    """Return which of the versions with these digests were deleted since then, and are still deleted."""
    return {one.digest for one in await _GONE.all(db, package_id, list(digests), since)}


async def missing(db: Executor, package_id: int, ids: list[int]) -> set[int]:
    """Return which of these versions are not there."""
    return {one.id for one in await _MISSING.all(db, package_id, ids)}
