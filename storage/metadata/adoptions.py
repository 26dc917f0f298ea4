"""Adoptions: folders of a bucket that another registry wrote, whose objects become blobs where they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from storage.metadata.blobs import LINK
from storage.metadata.query import Executor, command, select


@dataclass(frozen=True, slots=True)
class _Root:
    root: str


# The row is written only where there is none: who seals waits for who has it locked, not for who began.
_BEGIN: Final = command("INSERT INTO adoptions (root) VALUES ($1) ON CONFLICT DO NOTHING")
_OPEN: Final = select(_Root, "SELECT root FROM adoptions WHERE root = $1 AND sealed_at IS NULL")


async def begin(db: Executor, root: str) -> bool:
    """Begin an adoption, or go on with one; False: it is sealed."""
    await _BEGIN.run(db, root)
    return await _OPEN.maybe(db, root) is not None


@dataclass(frozen=True, slots=True)
class _Locked:
    done: bool


_LOCK: Final = select(_Locked, "SELECT pg_try_advisory_xact_lock(hashtext('adopt'), hashtext($1)) AS done")


async def lock(tx: Executor, root: str) -> bool:
    """Lock a folder against other runs until the caller's transaction ends; False: another has locked the folder."""
    return (await _LOCK.one(tx, root)).done


_NOTE: Final = command(
    """
    INSERT INTO adopted_blobs (root, digest, size)
    SELECT $1, digest, size FROM unnest($2::text[], $3::bigint[]) AS found (digest, size)
    ON CONFLICT (root, digest) DO UPDATE SET size = excluded.size WHERE adopted_blobs.size <> excluded.size
    """
)


async def note(db: Executor, root: str, sizes: dict[str, int]) -> None:
    """Note blobs that a scan has found, by digest, with their sizes in bytes."""
    await _NOTE.run(db, root, list(sizes), list(sizes.values()))


_FORGET: Final = command("DELETE FROM adopted_blobs WHERE root = $1")


async def forget(db: Executor, root: str) -> None:
    """Forget what the last scan has found."""
    await _FORGET.run(db, root)


@dataclass(frozen=True, slots=True)
class _Sized:
    digest: str
    size: int


_SIZES: Final = select(_Sized, "SELECT digest, size FROM adopted_blobs WHERE root = $1 AND digest = ANY ($2::text[])")


async def sizes(db: Executor, root: str, digests: Sequence[str]) -> dict[str, int]:
    """Return the sizes of those of ``digests`` that the scan has found."""
    return {row.digest: row.size for row in await _SIZES.all(db, root, list(digests))}


# The key is that of distribution: <root>/blobs/sha256/ab/abcd…/data.
_TAKE: Final = command(
    f"""
    WITH adoption AS (
        SELECT root FROM adoptions WHERE root = $3 AND sealed_at IS NULL FOR SHARE
    ), linked AS MATERIALIZED (
        SELECT $2::bigint AS package_id, found.digest, found.size
          FROM adoption JOIN adopted_blobs found USING (root)
         WHERE found.digest = ANY ($4::text[])
         ORDER BY found.digest
    ), made AS (
        INSERT INTO blobs (digest, size, object_key)
        SELECT digest, size, concat_ws('/', $3::text, 'blobs', part[1], left(part[2], 2), part[2], 'data')
          FROM (SELECT digest, size, string_to_array(digest, ':') AS part FROM linked) AS split
        ON CONFLICT (digest) DO NOTHING
    ), {LINK}
    """
)


async def take(db: Executor, root: str, package_id: int, digests: Sequence[str], *, grace_seconds: float) -> None:
    """Make blobs of objects that the scan has found, unless they are here, and link them into a package."""
    await _TAKE.run(db, grace_seconds, package_id, root, list(digests))


@dataclass(frozen=True, slots=True)
class _Known:
    digest: str


_KNOWN: Final = select(_Known, "SELECT digest FROM manifests WHERE package_id = $1 AND digest = ANY ($2::text[])")


async def known(db: Executor, package_id: int, digests: Sequence[str]) -> set[str]:
    """Return those of ``digests`` that are manifests of the package, or were and are deleted."""
    return {row.digest for row in await _KNOWN.all(db, package_id, list(digests))}


@dataclass(frozen=True, slots=True)
class Pointed:
    """A tag of ours; ``adopted``: an adoption was the last to write it."""

    name: str
    digest: str
    adopted: bool


_TAGS: Final = select(
    Pointed,
    """
    SELECT name, digest, coalesce(pusher_via = $2, false) AS adopted FROM tags WHERE package_id = $1
    """,
)


async def tags(db: Executor, package_id: int, via: str) -> dict[str, Pointed]:
    """Return the tags of a package; ``via``: what an adoption writes as its name."""
    return {row.name: row for row in await _TAGS.all(db, package_id, via)}


_SEAL: Final = select(
    _Root, "UPDATE adoptions SET sealed_at = now() WHERE root = $1 AND sealed_at IS NULL RETURNING root"
)
# An object that was a blob's again meanwhile is not to be deleted.
_RELEASE: Final = command(
    """
    WITH released AS (
        DELETE FROM held_objects WHERE starts_with(object_key, $1::text || '/') RETURNING object_key
    )
    INSERT INTO dead_objects (object_key, not_before)
    SELECT object_key, now() + interval '1 hour' FROM released
     WHERE NOT EXISTS (SELECT FROM blobs WHERE blobs.object_key = released.object_key)
    ON CONFLICT DO NOTHING
    """
)


async def seal(db: Executor, root: str) -> bool:
    """Seal an adoption, inside the caller's transaction: from now on its objects are ours, and may be deleted.

    False: there is none, or it is sealed.
    """
    if await _SEAL.maybe(db, root) is None:
        return False
    await _RELEASE.run(db, root)
    await _FORGET.run(db, root)
    return True
