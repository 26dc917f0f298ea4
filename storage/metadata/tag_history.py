"""The history of tags in the events: where a tag pointed before, and where at a moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata.events import digest_text
from storage.metadata.query import Executor, select
from storage.names import Digest, TagName


@dataclass(frozen=True, slots=True)
class _Pointed:
    digest: str


_PREVIOUS: Final = select(
    _Pointed,
    f"""
    SELECT {digest_text("before_digest")} AS digest FROM events
     WHERE package_id = $1 AND tag = $2
       AND before_digest <> coalesce(decode(substr($3::text, 8), 'hex'), '')
     ORDER BY id DESC LIMIT 1
    """,
)


async def previous(db: Executor, package_id: int, tag: TagName, now: str | None) -> str | None:
    """The digest that a tag had last, other than ``now``; None: nothing is recorded of another."""
    found = await _PREVIOUS.maybe(db, package_id, tag, now)
    return None if found is None else found.digest


@dataclass(frozen=True, slots=True)
class Kept:
    """A version that is there, or deleted and not yet purged."""

    id: int
    deleted: bool


_KEPT: Final = select(
    Kept,
    "SELECT id, deleted_at IS NOT NULL AS deleted FROM manifests WHERE package_id = $1 AND digest = $2",
)


async def kept(db: Executor, package_id: int, digest: Digest) -> Kept | None:
    """Find a version by its digest, deleted or not; None: there is none, or it is purged."""
    return await _KEPT.maybe(db, package_id, digest)


@dataclass(frozen=True, slots=True)
class TagThen:
    """The digest of a tag at a moment, from ``since`` until ``until``.

    ``since`` None: from before what is recorded; ``until`` None: it still is. ``version_state``: live or deleted; both
    of the version are None if it is purged.
    """

    digest: str
    since: datetime | None
    until: datetime | None
    version_id: int | None
    version_state: str | None


# What the first change after the moment found there was there then; without one, what is there now.
_THEN: Final = select(
    TagThen,
    f"""
    WITH later AS MATERIALIZED (
        SELECT {digest_text("before_digest")} AS digest, at, id FROM events
         WHERE package_id = $1 AND tag = $2 AND at > $3 ORDER BY id LIMIT 1
    ), pointed AS (
        SELECT digest FROM later
         UNION ALL
        SELECT digest FROM tags WHERE package_id = $1 AND name = $2 AND NOT EXISTS (SELECT FROM later)
    )
    SELECT pointed.digest,
           (SELECT at FROM events
             WHERE package_id = $1 AND tag = $2 AND id < coalesce((SELECT id FROM later), 9223372036854775807)
             ORDER BY id DESC LIMIT 1) AS since,
           (SELECT at FROM later) AS until, version.id AS version_id,
           CASE WHEN version.id IS NOT NULL
                THEN CASE WHEN version.deleted_at IS NULL THEN 'live' ELSE 'deleted' END END AS version_state
      FROM pointed
      LEFT JOIN LATERAL (SELECT id, deleted_at FROM manifests
                          WHERE package_id = $1 AND digest = pointed.digest LIMIT 1) AS version ON true
     WHERE pointed.digest IS NOT NULL
    """,
)


async def then(db: Executor, package_id: int, tag: TagName, at: datetime) -> TagThen | None:
    """Find the digest of a tag at a moment, as far as changes since then are recorded; None: there was no such tag."""
    return await _THEN.maybe(db, package_id, tag, at)
