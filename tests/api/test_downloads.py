"""Downloads: by version and day, signatures apart."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from storage.errors import Unavailable
from storage.metadata.pulls import Pull
from tests.api.test_versions import APP, listed, push_referrer
from tests.support.server import Registry, running
from tests.support.tcp import TcpProxy


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


async def test_counts_wait_for_a_database_that_is_away(env: dict[str, str]) -> None:
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as away:
        through = away.through(env["MOORAGE_DATABASE_URL"])
        async with running({**env, "MOORAGE_DATABASE_URL": through, "MOORAGE_PULL_LOG": "7"}) as registry:
            token = await registry.user("alice")
            await registry.push_image("alice/app", "v1", token)
            counted = registry.services.downloads
            await away.refuse()
            pull = Pull(1, "v1", None, None, "192.0.2.1", "")
            counted.note(1, 0.0)
            assert counted.pulls is not None
            counted.pulls[pull] += 1
            with pytest.raises(Unavailable):
                await counted.flush()
            counted.note(1, 0.0)
            assert counted._counts == {(1, date(1970, 1, 1)): 2}
            assert counted.pulls == {pull: 1}
            await away.heal()
