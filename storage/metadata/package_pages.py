"""Rows of the pages of a package, each of one statement: the package, one version, a page of versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, LiteralString

from storage.metadata import access_facts
from storage.metadata.access_facts import AccessFacts
from storage.metadata.links import REPOSITORY_ROLE
from storage.metadata.query import Executor, Query, select
from storage.metadata.selections import CHILD, TAGGED, Filter, narrowed
from storage.metadata.web_sessions import WebSession, with_session
from storage.names import PackageName


class ShownPackage(AccessFacts, frozen=True):
    """A package with the viewer's access facts; ``description`` to ``source_url`` are what its publisher claims.

    ``repository_name`` None: none is linked, or the viewer may not see which.
    """

    owner_login: str | None
    description: str | None
    licenses: str | None
    licenses_spdx: bool | None
    source_url: str | None
    published_at: datetime | None
    updated_at: datetime | None
    inherit_access: bool | None
    repository_name: str | None


_DETAILS: Final[LiteralString] = f"""
    owner.login AS owner_login, package.description, package.licenses, package.licenses_spdx, package.source_url,
    package.published_at, package.updated_at, package.inherit_access,
    (SELECT repo.name FROM repositories repo
      WHERE repo.id = package.repository_id AND repo.deleted_at IS NULL AND ({REPOSITORY_ROLE}) > 0) AS repository_name
"""
_PACKAGE: Final = select(ShownPackage, f"SELECT {access_facts.COLUMNS}, {_DETAILS} {access_facts.FROM}")


async def package(db: Executor, token_id: int | None, name: PackageName) -> ShownPackage:
    """Look up a package as its page shows it; whether the viewer may see it, ``decide`` judges."""
    return await _PACKAGE.one(db, token_id, name.owner, name.image)


_PACKAGE_IN_SESSION: Final = with_session(_PACKAGE)


async def package_in_session(
    db: Executor, digest: bytes | None, name: PackageName
) -> tuple[WebSession | None, ShownPackage | None]:
    """Look up the session whose id has this SHA-256, and a package with the access facts of the session's account."""
    return await _PACKAGE_IN_SESSION.maybe(db, digest, name.owner, name.image)


#: Of more versions than this the downloads are not added up.
COUNTED_VERSIONS: Final = 200
DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Highlights:
    """Facts of a package's page beside its tags: of one version its ``artifact_type`` and those of its referrers.

    ``downloads`` are of all times, of COUNTED_VERSIONS at most, the most downloaded; ``days``: of each of the last
    DAYS days, today's last.
    """

    artifact_type: str | None
    annotations: str | None
    referrers: list[str]
    downloads: int
    all_counted: bool
    days: list[int]


_HIGHLIGHTS: Final = select(
    Highlights,
    f"""
    WITH most AS MATERIALIZED (
        SELECT total.version_id, total.count
          FROM download_totals total
         WHERE total.package_id = $1 ORDER BY total.count DESC LIMIT {COUNTED_VERSIONS} + 1
    ), images AS MATERIALIZED (
        SELECT most.version_id, most.count
          FROM most JOIN manifests version ON version.id = most.version_id AND version.sort = 'image'
         ORDER BY most.count DESC LIMIT {COUNTED_VERSIONS}
    ), days AS MATERIALIZED (
        SELECT counted.day, sum(counted.count)::int8 AS count
          FROM images
          JOIN downloads counted ON counted.version_id = images.version_id AND counted.day > $3::date - {DAYS}
         GROUP BY counted.day
    )
    SELECT version.artifact_type, version.annotations::text AS annotations,
           ARRAY(SELECT coalesce(artifact_type, '') FROM manifests
                  WHERE package_id = $1 AND subject = $2 AND deleted_at IS NULL LIMIT 100) AS referrers,
           coalesce((SELECT sum(count) FROM images), 0)::int8 AS downloads,
           (SELECT count(*) FROM most) <= {COUNTED_VERSIONS} AS all_counted,
           ARRAY(SELECT coalesce(days.count, 0) FROM generate_series(1 - {DAYS}, 0) AS back
                   LEFT JOIN days ON days.day = $3::date + back ORDER BY back) AS days
      FROM (SELECT 1) AS once
      LEFT JOIN LATERAL (SELECT artifact_type, annotations FROM manifests
                          WHERE package_id = $1 AND digest = $2 LIMIT 1) AS version ON true
    """,
)


