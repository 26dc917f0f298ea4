"""The pages of site administration: what an administrator does there, and that nobody else learns of them."""

import re
from typing import Any

import pytest

from tests.support.manage import administered
from tests.support.pages import Html, Pages
from tests.support.people import PASSWORD, browser, person, send, sign_in_with

ADMIN = "/-/admin"
ALICE = f"{ADMIN}/accounts/alice"
WEB = f"{ADMIN}/packages/alice/web"
PLACES = (
    "", "/accounts", "/accounts/", "/new/user", "/new/organization", "/organizations", "/accounts/alice", "/accounts/nobody",
    "/accounts/alice/suspend", "/accounts/alice/sign-in-link", "/tokens", "/tokens/1/revoke", "/packages", "/packages/alice/web",
    "/packages/alice/web/-/transfer", "/storage", "/jobs", "/health", "/settings",
)  # fmt: skip
CHANGES: dict[str, dict[str, str]] = {
    "/new/user": {"login": "carol"},
    "/new/organization": {"login": "acme", "admin": "alice"},
    "/accounts/alice/suspend": {},
    "/accounts/alice/promote": {},
    "/accounts/alice/end-sessions": {},
    "/accounts/alice/sign-in-link": {},
    "/tokens/1/revoke": {},
    "/packages/alice/web/-/transfer": {"new_owner": "bob", "typed": "alice/web"},
}


def _plain(page: Html, path: str) -> str:
    """The bytes of a page without its request id, its form tokens and its own address."""
    text = page.answer.body.decode().replace(page.answer.headers["X-Moorage-Request-Id"], "")
    text = re.sub(r'name="csrf" value="[^"]*"', "", text)
    return text.replace(path, "").replace(path.replace("/", "%2F"), "")


@pytest.fixture
async def boss(pages: Pages) -> Pages:
    """An administrator's browser, in a registry with people and a package."""
    registry = pages.registry
    for login in ("alice", "bob"):
        await registry.user(login)
    token = await registry.token("alice", ["read:packages", "write:packages"])
    await registry.push_image("alice/web", "v1", token)
    return await browser(registry, "boss", site_admin=True)


async def test_for_others_every_address_is_the_one_that_is_missing(pages: Pages, boss: Pages) -> None:
    user = await browser(pages.registry, "alice")
    for who in (pages, user):
        missing = _plain(await who.get(f"{ADMIN}/nothing", 404), f"{ADMIN}/nothing")
        for place in PLACES:
            assert _plain(await who.get(ADMIN + place, 404), ADMIN + place) == missing, place
            for method in ("HEAD", "PUT", "DELETE"):
                cookie = "; ".join(f"{name}={value}" for name, value in who.cookies.items())
                answer = await pages.registry.call(method, ADMIN + place, headers={"Cookie": cookie} if cookie else {})
                assert (answer.status, answer.headers.get("Allow")) == (404, None), (method, place)
        before = await administered(pages.registry)
        nothing = _plain(who.read(await who.post(f"{ADMIN}/nothing", {})), f"{ADMIN}/nothing")
        for place, fields in CHANGES.items():
            for origin in (pages.registry.url, "https://evil.example"):
                answer = await who.post(ADMIN + place, {"csrf": "x", **fields}, Origin=origin)
                assert answer.status == 404, (place, origin)
                assert _plain(who.read(answer), ADMIN + place) == nothing
        assert await administered(pages.registry) == before
    assert "/-/admin" not in (await user.get("/")).answer.body.decode()
    assert f"{ADMIN}/accounts" in (await boss.get("/")).links


async def test_a_forged_form_changes_nothing(boss: Pages) -> None:
    token = (await boss.get(f"{ALICE}/suspend")).all("input", name="csrf")[0]["value"]
    before = await administered(boss.registry)
    for place, fields in CHANGES.items():
        for csrf, headers in (
            (token, {"Origin": "https://evil.example"}),
            ("", {}),
            (token, {"Sec-Fetch-Site": "cross-site"}),
        ):
            answer = await boss.post(ADMIN + place, {"csrf": csrf, **fields}, **headers)
            assert answer.status == 403, (place, headers)
    assert await administered(boss.registry) == before


async def test_changes_ask_for_a_sign_in_not_long_ago(boss: Pages) -> None:
    late = await browser(boss.registry, "boss", minutes_ago=20)
    before = await administered(boss.registry)
    for place, fields in CHANGES.items():
        assert (await late.get_raw(ADMIN + place)).headers["Location"] == f"/login?next={ADMIN}{place}"
        answer = await send(late, f"{ADMIN}/accounts", ADMIN + place, fields)
        assert isinstance(answer, Html), place
        assert answer.heading == "Sign in again, and send the form once more", place
    assert await administered(boss.registry) == before
    for place in ("/accounts", "/accounts/alice", "/tokens", "/packages", "/packages/alice/web", "/storage", "/jobs"):
        await late.get(ADMIN + place)


