"""Retention as its users have it: policies, plans and their decisions, applied and undone, over HTTP."""

from dataclasses import dataclass
from typing import Any

from registry.jobs.runner import run_once
from tests.support.server import Registry

_POLICY: dict[str, Any] = {
    "rules": [
        {"keep": {"tags": ["v*.*.*", "stable"]}},
        {"keep": {"tags": ["main-*"], "newest": 2}},
        {"delete": {"tags": ["pr-*", "main-*"], "older_than": "14d"}},
        {"delete": {"untagged": True, "older_than": "7d"}},
    ],
    "packages": ["app*"],
}


@dataclass
class Kept:
    """alice's account, with the package ``alice/app``."""

    registry: Registry
    token: str

    async def ok(self, method: str, path: str, json: object = None, status: int = 200) -> Any:
        got = await self.registry.call(method, f"/api/v3{path}", self.token, json=json)
        assert got.status == status, (method, path, got.status, got.body)
        return got.json if got.body else None

    async def push(self, *tags: str) -> list[str]:
        return [await self.registry.push_image("alice/app", tag, self.token) for tag in tags]

    async def age(self, days: float, *tags: str) -> None:
        """As if all, or these tags with their versions, had been pushed so many days earlier."""
        await age(self.registry, days, *tags)

    async def work(self) -> None:
        await run_once(self.registry.services, ["keep_retention"])

    async def plan(self, policy: object) -> Any:
        made = await self.ok("POST", "/user/retention/plans", {"policy": policy}, 201)
        assert made["state"] == "queued"
        await self.work()
        return await self.ok("GET", f"/user/retention/plans/{made['id']}")

    async def decisions(self, plan: Any, query: str = "") -> list[Any]:
        found: list[Any] = await self.ok("GET", f"/user/retention/plans/{plan['id']}/decisions?per_page=100{query}")
        return found

    async def turn(self, plan: Any, word: str) -> Any:
        await self.ok("POST", f"/user/retention/plans/{plan['id']}/{word}", status=202)
        await self.work()
        return await self.ok("GET", f"/user/retention/plans/{plan['id']}")

    async def tags(self) -> dict[str, str]:
        rows = await self.registry.services.db.fetch("SELECT name, digest FROM tags ORDER BY name")
        return {row["name"]: row["digest"] for row in rows}

    async def digests(self) -> set[str]:
        rows = await self.registry.services.db.fetch("SELECT digest FROM manifests WHERE deleted_at IS NULL")
        return {row["digest"] for row in rows}


async def age(registry: Registry, days: float, *tags: str) -> None:
    """As if all, or these tags with their versions, had been pushed so many days earlier."""
    db, back = registry.services.db, 86_400.0 * days
    await db.execute(
        "UPDATE manifests SET created_at = created_at - make_interval(secs => $1),"
        " updated_at = updated_at - make_interval(secs => $1)"
        " WHERE $2::text[] IS NULL OR digest IN (SELECT digest FROM tags WHERE name = ANY ($2::text[]))",
        back,
        list(tags) or None,
    )
    await db.execute(
        "UPDATE tags SET updated_at = updated_at - make_interval(secs => $1)"
        " WHERE $2::text[] IS NULL OR name = ANY ($2::text[])",
        back,
        list(tags) or None,
    )


async def kept(registry: Registry) -> Kept:
    return Kept(registry, await registry.user("alice", ("repo", "user", "write:packages", "delete:packages")))


async def test_a_plan_is_made_applied_and_undone(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0", "pr-1", "pr-2", "main-1", "main-2", "main-3")
    await alice.age(20)
    await alice.push("pr-3")
    before, all_of_it = await alice.tags(), await alice.digests()

    plan = await alice.plan(_POLICY)
    assert (plan["state"], plan["packages"], plan["untag"], plan["delete"]) == ("planned", 1, 0, 3)
    told = {(one["tags"] or [one["tag"]])[0]: one for one in await alice.decisions(plan)}
    assert {name for name, one in told.items() if one["decision"] == "delete"} == {"pr-1", "pr-2", "main-1"}
    assert told["pr-1"]["because"] == [{"rule": 2, "text": "pr-*, main-*; older than 14d"}]
    assert told["main-3"]["decision"] == "keep"
    assert told["main-3"]["because"] == [{"kept_by": "rule", "rule": 1, "text": "main-*; the newest 2"}]
    assert await alice.tags() == before, "a plan changes nothing"

    done = await alice.turn(plan, "apply")
    assert done["state"] == "applied"
    assert set(before) - set(await alice.tags()) == {"pr-1", "pr-2", "main-1"}
    assert {one["outcome"] for one in await alice.decisions(plan, "&decision=delete")} == {"done"}

    undone = await alice.turn(plan, "undo")
    assert undone["state"] == "undone"
    assert await alice.tags() == before
    assert await alice.digests() == all_of_it
    assert {one["outcome"] for one in await alice.decisions(plan, "&decision=delete")} == {"undone"}
