"""Garbage collection: unused links, then blobs, then objects; each step repeatable, no lock held over S3.

What is to be done next is always in a row: the review of a link outlives the link, until its blob has been looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from storage.metadata import usage_counts
from storage.metadata.query import Executor, command, select
from storage.objects.base import ObjectKey


@dataclass(frozen=True, slots=True)
class DeadObject:
    object_key: ObjectKey


_DUE: Final = select(
    DeadObject,
    "SELECT object_key FROM dead_objects WHERE not_before <= now() ORDER BY not_before LIMIT $1",
)


async def due_objects(db: Executor, limit: int) -> list[ObjectKey]:
    """Keys of objects that are due for deletion from the store."""
    return [row.object_key for row in await _DUE.all(db, limit)]


_BURIED: Final = command("DELETE FROM dead_objects WHERE object_key = ANY ($1::text[])")


async def forget_objects(db: Executor, keys: Sequence[ObjectKey]) -> int:
    """Remove the rows of deleted objects; returns their number."""
    return await _BURIED.run(db, list(keys))


_LIVING: Final = select(DeadObject, "SELECT object_key FROM blobs WHERE object_key = ANY ($1::text[])")


async def living(db: Executor, keys: Sequence[ObjectKey]) -> set[ObjectKey]:
    """The subset of ``keys`` that belong to a blob."""
    return {row.object_key for row in await _LIVING.all(db, list(keys))}


@dataclass(frozen=True, slots=True)
class Review:
    package_id: int
    digest: str


_REVIEWS: Final = select(
    Review,
    """
    SELECT package_id, digest FROM link_reviews
     WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
    """,
)


async def due_reviews(db: Executor, limit: int) -> list[Review]:
    """Links whose grace period is over, locked for the caller's transaction."""
    return await _REVIEWS.all(db, limit)


_LOCK: Final = select(
    Review,
    """
    SELECT package_id, digest FROM package_blobs WHERE package_id = $1 AND digest = $2 FOR UPDATE SKIP LOCKED
    """,
)
_DROP: Final = command(
    f"""
    WITH dropped AS (
        DELETE FROM package_blobs
         WHERE package_id = $1 AND digest = $2
           AND (deleted_at IS NOT NULL OR linked_at < now() - make_interval(secs => $3))
           AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE package_id = $1 AND blob = $2)
        RETURNING package_id, digest
    )
    {usage_counts.delta("SELECT * FROM dropped JOIN blobs USING (digest)", links="-1")}
    """
)
# A link in its grace is looked at again; one that is used or gone needs no review until somebody lets go of it.
_POSTPONE: Final = command(
    """
    UPDATE link_reviews SET due_at = now() + make_interval(secs => $3)
     WHERE package_id = $1 AND digest = $2
       AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE package_id = $1 AND blob = $2)
    """
)
_REVIEWED: Final = command("DELETE FROM link_reviews WHERE package_id = $1 AND digest = $2")
_GONE: Final = select(
    Review,
    """
    SELECT $1::bigint AS package_id, $2::text AS digest
     WHERE NOT EXISTS (SELECT 1 FROM package_blobs WHERE package_id = $1 AND digest = $2)
    """,
)


async def drop_link(db: Executor, review: Review, grace_seconds: float) -> bool | None:
    """Remove a link after its grace period if no manifest uses it, inside the caller's transaction; False: kept.

    True: the link is gone, and its review stays for ``drop_blob``. None: another transaction has locked the link, try
    again later. The row is locked by one statement and read by the next, whose snapshot is younger than the lock: a
    push that wants the link waits, and one that had it is seen.
    """
    where = (review.package_id, review.digest)
    if await _LOCK.maybe(db, *where) is None:
        return True if await _GONE.maybe(db, *where) else None
    if await _DROP.run(db, *where, grace_seconds) == 1:
        return True
    if not await _POSTPONE.run(db, *where, grace_seconds):
        await _REVIEWED.run(db, *where)
    return False


_LOCK_REVIEWS: Final = select(
    Review,
    """
    SELECT package_id, digest FROM link_reviews
     WHERE digest = $1 AND package_id = ANY ($2::bigint[]) AND due_at <= now()
       FOR UPDATE SKIP LOCKED
    """,
)
_LOCK_BLOB: Final = select(DeadObject, "SELECT object_key FROM blobs WHERE digest = $1 FOR UPDATE SKIP LOCKED")
_DROP_BLOB: Final = command(
    """
    WITH unused AS (
        DELETE FROM blobs WHERE digest = $1 AND NOT EXISTS (SELECT 1 FROM package_blobs WHERE digest = $1)
        RETURNING object_key
    )
    INSERT INTO dead_objects (object_key, not_before)
    SELECT object_key, now() + make_interval(secs => $2) FROM unused WHERE object_key IS NOT NULL
    ON CONFLICT DO NOTHING
    """
)


_KEPT: Final = select(DeadObject, "SELECT object_key FROM blobs WHERE digest = $1")
# Behind the lock, with a younger snapshot: a link that has been made meanwhile keeps its review.
_DECIDED: Final = command(
    """
    DELETE FROM link_reviews review WHERE digest = $1 AND package_id = ANY ($2::bigint[])
       AND NOT EXISTS (SELECT 1 FROM package_blobs link
                        WHERE link.package_id = review.package_id AND link.digest = review.digest)
    """
)


async def drop_blob(db: Executor, digest: str, packages: Sequence[int], delay_seconds: float) -> int:
    """Remove a blob without links, and schedule its object for deletion after the longest pull and backup.

    With it end the reviews of its links that are gone from ``packages``; returns their number. 0: other transactions
    have locked them or the blob, try again later. Inside the caller's transaction. Raises ForeignKeyMissing when a push
    links the blob meanwhile.
    """
    reviews = [review.package_id for review in await _LOCK_REVIEWS.all(db, digest, list(packages))]
    if not reviews or (await _LOCK_BLOB.maybe(db, digest) is None and await _KEPT.maybe(db, digest) is not None):
        return 0
    await _DROP_BLOB.run(db, digest, delay_seconds)
    return await _DECIDED.run(db, digest, reviews)
