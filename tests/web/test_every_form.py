"""Every form of the pages, for each kind of viewer and from a page of somebody else (S55); a form without a line fails."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from registry.http.web.app import ROUTES
from tests.support.manage import Managed, administered, change, managed
from tests.support.pages import Pages
from tests.support.people import browser
from tests.support.server import Registry
from tests.support.world import UPSTREAM


@dataclass(frozen=True)
class Form:
    """A form: where it is sent to, its fields, and what a reader is answered; others are 404, owners 303."""

    path: str
    fields: dict[str, str]
    reader: int = 403
    by_reader: dict[str, str] = field(default_factory=dict)  # fields that a reader's form has instead


async def _nothing(_world: Managed) -> None:
    pass


async def _linked(world: Managed) -> None:
    path = "/api/v3/orgs/acme/packages/container/web/repository"
    answer = await world.registry.call("PUT", path, world.token, json={"repository": "acme/code"})
    assert answer.status == 200, answer.body


async def _deleted(world: Managed) -> None:
    path = f"/api/v3/orgs/acme/packages/container/web/versions/{await world.number(world.digests[0])}"
    answer = await world.registry.call("DELETE", path, world.token)
    assert answer.status == 204, answer.body


async def _ruled(world: Managed) -> None:
    rule = {"tags": ["held"], "forbid": ["move"]}
    answer = await world.registry.call("PUT", "/api/v3/orgs/acme/tag-rules/held", world.token, json=rule)
    assert answer.status == 201, answer.body


async def _mirrored(world: Managed) -> None:
    insert = "INSERT INTO mirrors (owner_id, url) SELECT id, $1 FROM accounts WHERE login = 'acme'"
    await world.registry.services.db.execute(insert, UPSTREAM)


_CLUSTER = {"issuer": "https://cluster.example"}


async def _registered(world: Managed) -> None:
    answer = await world.registry.call("PUT", "/api/v3/orgs/acme/clusters/prod", world.token, json=_CLUSTER)
    assert answer.status == 201, answer.body


async def _hooked(world: Managed) -> None:
    body = {"config": {"url": "https://hooks.example/"}}
    answer = await world.registry.call("POST", "/api/v3/orgs/acme/hooks", world.token, json=body)
    assert answer.status == 201, answer.body


async def _policy(world: Managed) -> None:
    body = {"name": "old", "packages": ["none"], "rules": []}
    answer = await world.registry.call("POST", "/api/v3/orgs/acme/retention/policies", world.token, json=body)
    assert answer.status == 201, answer.body


async def _planned(world: Managed) -> None:
    body = {"policy": {"packages": ["none"], "rules": []}}
    answer = await world.registry.call("POST", "/api/v3/orgs/acme/retention/plans", world.token, json=body)
    assert answer.status == 201, answer.body
    await world.registry.services.db.execute("UPDATE retention_plans SET state = 'planned'")


_RULES = '{"packages": ["*"], "rules": [{"delete": {"tags": ["pr-*"], "older_than": "14d"}}]}'
_P, _O = "/{owner}/{image}/-", "/{owner}/-"
_PACKAGE, _ORG = "/acme/web/-", "/acme/-"
#: «{…}» in a field is filled in from the page that has the form, or by the world.
FORMS: dict[str, Form] = {
    f"{_P}/access": Form(f"{_PACKAGE}/access", {"kind": "user", "who": "rita", "role": "write"}),
    f"{_P}/settings/link": Form(f"{_PACKAGE}/settings/link", {"repository": "acme/code"}),
    f"{_P}/settings/unlink": Form(f"{_PACKAGE}/settings/unlink", {}),
    f"{_P}/settings/inheritance": Form(f"{_PACKAGE}/settings/inheritance", {"inherit": "on"}),
    f"{_P}/settings/{{visibility}}": Form(f"{_PACKAGE}/settings/public", {"typed": "acme/web"}),
    f"{_P}/delete": Form(f"{_PACKAGE}/delete", {"typed": "acme/web", "seen": "{seen}", "was": "2 2"}),
    f"{_P}/versions/delete": Form(f"{_PACKAGE}/versions/delete", {"version": "{version}", "seen": "{seen}"}),
    f"{_P}/versions/delete/matching": Form(f"{_PACKAGE}/versions/delete/matching", {"match": "v1", "seen": "{seen}"}),
    f"{_P}/untag": Form(f"{_PACKAGE}/untag", {"tag": "v1"}),
    f"{_P}/tag": Form(f"{_PACKAGE}/tag", {"tag": "v3", "digest": "{digest}"}),
    f"{_P}/rollback": Form(f"{_PACKAGE}/rollback", {"tag": "v2", "digest": "{digest}"}),
    f"{_P}/restore": Form(f"{_PACKAGE}/restore", {"version": "{version}"}),
    f"{_O}/settings": Form(f"{_ORG}/settings", {"part": "profile", "name": "Acme"}),
    f"{_O}/settings/tag-rules": Form(
        f"{_ORG}/settings/tag-rules", {"name": "releases", "tags": "v*", "forbid": "move"}
    ),
    f"{_O}/settings/tag-rules/{{rule}}": Form(f"{_ORG}/settings/tag-rules/held", {"change": "disable"}),
    f"{_O}/settings/mirror": Form(f"{_ORG}/settings/mirror", {"url": UPSTREAM, "tag_seconds": "60"}),
    f"{_O}/settings/mirror/remove": Form(f"{_ORG}/settings/mirror/remove", {}),
    f"{_O}/settings/clusters": Form(f"{_ORG}/settings/clusters", {"name": "prod", **_CLUSTER}),
    f"{_O}/settings/clusters/{{cluster}}": Form(f"{_ORG}/settings/clusters/prod", {"namespace": "team-*"}),
    f"{_O}/settings/clusters/{{cluster}}/delete": Form(f"{_ORG}/settings/clusters/prod/delete", {}),
    f"{_O}/settings/delete": Form(f"{_ORG}/settings/delete", {"typed": "acme"}),
    f"{_O}/retention": Form(f"{_ORG}/retention", {"name": "ci", "rules": _RULES, "schedule": "daily"}),
    f"{_O}/retention/delete": Form(f"{_ORG}/retention/delete", {"policy": "{policy}"}),
    f"{_O}/retention/plan": Form(f"{_ORG}/retention/plan", {"policy": "{policy}"}),
    f"{_O}/retention/plans/{{number}}": Form(f"{_ORG}/retention/plans/1", {"turn": "apply"}),
    f"{_O}/people": Form(f"{_ORG}/people", {"login": "stan", "role": "member"}),
    f"{_O}/people/remove": Form(f"{_ORG}/people/remove", {"login": "rita"}, by_reader={"login": "olivia"}),
    f"{_O}/teams": Form(f"{_ORG}/teams", {"name": "ops"}),
    f"{_O}/teams/{{team}}": Form(f"{_ORG}/teams/devs", {"name": "developers"}),
    f"{_O}/teams/{{team}}/members": Form(f"{_ORG}/teams/devs/members", {"login": "olivia"}),
    f"{_O}/teams/{{team}}/delete": Form(f"{_ORG}/teams/devs/delete", {}),
    f"{_O}/hooks": Form(f"{_ORG}/hooks", {"url": "https://hooks.example/in", "package": "on", "active": "on"}),
    f"{_O}/hooks/{{hook}}": Form(f"{_ORG}/hooks/1", {"url": "https://hooks.example/other", "package": "on"}),
    f"{_O}/hooks/{{hook}}/pings": Form(f"{_ORG}/hooks/1/pings", {}),
    f"{_O}/hooks/{{hook}}/delete": Form(f"{_ORG}/hooks/1/delete", {}),
    f"{_O}/hooks/{{hook}}/deliveries/{{delivery}}": Form(f"{_ORG}/hooks/1/deliveries/1", {}),
    f"{_O}/repositories": Form(f"{_ORG}/repositories", {"name": "tools"}, reader=303),
    f"{_O}/repositories/{{repository}}": Form(f"{_ORG}/repositories/code", {"visibility": "public"}, reader=404),
    f"{_O}/repositories/{{repository}}/collaborators": Form(
        f"{_ORG}/repositories/code/collaborators", {"login": "rita", "role": "write"}, reader=404
    ),
    f"{_O}/repositories/{{repository}}/delete": Form(
        f"{_ORG}/repositories/code/delete", {"typed": "acme/code"}, reader=404
    ),
}
#: What has to be there before.
_BEFORE: dict[str, Callable[[Managed], Awaitable[None]]] = {
    f"{_P}/settings/unlink": _linked,
    f"{_P}/settings/inheritance": _linked,
    f"{_P}/restore": _deleted,
    f"{_O}/settings/tag-rules/{{rule}}": _ruled,
    f"{_O}/settings/mirror": _mirrored,
    f"{_O}/settings/mirror/remove": _mirrored,
    **{f"{_O}/settings/clusters/{{cluster}}{rest}": _registered for rest in ("", "/delete")},
    **{f"{_O}/hooks/{{hook}}{rest}": _hooked for rest in ("", "/pings", "/delete", "/deliveries/{delivery}")},
    f"{_O}/retention/delete": _policy,
    f"{_O}/retention/plan": _policy,
    f"{_O}/retention/plans/{{number}}": _planned,
}
#: Forms about nobody but their viewer: a visitor is led to sign in.
OWN = {
    "/new/organization": "/new/organization",
    "/settings/security/password": "/settings/security/password",
    "/settings/security/disconnect": "/settings/security/disconnect",
    "/settings/security/connect": "/settings/security/connect",
    "/settings/sessions": "/settings/sessions",
    "/settings/tokens/new": "/settings/tokens/new",
    "/settings/tokens/{number}/revoke": "/settings/tokens/1/revoke",
    "/settings/tokens/{number}/organizations": "/settings/tokens/1/organizations",
    "/login/device": "/login/device",
}
#: Forms of administrators, whose pages are missing for all others; what they do is tested where their pages are.
ADMINISTRATION = "/-/admin/"
#: Forms for everybody: visitors sign in by them.
EVERYBODY = {"/-/preferences", "/login", "/login/code", "/logout"}
#: What is no form, but a program's call without a cookie.
PROGRAMS = {"/login/device/code", "/login/device/token"}


def test_every_form_has_its_line() -> None:
    posts = {route.address for route in ROUTES if route.method != "GET"}
    known = {*FORMS, *OWN, *EVERYBODY, *PROGRAMS}
    assert all(address.startswith((ADMINISTRATION, "/login/oidc/")) for address in posts - known), posts - known
    assert known - posts == set()


def test_every_form_wants_the_token_of_the_viewer() -> None:
    without = {route.address for route in ROUTES if route.method != "GET" and not route.token}
    assert without <= {"/-/preferences", *PROGRAMS}


async def before(world: Managed, address: str) -> None:
    """Makes what has to be there before the form is sent."""
    await _BEFORE.get(address, _nothing)(world)


async def fields_of(world: Managed, form: Form) -> dict[str, str]:
    """The fields of a form, filled in."""
    fields = dict(form.fields)
    if "version" in fields:
        fields["version"] = str(await world.number(world.digests[0]))
    if "policy" in fields:
        row = await world.registry.services.db.fetchrow("SELECT id FROM retention_policies")
        assert row is not None
        fields["policy"] = str(row[0])
    if "digest" in fields:
        fields["digest"] = world.digests[0]
    if "seen" in fields:
        named = [f"{name}={fields[name]}" for name in ("version", "match") if name in fields]
        query = f"?{'&'.join(named)}" if named else ""
        fields["seen"] = (await world.owner.get(form.path + query)).field("seen")
    return fields


@pytest.mark.parametrize("address", sorted(FORMS))
async def test_a_form_changes_nothing_but_for_who_may(registry: Registry, address: str) -> None:
    form, world = FORMS[address], await managed(registry)
    await before(world, address)
    fields = await fields_of(world, form)
    for viewer in (world.visitor, world.stranger):
        answer = await change(viewer, form.path, fields)
        assert (answer.status, viewer.read(answer).heading) == (404, "There is nothing here"), address
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        assert (await change(world.owner, form.path, fields, **headers)).status == 403, headers
    token = (await world.reader.get("/")).field("csrf")
    for wrong in ("", token, "0" * 48):
        assert (await world.owner.post(form.path, {**fields, "csrf": wrong})).status == 403, wrong
    answer = await change(world.reader, form.path, {**fields, **form.by_reader})
    assert answer.status == form.reader, (address, answer.status)
    if form.reader == 303:
        return
    answer = await change(world.owner, form.path, fields)
    assert answer.status == 303, (address, answer.status, world.owner.read(answer).text[:500])
    assert not str(answer.headers["Location"]).startswith("/login")


async def test_forms_of_administrators_are_missing_for_others(registry: Registry) -> None:
    admin, other = await browser(registry, "boss", site_admin=True), await browser(registry, "stan")
    addresses = [
        route.address for route in ROUTES if route.method != "GET" and route.address.startswith(ADMINISTRATION)
    ]
    assert addresses
    for address in addresses:
        path = re.sub(r"\{[a-z]+\}", "1", address)
        for viewer in (Pages(registry), other):
            answer = await change(viewer, path, {})
            assert (answer.status, viewer.read(answer).heading) == (404, "There is nothing here"), address
        assert (await change(admin, path, {}, Origin="http://evil.example")).status == 403, address
        assert (await admin.post(path, {})).status == 403, address


@pytest.mark.parametrize("address", sorted(OWN))
async def test_a_form_of_ones_own_leads_visitors_to_sign_in(pages: Pages, address: str) -> None:
    answer = await change(pages, OWN[address], {})
    assert answer.status == 303
    assert str(answer.headers["Location"]).startswith("/login")
    refused = await change(pages, OWN[address], {}, Origin="http://evil.example", Cookie="lang=en")
    assert refused.status == 403


@pytest.mark.parametrize(
    "address",
    sorted(route.address for route in ROUTES if route.method != "GET" and route.address.startswith(ADMINISTRATION)),
)
async def test_a_form_of_administrators_is_missing_for_others_and_refuses_forged_ones(
    registry: Registry, address: str
) -> None:
    world = await managed(registry)
    values = {"owner": "rita", "image": "web", "number": "1", "change": "suspend"}
    path = re.sub(r"\{([a-z_]+)\}", lambda found: values[found[1]], address.replace("{owner}/{image}", "acme/{image}"))
    boss = await browser(registry, "boss", site_admin=True)
    before = await administered(registry)
    for viewer in (world.visitor, world.stranger, world.reader, world.owner):
        answer = await change(viewer, path, {"typed": "acme/web", "new_owner": "stan", "login": "eve"})
        assert (answer.status, viewer.read(answer).heading) == (404, "There is nothing here")
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        assert (await change(boss, path, {"login": "eve"}, **headers)).status == 403, headers
    token = (await world.owner.get("/")).field("csrf")
    for wrong in ("", token, "0" * 48):
        assert (await boss.post(path, {"login": "eve", "csrf": wrong})).status == 403, wrong
    assert await administered(registry) == before
