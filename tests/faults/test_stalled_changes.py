"""A commit that stands still, and a request that meets it: as if one had come after the other, in either order (F49).

What «one after the other» gives is not told here, but seen: each pair is also sent without a stall to two other packages.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import pytest

from registry.jobs.collect_garbage import collect_garbage
from registry.oci.media_types import OCI_INDEX
from tests.faults.routes import MANIFEST
from tests.support.server import Registry, running
from tests.support.stalling import Commit, stalled
from tests.support.uploading import noise, sha256

_WAIT_SECONDS: Final = 0.3
_numbers = itertools.count()

_CONFIG, _LAYER, _LOOSE = noise(500, 1), noise(100_000, 2), noise(70_000, 3)


def _image(*layers: bytes) -> bytes:
    described = [{"mediaType": "application/octet-stream", "digest": sha256(b), "size": len(b)} for b in layers]
    config = {"mediaType": "application/octet-stream", "digest": sha256(_CONFIG), "size": len(_CONFIG)}
    return orjson.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described})


_ONE, _TWO, _NEW = _image(_LAYER), _image(), _image(_LOOSE)
_INDEX = orjson.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [{"mediaType": MANIFEST, "digest": sha256(m), "size": len(m)} for m in (_ONE, _TWO)],
    }
)


@dataclass(frozen=True)
class Package:
    """A package with two images, of the tags one and two, and a blob that no image needs."""

    registry: Registry
    token: str
    name: str = field(default_factory=lambda: f"alice/p{next(_numbers)}")

    async def call(self, method: str, rest: str, data: bytes | None = None, media_type: str | None = None) -> int:
        headers = {} if media_type is None else {"Content-Type": media_type}
        answer = await self.registry.call(method, f"/v2/{self.name}/{rest}", self.token, data=data, headers=headers)
        return answer.status

    async def put(self, manifest: bytes, tag: str) -> int:
        return await self.call("PUT", f"manifests/{tag}", manifest, OCI_INDEX if manifest is _INDEX else MANIFEST)

    async def fill(self) -> "Package":
        for blob in (_CONFIG, _LAYER, _LOOSE):
            await self.registry.push_blob(self.name, blob, self.token)
        assert [await self.put(_ONE, "one"), await self.put(_TWO, "two")] == [201, 201]
        return self

    async def upload(self, *, more: str = "") -> int:
        return await self.call("POST", f"blobs/uploads/?{'digest=' + sha256(_LOOSE)}{more}", _LOOSE)

    async def mount(self) -> int:
        return await self.call("POST", f"blobs/uploads/?mount={sha256(_LOOSE)}&from=alice/source")

    async def collect(self) -> int:
        """The collector comes long after everything was pushed."""
        package = "(SELECT id FROM packages WHERE name = $1)"
        for statement in (
            f"UPDATE package_blobs SET linked_at = linked_at - interval '2 days' WHERE package_id = {package}",
            f"UPDATE link_reviews SET due_at = now() - interval '1 day' WHERE package_id = {package}",
        ):
            await self.registry.services.db.execute(statement, self.name.rpartition("/")[2])
        await collect_garbage(self.registry.services)
        return 0

    async def state(self) -> tuple[Sequence[object], ...]:
        """Tags with what they name, live manifests, and live links."""
        package = "(SELECT id FROM packages WHERE name = $1)"
        statements = (
            f"SELECT name || digest AS it FROM tags WHERE package_id = {package} ORDER BY it",
            f"SELECT digest AS it FROM manifests WHERE package_id = {package} AND deleted_at IS NULL ORDER BY it",
            f"SELECT digest AS it FROM package_blobs WHERE package_id = {package} AND deleted_at IS NULL ORDER BY it",
        )
        rows = [
            await self.registry.services.db.fetch(statement, self.name.rpartition("/")[2]) for statement in statements
        ]
        return tuple([row["it"] for row in found] for found in rows)

    async def whole(self) -> None:
        """What a tag names is here, and what the manifest names of blobs."""
        listed = await self.registry.call("GET", f"/v2/{self.name}/tags/list", self.token)
        for tag in listed.json["tags"] or []:  # type: ignore[index]
            manifest = await self.registry.call("GET", f"/v2/{self.name}/manifests/{tag}", self.token)
            assert manifest.status == 200, tag
            named = orjson.loads(manifest.body)
            for blob in [*named.get("layers", []), *([named["config"]] if "config" in named else [])]:
                assert await self.call("GET", f"blobs/{blob['digest']}") == 200, tag


Step = Callable[[Package], Coroutine[Any, Any, int]]

_STEPS: Final[dict[str, Step]] = {
    "put new as one": lambda p: p.put(_NEW, "one"),
    "put two as one": lambda p: p.put(_TWO, "one"),
    "put one as one": lambda p: p.put(_ONE, "one"),
    "put index": lambda p: p.put(_INDEX, "index"),
    "delete tag one": lambda p: p.call("DELETE", "manifests/one"),
    "delete image one": lambda p: p.call("DELETE", f"manifests/{sha256(_ONE)}"),
    "delete image two": lambda p: p.call("DELETE", f"manifests/{sha256(_TWO)}"),
    "delete loose blob": lambda p: p.call("DELETE", f"blobs/{sha256(_LOOSE)}"),
    "upload loose blob": Package.upload,
    "mount loose blob": Package.mount,
    "see loose blob": lambda p: p.call("HEAD", f"blobs/{sha256(_LOOSE)}"),
    "collect": Package.collect,
}
#: What the commit that stands still has written.
_FIRST: Final[dict[str, Commit]] = {
    "put new as one": Commit("manifests", "INSERT"),
    "put two as one": Commit("tags", "UPDATE"),
    "put index": Commit("tags", "INSERT"),
    "delete tag one": Commit("tags", "DELETE"),
    "delete image one": Commit("manifests", "UPDATE", "new.deleted_at IS NOT NULL"),
    "delete image two": Commit("manifests", "UPDATE", "new.deleted_at IS NOT NULL"),
    "delete loose blob": Commit("package_blobs", "UPDATE", "new.deleted_at IS NOT NULL"),
    "upload loose blob": Commit("package_blobs", "UPDATE"),
    "mount loose blob": Commit("package_blobs", "UPDATE"),
    "collect": Commit("package_blobs", "DELETE"),
}


@pytest.mark.parametrize("name", _FIRST)
async def test_f49_two_changes(env: dict[str, str], name: str) -> None:
    async with running(env) as registry:
        token = await registry.user("alice")
        await registry.push_blob("alice/source", _LOOSE, token)
        wrong = [pair for again in _STEPS if (pair := await _pair(registry, token, name, again))]
        assert not wrong, "\n".join(wrong)


async def _pair(registry: Registry, token: str, first: str, second: str) -> str | None:
    """What is wrong with ``second`` that is sent while the commit of ``first`` stands still."""
    allowed = []
    for steps in ((first, second), (second, first)):
        package = await Package(registry, token).fill()
        told = [await _STEPS[step](package) for step in steps]
        allowed.append((tuple(told if steps == (first, second) else reversed(told)), await package.state()))
    package = await Package(registry, token).fill()
    async with stalled(registry, _FIRST[first]) as stall, asyncio.TaskGroup() as tasks:
        one = tasks.create_task(_STEPS[first](package))
        await stall.reached()
        two = tasks.create_task(_STEPS[second](package))
        await asyncio.wait([two], timeout=_WAIT_SECONDS)
        stall.let_go()
    seen = ((one.result(), two.result()), await package.state())
    await package.whole()
    return None if seen in allowed else f"{first}, {second}: {seen}, not one of {allowed}"
