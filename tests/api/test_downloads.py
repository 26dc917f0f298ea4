"""Downloads: by version and day, signatures apart."""

from datetime import UTC, date, datetime
from typing import Any

from registry.packages.downloads import Downloads
from storage.errors import Unavailable
from tests.api.test_versions import APP, listed, push_referrer
from tests.support.server import Registry, running


async def downloads(registry: Registry, token: str, version: int) -> dict[str, Any]:
    await registry.services.downloads.flush()
    answer = await registry.call("GET", f"{APP}/versions/{version}/downloads?interval=day", token)
    assert answer.status == 200, answer.body
    found: Any = answer.json
    return dict(found)


async def test_pulls_are_counted(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice)
    bundle = await push_referrer(registry, "", image, alice)
    cosign = await push_referrer(registry, image.replace(":", "-") + ".sig", None, alice, "cosign")
    await registry.call("PATCH", APP, alice, json={"visibility": "public"})
    ids = {name: version["id"] for name, version in (await listed(registry, alice)).items()}
    nothing = await downloads(registry, alice, ids[image])
    assert (nothing["total"], nothing["downloads"]) == (0, [])
    for reference in ("v1", image, "v1"):
        assert (await registry.call("GET", f"/v2/alice/app/manifests/{reference}", alice)).status == 200
    assert (await registry.call("GET", f"/v2/alice/app/manifests/{image}")).status == 200
    # Looking is no download, and neither is what is there already.
    assert (await registry.call("HEAD", "/v2/alice/app/manifests/v1", alice)).status == 200
    same = {"If-None-Match": f'"{image}"'}
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice, headers=same)).status == 304
    for digest in (bundle, cosign, cosign):
        await registry.call("GET", f"/v2/alice/app/manifests/{digest}", alice)
    today = datetime.now(UTC).date().isoformat()
    assert await downloads(registry, alice, ids[image]) == {
        "version_id": ids[image],
        "interval": "day",
        "total": 7,
        "totals": {"image": 4, "signature": 3},
        "downloads": [
            {"day": today, "kind": "image", "count": 4},
            {"day": today, "kind": "signature", "count": 3},
        ],
    }
    assert (await downloads(registry, alice, ids[bundle]))["totals"] == {"image": 0, "signature": 1}
    assert (await registry.call("GET", f"{APP}/versions/{ids[image]}/downloads?interval=year", alice)).status == 422


async def test_replicas_add_up(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        alice = await registry.user("alice")
        image = await registry.push_image("alice/app", "v1", alice)
        for replica in (0, 1, 1):
            await registry.call("GET", "/v2/alice/app/manifests/v1", alice, replica=replica)
        for services in registry.replicas:
            await services.downloads.flush()
        version = (await listed(registry, alice))[image]["id"]
        assert (await downloads(registry, alice, version))["total"] == 3


async def test_counts_wait_for_a_database_that_is_away(registry: Registry) -> None:
    class Away:
        async def fetch(self, *_: object) -> list[Any]:
            raise Unavailable("away")

        async def fetchrow(self, *_: object) -> None:
            raise Unavailable("away")

        async def execute(self, *_: object) -> str:
            raise Unavailable("away")

    counted = Downloads(Away())
    counted.note(1, 0.0)
    try:
        await counted.flush()
    except Unavailable:
        counted.note(1, 0.0)
    assert counted._counts == {(1, date(1970, 1, 1)): 2}
