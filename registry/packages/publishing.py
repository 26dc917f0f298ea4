"""The rules of manifests: a manifest, its references and its tags are committed together or not at all."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson

from auth.permissions import WRITE
from registry.errors import ManifestBlobUnknown, NameUnknown
from registry.oci.headers import Condition, etag
from registry.oci.image_config import ImageConfig, parse_config
from registry.oci.manifest import Manifest
from registry.packages.kept_tags import told
from registry.packages.linking import (
    Labels,
    LinkSettings,
    has_image_config,
    labels_of,
    platforms_of,
    repository_of,
    sort_of,
)
from storage.metadata import access, blobs, links, manifests, packages, tags
from storage.metadata.database import Database, ForeignKeyMissing, Transaction
from storage.metadata.events import Actor
from storage.metadata.links import Target
from storage.metadata.manifests import NewManifest
from storage.metadata.packages import Held
from storage.metadata.retags import Retags
from storage.metadata.turns import Turns
from storage.names import Digest, PackageName, TagName
from storage.objects.base import ObjectStore, whole

#: A config above this is not read for its labels.
_CONFIG_MAX: Final = 1024 * 1024
#: How often a manifest is tried whose references were not there, and then were.
_TRIES: Final = 3
_LARGE_SECONDS: Final = 20.0
_LARGE_USERS_MAX: Final = 32
#: A manifest that names more is made ready for PostgreSQL in a thread.
_THREAD_REFERENCES: Final = 1000
#: A config above this is parsed in a thread.
_THREAD_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Push:
    """A pushed manifest. ``body`` is stored byte for byte; ``pusher``: the token that pushed it."""

    name: PackageName
    digest: Digest
    manifest: Manifest
    body: bytes
    tags: Sequence[TagName]
    pusher: Actor
    origin: str  # our own URL: its repositories can be named too
    known: bool  # the package was seen to have it
    condition: Condition | None  # of the content that the target names: a tag's manifest, or this one
    addressed: TagName | None  # the tag that the target names


@dataclass(frozen=True, slots=True)
class Manifests:
    """The rules of manifests."""

    db: Database
    stores: ObjectStore
    settings: LinkSettings
    moves: Retags
    #: By account: whose manifest is large waits for the one before, for as long as a client waits for an answer.
    large: Turns = field(default_factory=lambda: Turns(1, _LARGE_SECONDS, _LARGE_USERS_MAX))

    async def publish(self, package_id: int, push: Push) -> None:
        """Store a manifest and set its tags.

        Raises ManifestBlobUnknown, NameUnknown, PreconditionFailed, TagProtected, Unavailable.
        """
        if push.known and push.condition is None and await self._renamed(package_id, push):
            return
        config = await self._config(package_id, push.manifest)
        labels = labels_of(push.manifest, config)
        source = await self._source(push, labels)
        absent = await self._absent(package_id, push.manifest)
        many = len(push.manifest.layers) + len(push.manifest.manifests) > _THREAD_REFERENCES
        new = (
            await asyncio.to_thread(new_manifest, push, config, labels, absent)
            if many
            else new_manifest(push, config, labels, absent)
        )

        for left in reversed(range(_TRIES)):
            try:
                with told():
                    if not await self._insert(package_id, push, new, source):
                        raise NameUnknown(push.name)
            except ForeignKeyMissing as error:
                gone = await manifests.missing(self.db, package_id, new.blobs, new.children)
                if gone or not left:  # otherwise it has come back in this moment
                    raise ManifestBlobUnknown(gone) from error
            else:
                return

    async def _insert(self, package_id: int, push: Push, new: NewManifest, source: Target | None) -> bool:
        """Insert the manifest and link the package; False if the package is gone.

        Raises ForeignKeyMissing, PreconditionFailed.
        """
        condition = push.condition
        if source is None and condition is None:
            async with self.db.turn(package_id):
                return await manifests.insert(self.db, package_id, new, push.pusher)

        async def work(tx: Transaction) -> bool:
            held = await packages.lock(tx, package_id)
            if held is None:
                return False
            if condition is not None:  # a statement of its own: it sees what was written before the lock was ours
                condition.check(await _current(tx, package_id, push))
            if not await manifests.insert(tx, package_id, new, push.pusher):
                return False
            if source is not None:
                await _link(tx, held, source, push.pusher)
            return True

        return await self.db.repeat(work, package_id)

    async def _renamed(self, package_id: int, push: Push) -> bool:
        """Retag a complete image that the package has already; False if the manifest must be stored."""
        manifest = push.manifest
        foreign = any(layer.foreign for layer in manifest.layers)
        plain = not manifest.manifests and not foreign and manifest.subject is None
        if not plain or len(push.tags) != 1 or sort_of(manifest, push.tags) != "image":
            return False
        return await self.moves.move(
            push.name, package_id, push.tags[0], push.digest, manifest.media_type, pusher=push.pusher
        )

    async def _absent(self, package_id: int, manifest: Manifest) -> frozenset[Digest]:
        """Return the foreign layers that the package does not have."""
        foreign = set(manifest.foreign)
        return frozenset(await manifests.missing(self.db, package_id, sorted(foreign), []) if foreign else ())

    async def _config(self, package_id: int, manifest: Manifest) -> ImageConfig:
        """Read the config of an image; empty if the config is missing or too large."""
        if manifest.config is None or not has_image_config(manifest):
            return ImageConfig()
        found = await manifests.config(self.db, package_id, manifest.config.digest)
        if found is None or found.size > _CONFIG_MAX:
            return ImageConfig()
        body = found.body
        if body is None and found.object_key is not None:
            async with (
                blobs.suspecting(self.db, manifest.config.digest, found.object_key),
                whole(self.stores, found.object_key, found.size) as reader,
            ):
                body = b"".join([chunk async for chunk in reader])
        if body is None:
            return ImageConfig()
        return await asyncio.to_thread(parse_config, body) if len(body) > _THREAD_BYTES else parse_config(body)

    async def _source(self, push: Push, labels: Labels) -> Target | None:
        """Return the repository named by the label, if the pusher has write access to the repository."""
        if labels.source is None or push.pusher.token_id is None:
            return None
        named = repository_of(labels.source, (*self.settings.forge_origins, push.origin))
        if named is None:
            return None
        target = await links.target(self.db, push.pusher.token_id, *named)
        return target if target is not None and target.role >= WRITE else None


async def _current(tx: Transaction, package_id: int, push: Push) -> str | None:
    """The entity tag of the content that the target of a push names, held until the transaction ends."""
    if push.addressed is not None:
        digest = await tags.locked(tx, package_id, push.addressed)
    else:
        digest = None if await manifests.missing(tx, package_id, [], [push.digest]) else push.digest
    return None if digest is None else etag(digest)


def new_manifest(push: Push, config: ImageConfig, labels: Labels, absent: frozenset[Digest]) -> NewManifest:
    """Return the manifest to be stored; foreign layers that are ``absent`` are not named."""
    manifest = push.manifest
    sort = sort_of(manifest, push.tags)
    return NewManifest(
        digest=push.digest,
        media_type=manifest.media_type,
        artifact_type=manifest.artifact_type,
        subject=None if manifest.subject is None else manifest.subject.digest,
        annotations=None if manifest.subject is None else _json(manifest.annotations),
        body=push.body,
        blobs=sorted({*manifest.blobs, *(d for d in manifest.foreign if d not in absent)}),
        children=sorted(set(manifest.children)),
        tags=sorted(set(push.tags)),
        description=labels.description,
        licenses=labels.licenses,
        licenses_spdx=labels.licenses_spdx,
        source_url=labels.source,
        sort=sort,
        platforms=platforms_of(manifest, config),
        describes=bool(push.tags) and sort == "image" and manifest.subject is None,
    )


async def _link(tx: Transaction, held: Held, source: Target, actor: Actor) -> None:
    """Link a package that has no link. Only the first publish turns on the inheritance of roles, not later ones."""
    if held.repository_id is not None or source.owner_id != held.owner_id:
        return
    await links.link(tx, held.id, source.id, actor, inherit=not held.published, forced=False)
    linked = await packages.lock(tx, held.id)
    if linked is not None and linked.inherit_access:
        await access.clear(tx, held.id, actor)


def _json(annotations: Mapping[str, str]) -> str | None:
    return orjson.dumps(annotations).decode() if annotations else None
