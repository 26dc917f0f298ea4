"""Answers of the upstreams of mirrors, wants of their manifests, and the fetches of blobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata.query import Executor, command, select
from storage.names import Digest, UploadId

# -- packages


@dataclass(frozen=True, slots=True)
class _Made:
    id: int


_ENSURE: Final = select(
    _Made,
    """
    WITH made AS (
        INSERT INTO packages (owner_id, name, visibility)
        SELECT owner.id, $2, $3 FROM accounts owner
         WHERE owner.id = $1 AND owner.deleted_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM retired_names WHERE owner_login = lower(owner.login) AND name = $2)
        ON CONFLICT (owner_id, name) WHERE deleted_at IS NULL DO NOTHING
        RETURNING id
    )
    SELECT id FROM made
    UNION ALL
    SELECT id FROM packages WHERE owner_id = $1 AND name = $2 AND deleted_at IS NULL
    LIMIT 1
    """,
)


async def ensure_package(db: Executor, owner_id: int, image: str, visibility: str) -> int | None:
    """The id of a package of a mirror, made if missing; None: its name is retired, or the owner is gone."""
    # As in packages.ensure: what another statement has just made is seen by the next.
    made = await _ENSURE.maybe(db, owner_id, image, visibility) or await _ENSURE.maybe(db, owner_id, image, visibility)
    return None if made is None else made.id


@dataclass(frozen=True, slots=True)
class _Member:
    role: str


_MEMBER: Final = select(_Member, "SELECT role FROM memberships WHERE org_id = $1 AND user_id = $2")


async def is_member(db: Executor, owner_id: int, account_id: int) -> bool:
    """Return whether an account is a member of a mirror's organization."""
    return await _MEMBER.maybe(db, owner_id, account_id) is not None


# -- answers


@dataclass(frozen=True, slots=True)
class Answer:
    """The last answer of an upstream about a reference; ages and ``rests`` in seconds, None: never.

    ``age`` of the last good answer; ``current``: told under the settings that the mirror has now; ``rests``: until the
    upstream may be asked again; ``kind`` and ``why`` of a failure; ``asked``: a process is asking.
    """

    told_at: datetime | None
    age: float | None
    current: bool
    rests: float
    failures: int
    kind: str | None
    why: str
    asked: bool


_ANSWER: Final = select(
    Answer,
    """
    SELECT told_at, extract(epoch FROM now() - checked_at)::float8 AS age,
           coalesce(told_at >= $4, false) AS current,
           CASE WHEN told_at >= $4 AND retry_at > now() THEN extract(epoch FROM retry_at - now())::float8
                ELSE 0 END AS rests,
           failures, kind, coalesce(why, '') AS why, coalesce(asking_until > now(), false) AS asked
      FROM mirror_answers WHERE owner_id = $1 AND image = $2 AND reference = $3
    """,
)


async def answer(db: Executor, owner_id: int, image: str, reference: str, since: datetime) -> Answer | None:
    """The last answer of a mirror's upstream about a reference; one from before ``since`` is not ``current``."""
    return await _ANSWER.maybe(db, owner_id, image, reference, since)


_ASK: Final = command(
    """
    INSERT INTO mirror_answers AS kept (owner_id, image, reference, asking_until)
    SELECT owner_id, $2, $3, now() + make_interval(secs => $5) FROM mirrors WHERE owner_id = $1
    ON CONFLICT (owner_id, image, reference) DO UPDATE SET asking_until = excluded.asking_until
     WHERE (kept.asking_until IS NULL OR kept.asking_until <= now()) AND kept.told_at IS NOT DISTINCT FROM $4
    """
)
_TOLD: Final = command(
    """
    UPDATE mirror_answers
       SET asking_until = NULL, told_at = now(), kind = $4, why = $5,
           checked_at = CASE WHEN $4::text IS NULL THEN now() ELSE checked_at END,
           failures = CASE WHEN $4::text IS NULL THEN 0 ELSE failures + 1 END,
           retry_at = CASE WHEN $4::text IS NULL THEN NULL ELSE now() + make_interval(secs => $6) END
     WHERE owner_id = $1 AND image = $2 AND reference = $3
    """
)


