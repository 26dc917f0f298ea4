"""What mirrors know of their upstreams' tags, what their manifests want, and the fetches of blobs."""

from collections.abc import Sequence
from dataclasses import dataclass
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


# -- tags


@dataclass(frozen=True, slots=True)
class MirrorTag:
    """What is known of a tag; ages and ``rests`` in seconds, None: never. ``rests``: until it may be asked again."""

    checked_age: float | None
    rests: float | None
    failures: int
    failure: str | None
    kept_deleted: bool


_TAG: Final = select(
    MirrorTag,
    """
    SELECT extract(epoch FROM now() - checked_at)::float8 AS checked_age,
           extract(epoch FROM retry_at - now())::float8 AS rests, failures, failure, kept_deleted
      FROM mirror_tags WHERE package_id = $1 AND name = $2
    """,
)


async def tag(db: Executor, package_id: int, name: str) -> MirrorTag | None:
    """What is known of the upstream's tag."""
    return await _TAG.maybe(db, package_id, name)


_CHECKED: Final = command(
    """
    INSERT INTO mirror_tags (package_id, name, digest, checked_at, kept_deleted) VALUES ($1, $2, $3, now(), $4)
    ON CONFLICT (package_id, name) DO UPDATE
       SET digest = coalesce(excluded.digest, mirror_tags.digest), checked_at = now(), kept_deleted = $4,
           failures = 0, failure = NULL, retry_at = NULL
    """
)


async def checked(db: Executor, package_id: int, name: str, digest: Digest | None, *, gone: bool = False) -> None:
    """Note that the upstream told what a tag is now; ``gone``: that it has none, and ours is kept."""
    await _CHECKED.run(db, package_id, name, digest, gone)


_FAILED: Final = command(
    """
    INSERT INTO mirror_tags (package_id, name, failed_at, retry_at, failures, failure)
    VALUES ($1, $2, now(), now() + make_interval(secs => $3), 1, $4)
    ON CONFLICT (package_id, name) DO UPDATE
       SET failed_at = now(), retry_at = excluded.retry_at, failures = mirror_tags.failures + 1,
           failure = excluded.failure
    """
)


async def failed(db: Executor, package_id: int, name: str, rest_seconds: float, failure: str) -> None:
    """Note that the upstream did not tell, so that nobody asks again for a while."""
    await _FAILED.run(db, package_id, name, rest_seconds, failure)


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
    """What a manifest names and is not here."""

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
    """The fetch of a blob. ``open``: its session takes bytes; ``leased``: a process is at it."""

    upload: UploadId
    open: bool
    leased: bool
    received: int


_FETCH: Final = select(
    Fetch,
    """
    SELECT fetched.upload_id AS upload, coalesce(session.state = 'open' AND session.expires_at > now(), false) AS open,
           coalesce(session.lease_until > now(), false) AS leased, coalesce(session.received, 0) AS received
      FROM mirror_fetches fetched LEFT JOIN uploads session ON session.id = fetched.upload_id
     WHERE fetched.package_id = $1 AND fetched.digest = $2
    """,
)
_BEGIN: Final = command(
    """
    INSERT INTO mirror_fetches (package_id, digest, upload_id, size) VALUES ($1, $2, $3, $4)
    ON CONFLICT (package_id, digest) DO UPDATE
       SET upload_id = excluded.upload_id, size = excluded.size, started_at = now()
     WHERE NOT EXISTS (SELECT FROM uploads WHERE id = mirror_fetches.upload_id AND state = 'open'
                                             AND expires_at > now())
    """
)
_END: Final = command("DELETE FROM mirror_fetches WHERE package_id = $1 AND digest = $2 AND upload_id = $3")


async def fetch(db: Executor, package_id: int, digest: Digest) -> Fetch | None:
    """Find the fetch of a blob."""
    return await _FETCH.maybe(db, package_id, digest)


async def begin_fetch(db: Executor, package_id: int, digest: Digest, upload: UploadId, size: int) -> bool:
    """Make a session the fetch of a blob; False: there is another one that is open."""
    return await _BEGIN.run(db, package_id, digest, upload, size) == 1


async def end_fetch(db: Executor, package_id: int, digest: Digest, upload: UploadId) -> None:
    """Forget the fetch of a blob."""
    await _END.run(db, package_id, digest, upload)
