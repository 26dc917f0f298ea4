"""Packages as people have them: for several platforms, signed, with attestations, charts, and hostile ones."""

import hashlib
import os
from collections.abc import Callable
from typing import Any

import orjson

from tests.support.server import Registry

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
#: Hostile texts: markup, a template's, a change of direction, a terminal's, a link that runs.
HOSTILE = (
    "<script>document.title='hacked'</script>",
    '"><img src=x onerror="document.title=\'hacked\'">',
    "{{ 7 * 7 }}{% raw %}%(name)s%%",
    "abc\u202etxt.exe\u2066",
    "\x1b[31mred\x07",
    "javascript:document.title='hacked'",
)


def descriptor(digest: str, size: int, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size, **more}


class Shelf:
    """Pushes to one registry as one user. ``chance``: what layers are made of."""

    def __init__(self, registry: Registry, token: str, chance: Callable[[int], bytes] = os.urandom) -> None:
        self.registry = registry
        self.token = token
        self.chance = chance

    async def blob(self, name: str, body: bytes, media_type: str) -> dict[str, Any]:
        return descriptor(await self.registry.push_blob(name, body, self.token), len(body), media_type)

    async def manifest(self, name: str, body: dict[str, Any], reference: str | None = None) -> dict[str, Any]:
        """Puts a manifest, by its digest if no tag is given; its descriptor."""
        text = orjson.dumps({"schemaVersion": 2, **body})
        digest = "sha256:" + hashlib.sha256(text).hexdigest()
        kind = str(body["mediaType"])
        path = f"/v2/{name}/manifests/{reference or digest}"
        put = await self.registry.call("PUT", path, self.token, data=text, headers={"Content-Type": kind})
        assert put.status == 201, put.body
        return descriptor(digest, len(text), kind)

    async def image(
        self,
        name: str,
        tag: str | None = None,
        *,
        architecture: str = "amd64",
        labels: dict[str, str] | None = None,
        commands: tuple[str, ...] = ("COPY app /app # buildkit", 'CMD ["/app"]'),
        size: int = 2000,
        **more: Any,
    ) -> dict[str, Any]:
        """Pushes an image with a layer for its first command, and none for those after it."""
        layer = await self.blob(name, self.chance(size), LAYER)
        history = [{"created_by": text, "empty_layer": place > 0} for place, text in enumerate(commands)]
        config = {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": []},
            "config": {"Labels": labels or {}},
            "history": history,
        }
        body = {"mediaType": IMAGE, "config": await self.blob(name, orjson.dumps(config), CONFIG), "layers": [layer]}
        return await self.manifest(name, {**body, **more}, tag)

    async def index(self, name: str, tag: str | None, labels: dict[str, str] | None = None) -> dict[str, Any]:
        """Pushes what BuildKit makes for two platforms: two images, and an attestation of each."""
        children = []
        for architecture in ("amd64", "arm64"):
            image = await self.image(name, architecture=architecture, labels=labels, size=3000)
            children.append({**image, "platform": {"os": "linux", "architecture": architecture}})
            about = {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": image["digest"],
            }
            attestation = await self.image(name, architecture="unknown", size=50)
            unknown = {"os": "unknown", "architecture": "unknown"}
            children.append({**attestation, "platform": unknown, "annotations": about})
        annotations = {
            "org.opencontainers.image.description": (labels or {}).get("org.opencontainers.image.description", "")
        }
        return await self.manifest(name, {"mediaType": INDEX, "manifests": children, "annotations": annotations}, tag)

    async def referrer(self, name: str, subject: dict[str, Any], artifact_type: str) -> dict[str, Any]:
        """Pushes an artifact about another manifest, as cosign and oras do."""
        empty = await self.blob(name, b"{}", EMPTY)
        layer = await self.blob(name, self.chance(100), "application/octet-stream")
        body = {
            "mediaType": IMAGE,
            "artifactType": artifact_type,
            "config": empty,
            "layers": [layer],
            "subject": subject,
        }
        return await self.manifest(name, body)

    async def chart(self, name: str, tag: str) -> dict[str, Any]:
        """Pushes a chart as helm does."""
        config = await self.blob(
            name, orjson.dumps({"name": "web", "version": tag}), "application/vnd.cncf.helm.config.v1+json"
        )
        layer = await self.blob(name, self.chance(300), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
        return await self.manifest(name, {"mediaType": IMAGE, "config": config, "layers": [layer]}, tag)


async def publish(registry: Registry) -> None:
    """Makes every package public."""
    await registry.services.db.execute("UPDATE packages SET visibility = 'public'")
