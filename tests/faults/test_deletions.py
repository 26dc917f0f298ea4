"""Tags, versions and indexes that are pushed, moved, deleted, restored and purged at once, by two replicas (F38)."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pytest

from registry.jobs.purge_deleted import purge_deleted
from registry.oci.media_types import OCI_INDEX
from storage.metadata import packages, versions
from storage.metadata.events import Actor
from tests.faults.routes import MANIFEST
from tests.support.server import Registry, running
from tests.support.uploading import sha256

_APP: Final = "/v2/alice/app"
_API: Final = "/api/v3/user/packages/container/app"
_SECONDS: Final = 3.0
_ACTORS: Final = 8


def _descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


_CONFIG: Final = b"config"
#: Images, an index of the first two and one of all, by the name of their tag.
_IMAGES: Final = [
    orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(_CONFIG, "application/octet-stream"),
            "layers": [],
            "annotations": {"number": str(number)},
        }
    )
    for number in range(3)
]
_INDEXES: Final = [
    orjson.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_descriptor(image, MANIFEST) for image in images]}
    )
    for images in (_IMAGES[:2], _IMAGES)
]
_TAGS: Final = ("a", "b", "c")

_SEEN: Final = frozenset({("image", 201), ("index", 201), ("index", 400), ("delete", 202), ("restore", 204)})


@dataclass
class Storm:
    """What the actors do, each step a random one; ``seen`` counts it by its answer."""

    registry: Registry
    token: str
    rng: random.Random = field(default_factory=lambda: random.Random(38))
    seen: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def ask(self, what: str, method: str, path: str, **more: object) -> Any:
        answer = await self.registry.call(method, path, self.token, replica=self.rng.randrange(2), **more)  # type: ignore[arg-type]
        assert answer.status < 500, (method, path, answer.status, answer.body)
        self.seen[what, answer.status] += 1
        return answer.json if answer.body and answer.status == 200 else []

    async def put(self, body: bytes, reference: str) -> None:
        media_type = OCI_INDEX if body in _INDEXES else MANIFEST
        what = "index" if body in _INDEXES else "image"
        await self.ask(what, "PUT", f"{_APP}/manifests/{reference}", data=body, headers={"Content-Type": media_type})

    async def put_image(self) -> None:
        image = self.rng.choice(_IMAGES)
        await self.put(image, self.rng.choice([*_TAGS, sha256(image)]))

    async def put_index(self) -> None:
        await self.put(self.rng.choice(_INDEXES), self.rng.choice(_TAGS))

    async def untag(self) -> None:
        await self.ask("untag", "DELETE", f"{_APP}/manifests/{self.rng.choice(_TAGS)}")

    async def delete(self) -> None:
        await self.ask("delete", "DELETE", f"{_APP}/manifests/{sha256(self.rng.choice(_IMAGES + _INDEXES))}")

    async def delete_version(self) -> None:
        for version in (await self.ask("list", "GET", f"{_API}/versions"))[:1]:
            await self.ask("delete version", "DELETE", f"{_API}/versions/{version['id']}")

    async def restore(self) -> None:
        for version in (await self.ask("list", "GET", f"{_API}/versions?state=deleted"))[:2]:
            await self.ask("restore", "POST", f"{_API}/versions/{version['id']}/restore")

    def goes_on(self, end: float) -> bool:
        """Until ``end``, and on a busy machine until each thing has come about."""
        return time.monotonic() < end or not self.seen.keys() >= _SEEN

    async def act(self, end: float) -> None:
        steps: list[Callable[[], Awaitable[None]]] = [
            self.put_image,
            self.put_index,
            self.untag,
            self.delete,
            self.delete_version,
            self.restore,
        ]
        while self.goes_on(end):
            await self.rng.choice(steps)()

    async def purge(self, end: float) -> None:
        """As if each version had been deleted 30 days ago."""
        services = self.registry.services
        while self.goes_on(end):
            await services.db.execute(
                "UPDATE manifests SET deleted_at = now() - interval '31 days' WHERE deleted_at IS NOT NULL"
            )
            await purge_deleted(services)
            await asyncio.sleep(0.02)


async def _check(registry: Registry, token: str) -> None:
    """Whatever has a name is there."""
    dangling = await registry.services.db.fetch(
        """
        SELECT tag.name FROM tags tag LEFT JOIN manifests version USING (package_id, digest)
         WHERE version.digest IS NULL OR version.deleted_at IS NOT NULL
        """
    )
    assert dangling == []
    names: Any = (await registry.call("GET", f"{_APP}/tags/list", token)).json
    for name in names["tags"]:
        got = await registry.call("GET", f"{_APP}/manifests/{name}", token)
        assert (got.status, sha256(got.body)) == (200, got.headers["Docker-Content-Digest"])


@pytest.mark.parametrize("purging", [False, True])
async def test_f38_no_name_is_left_without_a_version(env: dict[str, str], *, purging: bool) -> None:
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        await registry.push_blob("alice/app", _CONFIG, token)
        storm, end = Storm(registry, token), time.monotonic() + _SECONDS
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for _ in range(_ACTORS):
                tasks.create_task(storm.act(end))
            if purging:
                tasks.create_task(storm.purge(end))
        assert storm.seen.keys() >= _SEEN
        await _check(registry, token)


async def test_f38_an_index_waits_for_its_child_that_is_being_deleted(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry, asyncio.TaskGroup() as tasks:
        token, db = await registry.user("alice"), registry.services.db
        await registry.push_blob("alice/app", _CONFIG, token)
        storm = Storm(registry, token)
        for image in _IMAGES:
            await storm.put(image, sha256(image))
        (child,) = await db.fetch("SELECT package_id, id FROM manifests WHERE digest = $1", sha256(_IMAGES[0]))
        async with db.transaction() as deleting:
            assert await packages.lock(deleting, child["package_id"]) is not None
            hidden = [sha256(_IMAGES[0])]
            assert await versions.hide(deleting, child["package_id"], child["id"], hidden, Actor(1, None)) == 1
            waiting = tasks.create_task(storm.put(_INDEXES[0], "index"))
            await asyncio.sleep(0.3)
            assert not waiting.done()
        await waiting
        assert storm.seen["index", 400] == 1
        assert (await registry.call("GET", f"{_APP}/manifests/index", token)).status == 404