async def highlights(db: Executor, package_id: int, digest: str | None, today: date) -> Highlights:
    """Look up what a package's page shows of its downloads, and of the version with this digest."""
    return await _HIGHLIGHTS.one(db, package_id, digest or "", today)


@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest with a subject: a signature, an SBOM, an attestation, or whatever else."""

    subject: str
    digest: str
    media_type: str
    artifact_type: str | None
    size: int
    created_at: datetime


#: More than these of one page are not shown.
REFERRERS_MAX: Final = 500

_REFERRERS: Final = select(
    Referrer,
    f"""
    SELECT subject, digest, media_type, artifact_type, coalesce(image_size, 0) + size AS size, created_at
      FROM manifests
     WHERE package_id = $1 AND subject = ANY ($2::text[]) AND deleted_at IS NULL
     ORDER BY subject, digest LIMIT {REFERRERS_MAX}
    """,
)


async def referrers(db: Executor, package_id: int, subjects: Sequence[str]) -> list[Referrer]:
    """List what refers to these versions."""
    return await _REFERRERS.all(db, package_id, list(subjects))


class ShownVersion(AccessFacts, frozen=True):
    """A version with the viewer's access facts; its fields are None if the package has no such version."""

    owner_login: str | None
    version_id: int | None
    digest: str | None
    media_type: str | None
    artifact_type: str | None
    subject: str | None
    annotations: str | None
    size: int | None
    image_size: int | None
    kind: str | None
    platforms: list[str] | None
    description: str | None
    licenses: str | None
    source_url: str | None
    created_at: datetime | None
    pusher_login: str | None
    body: bytes | None
    tags: list[str]
    parents: list[str]
    downloads: int


#: Tags and parents of a version: more are not shown.
NEAR_MAX: Final = 50

_VERSION: Final = Query(
    ShownVersion,
    f"""
    SELECT {access_facts.COLUMNS}, owner.login AS owner_login, version.id AS version_id, version.digest,
           version.media_type, version.artifact_type, version.subject, version.annotations::text AS annotations,
           version.size, version.image_size, version.sort AS kind, version.platforms, version.description,
           version.licenses, version.source_url, version.created_at,
           (SELECT login FROM accounts WHERE id = version.pusher_id) AS pusher_login,
           version.body,
           ARRAY(SELECT name FROM tags WHERE package_id = package.id AND digest = version.digest
                  ORDER BY updated_at DESC, name LIMIT {NEAR_MAX}) AS tags,
           ARRAY(SELECT nesting.parent FROM manifest_children nesting
                   JOIN LATERAL (SELECT deleted_at FROM manifests
                                  WHERE package_id = nesting.package_id AND digest = nesting.parent LIMIT 1) AS above
                        ON above.deleted_at IS NULL
                  WHERE nesting.package_id = package.id AND nesting.child = version.digest
                  ORDER BY nesting.parent LIMIT {NEAR_MAX}) AS parents,
           coalesce((SELECT count FROM download_totals WHERE version_id = version.id), 0)::int8 AS downloads
    {access_facts.FROM}
      LEFT JOIN LATERAL (
            SELECT * FROM (
                SELECT * FROM manifests
                 WHERE package_id = package.id
                   AND digest = coalesce($5, (SELECT digest FROM tags WHERE package_id = package.id AND name = $4))
                 LIMIT 1) AS kept
             WHERE deleted_at IS NULL
           ) AS version ON true
    """,
)


_VERSION_IN_SESSION: Final = with_session(_VERSION)


async def version_in_session(
    db: Executor, session: bytes | None, name: PackageName, *, tag: str | None = None, digest: str | None = None
) -> tuple[WebSession | None, ShownVersion | None]:
    """Look up the session whose id has the SHA-256 ``session``, and a version as its account may see it."""
    return await _VERSION_IN_SESSION.maybe(db, session, name.owner, name.image, tag, digest)


