"""One account's manifests of thousands of layers: others are hardly kept waiting (F28)."""

import asyncio
import hashlib
import time
from itertools import count
from typing import Final

import orjson
import pytest

from tests.faults.routes import MANIFEST, path_of
from tests.support.server import Registry

_LAYERS: Final = 4990
_CONNECTIONS: Final = 16
_SECONDS: Final = 6.0
pytestmark = pytest.mark.alone


async def _linked(registry: Registry, name: str) -> list[str]:
    """Layers that the package has, by their rows alone: nobody pulls them."""
    digests = [f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}" for number in range(_LAYERS)]
    db, owner = registry.services.db, name.partition("/")[0]
    await db.execute(
        "INSERT INTO blobs (digest, size, body) SELECT digest, 1, 'x' FROM unnest($1::text[]) AS layer (digest)",
        digests,
    )
    await db.execute(
        """
        INSERT INTO package_blobs (package_id, digest)
        SELECT package.id, layer.digest
          FROM packages package JOIN accounts owner ON owner.id = package.owner_id
         CROSS JOIN unnest($1::text[]) AS layer (digest)
         WHERE owner.login = $2
        """,
        digests,
        owner,
    )
    return digests


async def test_f28_large_manifests_of_one_account(registry: Registry) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    names = [f"alice/app{number}" for number in range(_CONNECTIONS)]
    for name in (*names, "bob/app"):
        await registry.push_image(name, "v1", bob if name == "bob/app" else alice)
    layers = [{"mediaType": "a/b", "digest": digest, "size": 1} for digest in await _linked(registry, "alice/app")]
    manifest = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "a/b", "digest": layers[0]["digest"], "size": 1},
            "layers": layers,
            "annotations": {"number": "NUMBER"},
        }
    )
    numbers = count()
    until = time.monotonic() + _SECONDS
    pushed: list[int] = []

    async def push(name: str) -> None:
        while time.monotonic() < until:
            body = manifest.replace(b"NUMBER", str(next(numbers)).encode())
            tag = path_of(name, f"manifests/l{next(numbers)}")
            put = await registry.call("PUT", tag, alice, data=body, headers={"Content-Type": MANIFEST})
            pushed.append(put.status)

    async def ask() -> list[float]:
        took = []
        while time.monotonic() < until:
            began = time.monotonic()
            answer = await registry.call("GET", path_of("bob/app", "tags/list"), bob)
            assert answer.status == 200
            took.append((time.monotonic() - began) * 1000)
        return sorted(took)

    async with asyncio.TaskGroup() as tasks:
        asking = tasks.create_task(ask())
        for name in names:
            tasks.create_task(push(name))
    took = asking.result()
    assert set(pushed) == {201}
    assert took[len(took) * 95 // 100] < 400
