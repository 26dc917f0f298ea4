"""Upload sessions between requests: the durable offset, the hash state, the parts, and the lease on the session.

Every write carries the fence of the lease it was made under; a process that lost its lease changes nothing. Only the
database's clock counts. Protocol: a lease is renewed while its request lives, and free soon after its process died.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata import quotas
from storage.metadata.blobs import LINK, STORE
from storage.metadata.query import Executor, command, select
from storage.names import Digest, UploadId
from storage.objects.base import MultipartId, ObjectKey, Part


@dataclass(frozen=True, slots=True)
class Started:
    """The result of ``start``; ``open_sessions`` of the account before."""

    open_sessions: int
    at: float  # Unix seconds
    room: str | None  # the text of ``quotas.Room``; None: the owner has no quota


# Nothing is in a new session: it need not be on disk before its client is told of it, and is with the next commit of
# anybody. If Postgres itself breaks down before, the client finds no such session and begins again.
_START: Final = select(
    Started,
    f"""
    WITH lazily AS MATERIALIZED (
        SELECT set_config('synchronous_commit', 'off', true)
    ), sessions AS (
        SELECT count(*) AS n, {quotas.room("$2", "$3", "$9::bigint")} AS room
          FROM (SELECT 1 FROM uploads
                 WHERE account_id = $3 AND state = 'open' AND digest IS NULL AND expires_at > now() LIMIT $8) AS opened
    ), started AS (
        INSERT INTO uploads (id, package_id, account_id, token_id, algorithm, object_key, expires_at)
        SELECT $1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7)
          FROM sessions CROSS JOIN lazily WHERE n < $8 AND NOT {quotas.is_full("room")}
    )
    SELECT n::int AS open_sessions, extract(epoch FROM now())::float8 AS at, room FROM sessions
    """,
)


async def start(
    db: Executor,
    upload: UploadId,
    package_id: int,
    account_id: int,
    token_id: int | None,
    *,
    algorithm: str,
    object_key: ObjectKey,
    lives_seconds: float,
    most_open: int,
    expected_bytes: int,
) -> Started:
    """Open a session, unless the account has ``most_open`` sessions, or the owner's quota is full."""
    given = (algorithm, object_key, lives_seconds, most_open, min(expected_bytes, quotas.EXPECTED_MOST))
    return await _START.one(db, upload, package_id, account_id, token_id, *given)


@dataclass(frozen=True, slots=True)
class Upload:
    """A session as read by its lease holder. ``received`` bytes = parts + segments + ``tail``, in this order.

    ``stolen``: the one that held the lease before never gave it back.
    """

    id: UploadId
    package_id: int
    algorithm: str
    object_key: ObjectKey
    multipart: MultipartId | None
    received: int
    hash_state: bytes | None
    tail: bytes
    fence: int
    expires_in: float  # seconds
    part_numbers: list[int]
    part_etags: list[str]
    part_sizes: list[int]
    segment_keys: list[ObjectKey]
    segment_sizes: list[int]
    stolen: bool

    @property
    def parts(self) -> list[Part]:
        return [Part(*p) for p in zip(self.part_numbers, self.part_etags, self.part_sizes, strict=True)]

    @property
    def found(self) -> int:
        """The bytes that are there: ``received``, unless bytes were lost."""
        return sum(self.part_sizes) + sum(self.segment_sizes) + len(self.tail)


