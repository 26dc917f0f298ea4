"""What happens between a plan of retention and its application, and between that and its undoing, over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from registry.packages.retention.work import Worker
from registry.packages.versions import Versions
from storage.metadata import retention
from storage.metadata.retention import Progress
from tests.api.test_retention import POLICY, Kept, kept
from tests.api.test_versions import OCI, push_index, push_referrer
from tests.support.server import Registry


def _worker(registry: Registry) -> Worker:
    services = registry.services
    return Worker(services.db, services.versions, services.tags, services.now)


async def test_a_policy_that_is_disabled_while_it_is_planned_deletes_nothing(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0", "v1.0.1", "pr-1")
    await alice.age(20)
    for change in ({"enabled": False}, {"rules": POLICY["rules"][:1]}, None):
        policy = {"name": "ci", "enabled": True, **POLICY}
        made = await alice.ok("POST", "/user/retention/policies", policy, 201)
        await registry.services.db.execute("UPDATE retention_policies SET next_at = now()")
        await _worker(registry).step()
        path = f"/user/retention/policies/{made['id']}"
        if change is not None:
            await alice.ok("PUT", path, {**policy, **change})
        await alice.ok("DELETE", path, status=204) if change is None else None
        await alice.work()
        plan = (await alice.ok("GET", "/user/retention/plans"))[0]
        assert (plan["scheduled"], plan["state"], plan["delete"]) == (True, "planned", 1), change
        assert "pr-1" in await alice.tags()
        if change is not None:
            await alice.ok("DELETE", path, status=204)


async def _moved(alice: Kept, to: str, name: str) -> None:
    """As an administrator transfers the package, or gives it another name."""
    await alice.registry.services.db.execute(
        "UPDATE packages SET name = $2, owner_id = (SELECT id FROM accounts WHERE login = $1)", to, name
    )


async def test_a_package_of_another_name_or_owner_is_left_out_and_told(registry: Registry) -> None:
    alice = await kept(registry)
    await registry.user("bob")
    await alice.push("v1.0.0", "pr-1")
    await alice.age(20)
    before = await alice.tags()
    for owner, name in (("alice", "web"), ("bob", "app")):
        plan = await alice.plan(POLICY)
        await _moved(alice, owner, name)
        await alice.turn(plan, "apply")
        assert await alice.tags() == before
        (one,) = await alice.decisions(plan)
        assert (one["outcome"], one["told"]) == ("changed", "The package is deleted, or has another name or owner.")
        assert one["package"] == (name if owner == "alice" else None)
        await _moved(alice, "alice", "app")


async def test_a_package_is_undone_under_the_name_that_it_has_now(registry: Registry) -> None:
    alice = await kept(registry)
    await registry.user("bob")
    await alice.push("v1.0.0", "pr-1")
    await alice.age(20)
    before = await alice.tags()
    plan = await alice.plan(POLICY)
    await alice.turn(plan, "apply")
    await _moved(alice, "alice", "web")
    assert (await alice.turn(plan, "undo"))["state"] == "undone"
    assert await alice.tags() == before
    assert [one["outcome"] for one in await alice.decisions(plan)] == ["undone"]

    await _moved(alice, "alice", "app")
    await alice.age(20)
    plan = await alice.plan(POLICY)
    await alice.turn(plan, "apply")
    await _moved(alice, "bob", "web")
    await alice.turn(plan, "undo")
    assert "pr-1" not in await alice.tags(), "it is bob's now"
    told = "It is purged, or its package is deleted or another's."
    assert [(one["outcome"], one["told"]) for one in await alice.decisions(plan)] == [("lost", told)]


@dataclass(frozen=True)
class _Interrupted(Versions):
    """Deletes when something else has happened, once the package is judged."""

    meanwhile: Callable[[], Awaitable[object]] = field(kw_only=True)

    async def delete(self, *args: Any, **named: Any) -> None:
        await self.meanwhile()
        await super().delete(*args, **named)


async def test_a_signature_of_what_is_pushed_meanwhile_stays(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0")
    signed = await push_referrer(registry, "", None, alice.token, "signed")
    assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{signed}", alice.token)).status == 202
    sig = signed.replace(":", "-") + ".sig"
    signature = await push_referrer(registry, sig, None, alice.token, "its signature")
    await alice.age(20)
    plan = await alice.plan({"packages": ["*"], "rules": [{"delete": {"tags": ["sha256-*"]}}]})
    assert plan["delete"] == 1
    await alice.ok("POST", f"/user/retention/plans/{plan['id']}/apply", status=202)
    services = registry.services

    async def push() -> None:
        await push_referrer(registry, "v2.0.0", None, alice.token, "signed")

    versions = _Interrupted(services.db, services.versions.settings, meanwhile=push)
    while await Worker(services.db, versions, services.tags, services.now).step():
        pass
    assert {signed, signature} < await alice.digests()
    assert [one["outcome"] for one in await alice.decisions(plan)] == ["changed"]


async def test_a_part_that_is_brought_back_before_its_plan_is_applied_stays(registry: Registry) -> None:
    alice = await kept(registry)
    (part,) = await alice.push("one")
    assert (await registry.call("DELETE", "/v2/alice/app/manifests/one", alice.token)).status == 202
    index = await push_index(registry, "pr-1", [part], alice.token)
    await alice.push("v1.0.0")
    await alice.age(20)
    plan = await alice.plan({"packages": ["app"], "rules": [{"delete": {"tags": ["pr-*"]}}]})
    assert plan["delete"] == 2
    assert (await registry.call("DELETE", f"/v2/alice/app/manifests/{index}", alice.token)).status == 202
    assert part in await alice.digests(), "its owner wants it"
    await alice.turn(plan, "apply")
    assert part in await alice.digests(), "no rule is about it"
    assert {one["outcome"] for one in await alice.decisions(plan)} == {"changed"}


async def test_a_plan_keeps_what_a_tag_rule_forbids_to_delete(registry: Registry) -> None:
    alice = await kept(registry)
    (release,) = await alice.push("pr-1")
    await alice.push("v1.0.0", "pr-2", "pr-3", "pr-4")
    await alice.ok("PUT", "/user/packages/container/app/tags/pr-9", {"digest": release}, 201)
    await alice.age(20)
    rule = {"tags": ["pr-1"], "forbid": ["delete"], "unless_role": "admin"}
    await alice.ok("PUT", "/user/tag-rules/first", rule, 201)
    await alice.ok("PUT", "/user/tag-rules/none", {"tags": ["pr-4"], "forbid": ["move", "create"]}, 201)
    await alice.ok("PUT", "/user/tag-rules/other", {**rule, "package": "other", "tags": ["*"]}, 201)
    plan = await alice.plan(POLICY)
    assert (plan["untag"], plan["delete"]) == (1, 3)
    told = [one for one in await alice.decisions(plan, "&decision=keep") if one["tag"]]
    because = [{"kept_by": "immutable", "text": "a tag rule forbids to delete it"}]
    assert [(one["tag"], one["because"]) for one in told] == [("pr-1", because)]

    await alice.ok("PUT", "/user/tag-rules/later", {**rule, "tags": ["pr-2"]}, 201)
    await alice.turn(plan, "apply")
    assert set(await alice.tags()) == {"v1.0.0", "pr-1", "pr-2"}
    outcomes = {(one["tag"] or one["tags"][0]): one["outcome"] for one in await alice.decisions(plan)}
    assert outcomes == {"pr-1": None, "pr-9": "done", "pr-2": "changed", "pr-3": "done", "pr-4": "done"}


async def test_a_plan_of_more_than_one_transaction_is_applied_and_undone(registry: Registry) -> None:
    alice = await kept(registry)
    (digest,) = await alice.push("v1.0.0")
    body = (await registry.call("GET", f"/v2/alice/app/manifests/{digest}", alice.token)).body
    for fifty in range(3):
        tags = "&".join(f"tag=pr-{fifty}-{number}" for number in range(50))
        path, headers = f"/v2/alice/app/manifests/{digest}?{tags}", {"Content-Type": OCI}
        assert (await registry.call("PUT", path, alice.token, data=body, headers=headers)).status == 201
    await alice.age(20)
    before = await alice.tags()
    plan = await alice.plan(POLICY)
    assert plan["untag"] == 150
    await alice.turn(plan, "apply")
    assert await alice.tags() == {"v1.0.0": digest}
    await alice.turn(plan, "undo")
    assert await alice.tags() == before


async def test_a_worker_that_died_behind_a_tag_leaves_it_to_be_undone(registry: Registry) -> None:
    alice = await kept(registry)
    (digest,) = await alice.push("v1.0.0")
    for tag in ("pr-1", "pr-2"):
        await alice.ok("PUT", f"/user/packages/container/app/tags/{tag}", {"digest": digest}, 201)
    await alice.age(20)
    before = await alice.tags()
    plan = await alice.plan(POLICY)
    # As a worker leaves it that is killed when the first tag is gone.
    await alice.ok("POST", f"/user/retention/plans/{plan['id']}/apply", status=202)
    await alice.ok("DELETE", "/user/packages/container/app/tags/pr-1", status=204)
    await alice.work()
    assert [one["outcome"] for one in await alice.decisions(plan)] == ["done", "done"]
    assert await alice.tags() == {"v1.0.0": digest}
    await alice.turn(plan, "undo")
    assert await alice.tags() == before


async def test_a_worker_that_wakes_up_behind_another_changes_nothing(registry: Registry) -> None:
    alice, db = await kept(registry), registry.services.db
    await alice.push("v1.0.0", "pr-1")
    await alice.age(20)
    made = await alice.ok("POST", "/user/retention/plans", {"policy": POLICY}, 201)
    asleep = await retention.claim(db)
    assert asleep is not None
    await db.execute("UPDATE retention_plans SET held_until = now()")
    await alice.work()
    await alice.ok("POST", f"/user/retention/plans/{made['id']}/apply", status=202)
    assert not await retention.advance(db, asleep, Progress(2**40, state="planned", release=True))
    await alice.work()
    assert (await alice.ok("GET", f"/user/retention/plans/{made['id']}"))["state"] == "applied"
    assert [one["outcome"] for one in await alice.decisions(made)] == ["done"]


async def test_a_plan_by_hand_is_none_that_applies_itself(registry: Registry) -> None:
    alice, db = await kept(registry), registry.services.db
    policy = await alice.ok("POST", "/user/retention/policies", {"name": "ci", "enabled": True, **POLICY}, 201)
    await db.execute("UPDATE retention_policies SET next_at = now()")
    await retention.start_due(db)
    wanted = {"policy_id": policy["id"]}
    made = await alice.ok("POST", "/user/retention/plans", wanted, 201)
    assert (made["scheduled"], made["state"]) == (False, "queued")
    assert (await alice.ok("POST", "/user/retention/plans", wanted, 201))["id"] == made["id"]
    await alice.work()
    states = {one["scheduled"]: one["state"] for one in await alice.ok("GET", "/user/retention/plans")}
    assert states == {True: "applied", False: "planned"}


async def test_an_untagged_version_that_came_back_begins_its_age_anew(registry: Registry) -> None:
    alice = await kept(registry)
    await alice.push("v1.0.0")
    untagged = await push_referrer(registry, "", None, alice.token)
    await alice.age(20)
    plan = await alice.plan(POLICY)
    assert plan["delete"] == 1
    await alice.turn(plan, "apply")
    await alice.turn(plan, "undo")
    assert untagged in await alice.digests()
    assert (await alice.plan(POLICY))["delete"] == 0, "somebody wanted it back"
