"""Manifests: their bytes, their references and their referrers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

from storage.metadata import access_facts, events, tag_rules, usage_counts
from storage.metadata.access_facts import AccessFacts
from storage.metadata.events import Actor
from storage.metadata.query import Executor, select
from storage.names import Digest, PackageName, TagName
from storage.objects.base import ObjectKey


class ResolvedManifest(AccessFacts, frozen=True):
    """A resolved manifest, ``size`` in bytes; its fields are None when the package has no such manifest."""

    version_id: int | None
    digest: str | None
    media_type: str | None
    size: int | None


#: Over lines of tokens, owners, images and tags; a row each, in their order.
BY_TAG, BY_TAG_FAST, BY_TAG_KEYLESS = access_facts.every_way(
    ResolvedManifest,
    lambda facts: (
        f"""
    SELECT {facts.columns}, manifest.id AS version_id, manifest.digest, manifest.media_type, manifest.size
    {facts.many}
      LEFT JOIN LATERAL (
        SELECT manifest.id, manifest.digest, manifest.media_type, manifest.size
          FROM tags tag JOIN manifests manifest ON manifest.package_id = tag.package_id AND manifest.digest = tag.digest
         WHERE tag.package_id = package.id AND tag.name = asked.reference
         LIMIT 1
      ) AS manifest ON true
     ORDER BY asked.place
    """
    ),
)
#: The same by digest. In a new database, without statistics, PostgreSQL would take the index of those that are not
#: deleted and read all manifests of the package: so the key is looked up first, and then whether it is deleted.
BY_DIGEST, BY_DIGEST_FAST, BY_DIGEST_KEYLESS = access_facts.every_way(
    ResolvedManifest,
    lambda facts: (
        f"""
    SELECT {facts.columns}, manifest.id AS version_id, manifest.digest, manifest.media_type, manifest.size
    {facts.many}
      LEFT JOIN LATERAL (
        SELECT id, digest, media_type, size
          FROM (SELECT * FROM manifests WHERE package_id = package.id AND digest = asked.reference LIMIT 1) AS kept
         WHERE deleted_at IS NULL
      ) AS manifest ON true
     ORDER BY asked.place
    """
    ),
)


@dataclass(frozen=True, slots=True)
class _Body:
    body: bytes


_BODY: Final = select(_Body, "SELECT body FROM manifests WHERE package_id = $1 AND digest = $2")


async def body_of(db: Executor, package_id: int, digest: Digest) -> bytes | None:
    """The bytes of a manifest, as they were pushed."""
    row = await _BODY.maybe(db, package_id, digest)
    return None if row is None else row.body


@dataclass(frozen=True, slots=True)
class Missing:
    digest: Digest


_MISSING: Final = select(
    Missing,
    """
    SELECT wanted.digest
      FROM unnest($2::text[]) AS wanted (digest)
     WHERE NOT EXISTS (
        SELECT 1 FROM package_blobs link
         WHERE link.package_id = $1 AND link.digest = wanted.digest AND link.deleted_at IS NULL)
    UNION ALL
    SELECT wanted.digest
      FROM unnest($3::text[]) AS wanted (digest)
     WHERE NOT EXISTS (
        SELECT 1 FROM manifests m
         WHERE m.package_id = $1 AND m.digest = wanted.digest AND m.deleted_at IS NULL)
    """,
)


async def missing(db: Executor, package_id: int, blobs: Sequence[Digest], children: Sequence[Digest]) -> list[Digest]:
    """The digests of ``blobs`` and ``children`` that the package does not have."""
    return [Digest(row.digest) for row in await _MISSING.all(db, package_id, list(blobs), list(children))]


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest to be stored; ``blobs`` and ``children`` must be in the package.

    ``sort`` is image or signature. ``describes``: its description, licenses and source URL become the package's too.
    """

    digest: Digest
    media_type: str
    artifact_type: str | None
    subject: Digest | None
    annotations: str | None  # JSON; only kept for referrers, whose lists show it
    body: bytes
    blobs: Sequence[Digest]
    children: Sequence[Digest]
    tags: Sequence[TagName]  # each once
    description: str | None = None
    licenses: str | None = None
    licenses_spdx: bool | None = None
    source_url: str | None = None
    sort: str = "image"
    platforms: Sequence[str] = ()
    describes: bool = False


@dataclass(frozen=True, slots=True)
class _Inserted:
    id: int


