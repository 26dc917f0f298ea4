"""Retention as its users have it: policies, plans and their decisions, applied and undone, over HTTP."""

from dataclasses import dataclass, replace
from typing import Any

from registry.jobs.runner import run_once
from registry.packages.deletion_rules import LifetimeSettings
from registry.packages.retention.work import Worker
from tests.api.test_versions import push_index, push_referrer
from tests.support.api import acme
from tests.support.server import Registry

POLICY: dict[str, Any] = {
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

    plan = await alice.plan(POLICY)
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


async def test_what_stays_lacks_nothing_and_what_goes_takes_its_own_along(registry: Registry) -> None:
    alice = await kept(registry)
    shared, gone, kept_one = await alice.push("shared", "gone", "kept")
    for tag in ("shared", "gone", "kept"):
        assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{tag}", alice.token)).status == 202
    await push_index(registry, "v1.0.0", [shared, kept_one], alice.token)
    old = await push_index(registry, "pr-1", [shared, gone], alice.token)
    outer = await push_index(registry, "pr-2", [old], alice.token)
    signature = await push_referrer(registry, "", outer, alice.token)
    sbom = await push_referrer(registry, "", signature, alice.token)
    of_kept = await push_referrer(registry, "", kept_one, alice.token)
    await alice.age(20)

    before, tags = await alice.digests(), await alice.tags()
    plan = await alice.plan(POLICY)
    assert {one["digest"] for one in await alice.decisions(plan, "&decision=delete")} == {
        outer, old, gone, signature, sbom
    }  # fmt: skip
    spared = {one["digest"]: one["because"][0] for one in await alice.decisions(plan, "&decision=keep")}
    assert spared[shared]["kept_by"] == "parent"
    await alice.turn(plan, "apply")
    assert before - await alice.digests() == {outer, old, gone, signature, sbom}
    for digest in (shared, kept_one, of_kept):
        assert (await registry.call("GET", f"/v2/alice/app/manifests/{digest}", alice.token)).status == 200
    await alice.turn(plan, "undo")
    assert (await alice.digests(), await alice.tags()) == (before, tags)


async def test_what_changed_since_the_plan_is_left_out(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0", "pr-1", "pr-2", "pr-3", "pr-4", "pr-5", "pr-6")
    digests = await alice.tags()
    await alice.age(20)
    await registry.services.db.execute("UPDATE migrations SET applied_at = now() - interval '1 year'")
    plan = await alice.plan({**POLICY, "rules": [*POLICY["rules"], {"keep": {"pulled_within": "1h"}}]})
    assert plan["delete"] == 6
    await registry.push_image("alice/app", "pr-1", alice.token)  # again
    await alice.ok("PUT", "/user/packages/container/app/tags/stable", {"digest": digests["pr-2"]}, 201)
    await push_index(registry, "v2.0.0", [digests["pr-3"]], alice.token)
    await push_referrer(registry, "", digests["pr-4"], alice.token)
    assert (await registry.call("HEAD", f"/v2/alice/app/manifests/{digests['pr-5']}", alice.token)).status == 200
    await registry.services.downloads.flush()
    await alice.turn(plan, "apply")
    outcomes = {one["tags"][0]: one["outcome"] for one in await alice.decisions(plan, "&decision=delete")}
    assert outcomes == {**dict.fromkeys(("pr-1", "pr-2", "pr-3", "pr-4", "pr-5"), "changed"), "pr-6": "done"}
    assert set(digests) - set(await alice.tags()) == {"pr-6"}


async def test_a_tag_goes_and_comes_back_where_its_version_stays(registry: Registry) -> None:
    alice = await kept(registry)
    (digest,) = await alice.push("v1.0.0")
    await alice.ok("PUT", "/user/packages/container/app/tags/pr-1", {"digest": digest}, 201)
    await alice.ok("PUT", "/user/packages/container/app/tags/pr-2", {"digest": digest}, 201)
    await alice.age(20)
    before = await alice.tags()
    plan = await alice.plan(POLICY)
    assert (plan["untag"], plan["delete"]) == (2, 0)
    await alice.turn(plan, "apply")
    assert await alice.tags() == {"v1.0.0": digest}
    (other,) = await alice.push("pr-2")
    await alice.turn(plan, "undo")
    assert await alice.tags() == {**before, "pr-2": other}
    back = await alice.ok("GET", "/user/packages/container/app/tags/pr-1")
    assert (back["pushed_by"]["login"], back["pushed_by"]["via"]) == ("alice", "policy")
    outcomes = {one["tag"]: (one["outcome"], one["told"]) for one in await alice.decisions(plan)}
    assert outcomes == {"pr-1": ("undone", None), "pr-2": ("lost", "Another version has the tag now.")}


async def test_the_last_tag_stays_and_the_recent_too(registry: Registry) -> None:
    alice = await kept(registry)
    everything = {"packages": ["*"], "rules": [{"delete": {"tags": ["*"]}}, {"delete": {"untagged": True}}]}
    await alice.push("one", "two")
    plan = await alice.plan(everything)
    assert {one["because"][0]["kept_by"] for one in await alice.decisions(plan)} == {"recent"}
    await alice.age(1, "one")
    await alice.age(2, "two")
    plan = await alice.plan(everything)
    told = {(one["tag"] or one["tags"][0]): one for one in await alice.decisions(plan)}
    assert (told["one"]["decision"], told["one"]["because"][0]["kept_by"]) == ("keep", "last")
    assert told["two"]["decision"] == "delete"
    plan = await alice.plan({**everything, "guards": {"may_empty": True}})
    assert plan["delete"] == 2
    await alice.turn(plan, "apply")
    assert await alice.digests() == set()


async def test_an_untagged_version_is_as_old_as_its_last_tag_is_gone(registry: Registry) -> None:
    alice = await kept(registry)
    first, second = await alice.push("moves", "v1.0.0")
    await alice.age(20)
    await alice.ok("PUT", "/user/packages/container/app/tags/moves", {"digest": second}, 200)
    assert (await alice.plan(POLICY))["delete"] == 0, "it has had no tag for a moment only"
    await registry.services.db.execute("DROP TRIGGER events_append_only ON events")
    await registry.services.db.execute("UPDATE events SET at = at - interval '8 days'")
    plan = await alice.plan(POLICY)
    assert [one["digest"] for one in await alice.decisions(plan, "&decision=delete")] == [first]


async def test_who_asks_by_head_uses_an_image(registry: Registry) -> None:
    alice = await kept(registry)
    digests = dict(zip(("pr-1", "pr-2", "v1.0.0"), await alice.push("pr-1", "pr-2", "v1.0.0"), strict=True))
    policy = {**POLICY, "rules": [*POLICY["rules"], {"keep": {"pulled_within": "7d"}}]}
    await alice.age(20)
    plan = await alice.plan(policy)
    told = await alice.decisions(plan)
    assert {one["because"][0]["kept_by"] for one in told} == {"unknown_pull"}, "nobody noted pulls a week ago"
    await registry.services.db.execute("UPDATE migrations SET applied_at = now() - interval '1 year'")
    assert (await registry.call("HEAD", "/v2/alice/app/manifests/pr-1", alice.token)).status == 200
    await registry.services.downloads.flush()
    told = await alice.decisions(await alice.plan(policy))
    assert {one["digest"]: one["decision"] for one in told} == {digests["pr-1"]: "keep", digests["pr-2"]: "delete"}
    days = await registry.services.db.fetch("SELECT * FROM downloads")
    assert not days, "a HEAD is no download"


async def _run_now(alice: Kept) -> None:
    await alice.registry.services.db.execute("UPDATE retention_policies SET next_at = now()")
    await alice.work()


async def test_a_policy_runs_by_its_schedule_within_its_guards(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0", "v1.0.1", "pr-1")
    await alice.age(20)
    policy = {"name": "ci", "enabled": True, **POLICY}
    made = await alice.ok("POST", "/user/retention/policies", policy, 201)
    await alice.work()
    assert await alice.ok("GET", "/user/retention/plans") == [], "there is an hour to think about it"
    await _run_now(alice)
    (plan,) = await alice.ok("GET", "/user/retention/plans")
    assert (plan["state"], plan["scheduled"], plan["policy_id"], plan["delete"]) == ("applied", True, made["id"], 1)
    assert set(await alice.tags()) == {"v1.0.0", "v1.0.1"}
    rows = await registry.services.db.fetch(
        "SELECT DISTINCT via, actor_id FROM events WHERE action = 'packages.package_version_deleted'"
    )
    assert [(row["via"], row["actor_id"] is None) for row in rows] == [("policy", False)]

    await alice.push("pr-2", "pr-3", "pr-4")
    await alice.age(20)
    await _run_now(alice)
    plan = (await alice.ok("GET", "/user/retention/plans"))[0]
    assert (plan["state"], plan["guarded"], plan["delete"]) == ("needs_approval", 1, 3)
    assert set(await alice.tags()) == {"v1.0.0", "v1.0.1", "pr-2", "pr-3", "pr-4"}
    assert (await alice.turn(plan, "apply"))["state"] == "applied"
    assert set(await alice.tags()) == {"v1.0.0", "v1.0.1"}
    assert (await registry.call("POST", f"/api/v3/user/retention/plans/{plan['id']}/apply", alice.token)).status == 409


async def test_what_may_not_be_deleted_by_hand_is_refused(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0", "pr-1", "pr-2")
    await alice.age(20)
    db = registry.services.db
    await db.execute("UPDATE packages SET visibility = 'public'")
    await db.execute(
        "INSERT INTO download_totals (version_id, package_id, count)"
        " SELECT id, package_id, 6000 FROM manifests WHERE digest = $1",
        (await alice.tags())["pr-1"],
    )
    plan = await alice.plan(POLICY)
    versions = replace(registry.services.versions, settings=LifetimeSettings(downloads_lock=5000))
    await alice.ok("POST", f"/user/retention/plans/{plan['id']}/apply", status=202)
    worker = Worker(db, versions, registry.services.tags, registry.services.now)
    while await worker.step():
        pass
    told = {one["tags"][0]: (one["outcome"], one["told"] or "") for one in await alice.decisions(plan)}
    assert told["pr-2"] == ("done", "")
    assert told["pr-1"][0] == "refused"
    assert "more than 5000 downloads" in told["pr-1"][1]
    assert set(await alice.tags()) == {"v1.0.0", "pr-1"}


async def test_a_version_is_explained(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0", "pr-1")
    await alice.age(20)
    made = await alice.ok("POST", "/user/retention/policies", {"name": "ci", **POLICY}, 201)
    await alice.ok("POST", "/user/retention/plans", {"policy_id": made["id"]}, 201)
    await alice.work()
    for tag, wanted in (("pr-1", ["delete"]), ("v1.0.0", [])):
        version = (await alice.ok("GET", f"/user/packages/container/app/tags/{tag}"))["version_id"]
        (told,) = await alice.ok("GET", f"/user/packages/container/app/versions/{version}/retention")
        assert (told["policy"], [one["decision"] for one in told["decisions"]]) == ("ci", wanted)


async def test_policies_of_an_organization_are_its_owners(registry: Registry) -> None:
    made = await acme(registry)
    path, body = "/orgs/acme/retention/policies", {"name": "ci", **POLICY}
    assert await made.status("POST", path, made.member, body) == 403
    assert await made.status("POST", path, made.stranger, body) == 404
    policy = await made.ok("POST", path, made.owner, body, 201)
    assert await made.status("POST", path, made.owner, {**body, "name": "CI"}) == 409
    changed = await made.ok(
        "PUT", f"{path}/{policy['id']}", made.owner, {**body, "schedule": "weekly", "enabled": True}
    )
    assert (changed["schedule"], changed["enabled"], changed["rules"]) == ("weekly", True, policy["rules"])
    for wrong in (
        {**body, "rules": [{"keep": {"tags": ["*"]}, "delete": {"tags": ["*"]}}]},
        {**body, "rules": [{"delete": {"older_than": "1d"}}]},
        {**body, "rules": [{"delete": {"tags": ["*"], "older_than": "1y"}}]},
        {**body, "rules": [{"delete": {"tags": ["*"] * 51}}]},
        {**body, "rules": [{"delete": {"tags": ["{a,b}" * 7]}}]},
        {**body, "rules": [{"delete": {"tags": ["{a,b}" * 6] * 5}}]},
        {"name": "x", "rules": []},
        {**body, "guards": {"max_share": 2}},
        {**body, "guards": {"max_versions": 2**70}},
        {**body, "gaurds": {"max_versions": 10}},
    ):
        assert await made.status("POST", path, made.owner, {**wrong, "name": "other"}) == 422, wrong
        assert await made.status("PUT", f"{path}/{policy['id']}", made.owner, wrong) == 422, wrong
    read = await made.ok("GET", f"{path}/{policy['id']}", made.owner)
    assert await made.ok("PUT", f"{path}/{policy['id']}", made.owner, read) == read, "what was read may be sent back"
    assert await made.status("DELETE", f"{path}/{policy['id']}", made.owner) == 204
    assert await made.ok("GET", path, made.owner) == []


async def test_a_worker_that_had_to_stop_leaves_no_part_behind(registry: Registry) -> None:
    alice = await kept(registry)
    parts = await alice.push("one", "two")
    for tag in ("one", "two"):
        assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{tag}", alice.token)).status == 202
    index = await push_index(registry, "pr-1", parts, alice.token)
    await alice.push("v1.0.0")
    await alice.age(20)
    policy = {"packages": ["app"], "rules": [{"delete": {"tags": ["pr-*"]}}]}
    plan = await alice.plan(policy)
    assert plan["delete"] == 3
    # As a worker leaves it that is killed when the first transaction is done.
    version = (await alice.ok("GET", "/user/packages/container/app/tags/pr-1"))["version_id"]
    await alice.ok("POST", f"/user/retention/plans/{plan['id']}/apply", status=202)
    await alice.ok("DELETE", f"/user/packages/container/app/versions/{version}", status=204)
    await alice.work()
    assert {one["outcome"] for one in await alice.decisions(plan)} == {"done"}
    assert not {index, *parts} & await alice.digests()
    await alice.turn(plan, "undo")
    assert {index, *parts} < await alice.digests()


async def test_decisions_are_paged_one_by_one(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0", "pr-1", "pr-2")
    await registry.push_image("alice/app2", "pr-3", alice.token)
    await registry.push_image("alice/app2", "pr-4", alice.token)
    await alice.age(20)
    plan = await alice.plan(POLICY)
    whole, path, seen = await alice.decisions(plan), f"/user/retention/plans/{plan['id']}/decisions", list[Any]()
    query = "?per_page=1"
    while query:
        page: Any = await registry.call("GET", f"/api/v3{path}{query}", alice.token)
        seen += page.json
        assert len(seen) <= len(whole)
        query = page.headers.get("Link", "").partition(path)[2].partition(">")[0]
    assert seen == whole
    for after in ("1-2147483648", "1-99999999999999999", "1-", "-", "99999999999999999999-1"):
        await alice.ok("GET", f"{path}?after={after}")


async def test_numbers_that_no_database_holds_are_refused(registry: Registry) -> None:
    alice = await kept(registry)
    for number in (2**63, 10**30):
        await alice.ok("POST", "/user/retention/plans", {"policy_id": number}, 422)
        guarded = {**POLICY, "guards": {"max_versions": number}}
        await alice.ok("POST", "/user/retention/policies", {**guarded, "name": "ci"}, 422)
        await alice.ok("POST", "/user/retention/plans", {"policy": guarded}, 422)
