"""Versions of packages: a version is a manifest of its package, with an id that is never reused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events, tag_rules
from storage.metadata.deletions import BACK
from storage.metadata.events import Actor
from storage.metadata.query import Executor, command, counted, select


@dataclass(frozen=True, slots=True)
class Version:
    """A version; ``tags``: the tags of the version; of a deleted version its former tags.

    ``parents``: digests of the indexes that it is part of, at most 100. ``kind``: image or signature; ``size``: of the
    image in bytes, None where it is not yet added up; pusher None: it was pushed before pushers were recorded.
    """

    id: int
    digest: str
    subject: str | None
    description: str | None
    licenses: str | None
    licenses_spdx: bool | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    tags: list[str]
    parents: list[str]
    media_type: str
    kind: str
    size: int | None
    platforms: list[str]
    pusher_id: int | None
    pusher_login: str | None
    pusher_via: str | None
    pusher_token: str | None


@dataclass(frozen=True, slots=True)
class ListedVersion(Version):
    """A version of a page; ``total``: the versions of all pages, as far as they are counted."""

    total: int


@dataclass(frozen=True, slots=True)
class _Number:
    count: int


_COLUMNS: Final[LiteralString] = """
    version.id, version.digest, version.subject, version.description, version.licenses, version.licenses_spdx,
    version.created_at, version.updated_at, version.deleted_at,
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
           ORDER BY nesting.parent LIMIT 100) AS parents,
    version.media_type, version.sort AS kind, version.image_size AS size, version.platforms, version.pusher_id,
    (SELECT login FROM accounts WHERE id = version.pusher_id) AS pusher_login, version.pusher_via, version.pusher_token
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
           {counted("manifests WHERE package_id = $1 AND deleted_at IS NULL")}::int AS total
      FROM (SELECT id FROM manifests
             WHERE package_id = $1 AND deleted_at IS NULL ORDER BY id DESC LIMIT $2 OFFSET $3) AS page
      JOIN manifests version ON version.id = page.id
     ORDER BY version.id DESC
    """,
)
_RESTORABLE: Final[LiteralString] = "manifests WHERE package_id = $1 AND deleted_at > now() - make_interval(secs => $4)"
_DELETED: Final = select(
    ListedVersion,
    f"""
    SELECT {_COLUMNS},
           {counted(_RESTORABLE)}::int AS total
      FROM (SELECT id FROM {_RESTORABLE}
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


_HIDE: Final = select(
    _Number,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), untagged AS (
        DELETE FROM tags
         WHERE package_id = $1 AND digest = ANY ($3::text[])
           AND {tag_rules.permits(tag_rules.DELETE, "tags.name", "tags.digest", "$4")}
        RETURNING digest, name
    ), touched AS (
        UPDATE packages SET updated_at = now() WHERE id = $1
    ), hidden AS (
        UPDATE manifests version
           SET deleted_at = now(), deleted_by = (SELECT id FROM actor), deleted_with = CASE WHEN id <> $2 THEN $2 END,
               deleted_tags = ARRAY(SELECT name FROM untagged WHERE untagged.digest = version.digest ORDER BY name)
         WHERE package_id = $1 AND digest = ANY ($3::text[]) AND deleted_at IS NULL
        RETURNING id, digest, deleted_with
    ), recorded AS ({
        events.record(
            events.event(
                f"'{events.TAG_DELETED}'",
                "untagged JOIN hidden USING (digest) CROSS JOIN actor",
                version="hidden.id",
                before="digest",
                tag="untagged.name",
            ),
            events.event(
                f"'{events.VERSION_DELETED}'",
                "hidden CROSS JOIN actor",
                version="hidden.id",
                digest="digest",
                data="CASE WHEN deleted_with IS NOT NULL THEN jsonb_build_object('deleted_with', deleted_with) END",
            ),
        )
    })
    SELECT count(*) AS count FROM hidden
    """,
)


async def hide(db: Executor, package_id: int, version_id: int, digests: Sequence[str], actor: Actor) -> int:
    """Soft-delete a version and its followers, with their tags, until restore or purge; returns their number.

    Raises TagRefused.
    """
    hidden = await _HIDE.one(db, package_id, version_id, list(digests), events.by(actor))
    return hidden.count


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
# Names that somebody has given to another version meanwhile stay with it. The pusher of a tag that comes back is the
# version's: who restores has pushed nothing.
_FORMER: Final[LiteralString] = "(SELECT digest FROM tags WHERE package_id = $1 AND tags.name = had.name)"
_UNHIDE: Final = select(
    _Number,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}
    ), tagged AS (
        INSERT INTO tags (package_id, name, digest, pusher_id, pusher_via, pusher_token)
        SELECT DISTINCT ON (name) $1, name, version.digest, pusher_id, pusher_via, pusher_token
          FROM manifests version CROSS JOIN LATERAL unnest(version.deleted_tags) AS had (name)
         WHERE version.package_id = $1 AND version.digest = ANY ($2::text[])
           AND {tag_rules.permits_creation("had.name", _FORMER, "$3")}
         ORDER BY name, version.deleted_at DESC
        ON CONFLICT (package_id, name) DO NOTHING
        RETURNING name, digest
    ), touched AS (
        UPDATE packages SET updated_at = now() WHERE id = $1
    ), restored AS (
        UPDATE manifests SET deleted_at = NULL, deleted_by = NULL, deleted_with = NULL, deleted_tags = '{{}}'
         WHERE package_id = $1 AND digest = ANY ($2::text[])
        RETURNING id, digest
    ), recorded AS ({
        events.record(
            events.event(
                f"'{events.VERSION_RESTORED}'", "restored CROSS JOIN actor", version="restored.id", digest="digest"
            ),
            events.event(
                f"'{events.TAG_CREATED}'",
                "tagged JOIN restored USING (digest) CROSS JOIN actor",
                version="restored.id",
                digest="digest",
                tag="tagged.name",
            ),
        )
    })
    SELECT count(*) AS count FROM restored
    """,
)


async def unhide(db: Executor, package_id: int, digests: Sequence[str], actor: Actor) -> int:
    """Restore versions with their blobs and the tags whose names are free, inside the caller's transaction.

    Raises TagRefused.
    """
    # A blob that its user deletes in this moment waits for the lock, and is looked at anew behind it.
    links = await _LOCK_LINKS.all(db, package_id, list(digests))
    await _UNHIDE_LINKS.run(db, package_id, [link.digest for link in links])
    return (await _UNHIDE.one(db, package_id, list(digests), events.by(actor))).count