async def ask(
    db: Executor, owner_id: int, image: str, reference: str, told_at: datetime | None, lease_seconds: float
) -> bool:
    """Take it upon a process to ask; False: another one does, or has been told something since ``told_at``."""
    return await _ASK.run(db, owner_id, image, reference, told_at, lease_seconds) == 1


async def told(
    db: Executor, owner_id: int, image: str, reference: str, kind: str | None, why: str | None, rests: float
) -> None:
    """Note what the upstream told; ``kind`` None: what was asked for, else nobody asks again for ``rests`` seconds."""
    await _TOLD.run(db, owner_id, image, reference, kind, why, rests)


_FORGET: Final = command(
    """
    DELETE FROM mirror_answers
     WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM mirror_answers WHERE told_at < now() - make_interval(days => $1) ORDER BY told_at LIMIT $2))
    """
)


async def forget(db: Executor, days: int, limit: int) -> int:
    """Forget answers of upstreams that are older than ``days``, ``limit`` at most; how many."""
    return await _FORGET.run(db, days, limit)


# -- what is wanted


@dataclass(frozen=True, slots=True)
class Wanted:
    """A blob that a manifest of the package names and that is not here; ``size`` in bytes, as the manifest says."""

    size: int
    media_type: str


_WANTED: Final = select(
    Wanted,
    """
    SELECT size, media_type FROM mirror_wanted
     WHERE package_id = $1 AND digest = $2 AND is_blob
     ORDER BY manifest LIMIT 1
    """,
)


async def wanted(db: Executor, package_id: int, digest: Digest) -> Wanted | None:
    """Find a blob that manifests of a package want; None: no manifest does."""
    return await _WANTED.maybe(db, package_id, digest)


_WANT: Final = command(
    """
    INSERT INTO mirror_wanted (package_id, manifest, digest, size, media_type, is_blob)
    SELECT $1, $2, * FROM unnest($3::text[], $4::bigint[], $5::text[], $6::bool[])
    ON CONFLICT DO NOTHING
    """
)
_SIZED: Final = command("UPDATE manifests SET image_size = $3 WHERE package_id = $1 AND digest = $2")


@dataclass(frozen=True, slots=True)
class Want:
    """A part that a manifest names and that is not here."""

    digest: Digest
    size: int
    media_type: str
    is_blob: bool


async def want(tx: Executor, package_id: int, manifest: Digest, parts: Sequence[Want], image_size: int | None) -> None:
    """Note what a manifest that was just stored names and does not have; ``image_size`` as its parts say."""
    await _WANT.run(
        tx,
        package_id,
        manifest,
        [part.digest for part in parts],
        [part.size for part in parts],
        [part.media_type for part in parts],
        [part.is_blob for part in parts],
    )
    if image_size is not None:
        await _SIZED.run(tx, package_id, manifest, image_size)


# The package is locked before, so that a manifest which is being stored has noted by now what it wants.
_BLOB_CAME: Final = command(
    """
    WITH came AS (
        DELETE FROM mirror_wanted WHERE package_id = $1 AND digest = $2 AND is_blob RETURNING manifest
    )
    INSERT INTO manifest_blobs (package_id, manifest, blob)
    SELECT $1, came.manifest, $2 FROM came
     WHERE EXISTS (SELECT FROM package_blobs WHERE package_id = $1 AND digest = $2 AND deleted_at IS NULL)
    ON CONFLICT DO NOTHING
    """
)
_MANIFEST_CAME: Final = command(
    """
    WITH came AS (
        DELETE FROM mirror_wanted WHERE package_id = $1 AND digest = $2 AND NOT is_blob RETURNING manifest
    )
    INSERT INTO manifest_children (package_id, parent, child) SELECT $1, came.manifest, $2 FROM came
    ON CONFLICT DO NOTHING
    """
)