# The row that is claimed is the one that this statement's snapshot shows (xmin): had it waited for another write of the
# row, it would return the offset after that write, and parts and segments as they were before.
_CLAIM: Final = select(
    Upload,
    """
    UPDATE uploads u
       SET lease_until = now() + make_interval(secs => $4), fence = fence + 1, in_store = in_store OR $5
     WHERE id = $1 AND package_id = $2 AND account_id = $3 AND state = 'open' AND expires_at > now()
       AND (lease_until IS NULL OR lease_until <= now())
       AND xmin = (SELECT seen.xmin FROM uploads seen WHERE seen.id = $1)
    RETURNING id, package_id, algorithm, object_key, multipart_id AS multipart, received, hash_state, tail, fence,
        extract(epoch FROM expires_at - now())::float8 AS expires_in,
        ARRAY(SELECT number FROM upload_parts WHERE upload_id = u.id ORDER BY number) AS part_numbers,
        ARRAY(SELECT etag FROM upload_parts WHERE upload_id = u.id ORDER BY number) AS part_etags,
        ARRAY(SELECT size FROM upload_parts WHERE upload_id = u.id ORDER BY number) AS part_sizes,
        ARRAY(SELECT object_key FROM upload_segments WHERE upload_id = u.id ORDER BY position) AS segment_keys,
        ARRAY(SELECT size FROM upload_segments WHERE upload_id = u.id ORDER BY position) AS segment_sizes,
        (SELECT seen.lease_until IS NOT NULL FROM uploads seen WHERE seen.id = $1) AS stolen
    """,
)


async def claim(
    db: Executor, upload: UploadId, package_id: int, account_id: int, *, lease_seconds: float, stores: bool
) -> Upload | None:
    """Acquire the lease; None: another request has the lease or is writing, or the session is not open (see ``state``).

    ``stores``: objects may be written under this lease; noted before the first of them is.
    """
    return await _CLAIM.maybe(db, upload, package_id, account_id, lease_seconds, stores)


@dataclass(frozen=True, slots=True)
class State:
    """The state of a session; ``state``: open, done or aborted; ``digest`` once the session is done."""

    state: str
    received: int
    digest: str | None
    expired: bool
    leased: bool


_STATE: Final = select(
    State,
    """
    SELECT state, received, digest, expires_at <= now() AS expired, coalesce(lease_until > now(), false) AS leased
      FROM uploads WHERE id = $1 AND package_id = $2 AND account_id = $3
    """,
)


async def state(db: Executor, upload: UploadId, package_id: int, account_id: int) -> State | None:
    """Read a session without its lease; None: the account has no session of that id in this package."""
    return await _STATE.maybe(db, upload, package_id, account_id)


# One that has waited for the write that lets the lease go does not take it again.
_RENEW: Final = command(
    """
    UPDATE uploads SET lease_until = now() + make_interval(secs => $3)
     WHERE id = $1 AND fence = $2 AND state = 'open' AND lease_until IS NOT NULL
    """
)


async def renew(db: Executor, upload: UploadId, fence: int, lease_seconds: float) -> bool:
    """Renew the lease; False: the lease is lost, or was let go."""
    return await _RENEW.run(db, upload, fence, lease_seconds) == 1


@dataclass(frozen=True, slots=True)
class Numbered:
    number: int


_NUMBER: Final = select(
    Numbered,
    """
    UPDATE uploads SET next_part = next_part + 1, multipart_id = coalesce($3, multipart_id)
     WHERE id = $1 AND fence = $2 AND state = 'open'
    RETURNING next_part - 1 AS number
    """,
)


async def number_part(db: Executor, upload: UploadId, fence: int, multipart: MultipartId) -> int | None:
    """Allocate a part number that is never reused, and record the multipart upload; None: the lease is lost."""
    row = await _NUMBER.maybe(db, upload, fence, multipart)
    return None if row is None else row.number


_RECORD: Final = command(
    """
    WITH held AS (
        SELECT id FROM uploads WHERE id = $1 AND fence = $2 AND state = 'open' FOR UPDATE
    ), parts AS (
        INSERT INTO upload_parts (upload_id, number, etag, size)
        SELECT held.id, $6, $7, $8 FROM held WHERE $6::int IS NOT NULL
    ), used AS (
        DELETE FROM upload_segments WHERE upload_id IN (SELECT id FROM held) AND $6::int IS NOT NULL
        RETURNING object_key
    ), dead AS (
        INSERT INTO dead_objects (object_key) SELECT object_key FROM used WHERE NOT $12 ON CONFLICT DO NOTHING
    ), segments AS (
        INSERT INTO upload_segments (upload_id, position, object_key, size)
        SELECT held.id, (SELECT count(*) FROM upload_segments WHERE upload_id = held.id), $9, $10
          FROM held WHERE $9::text IS NOT NULL
    )
    UPDATE uploads
       SET received = $3, hash_state = $4, tail = $5, lease_until = CASE WHEN $11 THEN NULL ELSE lease_until END
     WHERE id IN (SELECT id FROM held)
    """
)