async def test_every_page_has_its_title_and_its_api(boss: Pages) -> None:
    for place in PLACES[3:]:
        if place.endswith(("nobody", "revoke")):
            continue
        page = await boss.get(ADMIN + place)
        assert page.title.endswith("· Administration · Moorage"), place
        if "suspend" not in place and "/new/" not in place and "-/transfer" not in place and "link" not in place:
            assert "GET /api/v3/" in page.text, place
    assert (await boss.get_raw(ADMIN)).headers["Location"] == f"{ADMIN}/accounts"
    assert (await boss.get_raw(f"{ADMIN}/jobs/")).headers["Location"] == f"{ADMIN}/jobs"
    for place in ("/nothing", "/accounts/nobody", "/accounts/alice/eat", "/tokens/999/revoke", "/packages/alice/none"):
        await boss.get(ADMIN + place, 404)


async def test_what_one_pastes_from_the_foot_of_a_page_is_one_word(boss: Pages) -> None:
    for place, api in (
        ("/tokens?user=", "/admin/tokens?user="),
        ("/accounts?q=", "/admin/users?q="),
        ("/packages?q=", "/search/packages?q="),
    ):
        page = await boss.get(f"{ADMIN}{place}a%3Bid%20%26")
        assert f"GET /api/v3{api}a%3Bid%20%26" in page.text, place
        assert "--user a;id" not in page.text
    assert "moorage admin token list --user 'a;id &'" in (await boss.get(f"{ADMIN}/tokens?user=a%3Bid%20%26")).text


async def test_accounts_are_found(boss: Pages) -> None:
    async def listed(query: str) -> list[str]:
        links = (await boss.get(f"{ADMIN}/accounts{query}")).links
        return [
            link.removeprefix(f"{ADMIN}/accounts/")
            for link in links
            if re.fullmatch(ADMIN + "/accounts/[a-z0-9-]+", link)
        ]

    await send(
        boss, f"{ADMIN}/new/organization", f"{ADMIN}/new/organization", {"login": "Acme", "admin": "bob"}, index=1
    )
    assert await listed("") == ["alice", "bob", "boss"]
    assert await listed("?filter=site_admin") == ["boss"]
    assert await listed("?filter=suspended") == []
    assert await listed("?filter=all") == ["alice", "bob", "boss", "acme"]
    assert await listed("?filter=x") == ["alice", "bob", "boss"]
    assert await listed("?q=BO") == ["bob", "boss"]
    assert "No login begins like this." in (await boss.get(f"{ADMIN}/accounts?q=zz")).text
    organizations = await boss.get(f"{ADMIN}/organizations")
    assert f"{ADMIN}/accounts/acme" in organizations.links
    assert ADMIN + "/accounts/bob" in (await boss.get(f"{ADMIN}/accounts/acme")).links
    for number in range(60):
        await boss.registry.services.db.execute(
            "INSERT INTO accounts (kind, login) VALUES ('User', $1)", f"many-{number:02}"
        )
    first = await boss.get(f"{ADMIN}/accounts?q=many")
    following = next(link for link in first.links if "after=" in link)
    assert await listed(following.partition("accounts")[2]) == [f"many-{n:02}" for n in range(50, 60)]


@pytest.mark.parametrize(
    ("place", "fields", "told"),
    [
        ("/new/user", {"login": "alice"}, "This login is taken."),
        ("/new/user", {"login": "-x-"}, "A login has up to 39 letters"),
        ("/new/user", {"login": "settings"}, "A login has up to 39 letters"),
        ("/new/user", {"login": "carol", "email": "x" * 300}, "This is no e-mail address."),
        ("/new/organization", {"login": "acme", "admin": "nobody"}, "No user has this login."),
        ("/new/organization", {"login": "bob", "admin": "alice"}, "This login is taken."),
        (
            "/new/organization",
            {"login": "acme", "admin": "alice", "name": "x" * 256},
            "A name has at most 255 characters.",
        ),
    ],
)
async def test_a_new_account_that_is_refused(boss: Pages, place: str, fields: dict[str, str], told: str) -> None:
    answer = await send(boss, ADMIN + place, ADMIN + place, fields, index=1)
    assert isinstance(answer, Html)
    assert answer.status == 422
    assert told in answer.text
    assert answer.field("login") == fields["login"], "what was typed is kept"


