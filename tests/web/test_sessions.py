"""Sessions of browsers: what ends them, who sees them, and what they are asked for (S19, S55)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from registry.accounts import sign_in as rules
from registry.accounts.accounts import create_user, delete, promote, suspend
from registry.jobs.forget_sessions import forget_sessions
from storage.metadata.events import Actor
from tests.support.pages import Pages
from tests.support.people import browser, login_of, person, send, sign_in_with
from tests.support.server import Registry


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
    await delete(registry.services.db, "alice", kind="User", actor=Actor(None, None))


async def _ended(registry: Registry, _account_id: int) -> None:
    other = await browser(registry, "alice")
    await send(other, "/settings/sessions", "/settings/sessions", {"session": "others"}, index=1)


async def _password(registry: Registry, account_id: int) -> None:
    services = registry.services
    await rules.set_password(services.db, services.hasher(), account_id, "another violet kettle", "localhost")


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
    assert theirs == "/settings/sessions"
    assert "There is no such session any more." in (await bob.get("/settings/sessions")).text
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

    alice = await browser(pages.registry, "alice", site_admin=True)  # to whom every address is there
    mallory = await browser(pages.registry, "mallory")
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


async def test_no_text_of_a_form_is_our_fault(pages: Pages) -> None:
    """PostgreSQL has no place for U+0000."""
    alice = await browser(pages.registry, "alice")
    own = (await alice.get("/settings/sessions")).all("input", name="csrf")[0]["value"]
    odd = "a\x00b"
    for path, fields in (
        ("/login", {"login": odd, "password": odd, "next": odd}),
        ("/login/code", {"code": odd}),
        ("/login/device", {"user_code": odd}),
        ("/login/device", {"user_code": odd, "decision": odd}),
        ("/login/device/code", {"client_name": odd, "scope": odd}),
        ("/login/device/token", {"grant_type": odd, "device_code": odd}),
        ("/settings/tokens/new", {"note": odd, "days": odd, "scopes": "repo"}),
        ("/settings/tokens/new", {"note": odd, "days": "7", "scopes": "repo"}),
        ("/settings/tokens/1/organizations", {"organization": odd, "change": odd}),
        ("/settings/sessions", {"session": odd}),
        ("/settings/security/disconnect", {"issuer": odd, "subject": odd}),
        ("/settings/security/password", {"password": odd * 10}),
    ):
        answer = await alice.post(path, {"csrf": own, **fields})
        assert answer.status < 500, (path, answer.status)
