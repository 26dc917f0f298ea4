"""The pages of one's own access tokens."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from registry.accounts.organizations import create as create_organization
from tests.support.pages import Html, Pages
from tests.support.people import browser, send

LIST = "/settings/tokens"
NEW = "/settings/tokens/new"


async def made(pages: Pages, **fields: str) -> str:
    """Makes a token; its text."""
    asked = {"note": "laptop", "days": "90", "scopes": "read:packages", **fields}
    answer = await send(pages, NEW, NEW, asked, index=1)
    assert isinstance(answer, Html)
    assert answer.status == 200, answer.text
    assert answer.heading == "The token is made"
    found = re.search(r"mr[pf]_[0-9A-Za-z]{42}", answer.text)
    assert found is not None
    return found[0]


async def test_a_token_is_made_used_and_revoked(pages: Pages) -> None:
    registry, alice = pages.registry, await browser(pages.registry, "alice")
    assert "No tokens yet" in (await alice.get(LIST)).text
    answer = await send(alice, NEW, NEW, {"note": "laptop", "days": "90", "scopes": "write:packages"}, index=1)
    assert isinstance(answer, Html)
    token = re.search(r"mrp_[0-9A-Za-z]{42}", answer.text)
    assert token is not None
    host = registry.url.partition("://")[2]
    assert f"docker login {host} --username alice" in answer.text
    assert answer.answer.headers["Cache-Control"] == "private, no-store, no-transform"
    assert "Set-Cookie" not in answer.answer.headers
    await registry.push_image("alice/app", "v1", token[0])
    listed = await alice.get(LIST)
    assert token[0] not in listed.answer.body.decode(), "it is shown once"
    assert token[0][-8:] in listed.text
    assert "laptop" in listed.text
    assert "write:packages" in listed.text
    number = next(link for link in listed.links if re.fullmatch(LIST + "/[0-9]+", link))
    one = await alice.get(number)
    assert token[0] not in one.answer.body.decode()
    assert await send(alice, LIST, f"{number}/revoke", index=1) == LIST
    assert (await registry.call("GET", "/v2/", token[0])).status == 401
    assert "No tokens yet" in (await alice.get(LIST)).text
    assert "The token is revoked" not in (await alice.get(LIST)).text


async def test_the_query_chooses_just_those_scopes(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")

    async def chosen(path: str) -> list[str]:
        boxes = (await alice.get(path)).all("input", name="scopes")
        return [box["value"] for box in boxes if "checked" in box]

    assert await chosen(NEW) == []
    assert await chosen(f"{NEW}?scopes=write:packages,read:org") == ["write:packages", "read:org"]
    assert await chosen(f"{NEW}?scopes=read:packages%20repo,all,<b>,site_admin") == ["read:packages", "repo"]
    moved = await alice.registry.call("GET", "/new/token?scopes=repo&note=ci")
    assert (moved.status, moved.headers["Location"]) == (308, f"{NEW}?scopes=repo&note=ci")
    assert (await alice.get(f"{NEW}?scopes=repo&note=ci")).field("note") == "ci"


async def test_only_administrators_are_offered_administration(pages: Pages) -> None:
    boss, alice = await browser(pages.registry, "boss", site_admin=True), await browser(pages.registry, "alice")
    assert "site_admin" in [box["value"] for box in (await boss.get(NEW)).all("input", name="scopes")]
    assert "site_admin" not in [box["value"] for box in (await alice.get(NEW)).all("input", name="scopes")]


@pytest.mark.parametrize(("days", "expected"), [("7", 7), ("90", 90), ("365", 365), ("never", None)])
async def test_a_token_ends_when_it_was_said(pages: Pages, days: str, expected: int | None) -> None:
    alice = await browser(pages.registry, "alice")
    form = await alice.get(NEW)
    assert [option["value"] for option in form.all("option") if "selected" in option] == ["90"]
    await made(alice, days=days)
    row = await pages.registry.services.db.fetchrow(
        "SELECT round(extract(epoch FROM expires_at - created_at) / 86400) FROM tokens WHERE kind = 'classic'"
    )
    assert row is not None
    assert row[0] == expected


async def test_a_token_outlives_the_session_that_made_it(pages: Pages) -> None:
    boss = await browser(pages.registry, "boss", site_admin=True)
    token = await made(boss, days="365")
    await pages.registry.services.db.execute("UPDATE tokens SET expires_at = now() WHERE kind = 'session'")
    assert (await pages.registry.call("GET", "/v2/", token)).status == 200


async def test_a_day_of_ones_own_choice(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    day = (datetime.now(UTC) + timedelta(days=10)).date().isoformat()
    await made(alice, days="date", until=day)
    row = await pages.registry.services.db.fetchrow("SELECT expires_at FROM tokens WHERE kind = 'classic'")
    assert row is not None
    assert row[0].isoformat() == f"{day}T23:59:59+00:00"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"scopes": ""}, "Choose what the token may do."),
        ({"scopes": "all"}, "Choose what the token may do."),
        ({"days": "date", "until": "2020-01-01"}, "Choose a day in the future."),
        ({"days": "date", "until": "soon"}, "Choose a day in the future."),
        ({"days": "5000"}, "Choose a day in the future."),
        ({"note": "n" * 256}, "A name has at most 255 characters."),
        ({"kind": "fine-grained"}, "Name packages"),
        ({"kind": "fine-grained", "packages": "<b>", "actions": "read"}, "Name packages"),
    ],
)
async def test_what_is_wrong_is_told_and_what_was_typed_is_kept(
    pages: Pages, fields: dict[str, str], told: str
) -> None:
    alice = await browser(pages.registry, "alice")
    answer = await send(alice, NEW, NEW, {"note": "ci", "days": "90", "scopes": "repo", **fields}, index=1)
    assert isinstance(answer, Html)
    assert answer.status == 422
    assert told in answer.text
    assert answer.field("note") == fields.get("note", "ci")
    row = await pages.registry.services.db.fetchrow("SELECT count(*) FROM tokens WHERE kind <> 'session'")
    assert row is not None
    assert row[0] == 0


async def test_a_fine_grained_token_is_for_its_packages(pages: Pages) -> None:
    registry, alice = pages.registry, await browser(pages.registry, "alice")
    token = await made(alice, kind="fine-grained", packages="alice/web*", actions="write")
    assert token.startswith("mrf_")
    await registry.push_image("alice/web", "v1", token)
    assert (await registry.call("POST", "/v2/alice/other/blobs/uploads/", token)).status == 403
    assert "alice/web*: read, write" in (await alice.get(LIST)).text
    assert len((await alice.get(f"{NEW}?kind=fine-grained")).all("input", name="packages")) == 5


async def test_s14_the_tokens_of_others_are_not_there(pages: Pages) -> None:
    alice, bob = await browser(pages.registry, "alice"), await browser(pages.registry, "bob")
    token = await made(alice)
    number = next(link for link in (await alice.get(LIST)).links if re.fullmatch(LIST + "/[0-9]+", link))
    assert (await bob.get(number, 404)).heading == "There is nothing here"
    answer = await send(bob, LIST, f"{number}/organizations", {"organization": "acme", "change": "authorize"})
    assert isinstance(answer, Html)
    assert answer.status == 404
    for path in (f"{number}/revoke", f"{LIST}/999999/revoke"):
        assert await send(bob, LIST, path) == LIST
        assert "There is no such token any more." in (await bob.get(LIST)).text
    assert (await pages.registry.call("GET", "/v2/", token)).status == 200


async def test_no_session_is_a_token_of_the_list(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    row = await pages.registry.services.db.fetchrow("SELECT id FROM tokens WHERE kind = 'session'")
    assert row is not None
    await alice.get(f"{LIST}/{row[0]}", 404)
    assert await send(alice, LIST, f"{LIST}/{row[0]}/revoke") == LIST
    assert "There is no such token any more." in (await alice.get(LIST)).text


async def test_a_token_is_authorized_for_an_organization(pages: Pages) -> None:
    registry, alice = pages.registry, await browser(pages.registry, "alice")
    await create_organization(registry.services.db, "acme", "alice")
    await registry.services.db.execute("UPDATE accounts SET packages_sso_required = true WHERE login = 'acme'")
    token = await made(alice, scopes="write:packages")
    number = next(link for link in (await alice.get(LIST)).links if re.fullmatch(LIST + "/[0-9]+", link))

    async def push() -> int:
        return (await registry.call("POST", "/v2/acme/app/blobs/uploads/", token)).status

    assert await push() == 403
    for change, status in (("authorize", 202), ("deauthorize", 403)):
        fields = {"organization": "acme", "change": change}
        assert await send(alice, number, f"{number}/organizations", fields, index=1) == number
        assert await push() == status
    answer = await send(
        alice, number, f"{number}/organizations", {"organization": "nobody", "change": "authorize"}, index=1
    )
    assert isinstance(answer, Html)
    assert answer.status == 404


async def test_in_a_session_the_person_is_there(pages: Pages) -> None:
    """An organization that asks for SSO shows its packages to members that are signed in."""
    registry, alice = pages.registry, await browser(pages.registry, "alice")
    await create_organization(registry.services.db, "acme", "alice")
    token = await registry.token("alice")
    await registry.push_image("acme/app", "v1", token)
    await registry.services.db.execute("UPDATE accounts SET packages_sso_required = true WHERE login = 'acme'")
    assert (await registry.call("GET", "/v2/acme/app/manifests/v1", token)).status == 403
    assert "/acme/app" in (await alice.get("/acme")).links


async def test_a_hostile_name_is_shown_as_text(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    await made(alice, note="<img src=x onerror=alert(1)>\u202e")
    body = (await alice.get(LIST)).answer.body.decode()
    assert "<img" not in body
    assert "\u202e" not in body


async def test_many_tokens_are_in_pages(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    await pages.registry.services.db.execute(
        "INSERT INTO tokens (account_id, kind, hash, last_eight, note) "
        "SELECT id, 'classic', sha256(n::text::bytea), 'abcdefgh', 'ci ' || n FROM accounts, generate_series(1, 101) n "
        "WHERE login = 'alice'"
    )
    first = await alice.get(LIST)
    assert f"{LIST}?page=2" in first.links
    assert len(first.answer.body) < 150_000
    second = await alice.get(f"{LIST}?page=2")
    assert "ci 1 " in second.text
    assert "ci 101" not in second.text
    for odd in ("0", "-1", "x", "99999999999999999999", "٣"):
        assert (await alice.get(f"{LIST}?page={odd}")).status == 200