async def test_a_user_is_made_and_signs_in_by_a_link_that_is_shown_once(boss: Pages, pages: Pages) -> None:
    fields = {"login": "Carol", "email": "carol@example.org", "site_admin": "no"}
    assert await send(boss, f"{ADMIN}/new/user", f"{ADMIN}/new/user", fields, index=1) == f"{ADMIN}/accounts/carol"
    page = await boss.get(f"{ADMIN}/accounts/carol")
    assert "The user is made: Carol" in page.text
    assert "carol@example.org" in page.text
    place = f"{ADMIN}/accounts/carol/sign-in-link"
    shown = await send(boss, place, place, index=1)
    assert isinstance(shown, Html)
    assert "no-store" in shown.answer.headers["Cache-Control"]
    link = re.search(re.escape(boss.registry.url) + r"/login/code#([A-Z0-9-]{19})", shown.text)
    assert link is not None, shown.text
    assert link[1] not in (await boss.get(f"{ADMIN}/accounts/carol")).answer.body.decode()
    assert await send(pages, "/login/code", "/login/code", {"code": link[1]}) == "/settings/security"
    again = await send(Pages(pages.registry), "/login/code", "/login/code", {"code": link[1]})
    assert isinstance(again, Html)
    assert again.status == 422


async def test_a_suspended_user_is_out_everywhere_until_it_ends(boss: Pages) -> None:
    registry = boss.registry
    await person(registry, "dave")
    dave, token = Pages(registry), await registry.token("dave", ["read:packages"])
    await sign_in_with(dave, "dave")
    place = f"{ADMIN}/accounts/dave"
    assert await send(boss, f"{place}/suspend", f"{place}/suspend", index=1) == place
    assert "suspended" in (await boss.get(place)).text
    assert (await registry.call("GET", "/v2/", token)).status == 401
    assert (await dave.get_raw("/settings/profile")).status == 303
    refused = await sign_in_with(Pages(registry), "dave", PASSWORD)
    assert isinstance(refused, Html)
    assert refused.status == 422
    assert await send(boss, f"{place}/unsuspend", f"{place}/unsuspend", index=1) == place
    assert (await registry.call("GET", "/v2/", token)).status == 200


async def test_administrators_are_made_and_unmade_but_for_the_last(boss: Pages) -> None:
    own = f"{ADMIN}/accounts/boss"
    for change in ("demote", "suspend"):
        assert await send(boss, f"{own}/{change}", f"{own}/{change}", index=1) == own
        assert "This is the last administrator" in (await boss.get(own)).text
    assert await send(boss, f"{ALICE}/promote", f"{ALICE}/promote", index=1) == ALICE
    assert "is an administrator now" in (await boss.get(ALICE)).text
    alice = await browser(boss.registry, "alice")
    assert await send(alice, f"{own}/demote", f"{own}/demote", index=1) == own
    await alice.get(own)
    await boss.get(own, 404)


async def test_sessions_are_ended_and_tokens_stay(boss: Pages) -> None:
    alice, token = await browser(boss.registry, "alice"), await boss.registry.token("alice", ["read:packages"])
    assert "Firefox · Linux" in (await boss.get(ALICE)).text
    assert await send(boss, f"{ALICE}/end-sessions", f"{ALICE}/end-sessions", index=1) == ALICE
    assert (await alice.get_raw("/settings/profile")).status == 303
    assert "The user is signed in nowhere." in (await boss.get(ALICE)).text
    assert (await boss.registry.call("GET", "/v2/", token)).status == 200


async def test_a_token_of_another_is_revoked(boss: Pages) -> None:
    token = await boss.registry.token("bob", ["read:packages"])
    page = await boss.get(f"{ADMIN}/tokens?user=BOB")
    assert token[-8:] in page.text
    assert token not in page.answer.body.decode()
    link = next(link for link in page.links if link.endswith("/revoke"))
    assert await send(boss, link, link, index=1) == f"{ADMIN}/tokens?user=bob"
    assert (await boss.registry.call("GET", "/v2/", token)).status == 401
    await boss.get(link, 404)
    assert "Nobody has this login" in (await boss.get(f"{ADMIN}/tokens?user=nobody")).text
    assert "Nobody has this login" in (await boss.get(f"{ADMIN}/tokens?user=%00x")).text


