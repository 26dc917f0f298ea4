"""Quotas: who is over one is refused before the body, and who was let in finishes."""

import asyncio
from typing import Any

import orjson

from registry.jobs.runner import run_once
from tests.support.api import Acme, acme
from tests.support.server import Registry
from tests.support.uploading import Session, noise, sha256

_JOBS = ("fold_usage", "recount_usage")
_KIND = "application/vnd.oci.image.manifest.v1+json"
_QUOTA = "/orgs/acme/packages/quota"


async def _filled(registry: Registry, **quota: object) -> Acme:
    """The organization acme, with packages of 30,000 and 20,000 bytes, and this quota."""
    people = await acme(registry)
    for name, size in (("web", 30_000), ("api", 20_000)):
        await registry.push_blob(f"acme/{name}", noise(size, size), people.owner)
    await run_once(registry.services, _JOBS)
    if quota:
        await people.ok("PUT", _QUOTA, people.admin, quota)
    return people


async def test_over_it_an_upload_is_refused_before_its_body(registry: Registry) -> None:
    people = await _filled(registry, bytes=50_000)
    begun = await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)
    assert begun.status == 403
    assert begun.json == {
        "errors": [
            {
                "code": "DENIED",
                "message": "Acme has used 50.0 kB of its 50.0 kB; the largest are web (30.0 kB), api (20.0 kB). moorage"
                " usage Acme tells its owners what takes the room: delete versions that nobody needs, which count until"
                " they can no longer be restored, or ask an"
                " administrator of this registry for a larger quota",
                "detail": {
                    "owner": "Acme",
                    "used_bytes": 50_000,
                    "quota_bytes": 50_000,
                    "largest": [{"name": "web", "bytes": 30_000}, {"name": "api", "bytes": 20_000}],
                    "fix": "moorage usage Acme",
                },
            }
        ]
    }
    # So is the whole blob at once, short or with a body that is still to come.
    for data in (b"short", noise(200_000)):
        at_once = f"/v2/acme/new/blobs/uploads/?digest={sha256(data)}"
        assert (await registry.call("POST", at_once, people.owner, data=data)).status == 403
    raw = Session(registry, "acme/web", people.owner, f"/v2/acme/web/blobs/uploads/?digest={sha256(b'-')}")
    announced = await raw.raw("Content-Length: 5000000", method="POST")
    async with asyncio.timeout(5):
        assert await announced.status_line() == 403
    await announced.close()
    (rows,) = await registry.services.db.fetch("SELECT count(*) AS n FROM uploads WHERE state = 'open'")
    assert rows["n"] == 0
    assert registry.services.uploads.counts["over_quota"] == 4


async def test_what_does_not_fit_is_refused_by_its_length(registry: Registry) -> None:
    people = await _filled(registry, bytes=60_000)
    for size, status in ((20_000, 403), (9_000, 201)):
        data = noise(size, 9)
        put = await registry.call("POST", f"/v2/acme/web/blobs/uploads/?digest={sha256(data)}", people.owner, data=data)
        assert put.status == status, put.body


async def test_a_length_that_no_number_of_postgres_has_is_refused_like_any(registry: Registry) -> None:
    people = await _filled(registry, bytes=10**18)
    at_once = f"/v2/acme/web/blobs/uploads/?digest={sha256(b'-')}"
    for length in (2**63 - 1, 2**63, 2**64 - 1):
        raw = await Session(registry, "acme/web", people.owner, at_once).raw(f"Content-Length: {length}", method="POST")
        async with asyncio.timeout(5):
            assert await raw.status_line() == 403
        await raw.close()


async def test_a_push_under_way_finishes(registry: Registry) -> None:
    """What was let in is received and published, and its manifest too; the next is refused."""
    people = await _filled(registry, bytes=50_001)
    layer, config = noise(300_000, 1), noise(70_000, 2)
    sessions = [await Session.begin(registry, "acme/web", people.owner) for _ in range(2)]
    await people.ok("PUT", _QUOTA, people.admin, {"bytes": 10})
    for session, data in zip(sessions, (layer, config), strict=True):
        assert (await session.patch(data)).status == 202
        assert (await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)).status == 403
        assert (await session.put(sha256(data))).status == 201
    await run_once(registry.services, _JOBS)
    parts = [{"mediaType": "a/b", "digest": sha256(one), "size": len(one)} for one in (config, layer)]
    body = orjson.dumps({"schemaVersion": 2, "mediaType": _KIND, "config": parts[0], "layers": parts[1:]})
    put = await registry.call(
        "PUT", "/v2/acme/web/manifests/v1", people.owner, data=body, headers={"Content-Type": _KIND}
    )
    assert put.status == 201, put.body
    assert (await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)).status == 403
    assert (await registry.call("GET", "/v2/acme/web/manifests/v1", people.owner)).status == 200


