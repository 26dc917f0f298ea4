"""Storing of an upstream's manifest, whose parts may come later: what is not here is noted as wanted."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from registry.errors import ManifestInvalid, ManifestTooLarge, NameUnknown
from registry.mirror.upstream import UpstreamError, UpstreamManifest
from registry.oci.image_config import ImageConfig
from registry.oci.manifest import Manifest, parse_manifest
from registry.oci.media_types import MANIFESTS
from registry.packages.linking import labels_of
from registry.packages.publishing import Push, new_manifest
from storage.metadata import manifests, mirror_contents, packages
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.mirror_contents import Want
from storage.names import Digest, PackageName, TagName

_THREAD_BYTES: Final = 256 * 1024
#: Who makes the changes that the upstream's content causes.
ACTOR: Final = Actor(None, None, via="mirror")


async def store(
    db: Database, name: PackageName, package_id: int, got: UpstreamManifest, tags: Sequence[TagName]
) -> None:
    """Store a manifest and move its tags. Raises UpstreamError for one that is none, NameUnknown, StorageError."""
    try:
        if len(got.body) > _THREAD_BYTES:
            manifest = await asyncio.to_thread(parse_manifest, got.body, got.media_type)
        else:
            manifest = parse_manifest(got.body, got.media_type)
    except (ManifestInvalid, ManifestTooLarge) as error:
        raise UpstreamError("wrong", f"no manifest: {error.message[:80]}") from error
    push = Push(name, got.digest, manifest, got.body, tags, ACTOR, "", known=False, condition=None, addressed=None)
    config = ImageConfig()
    whole = new_manifest(push, config, labels_of(manifest, config), frozenset(manifest.foreign))
    parts = _parts(manifest)

    async def work(tx: Transaction) -> bool:
        if await packages.lock(tx, package_id) is None:
            return False
        absent = frozenset(await manifests.missing(tx, package_id, whole.blobs, whole.children))
        new = replace(
            whole,
            blobs=[digest for digest in whole.blobs if digest not in absent],
            children=[digest for digest in whole.children if digest not in absent],
        )
        if not await manifests.insert(tx, package_id, new, ACTOR):
            return False
        wanted = [part for part in parts if part.digest in absent]
        await mirror_contents.want(tx, package_id, got.digest, wanted, _image_size(manifest))
        await mirror_contents.manifest_came(tx, package_id, got.digest)
        return True

    if not await db.repeat(work, package_id):
        raise NameUnknown(name)


async def blob_came(db: Database, package_id: int, digest: Digest) -> None:
    """Have a blob that was fetched belong to the manifests that want it."""

    async def work(tx: Transaction) -> None:
        if await packages.lock(tx, package_id) is not None:
            await mirror_contents.blob_came(tx, package_id, digest)

    await db.repeat(work, package_id)


def _parts(manifest: Manifest) -> list[Want]:
    config = () if manifest.config is None else (manifest.config,)
    parts = (*config, *manifest.layers, *manifest.manifests)
    return [
        Want(part.digest, part.size, part.media_type, part.media_type not in MANIFESTS)
        for part in {part.digest: part for part in parts if not part.foreign}.values()
    ]


def _image_size(manifest: Manifest) -> int | None:
    """Return the bytes of an image by its own words; None of an index, whose platforms are counted as they come."""
    if manifest.manifests or manifest.config is None:
        return None
    sizes = {part.digest: part.size for part in (manifest.config, *manifest.layers) if not part.foreign}
    return sum(sizes.values())
