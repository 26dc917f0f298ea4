"""Blobs and their links into packages; a blob is read only through a link of the requested package."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, LiteralString

from storage.errors import ObjectCorrupt, ObjectNotFound, Unavailable
from storage.metadata import access_facts, quotas, usage_counts
from storage.metadata.access_facts import AccessFacts
from storage.metadata.query import Executor, command, select
from storage.names import Digest, PackageName
from storage.objects.base import ObjectKey, ObjectStore

#: How long a client that pushes waits for the store to tell of an object.
_LOOK_SECONDS: Final = 2.0


class LocatedBlob(AccessFacts, frozen=True):
    """The location of a blob; ``size`` None: not in the package; ``body``: the bytes of a blob kept in Postgres.

    ``link_age``: the seconds since the link was made or renewed. ``suspect``: as of ``suspecting``.
    """

    size: int | None
    object_key: ObjectKey | None
    body: bytes | None
    link_age: float | None
    suspect: bool | None


#: Over lines of tokens, owners, images and digests; a row each, in their order.
# The link and the blob are joined within: with two left joins PostgreSQL 18.4 was seen to look the blob up by a digest
# alone, once the tables had grown, and to find it where there was no link.
LOCATE, LOCATE_FAST, LOCATE_KEYLESS = access_facts.every_way(
    LocatedBlob,
    lambda facts: (
        f"""
    SELECT {facts.columns}, found.*
    {facts.many}
      LEFT JOIN LATERAL (
        SELECT blob.size, blob.object_key, blob.body, extract(epoch FROM now() - link.linked_at)::float8 AS link_age,
               blob.suspect_since IS NOT NULL AS suspect
          FROM package_blobs link JOIN blobs blob ON blob.digest = link.digest
         WHERE link.package_id = package.id AND link.digest = asked.reference AND link.deleted_at IS NULL
         LIMIT 1
      ) AS found ON true
     ORDER BY asked.place
    """
    ),
)


_TOUCH: Final = command(
    "UPDATE package_blobs SET linked_at = now() WHERE package_id = $1 AND digest = $2 AND deleted_at IS NULL"
)


async def touch(db: Executor, package_id: int, digest: Digest) -> bool:
    """Renew the grace period of a link, for a client that was told of the blob; False: the link is gone."""
    return await _TOUCH.run(db, package_id, digest) == 1


_SUSPECT: Final = command(
    "UPDATE blobs SET suspect_since = now() WHERE digest = $1 AND object_key = $2 AND suspect_since IS NULL"
)
_TRUST: Final = command(
    "UPDATE blobs SET suspect_since = NULL WHERE digest = $1 AND object_key = $2 AND suspect_since IS NOT NULL"
)


@asynccontextmanager
async def suspecting(db: Executor, digest: Digest, key: ObjectKey) -> AsyncIterator[None]:
    """Put a blob under suspicion when the block finds its object missing or of another size, and raise that again.

    From then on pushers are told that it is not here, and the next verified upload replaces the object.
    """
    try:
        yield
    except (ObjectNotFound, ObjectCorrupt):
        await _SUSPECT.run(db, digest, key)
        raise


async def trust(db: Executor, digest: Digest, key: ObjectKey) -> None:
    """Clear the suspicion of a blob whose object was read after all."""
    await _TRUST.run(db, digest, key)


async def is_there(db: Executor, store: ObjectStore, digest: Digest, key: ObjectKey, size: int) -> bool:
    """Ask the store for the object of a blob, which is put under suspicion unless the object has ``size`` bytes.

    True also where the store does not tell in time: then nothing is known.
    """
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            there = (await store.stat(key)).size == size
    except (Unavailable, TimeoutError):
        return True
    except ObjectNotFound:
        there = False
    if not there:
        await _SUSPECT.run(db, digest, key)
    return there


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """The object of a blob, whatever package has the blob; ``suspect`` as of ``suspecting``."""

    size: int
    object_key: ObjectKey
    suspect: bool


_STORED: Final = select(
    StoredBlob,
    """
    SELECT size, object_key, suspect_since IS NOT NULL AS suspect
      FROM blobs WHERE digest = $1 AND object_key IS NOT NULL
    """,
)


async def stored(db: Executor, digest: Digest) -> StoredBlob | None:
    """Find the object of a blob; None: no such blob, or one that is kept in Postgres."""
    return await _STORED.maybe(db, digest)


#: In a statement: the blob of ``fresh`` (digest, size, object_key, body), a row at most and verified, is made, or
#: replaces what is under suspicion; ``$1`` as below. ``kept``: the bytes of ``fresh`` are those of the blob now.
# The row under suspicion is locked before it is replaced, so that one upload does so and the key that goes is known.
STORE: Final[LiteralString] = """
    made AS (
        INSERT INTO blobs (digest, size, object_key, body) SELECT digest, size, object_key, body FROM fresh
        ON CONFLICT (digest) DO NOTHING
        RETURNING digest
    ), former AS (
        SELECT digest, object_key FROM blobs
         WHERE digest = (SELECT digest FROM fresh) AND suspect_since IS NOT NULL
           FOR UPDATE
    ), healed AS (
        UPDATE blobs blob SET size = fresh.size, object_key = fresh.object_key, body = fresh.body, suspect_since = NULL
          FROM former, fresh
         WHERE blob.digest = former.digest
        RETURNING blob.digest
    ), replaced AS (
        INSERT INTO dead_objects (object_key, not_before)
        SELECT object_key, now() + make_interval(secs => least($1, 3600)) FROM former WHERE object_key IS NOT NULL
        ON CONFLICT DO NOTHING
    ), kept AS (
        SELECT digest FROM made UNION ALL SELECT digest FROM healed
    )
