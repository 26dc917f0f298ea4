"""Rules of an account (tag rules, retention, webhooks) that several owners change in the same moment."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from auth.tokens import SCOPES
from tests.support.api import acme
from tests.support.server import Answer, Registry, running

#: Replicas behind one name tell the same, so that an ETag of one holds at the other.
_ONE_URL: Final = {"MOORAGE_PUBLIC_URL": "https://registry.example"}
_POLICY: Final[dict[str, Any]] = {
    "name": "old",
    "packages": ["*"],
    "rules": [{"delete": {"tags": ["pr-*"], "older_than": "14d"}}],
}
_RULE: Final[dict[str, Any]] = {"tags": ["v*"], "forbid": ["move"]}
_HOOK: Final[dict[str, Any]] = {"config": {"url": "https://ci.example/a"}, "events": ["package"], "active": False}

Request = tuple[str, str, object]


async def _at_once(
    registry: Registry, token: str, wanted: Sequence[Request], headers: Sequence[Mapping[str, str]] = ({},)
) -> list[Answer]:
    return await asyncio.gather(
        *(
            registry.call(
                method,
                f"/api/v3{path}",
                token,
                json=body,
                headers=headers[number % len(headers)],
                replica=number % 2,
            )
            for number, (method, path, body) in enumerate(wanted)
        )
    )


async def _owner(registry: Registry) -> str:
    """Return the token of an owner of acme who may do everything."""
    await acme(registry)
    return await registry.token("owner", sorted(SCOPES - {"site_admin"}))


async def _made(registry: Registry, token: str, method: str, path: str, body: object) -> str:
    """Make something; return the path where it is read."""
    made: Any = await registry.call(method, f"/api/v3{path}", token, json=body)
    assert made.status == 201, made.body
    return path if method == "PUT" else f"{path}/{made.json['id']}"


async def test_what_two_owners_change_of_a_hook_is_all_there(env: dict[str, str]) -> None:
    async with running(env | _ONE_URL, replicas=2) as registry:
        owner = await _owner(registry)
        await registry.call("POST", "/api/v3/orgs/acme/repos", owner, json={"name": "code"})
        for place in ("/orgs/acme/hooks", "/repos/acme/code/hooks"):
            path = await _made(registry, owner, "POST", place, _HOOK)
            for number in range(6):
                await registry.call("PATCH", f"/api/v3{path}", owner, json={"events": ["package"], "children": False})
                url = f"https://ci.example/{number}"
                changes: list[Request] = [
                    ("PATCH", path, {"add_events": ["registry_package"]}),
                    ("PATCH", path, {"add_events": ["moorage.package"]}),
                    ("PATCH", path, {"children": True}),
                    ("PATCH", f"{path}/config", {"url": url}),
                ]
                assert [one.status for one in await _at_once(registry, owner, changes)] == [200] * 4
                told: Any = (await registry.call("GET", f"/api/v3{path}", owner)).json
                assert sorted(told["events"]) == ["moorage.package", "package", "registry_package"]
                assert (told["children"], told["config"]["url"]) == (True, url)


async def test_of_eight_who_have_read_a_rule_one_changes_it(env: dict[str, str]) -> None:
    """As for all else of the API: no condition holds for what another has changed, with a condition or without."""
    async with running(env | _ONE_URL, replicas=2) as registry:
        owner = await _owner(registry)
        await registry.call("POST", "/api/v3/orgs/acme/repos", owner, json={"name": "code"})
        policies = [{**_POLICY, "schedule": "hourly", "guards": {"max_versions": number}} for number in range(16)]
        rules = [{**_RULE, "tags": [f"v{number}*"]} for number in range(16)]
        hooks = [{"config": {"url": f"https://ci.example/{number}"}} for number in range(16)]
        for path, method, bodies in (
            (await _made(registry, owner, "POST", "/orgs/acme/retention/policies", _POLICY), "PUT", policies),
            (await _made(registry, owner, "POST", "/user/retention/policies", _POLICY), "PUT", policies),
            (await _made(registry, owner, "PUT", "/orgs/acme/tag-rules/one", _RULE), "PUT", rules),
            (await _made(registry, owner, "PUT", "/user/tag-rules/one", _RULE), "PUT", rules),
            (await _made(registry, owner, "POST", "/orgs/acme/hooks", _HOOK), "PATCH", hooks),
            (await _made(registry, owner, "POST", "/repos/acme/code/hooks", _HOOK), "PATCH", hooks),
        ):
            for held in (1, 2):  # all have a condition, or every second
                wanted: list[Request] = [(method, path, body) for body in bodies[held - 1 :: 2]]
                seen = (await registry.call("GET", f"/api/v3{path}", owner)).headers["ETag"]
                headers = [{"If-Match": seen}, {}][:held]
                if held > 1 and "tag-rules" in path:  # what changes it need not be of the same kind
                    wanted[1] = ("PATCH", path, {"enabled": False})
                answers = await _at_once(registry, owner, wanted, headers)
                statuses = [one.status for one in answers]
                conditional = statuses[::held]
                assert conditional.count(200) <= 1, (path, statuses)
                assert set(conditional) <= {200, 412}, (path, statuses)
                assert held == 2 or 200 in conditional, (path, statuses)
                assert held == 1 or statuses[1::2] == [200] * 4, (path, statuses)


async def test_a_rule_is_made_once(env: dict[str, str]) -> None:
    async with running(env | _ONE_URL, replicas=2) as registry:
        owner = await _owner(registry)
        for whose in ("/orgs/acme", "/user"):
            for number in range(4):
                rule: list[Request] = [("PUT", f"{whose}/tag-rules/r{number}", _RULE)] * 8
                made = await _at_once(registry, owner, rule)
                assert Counter(one.status for one in made) == {201: 1, 200: 7}
                rule = [("PUT", f"{whose}/tag-rules/s{number}", _RULE)] * 8
                made = await _at_once(registry, owner, rule, [{"If-None-Match": "*"}])
                assert Counter(one.status for one in made) == {201: 1, 412: 7}


async def test_of_policies_renamed_alike_one_gets_the_name(env: dict[str, str]) -> None:
    async with running(env | _ONE_URL, replicas=2) as registry:
        owner = await _owner(registry)
        place = "/orgs/acme/retention/policies"
        paths = [await _made(registry, owner, "POST", place, {**_POLICY, "name": f"p{one}"}) for one in range(6)]
        for number in range(5):
            renamed: list[Request] = [("PUT", path, {**_POLICY, "name": f"same{number}"}) for path in paths]
            answers = await _at_once(registry, owner, renamed)
            assert Counter(one.status for one in answers) == {200: 1, 409: 5}


async def test_no_more_plans_and_rules_than_an_account_may_have(env: dict[str, str]) -> None:
    async with running(env | _ONE_URL, replicas=2) as registry:
        owner = await _owner(registry)
        policy = {name: _POLICY[name] for name in ("packages", "rules")}
        plans: list[Request] = [("POST", "/user/retention/plans", {"policy": policy})] * 40
        answers = await _at_once(registry, owner, plans)
        assert Counter(one.status for one in answers) == {201: 20, 409: 20}
        rules: list[Request] = [("PUT", f"/user/tag-rules/r{number}", _RULE) for number in range(70)]
        answers = await _at_once(registry, owner, rules)
        assert Counter(one.status for one in answers) == {201: 50, 422: 20}
