"""The pages of retention, without script: a policy is saved, planned, applied, explained and undone."""

from registry.jobs.runner import run_once
from tests.api.test_retention import age
from tests.support.manage import done, managed, refused
from tests.support.server import Registry

_PATH = "/acme/-/retention"
_RULES = '{"packages": ["web"], "rules": [{"delete": {"tags": ["v1"], "older_than": "14d"}}]}'


async def _tags(registry: Registry) -> set[str]:
    return {row["name"] for row in await registry.services.db.fetch("SELECT name FROM tags")}


async def test_a_policy_is_saved_planned_applied_and_undone(registry: Registry) -> None:
    world = await managed(registry)
    await age(registry, 20)
    page = await done(world.owner, _PATH, {"name": "ci", "rules": _RULES, "schedule": "weekly"})
    assert "The policy is saved: ci" in page.text
    assert "only by hand" in page.text
    page = await done(world.owner, f"{_PATH}/plan", {"policy": "1"})
    assert "waits for a worker" in page.text
    await run_once(registry.services, ["keep_retention"])
    page = await world.owner.get(f"{_PATH}/plans/1")
    assert "rule 0: v1; older than 14d" in " ".join(page.text.split())
    assert await _tags(registry) == {"v1", "v2"}
    await done(world.owner, f"{_PATH}/plans/1", {"turn": "apply"})
    await run_once(registry.services, ["keep_retention"])
    assert await _tags(registry) == {"v2"}
    assert "Undo the plan" in (await world.owner.get(f"{_PATH}/plans/1")).text
    await done(world.owner, f"{_PATH}/plans/1", {"turn": "undo"})
    await run_once(registry.services, ["keep_retention"])
    assert await _tags(registry) == {"v1", "v2"}
    told = await world.owner.get(f"/acme/web@{world.digests[0]}/-/retention")
    assert "older than 14d" in told.text
    told = await world.owner.get(f"/acme/web@{world.digests[1]}/-/retention")
    assert "It stays: no rule deletes it." in told.text


async def test_what_is_wrong_with_a_policy_is_told_and_kept(registry: Registry) -> None:
    world = await managed(registry)
    for rules, told in (
        ("{", "This is no policy"),
        ('{"rules": []}', "missing required field `packages`"),
        ('{"packages": ["*"], "rules": [{"delete": {"older_than": "1d"}}]}', "rules[0]: expected «tags»"),
    ):
        page = await refused(world.owner, _PATH, {"name": "ci", "rules": rules})
        assert told in page.text
        assert rules in page.text
