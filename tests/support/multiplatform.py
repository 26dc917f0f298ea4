"""An image as people publish it: several platforms, a signature, an SBOM and attestations, in any registry."""

import hashlib
import io
import os
import tarfile
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import orjson

from tests.support.server import basic

_OCI: Final = "application/vnd.oci.image"
INDEX: Final = f"{_OCI}.index.v1+json"
_MANIFEST: Final = f"{_OCI}.manifest.v1+json"
_PLATFORMS: Final = (
    "linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/arm/v6", "linux/386", "linux/ppc64le", "linux/s390x",
    "linux/riscv64", "linux/mips64le", "windows/amd64",
)  # fmt: skip


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@dataclass
class Repository:
    """A repository of any registry, spoken to as plainly as possible; without a token if it asks for none."""

    http: aiohttp.ClientSession
    url: str
    path: str
    token: str = ""

    @property
    def _headers(self) -> dict[str, str]:
        return basic(self.token) if self.token else {}

    async def get(self, below: str) -> tuple[int, bytes, str]:
        url = f"{self.url}/v2/{self.path}{below}"
        async with self.http.get(url, headers={**self._headers, "Accept": f"{INDEX}, {_MANIFEST}"}) as got:
            return got.status, await got.read(), got.content_type

    async def push_blob(self, body: bytes) -> dict[str, Any]:
        digest = digest_of(body)
        begin = f"{self.url}/v2/{self.path}/blobs/uploads/"
        async with self.http.post(begin, headers=self._headers) as begun:
            assert begun.status == 202, await begun.read()
            location = begun.headers["Location"]
        location = location if location.startswith("http") else self.url + location
        location += f"{'&' if '?' in location else '?'}digest={digest}"
        headers = {**self._headers, "Content-Type": "application/octet-stream"}
        async with self.http.put(location, data=io.BytesIO(body), headers=headers) as done:
            assert done.status == 201, await done.read()
        return {"mediaType": f"{_OCI}.layer.v1.tar", "digest": digest, "size": len(body)}

    async def put(self, found: dict[str, Any], tag: str = "") -> dict[str, Any]:
        body = orjson.dumps({"schemaVersion": 2, **found})
        url = f"{self.url}/v2/{self.path}/manifests/{tag or digest_of(body)}"
        headers = {**self._headers, "Content-Type": found["mediaType"]}
        async with self.http.put(url, data=body, headers=headers) as done:
            assert done.status == 201, await done.read()
        return {"mediaType": found["mediaType"], "digest": digest_of(body), "size": len(body)}

    async def referrers(self, digest: str) -> set[str]:
        """The digests of what refers to a manifest: by the API, or by the tag that stands for it."""
        status, body, media_type = await self.get(f"/referrers/{digest}")
        if status != 200 or media_type != INDEX:
            status, body, _ = await self.get(f"/manifests/{digest.replace(':', '-')}")
        return {one["digest"] for one in orjson.loads(body)["manifests"]} if status == 200 else set()


@dataclass
class Image:
    """The digest of its index, all its manifests and blobs, and who refers to whom."""

    digest: str = ""
    manifests: set[str] = field(default_factory=set)
    blobs: dict[str, int] = field(default_factory=dict)
    referrers: dict[str, set[str]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The bytes of its blobs."""
        return sum(self.blobs.values())


def layer_of(size: int) -> bytes:
    """A layer of about so many bytes, none of which can be compressed."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        found = tarfile.TarInfo("usr/share/data")
        found.size = max(size - 2 * tarfile.RECORDSIZE, 1)
        tar.addfile(found, io.BytesIO(os.urandom(found.size)))
    return made.getvalue()


def _config(platform: dict[str, str], layers: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({**platform, "rootfs": {"type": "layers", "diff_ids": [one["digest"] for one in layers]}})


async def publish(
    to: Repository, tag: str, *, platforms: int, layer_bytes: int, keeps_referrers: bool, base: bytes = b""
) -> Image:  # fmt: skip
    """Pushes an image of so many platforms with three layers each, one of them shared: ``base`` if there is one."""
    image = Image()

    async def blob(body: bytes, media_type: str = f"{_OCI}.layer.v1.tar") -> dict[str, Any]:
        image.blobs[digest_of(body)] = len(body)
        return {**await to.push_blob(body), "mediaType": media_type}

    async def manifest(config: bytes, *layers: dict[str, Any], tag: str = "", **more: Any) -> dict[str, Any]:
        described = await blob(config, f"{_OCI}.config.v1+json")
        found = {"mediaType": _MANIFEST, "config": described, "layers": list(layers), **more}
        made = await to.put(found, tag)
        image.manifests.add(made["digest"])
        return made

    async def refer(subject: dict[str, Any], kind: str) -> None:
        payload = await blob(os.urandom(3000))
        made = await manifest(b"{}", payload, artifactType=kind, subject=subject)
        image.referrers.setdefault(subject["digest"], set()).add(made["digest"])
        if not keeps_referrers:
            entries = [{"mediaType": _MANIFEST, "digest": one, "size": made["size"], "artifactType": kind}
                       for one in sorted(image.referrers[subject["digest"]])]  # fmt: skip
            await to.put({"mediaType": INDEX, "manifests": entries}, subject["digest"].replace(":", "-"))

    shared, entries = await blob(base or layer_of(layer_bytes)), []
    for named in _PLATFORMS[:platforms]:
        os_, architecture, *variant = named.split("/")
        layers = [shared, await blob(layer_of(layer_bytes)), await blob(layer_of(2000))]
        platform = {"os": os_, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        made = await manifest(_config(platform, layers), *layers)
        entries.append({**made, "platform": platform})
        if len(entries) == 1:
            await refer(made, "application/spdx+json")
    nowhere = {"os": "unknown", "architecture": "unknown"}
    statement = await blob(layer_of(900))
    provenance = await manifest(_config(nowhere, [statement]), statement)
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": entries[0]["digest"]}
    entries.append({**provenance, "platform": nowhere, "annotations": about})
    index = await to.put({"mediaType": INDEX, "manifests": entries}, tag)
    image.digest = index["digest"]
    image.manifests.add(index["digest"])
    await refer(index, "application/vnd.dev.sigstore.bundle.v0.3+json")
    await refer(index, "application/vnd.in-toto+json")
    await manifest(b'{"cosign": 1}', tag=f"{index['digest'].replace(':', '-')}.sig")
    return image


async def missing(image: Image, there: Repository) -> list[str]:
    """What of an image is not in a repository, or has other bytes there."""
    found = []
    for digest in sorted(image.manifests):
        status, body, _ = await there.get(f"/manifests/{digest}")
        if status != 200 or digest_of(body) != digest:
            found.append(f"manifest {digest}: {status}")
    for digest in sorted(image.blobs):
        status, body, _ = await there.get(f"/blobs/{digest}")
        if status != 200 or digest_of(body) != digest:
            found.append(f"blob {digest}: {status}")
    for subject, expected in image.referrers.items():
        if await there.referrers(subject) != expected:
            found.append(f"referrers of {subject}")
    if (await there.get(f"/manifests/{image.digest.replace(':', '-')}.sig"))[0] != 200:
        found.append("the tag of cosign")
    return found