async def test_open_uploads_of_the_pusher_count(registry: Registry) -> None:
    people = await _filled(registry, bytes=120_000)
    session = await Session.begin(registry, "acme/web", people.owner)
    assert (await session.patch(noise(80_000))).status == 202
    assert (await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)).status == 403
    # Those to others do not.
    assert (await registry.call("POST", "/v2/owner/app/blobs/uploads/", people.owner)).status == 202
    assert (await session.cancel()).status == 204
    assert (await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)).status == 202


async def test_a_mount_adds_nothing_unless_it_is_from_another_owner(registry: Registry) -> None:
    people = await _filled(registry, bytes=50_000)
    mine = await registry.push_blob("owner/app", noise(1000), people.owner)

    async def mount(digest: str, source: str) -> int:
        path = f"/v2/acme/new/blobs/uploads/?mount={digest}&from={source}"
        return (await registry.call("POST", path, people.owner)).status

    assert await mount(sha256(noise(30_000, 30_000)), "acme/web") == 201
    assert await mount(mine, "owner/app") == 403
    await people.ok("PUT", _QUOTA, people.admin, {"bytes": 60_000})
    assert await mount(mine, "owner/app") == 201


async def test_a_soft_quota_warns(registry: Registry) -> None:
    people = await _filled(registry, bytes=100_000, hard=False, warn_percent=60)

    async def warning() -> str | None:
        begun = await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)
        assert begun.status == 202
        return begun.headers.get("Warning")

    assert await warning() is None
    await registry.push_blob("acme/web", noise(15_000), people.owner)
    await run_once(registry.services, _JOBS)
    assert await warning() == '299 - "Acme has used 65 % of its 100 kB; see moorage usage Acme"'
    await people.ok("PUT", _QUOTA, people.admin, {"bytes": 10, "hard": False})
    assert await warning() == '299 - "Acme has used 650000 % of its 10 B; see moorage usage Acme"'
    log: Any = (await registry.call("GET", "/api/v3/orgs/acme/audit-log", people.owner)).json
    told = {one["action"]: one for one in reversed(log)}  # the newest first
    assert told["packages.quota_set"]["data"] == {"bytes": 10, "hard": False, "warn_percent": 90, "before": 100_000}
    assert told["packages.quota_warned"]["data"] == {"bytes": 100_000, "hard": False, "used": 65_000}
    assert told["packages.quota_warned"]["actor_kind"] == "operator"


async def test_it_is_recorded_once_a_day_that_it_is_nearly_used(registry: Registry) -> None:
    people, db = await acme(registry), registry.services.db
    await people.ok("PUT", "/users/owner/packages/quota", people.admin, {"bytes": 1000, "hard": False})
    count = "SELECT count(*)::int AS n FROM events WHERE action = 'packages.quota_warned'"
    recorded = []
    for number in range(5):
        await registry.push_blob("owner/app", noise(500, number), people.owner)
        await run_once(registry.services, _JOBS)
        recorded.append((await db.fetch(count))[0]["n"])
        if number == 3:
            await db.execute("UPDATE quotas SET warned_at = warned_at - interval '25 hours'")
    assert recorded == [0, 1, 1, 1, 2]


async def test_who_may_not_read_a_package_is_not_told_of_it(registry: Registry) -> None:
    people = await _filled(registry, bytes=50_000)

    rita = await registry.user("rita")
    await people.ok("PUT", "/orgs/acme/memberships/rita", people.owner, {})
    refused: Any = (await registry.call("POST", "/v2/acme/ritas/blobs/uploads/", rita)).json
    assert refused["errors"][0]["detail"]["largest"] == []
    assert refused["errors"][0]["message"].startswith("Acme has used 50.0 kB of its 50.0 kB. moorage usage Acme tells")
