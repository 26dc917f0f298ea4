"""Pulls through a mirror: what the upstream is asked for, and what a client gets."""

import asyncio
import hashlib
from typing import Any

from tests.mirror.conftest import Mirrored
from tests.support.server import Answer

MANIFESTS, BLOBS = "/v2/hub/library/app/manifests", "/v2/hub/library/app/blobs"


async def pull(mirrored: Mirrored, token: str, replica: int = 0, tag: str = "1") -> list[Answer]:
    """An image as clients pull it: the manifest, then config and layers."""
    found = await mirrored.registry.call("GET", f"{MANIFESTS}/{tag}", token, replica=replica)
    assert found.status == 200, found.body
    digests = parts(found)
    blobs = await asyncio.gather(
        *(mirrored.registry.call("GET", f"{BLOBS}/{digest}", token, replica=replica) for digest in digests)
    )
    for digest, blob in zip(digests, blobs, strict=True):
        assert blob.status == 200, blob.body
        assert "sha256:" + hashlib.sha256(blob.body).hexdigest() == digest
    return [found, *blobs]


def parts(manifest: Answer) -> list[str]:
    """The digests of an image's blobs: the config, then the layers."""
    document: Any = manifest.json
    return [document["config"]["digest"], *(layer["digest"] for layer in document["layers"])]


async def test_an_image_is_fetched_once_and_served_without_the_upstream(mirrored: Mirrored) -> None:
    digest = await mirrored.push("app", layers=3, size=300_000)
    await pull(mirrored, mirrored.member)
    assert mirrored.upstream.count("GET manifests") == 1
    assert mirrored.upstream.count("GET blobs") == 4
    mirrored.upstream.status = 500
    again = await pull(mirrored, mirrored.owner)
    assert again[0].headers["Docker-Content-Digest"] == digest
    assert mirrored.upstream.count("blobs") == 4
    assert mirrored.upstream.count("manifests") == 1  # within tag_seconds nobody asks
