"""Every form sent twice, as a double click without script or a way back does: it does its work once, and leads on."""

import re
from collections.abc import Mapping

import pytest

from registry.http.web.app import ROUTES
from tests.support.manage import Managed, change, managed
from tests.support.people import browser
from tests.support.server import Registry
from tests.web.test_every_form import _BEFORE, _O, _P, ADMINISTRATION, FORMS, OWN, _nothing, fields_of


async def _state(registry: Registry) -> Mapping[str, list[str]]:
    """All rows, but for when something was seen last."""
    tables = await registry.services.db.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace ORDER BY relname"
    )
    state = {}
    for (table,) in tables:
        rows = await registry.services.db.fetch(
            f"SELECT to_jsonb(t) - '{{updated_at,last_used_at,seen_at}}'::text[] FROM {table} t"
        )
        state[table] = sorted(str(row[0]) for row in rows)
    return state


#: A form says what shall be, and its second answer is the first again, but for these.
#: Of forms whose object is gone by then: which page of what is left is led to.
GONE = {
    f"{_P}/untag": "/acme/web/-/tags",
    f"{_P}/delete": "/acme/-/deleted",
}
#: The organization itself is gone: its pages are missing, and the page tells that the form did its work.
MISSING = {f"{_O}/settings/delete"}


@pytest.mark.parametrize("address", sorted(FORMS))
async def test_a_form_sent_twice_does_its_work_once(registry: Registry, address: str) -> None:
    form, world = FORMS[address], await managed(registry)
    await _BEFORE.get(address, _nothing)(world)
    fields = await fields_of(world, form)
    first = await change(world.owner, form.path, fields)
    assert first.status == 303, world.owner.read(first).text
    before = await _state(registry)
    second = await change(world.owner, form.path, fields)
    assert await _state(registry) == before
    if address in MISSING:
        assert "it has done its work" in world.owner.read(second).text
        return
    assert second.status == 303, world.owner.read(second).text
    assert second.headers["Location"] == GONE.get(address, first.headers["Location"])
    assert "flash" in (await world.owner.get(str(second.headers["Location"]))).answer.body.decode()


#: Forms about nobody but their viewer, with fields that are filled in from the world.
OWN_FIELDS: dict[str, dict[str, str]] = {
    "/new/organization": {"login": "tools", "name": "Tools"},
    "/settings/sessions": {"session": "{session}"},
    "/settings/tokens/{number}/revoke": {},
    "/settings/security/disconnect": {"issuer": "https://id.example", "subject": "1"},
}
#: Tested where their pages are: a token's key in test_tokens, sign-in and providers in test_sign_in and tests/oidc.
ELSEWHERE = {
    "/settings/security/password": "ends the session that the form was made for: the second is led to sign in",
    "/settings/security/connect": "leads to the provider, and changes nothing by itself",
    "/settings/tokens/new": "one-time key: tests/web/test_tokens.py",
    "/settings/tokens/{number}/organizations": "says what shall be",
    "/login/device": "a code is approved or denied once: tests/web/test_devices.py",
}


def test_every_form_has_its_rule() -> None:
    assert set(OWN) == {*OWN_FIELDS, *ELSEWHERE}


async def _token(world: Managed) -> str:
    """The id of the owner's token."""
    links = (await world.owner.get("/settings/tokens")).links
    return next(found[1] for link in links if (found := re.fullmatch(r"/settings/tokens/(\d+)", link)))


@pytest.mark.parametrize("address", sorted(OWN_FIELDS))
async def test_a_form_of_ones_own_sent_twice_does_its_work_once(registry: Registry, address: str) -> None:
    world = await managed(registry)
    await browser(registry, "olivia")
    sessions = await world.owner.get("/settings/sessions")
    other = next(one["value"] for one in sessions.all("input", name="session") if one["value"] != "others")
    path = OWN[address].replace("/1/", f"/{await _token(world)}/")
    fields = {name: text.replace("{session}", other) for name, text in OWN_FIELDS[address].items()}
    first = await change(world.owner, path, fields)
    assert first.status == 303, world.owner.read(first).text
    before = await _state(registry)
    second = await change(world.owner, path, fields)
    assert (second.status, second.headers["Location"]) == (303, first.headers["Location"])
    assert await _state(registry) == before


#: Forms of administrators: which may follow, with what is answered then.
ADMINISTRATORS: dict[str, tuple[dict[str, str], int]] = {
    "/-/admin/new/user": ({"login": "nora"}, 422),
    "/-/admin/new/organization": ({"login": "tools", "admin": "rita"}, 422),
    "/-/admin/accounts/{owner}/sign-in-link": ({}, 200),
    "/-/admin/accounts/{owner}/{change}": ({}, 303),
    "/-/admin/accounts/{owner}/quota": ({"bytes": "5GB", "warn_percent": "80"}, 303),
    "/-/admin/tokens/{number}/revoke": ({}, 404),
    "/-/admin/packages/{owner}/{image}/-/transfer": ({"typed": "acme/web", "new_owner": "stan"}, 404),
}


@pytest.mark.parametrize(
    "address", sorted(one.address for one in ROUTES if one.method != "GET" and one.address.startswith(ADMINISTRATION))
)
async def test_a_form_of_administrators_sent_twice_does_its_work_once(registry: Registry, address: str) -> None:
    world, (fields, status) = await managed(registry), ADMINISTRATORS[address]
    values = {"owner": "rita", "image": "web", "number": await _token(world), "change": "suspend"}
    path = re.sub(r"\{([a-z_]+)\}", lambda found: values[found[1]], address.replace("{owner}/{image}", "acme/{image}"))
    boss = await browser(registry, "boss", site_admin=True)
    first = await change(boss, path, fields)
    assert first.status in {200, 303}, boss.read(first).text
    before = await _state(registry)
    second = await change(boss, path, fields)
    assert second.status == status
    if address.endswith("sign-in-link"):  # the link of the second answer is the one that is shown, and that counts
        return
    assert await _state(registry) == before
