"""What a mirror tells: its metrics, its events, the referrers of an image."""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from registry.devservers.processes import free_ports
from registry.jobs.forget_mirror_answers import forget_mirror_answers
from tests.mirror.conftest import Mirrored, mirror_of
from tests.mirror.test_mirror import BLOBS, MANIFESTS, parts, pull
from tests.support.processes import serving
from tests.support.server import Registry, running
from tests.support.upstream import Upstream
from tests.test_metrics import Node

OCI = "application/vnd.oci.image.manifest.v1+json"


async def test_a_node_counts_what_its_mirrors_do(
    env: dict[str, str], origin: Registry, upstream: Upstream, tmp_path: Path
) -> None:
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    env = {**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}
    settings = {**env, "MOORAGE_WORKERS": "2", "MOORAGE_ADMIN_LISTEN": admin}
    async with running(env) as registry:
        mirrored = await mirror_of(registry, origin, upstream)
        await mirrored.push("app", layers=2, size=100_000)
        async with serving(settings, tmp_path / "log") as (process, url):
            node = Node(process, url, f"http://{admin}")
            found = await registry.call("GET", f"{url}{MANIFESTS}/1", mirrored.member)
            for digest in parts(found):
                assert (await registry.call("GET", f"{url}{BLOBS}/{digest}", mirrored.member)).status == 200
            await node.settled(3, "moorage_mirror_fetches_total", result="stored")
            await node.settled(3, "moorage_mirror_fetches_total", result="begun")
            assert await node.value("moorage_mirror_fetched_bytes_total") > 200_000
            assert await node.value("moorage_mirror_answers_total", result="ok") == 4
            await registry.services.db.execute("UPDATE mirrors SET tag_seconds = 0, changed_at = now()")
            await asyncio.sleep(5.5)  # until each process has looked
            upstream.status, upstream.headers = 429, {"Retry-After": "60"}
            assert (await registry.call("GET", f"{url}{MANIFESTS}/1", mirrored.member)).status == 200
            await node.settled(1, "moorage_mirror_answers_total", result="limited")
            await node.settled(1, "moorage_mirror_stale_answers_total")
            assert await node.value("moorage_mirror_fetches_under_way") == 0


async def test_what_the_upstream_changes_is_an_event_of_the_mirror(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    digest = await mirrored.push("app")
    await mirrored.set("tag_seconds = 0")
    moved = await mirrored.registry.call("HEAD", f"{MANIFESTS}/1", mirrored.member)
    assert (moved.status, moved.headers["Docker-Content-Digest"]) == (200, digest)
    found = await mirrored.registry.services.db.fetch("SELECT action, via, actor_id FROM events ORDER BY id")
    assert [row[0].partition(".")[2] for row in found if (row[1], row[2]) == ("mirror", None)] == [
        "package_published",
        "package_version_published",
        "tag_created",
        "package_version_published",
        "tag_moved",
    ]


async def _signed(mirrored: Mirrored, digest: str, *, fallback: bool) -> str:
    """Push what refers to an image at the origin; its digest. ``fallback``: by a tag too."""
    config = await mirrored.origin.push_blob("library/app", b"{}", mirrored.pusher)
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2}
    subject = {"mediaType": OCI, "digest": digest, "size": 700}
    body = orjson.dumps(
        {"schemaVersion": 2, "mediaType": OCI, "artifactType": "application/example", "config": empty,
         "layers": [empty], "subject": subject}
    )  # fmt: skip
    reference = "signature"
    headers = {"Content-Type": OCI}
    put = await mirrored.origin.call(
        "PUT", f"/v2/library/app/manifests/{reference}", mirrored.pusher, data=body, headers=headers
    )
    assert put.status == 201, put.body
    if fallback:
        index = "application/vnd.oci.image.index.v1+json"
        listed = [{"mediaType": OCI, "digest": put.headers["Docker-Content-Digest"], "size": len(body)}]
        put_index = await mirrored.origin.call(
            "PUT",
            f"/v2/library/app/manifests/{digest.replace(':', '-')}",
            mirrored.pusher,
            data=orjson.dumps({"schemaVersion": 2, "mediaType": index, "manifests": listed}),
            headers={"Content-Type": index},
        )
        assert put_index.status == 201, put_index.body
    return put.headers["Docker-Content-Digest"]


async def _referrers(mirrored: Mirrored, digest: str) -> Any:
    found = await mirrored.registry.call("GET", f"/v2/hub/library/app/referrers/{digest}", mirrored.member)
    assert found.status == 200
    return [one["digest"] for one in found.json["manifests"]], found.headers.get("Warning")  # type: ignore[index]


async def test_referrers_come_from_the_upstream(mirrored: Mirrored) -> None:
    digest = await mirrored.push("app")
    signature = await _signed(mirrored, digest, fallback=False)
    await pull(mirrored, mirrored.member)
    for _ in range(3):
        assert await _referrers(mirrored, digest) == ([signature], None)
    assert mirrored.upstream.count("GET referrers") == 1
    mirrored.upstream.status = 500
    await mirrored.set("tag_seconds = 0")
    found, warning = await _referrers(mirrored, digest)
    assert found == [signature]
    assert warning.startswith('111 - "docker.io: 500')
    body = await mirrored.registry.call("GET", f"{MANIFESTS}/{signature}", mirrored.member)
    assert body.status == 200


async def test_referrers_come_by_the_tag_of_an_upstream_without_the_api(mirrored: Mirrored) -> None:
    digest = await mirrored.push("app")
    signature = await _signed(mirrored, digest, fallback=True)
    await pull(mirrored, mirrored.member)
    mirrored.upstream.without = "/referrers/"
    assert await _referrers(mirrored, digest) == ([signature], None)


async def test_old_answers_are_forgotten(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    assert await forget_mirror_answers(mirrored.registry.services) == 0
    await mirrored.registry.services.db.execute("UPDATE mirror_answers SET told_at = now() - interval '31 days'")
    assert await forget_mirror_answers(mirrored.registry.services) == 1


async def test_api_and_pages_tell_of_a_mirrored_package(mirrored: Mirrored) -> None:
    digest = await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    token = await mirrored.registry.token("olga", ("read:packages", "admin:org"))
    package = "/api/v3/orgs/hub/packages/container/library%2Fapp"
    assert (await mirrored.registry.call("GET", package, token)).status == 200
    versions: Any = (await mirrored.registry.call("GET", f"{package}/versions", token)).json
    assert [one["name"] for one in versions] == [digest]
    for path in (f"{package}/versions/{versions[0]['id']}", f"{package}/tags/1/history"):
        found = await mirrored.registry.call("GET", path, token)
        assert found.status == 200, path
    events: Any = (await mirrored.registry.call("GET", "/api/v3/orgs/hub/audit-log", token)).json
    assert {one["actor_kind"] for one in events} == {"mirror"}
