"""The pull log: who pulled what, from where, as admins of the package see it; and for how long it is kept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from registry.jobs.turn_pulls import turn_pulls
from storage.metadata.pulls import Pull
from tests.support.server import Registry, running

_PULLS = "/api/v3/user/packages/container/app/pulls"


async def log(registry: Registry, token: str, query: str = "", path: str = _PULLS) -> list[dict[str, Any]]:
    for services in registry.replicas:
        await services.downloads.flush()
    answer = await registry.call("GET", f"{path}{query}", token)
    assert answer.status == 200, answer.body
    found: Any = answer.json
    return list(found)


async def test_who_pulled_what_from_where(env: dict[str, str]) -> None:
    env |= {"MOORAGE_PULL_LOG": "7", "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}
    async with running(env, replicas=2) as registry:
        alice, bob = await registry.user("alice"), await registry.user("bob")
        digest = await registry.push_image("alice/app", "v1", alice)
        assert await log(registry, alice) == []
        await registry.call("PATCH", "/api/v3/user/packages/container/app", alice, json={"visibility": "public"})
        tag, exact = "/v2/alice/app/manifests/v1", f"/v2/alice/app/manifests/{digest}"
        headers = {"X-Forwarded-For": "192.0.2.7", "User-Agent": "docker/29.0"}
        for replica in (0, 0, 1):
            assert (await registry.call("GET", tag, bob, replica=replica, headers=headers)).status == 200
        assert (await registry.call("GET", exact, headers={**headers, "X-Forwarded-For": "2001:db8::1"})).status == 200
        await registry.call("HEAD", tag, bob)
        found = await log(registry, alice)
        by_bob = [one for one in found if one["actor"]]
        assert sorted(one["count"] for one in by_bob) == [1, 2], "of two replicas"
        assert {(one["actor"]["login"], one["actor"]["via"], one["tag"], one["digest"]) for one in by_bob} == {
            ("bob", "classic", "v1", digest)
        }
        assert {(one["actor_ip"], one["user_agent"]) for one in by_bob} == {("192.0.2.7", "docker/29.0")}
        (stranger,) = [one for one in found if one["actor"] is None]
        assert (stranger["tag"], stranger["actor_ip"]) == (None, "2001:db8::/64")
        first = (await log(registry, alice, "?per_page=1"))[0]
        assert first["id"] == max(one["id"] for one in found)
        assert len(await log(registry, alice, f"?after={first['id']}")) == len(found) - 1
        later = (datetime.now(UTC) + timedelta(hours=1)).isoformat().replace("+", "%2B")
        assert await log(registry, alice, f"?since={later}") == []
        for wrong in ("?since=2026-01-01", "?since=soon", "?after=x"):
            assert (await registry.call("GET", _PULLS + wrong, alice)).status == 422, wrong
        path = "/api/v3/users/alice/packages/container/app/pulls"
        assert (await registry.call("GET", path, bob)).status == 403
        row = await registry.services.db.fetchrow("SELECT sum(count)::text AS count FROM downloads")
        assert row is not None
        assert row["count"] == "4", "the counts are as without it"


async def test_a_workflow_is_named_by_its_repository(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_PULL_LOG": "7"}) as registry:
        alice = await registry.user("alice", ["repo", "write:packages"])
        await registry.push_image("alice/app", "v1", alice)
        assert (await registry.call("POST", "/api/v3/user/repos", alice, json={"name": "code"})).status == 201
        access = "/api/v3/user/packages/container/app/access/repositories/alice/code"
        assert (await registry.call("PUT", access, alice, json={"role": "read"})).status == 204
        made: Any = (await registry.call("POST", "/api/v3/repos/alice/code/actions/token", alice)).json
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", made["token"])).status == 200
        (found,) = await log(registry, alice)
        assert (found["actor"]["via"], found["actor"]["token"]) == ("workflow", "alice/code")


async def test_nothing_is_kept_where_it_is_off(registry: Registry) -> None:
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).status == 200
    assert registry.services.downloads.pulls is None
    assert await log(registry, alice) == []
    assert await turn_pulls(registry.services) == 0


@pytest.mark.parametrize("days", [2, 0])
async def test_days_that_are_over_are_dropped(env: dict[str, str], days: int) -> None:
    async with running({**env, "MOORAGE_PULL_LOG": "30"}) as registry:
        db, alice = registry.services.db, await registry.user("alice")
        await registry.push_image("alice/app", "v1", alice)
        await db.execute("SELECT turn_pulls(now() - interval '5 days', 30)")
        assert await turn_pulls(registry.services) == 3
        assert await turn_pulls(registry.services) == 0, "a job that finds nothing to do writes nothing"
        await registry.call("GET", "/v2/alice/app/manifests/v1", alice)
        await log(registry, alice)
        old = "INSERT INTO pulls SELECT nextval('pulls_id'), now() - $1 * interval '1 day', package_id, version_id, digest"
        for age in (1, 5, 40):
            await db.execute(f"{old}, tag, actor_id, via, token_id, token_name, remote, user_agent, count"
                             " FROM pulls ORDER BY id LIMIT 1", age)  # fmt: skip
        assert len(await log(registry, alice)) == 4
        await db.execute("SELECT turn_pulls(now(), $1)", days)
        assert len(await log(registry, alice)) == (0 if days == 0 else 2)
    async with running(env) as registry:
        assert await turn_pulls(registry.services) == (0 if days == 0 else 4)


async def test_both_are_kept_for_the_next_flush(env: dict[str, str]) -> None:
    """What a flush could not write is written once, by the next one."""
    async with running({**env, "MOORAGE_PULL_LOG": "7"}) as registry:
        alice = await registry.user("alice")
        await registry.push_image("alice/app", "v1", alice)
        row = await registry.services.db.fetchrow("SELECT id::text FROM manifests")
        assert row is not None
        downloads = registry.services.downloads
        assert downloads.pulls is not None
        downloads.pulls[Pull(int(row["id"]), "v1", None, None, "192.0.2.1", "")] = 3
        downloads.note(int(row["id"]), 0.0)
        await downloads.flush()
        await downloads.flush()
        assert [one["count"] for one in await log(registry, alice)] == [3]
