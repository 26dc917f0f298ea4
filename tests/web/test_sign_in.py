"""Sign-in by password and by code, sessions, and what ends them (S18, S36-S38, S55, S56)."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from registry.accounts import sign_in as rules
from registry.accounts.accounts import create_user, delete, promote, suspend
from registry.jobs.forget_sessions import forget_sessions
from tests.support.pages import Html, Pages
from tests.support.people import PASSWORD, browser, person, send, sign_in_with
from tests.support.server import Registry, running


@pytest.fixture
async def two(env: dict[str, str]) -> AsyncIterator[Registry]:
    async with running({**env, "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}, replicas=2) as served:
        yield served


async def login_of(pages: Pages, replica: int = 0) -> str | None:
    """Who the start page greets, on a replica."""
    cookie = "; ".join(f"{name}={value}" for name, value in pages.cookies.items())
    headers = {"Cookie": cookie, "Accept-Encoding": "identity"}
    found = pages.read(await pages.registry.call("GET", "/", headers=headers, replica=replica))
    menus = found.all("details", **{"class": "menu"})
    if not menus:
        assert "/login" in found.links
        return None
    return found.text.split("Explore ")[1].split()[0]


async def test_a_person_signs_in_and_out(pages: Pages) -> None:
    await person(pages.registry, "Alice")
    assert await sign_in_with(pages, "alice") == "/"
    assert await login_of(pages) == "Alice"
    line = pages.cookies
    assert list(line) == ["moorage"]
    former = dict(pages.cookies)
    assert await send(pages, "/", "/logout") == "/"
    assert "moorage" not in pages.cookies
    assert await login_of(Pages(pages.registry, former)) is None, "the row is gone, not only the cookie"
    row = await pages.registry.services.db.fetchrow("SELECT count(*) FROM tokens WHERE kind = 'session'")
    assert row is not None
    assert row[0] == 0


async def test_the_cookie_is_for_this_host_and_for_no_script(env: dict[str, str]) -> None:
    for url, name in (("https://registry.example", "__Host-moorage"), ("http://registry.example:5000", "moorage")):
        async with running({**env, "MOORAGE_PUBLIC_URL": url}) as registry:
            login = f"user{len(name)}"
            await person(registry, login)
            pages = Pages(registry)
            token = (await pages.get("/login")).field("csrf")
            answer = await pages.post("/login", {"csrf": token, "login": login, "password": PASSWORD}, Origin=url)
            assert answer.status == 303, answer.body
            line = next(v for k, v in answer.headers.items() if k == "Set-Cookie" and "moorage=" in v)
            assert line.startswith(f"{name}=")
            assert "HttpOnly" in line
            assert "SameSite=Lax" in line
            assert "Path=/" in line
            assert "Domain" not in line
            assert ("Secure" in line) == url.startswith("https:")
            shown = await pages.get("/login")
            assert ("This connection is not encrypted" in shown.text) == url.startswith("http:")


async def test_localhost_needs_no_encryption(pages: Pages) -> None:
    assert "not encrypted" not in (await pages.get("/login")).text


async def test_s18_a_wrong_an_unknown_and_a_suspended_login_are_one_answer(pages: Pages) -> None:
    registry = pages.registry
    for login in ("alice", "carol", "nopass"):
        await person(registry, login)
    await registry.services.db.execute(
        "DELETE FROM passwords WHERE account_id = (SELECT id FROM accounts WHERE login = 'nopass')"
    )
    await suspend(registry.services.db, "carol", suspended=True)
    told: set[str] = set()
    times: dict[str, list[float]] = {}
    cases = {"alice": "wrong wrong wrong", "dave": PASSWORD, "carol": PASSWORD, "nopass": PASSWORD, "-?-": PASSWORD}
    for _ in range(5):
        for login, password in cases.items():
            await registry.services.db.execute("DELETE FROM sign_in_attempts")
            started = time.monotonic()
            answer = await sign_in_with(Pages(registry), login, password)
            times.setdefault(login, []).append(time.monotonic() - started)
            assert isinstance(answer, Html)
            assert answer.status == 422
            assert not answer.answer.headers.getall("Set-Cookie", [])  # type: ignore[attr-defined]
            told.add(_without_numbers(answer, login))
    assert len(told) == 1
    medians = {login: statistics.median(several) for login, several in times.items()}
    assert max(medians.values()) < 2 * min(medians.values()), medians


def _without_numbers(page: Html, login: str) -> str:
    body = page.answer.body.decode()
    for attributes in page.all("input"):
        if attributes.get("name") in {"csrf", "once"}:
            body = body.replace(attributes["value"], "")
    return body.replace(login.replace("?", "?"), "")


async def test_what_was_typed_is_kept_but_for_the_password(pages: Pages) -> None:
    answer = await sign_in_with(pages, 'bo"b', "wrong wrong wrong", "/settings/tokens")
    assert isinstance(answer, Html)
    assert answer.field("login") == 'bo"b'
    assert answer.field("next") == "/settings/tokens"
    assert "value" not in answer.all("input", name="password")[0]
    assert answer.all("input", name="password")[0]["aria-invalid"] == "true"
    assert "wrong wrong wrong" not in answer.answer.body.decode()


async def test_s36_guesses_are_limited_for_a_login_on_all_replicas(two: Registry) -> None:
    await person(two, "alice")
    statuses = []
    for number in range(12):
        answer = await _guess(
            two, "ALICE" if number % 2 else "alice", address=f"203.0.113.{number}", replica=number % 2
        )
        statuses.append(answer)
    assert statuses == [422] * 10 + [429] * 2
    assert await _guess(two, "alice", PASSWORD, address="203.0.113.200") == 429
    assert await _guess(two, "bob", address="203.0.113.201") == 422, "others are not held up"
    await two.services.db.execute("UPDATE sign_in_attempts SET began_at = now() - interval '6 minutes'")
    assert await _guess(two, "alice", PASSWORD, address="203.0.113.200") == 303, "nobody is locked out for good"


async def test_s36_guesses_are_limited_for_an_address(env: dict[str, str]) -> None:
    env["MOORAGE_TRUSTED_PROXIES"] = "127.0.0.0/8"
    async with running(env) as registry:
        await person(registry, "alice")
        statuses = [await _guess(registry, f"user{n}", address="203.0.113.7") for n in range(11)]
        assert statuses == [422] * 10 + [429]
        assert await _guess(registry, "alice", PASSWORD, address="203.0.113.8") == 303
        pages = Pages(registry)
        token = (await pages.get("/login")).field("csrf")
        form = {"csrf": token, "login": "alice", "password": PASSWORD}
        refused = await pages.post("/login", form, X_Forwarded_For="203.0.113.7")
        assert refused.status == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 301


async def test_s36_a_good_sign_in_does_not_count(pages: Pages) -> None:
    await person(pages.registry, "alice")
    for _ in range(12):
        assert await sign_in_with(Pages(pages.registry), "alice") == "/"


async def test_s36_many_guesses_at_once_are_no_way_round(two: Registry) -> None:
    await person(two, "alice")
    found = await asyncio.gather(*(_guess(two, "alice", replica=n % 2) for n in range(20)))
    assert sorted(found) == [422] * 10 + [429] * 10


async def test_s36_one_address_does_not_use_up_what_all_have(pages: Pages) -> None:
    for number in range(15):
        await _guess(pages.registry, f"user{number}")
    row = await pages.registry.services.db.fetchrow("SELECT max(count) FROM sign_in_attempts")
    assert row is not None
    assert row[0] == 15
    await pages.registry.services.db.execute("DELETE FROM sign_in_attempts WHERE count > 10")
    row = await pages.registry.services.db.fetchrow("SELECT max(count) FROM sign_in_attempts")
    assert row is not None
    assert row[0] == 10, "of all together, what was let in counts"


async def _guess(
    registry: Registry, login: str, password: str = "wrong wrong wrong", *, address: str = "", replica: int = 0
) -> int:
    pages = Pages(registry)
    token = (await pages.get("/login")).field("csrf")
    form = {"csrf": token, "login": login, "password": password}
    headers = {"X_Forwarded_For": address} if address else {}
    url = registry.urls[replica]
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await registry.call("POST", "/login", data=form, headers={"Origin": url, **own}, replica=replica)
    return answer.status


async def test_s37_a_huge_password_costs_nothing(pages: Pages) -> None:
    await person(pages.registry, "alice", password="y" * 3 + "ellow submarine " + "dance " * 12)
    wrong = await sign_in_with(pages, "alice", ("y" * 3 + "ellow submarine " + "dance " * 12)[:72])
    assert isinstance(wrong, Html)
    token = (await pages.get("/login")).field("csrf")
    answer = await pages.post("/login", {"csrf": token, "login": "alice", "password": "x" * 1_000_000})
    assert answer.status == 413


async def test_s38_nobody_signs_in_before_a_code_was_given_out(pages: Pages) -> None:
    await create_user(pages.registry.services.db, "admin", site_admin=True)
    for password in ("", "admin", "password", "moorage"):
        assert isinstance(await sign_in_with(Pages(pages.registry), "admin", password), Html)


async def test_a_code_signs_in_once_and_a_password_is_set(pages: Pages) -> None:
    registry = pages.registry
    await create_user(registry.services.db, "alice")
    code = await rules.issue_code(registry.services.db, "alice")
    typed = code.reveal().lower().replace("-", " ")
    assert await send(pages, "/login/code", "/login/code", {"code": typed}) == "/settings/security"
    assert await login_of(pages) == "alice"
    shown = await pages.get("/settings/security")
    assert "You have no password yet" in shown.text
    again = await send(Pages(registry), "/login/code", "/login/code", {"code": code.reveal()})
    assert isinstance(again, Html)
    assert again.status == 422
    former = dict(pages.cookies)
    for password, why in (
        ("too short", "A password has at least 15 characters."),
        ("passwordpassword", "This password repeats a few characters."),
        ("administrator123456", "This password, or nearly this, is one of those that are tried first."),
        ("alice-alice-alice-alice", "This password repeats a few characters."),
        ("moorage-alice-moorage-alice", "This password is little more than your login, or the name of this registry."),
    ):
        refused = await send(
            pages, "/settings/security", "/settings/security/password", {"password": password}, index=1
        )
        assert isinstance(refused, Html), password
        assert (refused.status, why in refused.text) == (422, True), (password, refused.text)
        assert password not in refused.answer.body.decode()
    done = await send(pages, "/settings/security", "/settings/security/password", {"password": PASSWORD}, index=1)
    assert done == "/settings/security"
    assert pages.cookies["moorage"] != former["moorage"], "a new password, a new session"
    assert await login_of(Pages(registry, former)) is None
    assert await login_of(pages) == "alice"
    assert await sign_in_with(Pages(registry), "alice") == "/"


async def test_a_code_ends(pages: Pages) -> None:
    db = pages.registry.services.db
    await create_user(db, "alice")
    first = await rules.issue_code(db, "alice")
    second = await rules.issue_code(db, "alice")
    for code in (first.reveal(), "", "BCDF", "BCDF-GHJK-LMNP-QRST"):
        assert isinstance(await send(Pages(pages.registry), "/login/code", "/login/code", {"code": code}), Html)
    await db.execute("UPDATE sign_in_codes SET expires_at = now()")
    assert isinstance(await send(pages, "/login/code", "/login/code", {"code": second.reveal()}), Html)
    third = await rules.issue_code(db, "alice")
    await suspend(db, "alice", suspended=True)
    assert isinstance(await send(pages, "/login/code", "/login/code", {"code": third.reveal()}), Html)
    row = await db.fetchrow(
        "SELECT count(*) FROM sign_in_codes WHERE encode(hash, 'escape') LIKE '%' || $1 || '%'", third.reveal()
    )
    assert row is not None
    assert row[0] == 0
    assert await rules.issue_first_code(db, "alice") is not None


async def test_a_link_that_is_only_opened_uses_nothing_up(pages: Pages) -> None:
    await create_user(pages.registry.services.db, "alice")
    code = await rules.issue_code(pages.registry.services.db, "alice")
    for _ in range(3):
        await pages.get(f"/login/code?code={code.reveal()}")
    assert await send(pages, "/login/code", "/login/code", {"code": code.reveal()}) == "/settings/security"


async def test_s36_codes_are_not_guessed(pages: Pages) -> None:
    found = []
    for _ in range(11):
        token = (await pages.get("/login/code")).field("csrf")
        found.append((await pages.post("/login/code", {"csrf": token, "code": "BCDF-GHJK-LMNP-QRST"})).status)
    assert found == [422] * 10 + [429]


async def test_a_sign_in_has_an_id_of_its_own(pages: Pages) -> None:
    """Fixation: whatever cookie came with the form, another one goes back, and the former is worth nothing."""
    await person(pages.registry, "alice")
    planted = "A" * 43
    pages.cookies["moorage"] = planted
    assert await sign_in_with(pages, "alice") == "/"
    first = pages.cookies["moorage"]
    assert first != planted
    assert await sign_in_with(pages, "alice") == "/"
    assert pages.cookies["moorage"] != first
    assert await login_of(Pages(pages.registry, {"moorage": first})) is None
    assert await login_of(Pages(pages.registry, {"moorage": planted})) is None


async def _suspended(registry: Registry, _account_id: int) -> None:
    await suspend(registry.services.db, "alice", suspended=True)


async def _promoted(registry: Registry, _account_id: int) -> None:
    await promote(registry.services.db, "alice", site_admin=True)


async def _deleted(registry: Registry, _account_id: int) -> None:
    await delete(registry.services.db, "alice", kind="User", deleted_by=None)


async def _ended(registry: Registry, _account_id: int) -> None:
    other = await browser(registry, "alice")
    await send(other, "/settings/sessions", "/settings/sessions", {"session": "others"}, index=1)


async def _password(registry: Registry, account_id: int) -> None:
    services = registry.services
    await rules.set_password(services.db, services.hasher, account_id, "another violet kettle", "localhost")


async def _idle(registry: Registry, _account_id: int) -> None:
    await registry.services.db.execute(
        "UPDATE tokens SET last_used_at = now() - interval '15 days' WHERE kind = 'session'"
    )


async def _old(registry: Registry, _account_id: int) -> None:
    await registry.services.db.execute("UPDATE tokens SET expires_at = now() WHERE kind = 'session'")


@pytest.mark.parametrize("change", [_suspended, _promoted, _deleted, _ended, _password, _idle, _old])
async def test_a_session_ends_everywhere_with_the_next_request(
    two: Registry, change: Callable[[Registry, int], Awaitable[None]]
) -> None:
    await create_user(two.services.db, "boss", site_admin=True)
    account_id = await person(two, "alice")
    pages = await browser(two, "alice")
    assert [await login_of(pages, replica) for replica in (0, 1)] == ["alice", "alice"]
    await change(two, account_id)
    assert [await login_of(pages, replica) for replica in (1, 0)] == [None, None]
    await suspend(two.services.db, "boss", suspended=False)
    if change is _suspended:
        await suspend(two.services.db, "alice", suspended=False)
        assert await login_of(pages) is None, "it does not come back"


async def test_who_administers_no_more_signs_in_again(two: Registry) -> None:
    await create_user(two.services.db, "boss", site_admin=True)
    pages = await browser(two, "alice", site_admin=True)
    await promote(two.services.db, "alice", site_admin=False)
    assert [await login_of(pages, replica) for replica in (1, 0)] == [None, None]


async def test_how_long_a_session_lasts(pages: Pages) -> None:
    await browser(pages.registry, "alice")
    await browser(pages.registry, "boss", site_admin=True)
    rows = await pages.registry.services.db.fetch(
        "SELECT round(extract(epoch FROM expires_at - created_at) / 3600) FROM tokens ORDER BY id"
    )
    assert [int(row[0]) for row in rows] == [90 * 24, 12]
    await pages.registry.services.db.execute("UPDATE tokens SET expires_at = now() - interval '1 s'")
    assert await forget_sessions(pages.registry.services) == 2
    row = await pages.registry.services.db.fetchrow("SELECT count(*) FROM web_sessions")
    assert row is not None
    assert row[0] == 0


async def test_only_hashes_are_stored(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    code = await rules.issue_code(pages.registry.services.db, "alice")
    for table in ("tokens", "web_sessions", "sign_in_codes", "sign_in_attempts", "passwords"):
        for row in await pages.registry.services.db.fetch(f"SELECT row_to_json({table})::text FROM {table}"):
            assert alice.cookies["moorage"] not in row[0]
            assert code.reveal() not in row[0]


async def test_that_a_session_is_seen_is_written_now_and_then(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    db = pages.registry.services.db

    async def seen() -> datetime:
        row = await db.fetchrow("SELECT last_used_at FROM tokens WHERE kind = 'session'")
        assert row is not None
        return row[0]  # type: ignore[no-any-return]

    first = await seen()
    await alice.get("/")
    assert await seen() == first
    await db.execute("UPDATE tokens SET last_used_at = now() - interval '6 minutes'")
    await alice.get("/")
    assert datetime.now(UTC) - await seen() < timedelta(minutes=1)


async def test_the_protocols_never_see_the_cookie(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    cookie = {"Cookie": f"moorage={alice.cookies['moorage']}"}
    for path in ("/v2/", "/v2/_catalog", "/api/v3/user", "/api/v3/user/tokens"):
        assert (await pages.registry.call("GET", path, headers=cookie)).status == 401, path
    secret = alice.cookies["moorage"]
    for path in ("/v2/", "/token", "/api/v3/user"):
        assert (await pages.registry.call("GET", path, secret)).status == 401, path
        headers = {"Authorization": f"Bearer {secret}"}
        assert (await pages.registry.call("GET", path, headers=headers)).status in {200, 401}, path
    assert (
        await pages.registry.call("GET", "/api/v3/user", headers={"Authorization": f"token {secret}"})
    ).status == 401
    row = await pages.registry.services.db.fetchrow("SELECT last_used_at > created_at FROM tokens")
    assert row is not None
    assert row[0] is False, "nor do they write that it was seen"


async def test_sessions_are_listed_and_ended(pages: Pages) -> None:
    alice = await browser(pages.registry, "alice")
    other = await browser(pages.registry, "alice")
    bob = await browser(pages.registry, "bob")
    shown = await alice.get("/settings/sessions")
    assert "Firefox · Linux" in shown.text
    assert shown.text.count("127.0.0.1") >= 2
    assert shown.text.count("this session") == 1
    numbers = [found["value"] for found in shown.all("input", name="session")]
    assert len(numbers) == 3
    theirs = await send(bob, "/settings/sessions", "/settings/sessions", {"session": numbers[0]}, index=1)
    assert isinstance(theirs, Html)
    assert theirs.status == 404
    assert await login_of(other) == "alice", "nobody ends the session of somebody else"
    assert (
        await send(alice, "/settings/sessions", "/settings/sessions", {"session": numbers[0]}, index=1)
        == "/settings/sessions"
    )
    assert await login_of(other) is None
    assert await login_of(alice) == "alice"


async def test_an_account_has_fifty_sessions_at_most(pages: Pages) -> None:
    first = await browser(pages.registry, "alice")
    for _ in range(49):
        await browser(pages.registry, "alice")
    assert await login_of(first) == "alice"
    last = await browser(pages.registry, "alice")
    assert await login_of(first) is None
    assert await login_of(last) == "alice"


@pytest.mark.parametrize(
    "path",
    [
        "/settings/profile",
        "/settings/security",
        "/settings/sessions",
        "/settings/tokens",
        "/settings/tokens/new?scopes=repo",
        "/login/device",
    ],
)
async def test_a_visitor_signs_in_first_and_comes_back(pages: Pages, path: str) -> None:
    await person(pages.registry, "alice")
    answer = await pages.registry.call("GET", path)
    assert answer.status == 303
    there = answer.headers["Location"]
    assert there.startswith("/login?next=/")
    form = await pages.get(there)
    assert form.field("next") == path
    token = form.field("csrf")
    done = await pages.post(
        "/login", {"csrf": token, "login": "alice", "password": PASSWORD, "next": form.field("next")}
    )
    assert (done.status, done.headers["Location"]) == (303, path)
    assert (await pages.get(path)).status == 200


async def test_what_is_sensitive_wants_a_recent_sign_in(pages: Pages) -> None:
    await person(pages.registry, "alice")
    old = await browser(pages.registry, "alice", minutes_ago=16)
    young = await browser(pages.registry, "alice", minutes_ago=14)
    for path in ("/settings/security", "/settings/tokens/new", "/login/device"):
        assert (await young.get(path)).status == 200
        answer = await old.registry.call("GET", path, headers={"Cookie": f"moorage={old.cookies['moorage']}"})
        assert (answer.status, answer.headers["Location"]) == (303, f"/login?next={path}")
    token = (await old.get("/settings/tokens")).all("input", name="csrf")[0]["value"]
    for path, back in (
        ("/settings/security/password", "/settings/security"),
        ("/settings/tokens/new", "/settings/tokens/new"),
        ("/login/device", "/login/device"),
        ("/settings/security/connect", "/settings/security"),
    ):
        answer = await old.post(
            path, {"csrf": token, "password": "violet kettle gravel moon 2", "note": "x", "scopes": "repo"}
        )
        assert (answer.status, answer.headers["Location"]) == (303, f"/login?next={back}"), path
    row = await pages.registry.services.db.fetchrow("SELECT count(*) FROM tokens WHERE kind <> 'session'")
    assert row is not None
    assert row[0] == 0
    form = await old.get("/login?next=/settings/security")
    assert "You are signed in as alice" in form.text
    assert form.field("login") == "alice"


FOREIGN = (
    {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "http://evil.example"}, {"Origin": "null"},
)  # fmt: skip


async def test_s55_no_form_of_others_and_none_without_its_token(pages: Pages) -> None:
    from registry.http.web.app import ROUTES  # noqa: PLC0415

    alice, mallory = await browser(pages.registry, "alice"), await browser(pages.registry, "mallory")
    theirs = (await mallory.get("/")).all("input", name="csrf")[0]["value"]
    own = (await alice.get("/")).all("input", name="csrf")[0]["value"]
    paths = [
        route.address.replace("{number}", "1") for route in ROUTES
        if route.method == "POST" and route.token and "{" not in route.address.replace("{number}", "")
    ]  # fmt: skip
    assert len(paths) >= 11
    for path in paths:
        for token in ("", "0" * 48, theirs, theirs[:16] + own[16:]):
            answer = await alice.post(path, {"csrf": token})
            assert answer.status == 403, (path, token)
            assert "Set-Cookie" not in answer.headers
        for headers in FOREIGN:
            assert (await alice.post(path, {"csrf": own}, **headers)).status == 403, (path, headers)
    assert (await alice.get("/logout", 404)).heading == "There is nothing here"
    assert await login_of(alice) == "alice"


TRICKS = [
    "//evil.example", "///evil.example", "////evil.example", "/\\evil.example", "\\/evil.example", "\\\\evil.example",
    "/\\/evil.example", "https://evil.example", "HTTPS://evil.example", "https:evil.example", "https:/evil.example",
    "http:evil.example", "ftp://evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x",
    "evil.example", ".evil.example", "@evil.example", "/%2Fevil.example", "/%2f%2fevil.example", "/%5Cevil.example",
    "/%5c%5cevil.example", "/\t/evil.example", "/\n/evil.example", "/\r\nLocation: //evil.example", "/%0d%0aX: y",
    "/%09/evil.example", " //evil.example", "/ /evil.example", "/\x00", "", "?next=//evil.example", "#//evil.example",
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
async def test_s56_a_sign_in_never_leads_elsewhere(pages: Pages, trick: str) -> None:
    await person(pages.registry, "alice")
    assert await sign_in_with(pages, "alice", following=trick) == "/"


async def test_a_good_way_back_is_followed(pages: Pages) -> None:
    await person(pages.registry, "alice")
    for path in ("/alice/web:v1", "/alice?after=x&q=y", "/settings/tokens/new?scopes=write:packages"):
        assert await sign_in_with(Pages(pages.registry), "alice", following=path) == path
