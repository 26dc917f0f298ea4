"""Sign-in by password and by code, sessions, and what ends them (S18, S36-S38, S55, S56)."""

import asyncio
import statistics
import time

import pytest

from registry.accounts import sign_in as rules
from registry.accounts.accounts import create_user, suspend
from tests.support.pages import Html, Pages
from tests.support.people import PASSWORD, login_of, person, send, sign_in_with
from tests.support.server import Registry, running


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


@pytest.fixture
async def cases(pages: Pages) -> dict[str, str]:
    """Logins with a password each that signs nobody in: wrong, unknown, suspended, without a password, no login."""
    registry = pages.registry
    for login in ("alice", "carol", "nopass"):
        await person(registry, login)
    await registry.services.db.execute(
        "DELETE FROM passwords WHERE account_id = (SELECT id FROM accounts WHERE login = 'nopass')"
    )
    await suspend(registry.services.db, "carol", suspended=True)
    return {"alice": "wrong wrong wrong", "dave": PASSWORD, "carol": PASSWORD, "nopass": PASSWORD, "-?-": PASSWORD}


async def test_s18_a_wrong_an_unknown_and_a_suspended_login_are_one_answer(pages: Pages, cases: dict[str, str]) -> None:
    told: set[str] = set()
    for login, password in cases.items():
        answer = await sign_in_with(Pages(pages.registry), login, password)
        assert isinstance(answer, Html)
        assert answer.status == 422
        assert not answer.answer.headers.getall("Set-Cookie", [])  # type: ignore[attr-defined]
        told.add(_without_numbers(answer, login))
    assert len(told) == 1


@pytest.mark.alone
async def test_s18_they_take_the_same_time(pages: Pages, cases: dict[str, str]) -> None:
    times: dict[str, list[float]] = {}
    for _ in range(9):
        for login, password in cases.items():
            await pages.registry.services.db.execute("DELETE FROM sign_in_attempts")
            started = time.monotonic()
            await sign_in_with(Pages(pages.registry), login, password)
            times.setdefault(login, []).append(time.monotonic() - started)
    medians = {login: statistics.median(several) for login, several in times.items()}
    assert max(medians.values()) < 1.5 * min(medians.values()), medians


def _without_numbers(page: Html, login: str) -> str:
    body = page.answer.body.decode()
    for attributes in page.all("input"):
        if attributes.get("name") in {"csrf", "once"}:
            body = body.replace(attributes["value"], "")
    return body.replace(login, "")


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


async def test_s37_two_hundred_sign_ins_at_once_leave_pulls_their_pace(two: Registry) -> None:
    token = await two.user("alice")
    await two.push_image("alice/web", "v1", token)
    await person(two, "bob")
    csrf = (await Pages(two).get("/login")).field("csrf")

    async def guess(number: int) -> int:
        form = {"csrf": csrf, "login": f"bob{number}", "password": PASSWORD}
        headers = {"Origin": two.url, "X-Forwarded-For": f"192.0.2.{number}"}
        return (await two.call("POST", "/login", data=form, headers=headers)).status

    async def pull() -> float:
        started = time.monotonic()
        assert (await two.call("GET", "/v2/alice/web/manifests/v1", token)).status == 200
        return time.monotonic() - started

    guesses = asyncio.gather(*(guess(number) for number in range(200)))
    times = []
    while not guesses.done():
        times.append(await pull())
    answers = await guesses
    assert set(answers) == {422, 429}, "some are told to come again, so that nobody waits for long"
    times.sort()
    assert times[int(len(times) * 0.95)] < 0.25, times[-10:]


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
    assert done == "/", "whoever is new goes on from there"
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
