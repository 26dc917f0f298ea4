"""A form that is filled in when the session ends: nothing of it is lost, and nothing is done before one signs in."""

import pytest

from tests.support.manage import Managed, change, managed
from tests.support.pages import Html, Pages
from tests.support.people import browser
from tests.support.server import Registry

PATH, FIELDS = "/acme/-/teams", {"name": "Night shift", "description": "Who is awake\n<b>at four</b>"}


@pytest.fixture
async def world(registry: Registry) -> Managed:
    return await managed(registry)


def _kept(page: Html) -> dict[str, str]:
    return {
        one["name"]: one["value"] for one in page.all("input", type="hidden") if one["name"] not in {"next", "csrf"}
    }


async def _sent(pages: Pages, page: Html, path: str = PATH) -> Html | str:
    token = page.all("input", name="csrf")[-1]["value"]
    answer = await pages.post(path, {**_kept(page), "csrf": token})
    return str(answer.headers["Location"]) if answer.status == 303 else pages.read(answer)


async def test_a_form_outlives_its_session(world: Managed) -> None:
    token = (await world.owner.get(PATH)).field("csrf")
    await world.registry.services.db.execute("UPDATE tokens SET revoked_at = now() WHERE kind = 'session'")
    page = world.owner.read(await world.owner.post(PATH, {**FIELDS, "csrf": token}))
    assert (page.status, page.heading) == (403, "Sign in again, and send the form once more")
    assert _kept(page) == FIELDS
    page = world.owner.read(await world.owner.post(PATH, {**FIELDS, "csrf": token}))
    assert page.heading == "Sign in again, and send the form once more"
    world.owner.cookies = dict((await browser(world.registry, "olivia")).cookies)  # in another tab
    page2 = await _sent(world.owner, page)
    assert isinstance(page2, Html)
    assert page2.heading == "Send the form once more"
    assert await _sent(world.owner, page2) == f"{PATH}/night-shift"
    team = await world.owner.get(f"{PATH}/night-shift")
    assert "<b>at four</b>" in team.text


async def test_a_token_that_was_filled_in_for_long_is_not_lost(world: Managed) -> None:
    late = await browser(world.registry, "olivia", minutes_ago=20)
    fields = {"kind": "classic", "note": "laptop", "days": "90", "scopes": "read:packages"}
    answer = await change(late, "/settings/tokens/new", fields)
    page = late.read(answer)
    assert (page.status, page.heading) == (403, "Sign in again, and send the form once more")
    assert _kept(page) == fields
    late.cookies = dict((await browser(world.registry, "olivia")).cookies)
    again = await _sent(late, page, "/settings/tokens/new")
    assert isinstance(again, Html)
    made = await _sent(late, again, "/settings/tokens/new")
    assert isinstance(made, Html)
    assert "laptop" in (await late.get("/settings/tokens")).text


async def test_secrets_are_not_written_into_a_page(world: Managed) -> None:
    late = await browser(world.registry, "olivia", minutes_ago=20)
    answer = await change(late, "/settings/security/password", {"password": "violet kettle gravel moon"})
    assert answer.status == 303
    answer = await world.owner.post(
        "/settings/security/password", {"password": "violet kettle gravel moon", "csrf": ""}
    )
    assert answer.status == 403
    assert b"violet" not in answer.body


async def test_a_form_of_somebody_else_is_not_offered(world: Managed) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        page = world.owner.read(await change(world.owner, PATH, FIELDS, **headers))
        assert page.status == 403
        assert "Night shift" not in page.answer.body.decode()
    assert (await change(world.visitor, PATH, FIELDS)).status == 404