"""

#: The end of a statement: each package of ``linked`` (package_id, digest, size) has the blob, for ``$1`` seconds at
#: least. A link is new that no transaction has locked (xmax): a snapshot may be older than another's link.
LINK: Final[LiteralString] = f"""
    review AS (
        INSERT INTO link_reviews (package_id, digest, due_at)
        SELECT package_id, digest, now() + make_interval(secs => $1) FROM linked
        ON CONFLICT (package_id, digest) DO UPDATE SET due_at = excluded.due_at
    ), held AS (
        INSERT INTO package_blobs (package_id, digest) SELECT package_id, digest FROM linked
        ON CONFLICT (package_id, digest) DO UPDATE SET linked_at = now(), deleted_at = NULL
        RETURNING package_id, digest, xmax = 0 AS is_new
    ), counted AS ({
    usage_counts.delta("SELECT * FROM held JOIN linked USING (package_id, digest) WHERE is_new", links="1")
})
    SELECT FROM held
"""

_MOUNT: Final = command(
    f"""
    WITH linked AS (
        SELECT $3::bigint AS package_id, link.digest, blob.size
          FROM package_blobs link JOIN blobs blob ON blob.digest = link.digest
         WHERE link.package_id = $2 AND link.digest = $4 AND link.deleted_at IS NULL AND blob.suspect_since IS NULL
           AND NOT EXISTS (SELECT FROM read_only)
           AND ((SELECT owner_id FROM packages WHERE id = $2) = (SELECT owner_id FROM packages WHERE id = $3)
                OR NOT {quotas.is_full(quotas.room("$3", "NULL", "blob.size"))})
           FOR KEY SHARE OF link
    ), {LINK}
    """
)


async def mount(db: Executor, source_id: int, target_id: int, digest: Digest, *, grace_seconds: float) -> bool:
    """Link a blob of one package into another; False when the source has no such blob, or it is suspect.

    False also while the registry is read-only, or the quota is full: the upload that is begun instead is refused.
    """
    return await _MOUNT.run(db, grace_seconds, source_id, target_id, digest) == 1


@dataclass(frozen=True, slots=True)
class Source:
    owner: str
    image: str


#: A base layer may be in every package there is; who is refused the mount uploads it.
_CANDIDATES: Final = 1000

_READABLE_SOURCE: Final = select(
    Source,
    f"""
    {access_facts.GIVEN}
    SELECT lower(owner.login) AS owner, package.name AS image
      FROM {access_facts.HOLDER}
      JOIN (SELECT package_id FROM package_blobs
             WHERE digest = $2 AND deleted_at IS NULL LIMIT {_CANDIDATES}) AS link ON true
      JOIN packages package ON package.id = link.package_id AND package.deleted_at IS NULL
      JOIN accounts owner ON owner.id = package.owner_id
     WHERE token.id = $1 AND {access_facts.READABLE}
       AND ($3::text[] IS NULL OR package.visibility = 'public' OR lower(owner.login) || '/' || package.name = ANY($3))
     LIMIT 1
    """,
)


async def readable_source(
    db: Executor, token_id: int | None, digest: Digest, granted: Sequence[str] | None
) -> PackageName | None:
    """Find a package that has the blob and that the caller may read (mount without ``from``).

    ``granted``: the packages that are looked at beside the public ones; None: all.
    """
    found = await _READABLE_SOURCE.maybe(db, token_id, digest, granted)
    return None if found is None else PackageName(found.owner, found.image)


@dataclass(frozen=True, slots=True)
class Unlinking:
    """The result of ``unlink``; ``users``: live manifests that need the blob; ``gone``: the link was removed."""

    users: list[str]
    gone: bool


_UNLINK: Final = select(
    Unlinking,
    """
    WITH link AS (
        SELECT package_id, digest FROM package_blobs
         WHERE package_id = $1 AND digest = $2 AND deleted_at IS NULL
           FOR UPDATE
    ), users AS (
        SELECT m.digest FROM manifest_blobs use
          JOIN manifests m ON m.package_id = use.package_id AND m.digest = use.manifest
         WHERE use.package_id = $1 AND use.blob = $2 AND m.deleted_at IS NULL
         LIMIT 10
    ), hidden AS (
        UPDATE package_blobs SET deleted_at = now()
         WHERE (package_id, digest) IN (SELECT package_id, digest FROM link) AND NOT EXISTS (SELECT 1 FROM users)
        RETURNING package_id, digest
    ), review AS (
        INSERT INTO link_reviews (package_id, digest, due_at) SELECT package_id, digest, now() FROM hidden
        ON CONFLICT (package_id, digest) DO UPDATE SET due_at = excluded.due_at
    )
    SELECT ARRAY(SELECT digest FROM users) AS users, EXISTS (SELECT 1 FROM hidden) AS gone
    """,
)


async def unlink(db: Executor, package_id: int, digest: Digest) -> Unlinking:
    """Remove a blob from a package at once, unless a live manifest needs the blob.

    Inside a transaction that holds the package: what publishes or restores a manifest holds it too, and then the
    snapshot of this statement is younger than theirs.
    """
    return await _UNLINK.one(db, package_id, digest)