@dataclass(frozen=True, slots=True)
class Child:
    """A manifest of an index, with the size of its image in bytes."""

    digest: str
    size: int | None


_CHILDREN: Final = select(
    Child,
    """
    SELECT digest, image_size AS size FROM manifests
     WHERE package_id = $1 AND digest = ANY ($2::text[]) AND deleted_at IS NULL
    """,
)


async def children(db: Executor, package_id: int, digests: Sequence[str]) -> list[Child]:
    """Look up the sizes of an index's children that the package has."""
    return await _CHILDREN.all(db, package_id, list(digests))


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a list; ``tags``: the newest of them, NEAR_MAX at most."""

    id: int
    digest: str
    media_type: str
    artifact_type: str | None
    kind: str
    platforms: list[str]
    size: int | None
    created_at: datetime
    pusher_login: str | None
    tags: list[str]
    downloads: int


_ROW: Final[LiteralString] = f"""
    version.id, version.digest, version.media_type, version.artifact_type, version.sort AS kind, version.platforms,
    version.image_size AS size, version.created_at,
    (SELECT login FROM accounts WHERE id = version.pusher_id) AS pusher_login,
    ARRAY(SELECT name FROM tags WHERE package_id = version.package_id AND digest = version.digest
           ORDER BY updated_at DESC, name LIMIT {NEAR_MAX}) AS tags,
    coalesce((SELECT count FROM download_totals WHERE version_id = version.id), 0)::int8 AS downloads
"""
#: Among as many versions those are looked for that a list shows; the next page goes on behind them.
_WINDOW: Final = 400


def _versions(condition: LiteralString) -> LiteralString:
    """Render a page of versions that meet the condition, from a window of them."""
    return f"""
    SELECT {_ROW}
      FROM (SELECT * FROM (
                SELECT * FROM manifests version
                 WHERE package_id = $1 AND deleted_at IS NULL AND id < $2 ORDER BY id DESC LIMIT {_WINDOW}) AS version
             WHERE {condition} AND {narrowed("$4", "$5")}
             ORDER BY id DESC LIMIT $3) AS version
     ORDER BY version.id DESC
    """


#: Images and artifacts: what is tagged, or neither part of an index nor about another.
_WHOLE: Final = select(
    VersionRow, _versions(f"version.sort = 'image' AND ({TAGGED} OR (version.subject IS NULL AND NOT {CHILD}))")
)
_WITH_TAGS: Final = select(VersionRow, _versions(f"version.sort = 'image' AND {TAGGED}"))
_WITHOUT_TAGS: Final = select(
    VersionRow, _versions(f"version.sort = 'image' AND version.subject IS NULL AND NOT {TAGGED} AND NOT {CHILD}")
)
_EVERY: Final = select(VersionRow, _versions("true"))
_LISTS: Final = {"": _WHOLE, "tagged": _WITH_TAGS, "untagged": _WITHOUT_TAGS, "all": _EVERY}
VERSION_FILTERS: Final = tuple(_LISTS)


@dataclass(frozen=True, slots=True)
class _Window:
    last: int | None
    full: bool


_END: Final = select(
    _Window,
    f"""
    SELECT min(id) AS last, count(*) = {_WINDOW} AS full
      FROM (SELECT id FROM manifests
             WHERE package_id = $1 AND deleted_at IS NULL AND id < $2 ORDER BY id DESC LIMIT {_WINDOW}) AS looked_at
    """,
)


async def versions(
    db: Executor, package_id: int, which: str, wanted: Filter, *, before: int, limit: int
) -> tuple[list[VersionRow], int | None]:
    """List versions with an id below ``before``, the newest first, and the id that the next page is below.

    ``which``: one of VERSION_FILTERS, which tells of tags. A page may be short, or empty, with another behind it.
    """
    rows = await _LISTS[which].all(db, package_id, before, limit + 1, wanted.pattern, wanted.pushed_before)
    if len(rows) > limit:
        return rows[:limit], rows[limit - 1].id
    window = await _END.one(db, package_id, before)
    return rows, window.last if window.full else None
