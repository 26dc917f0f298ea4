"""A folder as distribution writes it, made object by object."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from registry.jobs.runner import run_once
from storage.objects.base import ObjectKey, ObjectStore
from tests.support.server import Registry

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Shelf:
    """Writes below ``root`` of a store."""

    store: ObjectStore
    root: str = "docker/registry/v2"

    def key(self, digest: str) -> ObjectKey:
        hexadecimal = digest.partition(":")[2]
        return ObjectKey(f"{self.root}/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}/data")

    async def blob(self, data: bytes) -> str:
        digest = _digest(data)
        await self.store.put(self.key(digest), [data])
        return digest

    async def put(self, path: str, text: str) -> None:
        await self.store.put(ObjectKey(f"{self.root}/repositories/{path}"), [text.encode()])

    async def revision(self, name: str, manifest: object, tags: Sequence[str] = ()) -> str:
        """A manifest of a repository, with these tags."""
        digest = await self.blob(orjson.dumps(manifest))
        hexadecimal = digest.partition(":")[2]
        await self.put(f"{name}/_manifests/revisions/sha256/{hexadecimal}/link", digest)
        for tag in tags:
            await self.tag(name, tag, digest)
        return digest

    async def tag(self, name: str, tag: str, digest: str) -> None:
        hexadecimal = digest.partition(":")[2]
        await self.put(f"{name}/_manifests/tags/{tag}/index/sha256/{hexadecimal}/link", digest)
        await self.put(f"{name}/_manifests/tags/{tag}/current/link", digest)

    async def image(
        self, name: str, *tags: str, layers: Sequence[bytes] = (b"layer",), subject: str | None = None, **more: object
    ) -> str:
        """An image with these layers; ``subject``: the digest of what it refers to; ``more``: fields of its manifest."""
        config = orjson.dumps({"architecture": "arm64", "os": "linux", "name": f"{name}:{tags}"})
        parts = [{"mediaType": CONFIG, "digest": await self.blob(config), "size": len(config)}]
        for layer in layers:
            digest = await self.blob(layer)
            parts.append({"mediaType": LAYER, "digest": digest, "size": len(layer)})
            await self.put(f"{name}/_layers/sha256/{digest.partition(':')[2]}/link", digest)
        manifest = {"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": parts[0], "layers": parts[1:], **more}
        if subject is not None:
            manifest["subject"] = {"mediaType": OCI_IMAGE, "digest": subject, "size": 1}
        return await self.revision(name, manifest, tags)

    async def index(self, name: str, children: Sequence[str], *tags: str) -> str:
        entries = [{"mediaType": OCI_IMAGE, "digest": child, "size": 1} for child in children]
        return await self.revision(name, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, tags)


async def collect(registry: Registry) -> None:
    """Run the jobs as if all windows and graces were over."""
    db = registry.services.db
    await db.execute("UPDATE packages SET deleted_at = now() - interval '31 days' WHERE deleted_at IS NOT NULL")
    for _ in range(3):
        await run_once(registry.services)
        await db.execute("UPDATE package_blobs SET linked_at = now() - interval '30 days'")
        await db.execute("UPDATE link_reviews SET due_at = now()")
        await db.execute("UPDATE dead_objects SET not_before = now()")