#: What the blobs have in bytes, as they were received, and the children; NULL where that of a child is not known.
_SIZE: Final[LiteralString] = """
    (SELECT least((SELECT coalesce(sum(blob.size), 0)
                     FROM links CROSS JOIN LATERAL (SELECT size FROM blobs WHERE digest = links.digest LIMIT 1) AS blob)
                  + CASE WHEN count(*) = count(kids.image_size) THEN coalesce(sum(kids.image_size), 0) END,
                  9223372036854775807)::bigint FROM kids)
"""
#: What is set of a tag that is written anew.
TAGGED: Final[LiteralString] = """
    digest = excluded.digest, updated_at = now(), pusher_id = excluded.pusher_id, pusher_via = excluded.pusher_via,
    pusher_token = excluded.pusher_token
"""

# The package is written first, and so held until all of it is on disk. Links and children are locked in the order of
# their digests (two pushes that share layers never wait in a circle), and FOR SHARE, so that what is deleted or hidden
# meanwhile is either seen here or waits for us. What is not there goes by the digest '', which no package has anything
# of: the foreign key refuses it, and with it the whole. What was there before is locked to be read behind the lock of
# the package: a snapshot may be older. A push that changes nothing is no event.
_INSERT: Final = select(
    _Inserted,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$18")}
    ), package AS (
        UPDATE packages
           SET updated_at = now(), published_at = coalesce(published_at, now()),
               description = CASE WHEN $16 THEN $10 ELSE description END,
               licenses = CASE WHEN $16 THEN $11 ELSE licenses END,
               licenses_spdx = CASE WHEN $16 THEN $12 ELSE licenses_spdx END,
               source_url = CASE WHEN $16 THEN $13 ELSE source_url END
         WHERE id = $1 AND deleted_at IS NULL
        RETURNING id, owner_id, published_at = now() AS first
    ), links AS (
        SELECT digest FROM package_blobs
         WHERE package_id = (SELECT id FROM package) AND digest = ANY ($8::text[]) AND deleted_at IS NULL
         ORDER BY digest FOR SHARE
    ), kids AS (
        SELECT digest, image_size FROM manifests
         WHERE package_id = (SELECT id FROM package) AND digest = ANY ($9::text[]) AND deleted_at IS NULL
         ORDER BY digest FOR SHARE
    ), was AS MATERIALIZED (
        SELECT id, deleted_at FROM manifests
         WHERE package_id = (SELECT id FROM package) AND digest = $2 FOR NO KEY UPDATE
    ), put AS (
        INSERT INTO manifests (package_id, digest, media_type, artifact_type, subject, annotations, size, body,
                               description, licenses, licenses_spdx, source_url, sort, platforms, image_size,
                               pusher_id, pusher_via, pusher_token)
        SELECT package.id, $2, $3, $4, $5, $6::text::jsonb, octet_length($7::bytea), $7, $10, $11, $12, $13, $14, $15,
               {_SIZE}, actor.id, actor.via, actor.token_name
          FROM package CROSS JOIN actor LEFT JOIN was ON true
        ON CONFLICT (package_id, digest) DO UPDATE
           SET deleted_at = NULL, deleted_by = NULL, deleted_with = NULL, deleted_tags = '{{}}',
               media_type = excluded.media_type, sort = greatest(manifests.sort, excluded.sort), updated_at = now(),
               image_size = excluded.image_size
        RETURNING id, package_id, digest, size, xmax = 0 AS is_new
    ), counted AS ({usage_counts.delta("SELECT * FROM put WHERE is_new", links="0")}), uses AS (
        INSERT INTO manifest_blobs (package_id, manifest, blob)
        SELECT package.id, $2, coalesce(links.digest, '')
          FROM package CROSS JOIN unnest($8::text[]) AS wanted (digest) LEFT JOIN links USING (digest)
        ON CONFLICT DO NOTHING
    ), nesting AS (
        INSERT INTO manifest_children (package_id, parent, child)
        SELECT package.id, $2, coalesce(kids.digest, '')
          FROM package CROSS JOIN unnest($9::text[]) AS wanted (digest) LEFT JOIN kids USING (digest)
        ON CONFLICT DO NOTHING
    ), old AS MATERIALIZED (
        SELECT name, digest FROM tags
         WHERE package_id = (SELECT id FROM package) AND name = ANY ($17::text[]) FOR NO KEY UPDATE
    ), named AS (
        INSERT INTO tags (package_id, name, digest, pusher_id, pusher_via, pusher_token)
        SELECT package.id, name, $2, actor.id, actor.via, actor.token_name
          FROM package CROSS JOIN actor CROSS JOIN unnest($17::text[]) AS new (name) LEFT JOIN old USING (name)
         WHERE {tag_rules.permits_creation("name", "old.digest", "$18")}
        ON CONFLICT (package_id, name) DO UPDATE SET {TAGGED} WHERE {tag_rules.permits_move("$18")}
        RETURNING name
    ), recorded AS ({
        events.record(
            events.event(
                f"'{events.PACKAGE_PUBLISHED}'",
                "package CROSS JOIN actor WHERE package.first",
                owner="package.owner_id",
            ),
            events.event(
                f"'{events.VERSION_PUBLISHED}'",
                "package CROSS JOIN actor CROSS JOIN put LEFT JOIN was ON true"
                " WHERE was.id IS NULL OR was.deleted_at IS NOT NULL",
                owner="package.owner_id",
                version="put.id",
                digest="$2",
            ),
            events.event(
                events.WRITTEN,
                "package CROSS JOIN actor CROSS JOIN put CROSS JOIN named LEFT JOIN old USING (name)"
                " WHERE old.digest IS DISTINCT FROM $2",
                owner="package.owner_id",
                version="put.id",
                digest="$2",
                before="old.digest",
                tag="name",
            ),
        )
    })
    SELECT id FROM put
    """,
)


async def insert(db: Executor, package_id: int, new: NewManifest, pusher: Actor) -> bool:
    """Store a manifest with its references and move its tags to it; False: the package is gone.

    Raises ForeignKeyMissing when the package does not have all that the manifest refers to, TagRefused; then nothing is
    stored.
    """
    stored = await _INSERT.maybe(
        db,
        package_id,
        new.digest,
        new.media_type,
        new.artifact_type,
        new.subject,
        new.annotations,
        new.body,
        list(new.blobs),
        list(new.children),
        new.description,
        new.licenses,
        new.licenses_spdx,
        new.source_url,
        new.sort,
        list(new.platforms),
        new.describes,
        list(new.tags),
        events.by(pusher),
    )
    return stored is not None


@dataclass(frozen=True, slots=True)
class ConfigBytes:
    """The location of a config blob: its size in bytes, and its object key or its bytes."""

    size: int
    object_key: ObjectKey | None
    body: bytes | None


_CONFIG: Final = select(
    ConfigBytes,
    """
    SELECT blob.size, blob.object_key, blob.body
      FROM package_blobs link JOIN blobs blob ON blob.digest = link.digest
     WHERE link.package_id = $1 AND link.digest = $2 AND link.deleted_at IS NULL
    """,
)


async def config(db: Executor, package_id: int, digest: Digest) -> ConfigBytes | None:
    """Locate the bytes of a config blob; None: the package has no such blob."""
    return await _CONFIG.maybe(db, package_id, digest)


class Referrers(AccessFacts, frozen=True):
    """A page of referrers in parallel arrays, one element a referrer; ``more``: another page follows."""

    digests: list[str]
    media_types: list[str]
    sizes: list[int]
    artifact_types: list[str]
    annotations: list[str]
    more: bool


_REFERRERS, _REFERRERS_KEYLESS = access_facts.full_and_keyless(
    Referrers,
    lambda facts: (
        f"""
    SELECT {facts.columns}, found.*
    {facts.once}
     CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(digest) FILTER (WHERE fits), '{{}}') AS digests,
               coalesce(array_agg(media_type) FILTER (WHERE fits), '{{}}') AS media_types,
               coalesce(array_agg(size) FILTER (WHERE fits), '{{}}') AS sizes,
               coalesce(array_agg(coalesce(artifact_type, '')) FILTER (WHERE fits), '{{}}') AS artifact_types,
               coalesce(array_agg(coalesce(annotations::text, '')) FILTER (WHERE fits), '{{}}') AS annotations,
               coalesce(bool_or(NOT fits), false) AS more
          FROM (SELECT *, row_number() OVER place = 1
                       OR (row_number() OVER place <= $7
                           AND sum(coalesce(octet_length(annotations::text), 0)) OVER place < 3 * 1024 * 1024) AS fits
                  FROM (SELECT digest, media_type, size, artifact_type, annotations
                          FROM manifests
                         WHERE package_id = package.id AND subject = $4 AND deleted_at IS NULL AND digest > $6
                           AND ($5::text IS NULL OR artifact_type = $5)
                         ORDER BY digest LIMIT $7 + 1) AS near
                WINDOW place AS (ORDER BY digest)) AS page
     ) AS found
    """
    ),
)


async def referrers(
    db: Executor,
    token_id: int | None,
    package: PackageName,
    subject: Digest,
    *,
    artifact_type: str | None,
    after: str,
    limit: int,
) -> Referrers:
    """Manifests of the package whose subject is ``subject``, in the order of their digests, past ``after``.

    At most ``limit``, and about 3 MiB of annotations: a list is not to be larger than a manifest may be.
    """
    query = _REFERRERS_KEYLESS if access_facts.is_service_account(token_id) else _REFERRERS
    return await query.one(db, token_id, package.owner, package.image, subject, artifact_type, after, limit)