async def blob_came(tx: Executor, package_id: int, digest: Digest) -> None:
    """Have a blob that is here now belong to the manifests that want it; the package is locked."""
    await _BLOB_CAME.run(tx, package_id, digest)


async def manifest_came(tx: Executor, package_id: int, digest: Digest) -> None:
    """Have a manifest that is here now belong to the indexes that want it; the package is locked."""
    await _MANIFEST_CAME.run(tx, package_id, digest)


# -- fetches


@dataclass(frozen=True, slots=True)
class Fetch:
    """The fetch of a blob. ``open``: its session takes bytes; ``leased``: a process is at it.

    ``stored``: the blob is in the package; ``rests``: seconds until it may be asked for again, and why.
    """

    stored: bool
    upload: UploadId | None
    open: bool
    leased: bool
    rests: float
    kind: str | None
    why: str


_FETCH: Final = select(
    Fetch,
    """
    SELECT EXISTS (SELECT FROM package_blobs WHERE package_id = $1 AND digest = $2 AND deleted_at IS NULL) AS stored,
           fetched.upload_id AS upload,
           coalesce(session.state = 'open' AND session.expires_at > now(), false) AS open,
           coalesce(session.lease_until > now(), false) AS leased,
           CASE WHEN fetched.failed_at >= $3 AND fetched.retry_at > now()
                THEN extract(epoch FROM fetched.retry_at - now())::float8 ELSE 0 END AS rests,
           fetched.kind, coalesce(fetched.why, '') AS why
      FROM (VALUES (1)) AS always (one)
      LEFT JOIN mirror_fetches fetched ON fetched.package_id = $1 AND fetched.digest = $2
      LEFT JOIN uploads session ON session.id = fetched.upload_id
    """,
)
_BEGIN: Final = command(
    """
    INSERT INTO mirror_fetches AS kept (package_id, digest, upload_id, size)
    SELECT $1, $2, $3, $4
     WHERE NOT EXISTS (SELECT FROM package_blobs WHERE package_id = $1 AND digest = $2 AND deleted_at IS NULL)
    ON CONFLICT (package_id, digest) DO UPDATE
       SET upload_id = excluded.upload_id, size = excluded.size, started_at = now(),
           failed_at = NULL, retry_at = NULL, kind = NULL, why = NULL
     WHERE NOT EXISTS (SELECT FROM uploads WHERE id = kept.upload_id AND state = 'open' AND expires_at > now())
    """
)
_FAIL: Final = command(
    """
    UPDATE mirror_fetches
       SET failed_at = now(), retry_at = now() + make_interval(secs => $4), kind = $5, why = $6
     WHERE package_id = $1 AND digest = $2 AND upload_id = $3
    """
)
_END: Final = command("DELETE FROM mirror_fetches WHERE package_id = $1 AND digest = $2 AND upload_id = $3")


async def fetch(db: Executor, package_id: int, digest: Digest, since: datetime) -> Fetch:
    """How far a blob is; a failure before ``since`` counts no more."""
    return await _FETCH.one(db, package_id, digest, since)


async def begin_fetch(db: Executor, package_id: int, digest: Digest, upload: UploadId, size: int) -> bool:
    """Make a session the fetch of a blob; False: there is another one that is open, or the blob is here."""
    return await _BEGIN.run(db, package_id, digest, upload, size) == 1


async def fail_fetch(
    db: Executor, package_id: int, digest: Digest, upload: UploadId, *, rests: float, kind: str, why: str
) -> None:
    """Note that a fetch failed, so that nobody asks again for ``rests`` seconds; its session can be gone on with."""
    await _FAIL.run(db, package_id, digest, upload, rests, kind, why)


async def end_fetch(db: Executor, package_id: int, digest: Digest, upload: UploadId) -> None:
    """Forget the fetch of a blob."""
    await _END.run(db, package_id, digest, upload)