async def test_a_package_is_found_and_transferred(boss: Pages) -> None:
    registry = boss.registry
    assert WEB in (await boss.get(f"{ADMIN}/packages?q=web")).links
    assert WEB not in (await boss.get(f"{ADMIN}/packages?q=zz")).links
    page = await boss.get(WEB)
    assert "What it takes" in page.text
    asking = f"{WEB}/-/transfer?new_owner=bob&new_name=tools%2Fsite"
    asked = await boss.get(asking)
    assert "alice/web → bob/tools/site" in asked.text
    fields = {"new_owner": "bob", "new_name": "tools/site"}
    wrong = await send(boss, asking, f"{WEB}/-/transfer", {**fields, "typed": "alice/wob"}, index=1)
    assert isinstance(wrong, Html)
    assert (wrong.status, "This is not the name of the package." in wrong.text) == (422, True)
    for login, told in (
        ("nobody", "Nobody has the login"),
        ("/", "No account has the new login."),
        ("alice", "already"),
    ):
        answer = await send(boss, asking, f"{WEB}/-/transfer", {"new_owner": login, "typed": "alice/web"}, index=1)
        assert answer == WEB
        assert told in (await boss.get(WEB)).text, login
    moved = f"{ADMIN}/packages/bob/tools/site"
    assert await send(boss, asking, f"{WEB}/-/transfer", {**fields, "typed": "alice/web"}, index=1) == moved
    assert "The package is transferred: bob/tools/site" in (await boss.get(moved)).text
    await boss.get(WEB, 404)
    bob = await registry.token("bob", ["read:packages"])
    assert (await registry.call("GET", "/v2/bob/tools/site/manifests/v1", bob)).status == 200
    activity: Any = (await registry.call("GET", "/api/v3/users/bob/packages/container/tools%2Fsite/activity", bob)).json
    (event,) = [one for one in activity if one["action"] == "packages.package_transferred"]
    assert (event["actor"]["login"], event["data"]) == ("boss", {"before": "alice/web", "after": "bob/tools/site"})


async def test_storage_jobs_and_health_show_what_the_api_shows(boss: Pages) -> None:
    registry = boss.registry
    storage = await boss.get(f"{ADMIN}/storage")
    assert "Blobs to check" in storage.text
    assert "No worker has run yet" in (await boss.get(f"{ADMIN}/jobs")).text
    await registry.services.db.execute(
        "INSERT INTO job_runs VALUES ('collect_garbage', 30, now() - interval '1 hour', now() - interval '2 hours', 1234,"
        " now() - interval '3 hours', 'S3: no answer <b>'), ('delete_objects', 15, now(), NULL, 0, NULL, NULL)"
    )
    jobs = await boss.get(f"{ADMIN}/jobs")
    for text in ("collect_garbage late", "1,234 items", "S3: no answer <b>", "Some jobs are late"):
        assert text in jobs.text, text
    assert "delete_objects late" not in jobs.text
    health = await boss.get(f"{ADMIN}/health")
    assert "all is well" in health.text
    assert "answers" in health.text
    await registry.services.db.execute("INSERT INTO migrations (name, checksum) VALUES ('9999_later', '')")
    assert "of a newer release" in (await boss.get(f"{ADMIN}/health")).text
    await registry.services.db.execute("DELETE FROM migrations WHERE name LIKE '0023%'")
    assert "older than this release" in (await boss.get(f"{ADMIN}/health")).text


async def test_settings_are_shown_without_a_secret(boss: Pages, env: dict[str, str]) -> None:
    page = await boss.get(f"{ADMIN}/settings")
    token = await boss.registry.token("boss", ["site_admin"])
    told: Any = (await boss.registry.call("GET", "/api/v3/admin/settings", token)).json
    assert told["MOORAGE_RESTORE_DAYS"] == 30.0
    for body in (page.answer.body.decode(), str(told)):
        assert "MOORAGE_DATABASE_URL" in body
        for name in ("MOORAGE_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
            assert env.get(name, "\x00") not in body, name
        assert "@" not in str(told["MOORAGE_DATABASE_URL"])
    assert "AWS_SECRET" not in page.text


async def test_s53_texts_of_people_are_inert(boss: Pages, pages: Pages) -> None:
    text = "<script>alert(1)</script>\u202e"
    await boss.registry.services.db.execute("UPDATE accounts SET name = $1, email = $1", text)
    await boss.registry.services.db.execute("UPDATE tokens SET note = $1", text)
    for place in ("/accounts", "/accounts/alice", "/tokens", "/tokens/1/revoke"):
        body = (await boss.get(ADMIN + place)).answer.body.decode()
        assert "<script>alert" not in body
        assert "\u202e" not in body