async def record(
    db: Executor,
    upload: UploadId,
    fence: int,
    *,
    received: int,
    hash_state: bytes | None,
    tail: bytes,
    part: Part | None = None,
    segment: tuple[ObjectKey, int] | None = None,
    release: bool = False,
    revocable: bool = False,
) -> bool:
    """Make ``received`` the durable offset; False: the lease is lost, and nothing was written.

    A part replaces all segments before it; their objects become garbage in the same statement, or if this is
    ``revocable`` by ``roll_back``, when the session is swept.
    """
    number, etag, size = (None, None, None) if part is None else (part.number, part.etag, part.size)
    key, length = (None, None) if segment is None else segment
    values = (upload, fence, received, hash_state, tail, number, etag, size, key, length, release, revocable)
    return await _RECORD.run(db, *values) == 1


# The objects of what was recorded under the lease are garbage: parts in the multipart upload, which is asked for by the
# numbers of its parts and takes no other, segments now. The fence is raised, so that nothing comes behind.
_ROLL_BACK: Final = command(
    """
    WITH held AS (
        SELECT id FROM uploads WHERE id = $1 AND fence = $2 AND state = 'open' FOR UPDATE
    ), parts AS (
        DELETE FROM upload_parts WHERE upload_id IN (SELECT id FROM held) AND number <> ALL ($6::int[])
    ), found AS (
        DELETE FROM upload_segments WHERE upload_id IN (SELECT id FROM held)
        RETURNING object_key
    ), dead AS (
        INSERT INTO dead_objects (object_key) SELECT object_key FROM found WHERE object_key <> ALL ($7::text[])
        ON CONFLICT DO NOTHING
    ), segments AS (
        INSERT INTO upload_segments (upload_id, position, object_key, size)
        SELECT held.id, former.position - 1, former.object_key, former.size
          FROM held CROSS JOIN unnest($7::text[], $8::bigint[]) WITH ORDINALITY AS former (object_key, size, position)
         WHERE (SELECT count(*) FROM found) >= 0 -- so that their places are free by then
    )
    UPDATE uploads SET received = $3, hash_state = $4, tail = $5, fence = fence + 1, lease_until = NULL
     WHERE id IN (SELECT id FROM held)
    """
)


async def roll_back(db: Executor, held: Upload) -> bool:
    """Restore a session as it was claimed, and release the lease; False: the lease is lost, and nothing was written.

    All that was recorded under the lease was ``revocable``.
    """
    numbers, keys, sizes = held.part_numbers, held.segment_keys, held.segment_sizes
    values = (held.id, held.fence, held.received, held.hash_state, held.tail, numbers, keys, sizes)
    return await _ROLL_BACK.run(db, *values) == 1


_RELEASE: Final = command("UPDATE uploads SET lease_until = NULL WHERE id = $1 AND fence = $2")


async def release(db: Executor, upload: UploadId, fence: int) -> None:
    """Release the lease, if this process still has the lease."""
    await _RELEASE.run(db, upload, fence)


_FAIL: Final = command(
    "UPDATE uploads SET state = 'aborted', expires_at = now(), lease_until = NULL WHERE id = $1 AND fence = $2"
    " AND state = 'open'"
)


async def fail(db: Executor, upload: UploadId, fence: int) -> bool:
    """Abort a session by its lease holder, who writes nothing any more; False: the lease was lost."""
    return await _FAIL.run(db, upload, fence) == 1


#: Aborts open sessions, whoever has their leases; a condition is to follow. The leases stay: whoever has one may be
#: writing to the store, until it learns that its fence is no longer the row's.
ABORT: Final[LiteralString] = """
    UPDATE uploads SET state = 'aborted', expires_at = now(), fence = fence + 1 WHERE state = 'open' AND
"""
_ABORT: Final = command(f"{ABORT} id = $1 AND package_id = $2 AND account_id = $3")


async def abort(db: Executor, upload: UploadId, package_id: int, account_id: int) -> bool:
    """Abort a session, whoever has its lease, and leave cleanup to the sweeper; False: the session was not open."""
    return await _ABORT.run(db, upload, package_id, account_id) == 1


_PUBLISH: Final = command(
    f"""
    WITH linked AS (
        UPDATE uploads SET state = 'done', digest = $4, lease_until = NULL, tail = '',
               expires_at = now() + interval '1 hour'
         WHERE id = $2 AND fence = $3 AND state = 'open'
        RETURNING id, package_id, digest, $5::bigint AS size
    ), fresh AS (
        SELECT digest, size, $6::text AS object_key, $7::bytea AS body FROM linked
    ), {STORE}, loser AS (
        INSERT INTO dead_objects (object_key)
        SELECT $6 FROM linked WHERE $6::text IS NOT NULL AND NOT EXISTS (SELECT 1 FROM kept)
        ON CONFLICT DO NOTHING
    ), leftovers AS (
        DELETE FROM upload_segments WHERE upload_id IN (SELECT id FROM linked) AND object_key IS DISTINCT FROM $6
        RETURNING object_key
    ), dead AS (
        INSERT INTO dead_objects (object_key) SELECT object_key FROM leftovers ON CONFLICT DO NOTHING
    ), {LINK}
    """
)


async def publish(
    db: Executor,
    upload: UploadId,
    fence: int,
    digest: Digest,
    size: int,
    *,
    object_key: ObjectKey | None,
    body: bytes | None,
    grace_seconds: float,
) -> bool:
    """Make the verified bytes a blob of the session's package and end the session; False: the lease is lost.

    A digest that is here already keeps its first key and this one becomes garbage, unless the blob is suspect. Raises
    ForeignKeyMissing when the garbage collector took the digest meanwhile: repeat, the next insert wins.
    """
    return await _PUBLISH.run(db, grace_seconds, upload, fence, digest, size, object_key, body) == 1


@dataclass(frozen=True, slots=True)
class Expired:
    """A session to be swept; ``last``: long after its last writer, so that no object can come afterwards."""

    id: UploadId
    object_key: ObjectKey
    multipart: MultipartId | None
    in_store: bool
    last: bool


_EXPIRED: Final = select(
    Expired,
    """
    UPDATE uploads
       SET lease_until = now() + make_interval(secs => $1), fence = fence + 1
     WHERE id = ANY (ARRAY(SELECT id FROM uploads
                            WHERE expires_at <= now() AND (lease_until IS NULL OR lease_until <= now())
                            ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING id, object_key, multipart_id AS multipart, in_store, swept OR state = 'done' AS last
    """,
)


async def take_expired(db: Executor, lease_seconds: float, limit: int) -> list[Expired]:
    """Lease expired sessions to the sweeper."""
    return await _EXPIRED.all(db, lease_seconds, limit)


_SWEPT: Final = command(
    """
    UPDATE uploads
       SET state = 'aborted', swept = true, lease_until = NULL, expires_at = now() + make_interval(secs => $2)
     WHERE id = ANY ($1::uuid[])
    """
)


async def sweep_again(db: Executor, ids: Sequence[UploadId], after_seconds: float) -> None:
    """Have sessions that were swept be taken once more: the store may still be busy with what a writer sent."""
    await _SWEPT.run(db, list(ids), after_seconds)


_FORGET: Final = command("DELETE FROM uploads WHERE id = ANY ($1::uuid[])")


async def forget(db: Executor, ids: Sequence[UploadId]) -> int:
    """Remove the rows of sessions whose objects are deleted; returns their number."""
    return await _FORGET.run(db, list(ids))
