"""The audit log: GitHub's addresses, its search phrases, what each may see, and that nothing is missed."""

import asyncio
import hashlib
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import orjson
import pytest

from auth.seals import believed_keys
from registry.accounts.audit import place_of, verify
from registry.accounts.sign_in import issue_code
from registry.jobs.seal_events import seal_events
from storage.metadata import audit
from storage.metadata.audit import BEGIN, Place
from storage.metadata.migrate import migrate
from tests.support.api import SCOPES, Acme, acme
from tests.support.pages import Pages
from tests.support.people import browser, person, send, sign_in_with
from tests.support.server import Registry
from tests.web.test_devices import approve, begin

LOG = "/orgs/acme/audit-log"


@pytest.fixture
async def people(registry: Registry) -> Acme:
    return await acme(registry)


async def _log(people: Acme, phrase: str = "", path: str = LOG, token: str | None = None, **more: str) -> list[Any]:
    """All entries, page by page."""
    asked, found = "&".join([f"phrase={quote(phrase)}", *(f"{name}={text}" for name, text in more.items())]), []
    target = f"/api/v3{path}?{asked}"
    while target:
        answer = await people.registry.call("GET", target, token or people.owner)
        assert answer.status == 200, answer.body
        found += orjson.loads(answer.body)
        link = answer.headers.get("Link", "")
        target = link.partition(">")[0].removeprefix("<").partition("/api/v3")[2]
        target = f"/api/v3{target}" if target else ""
    return found


async def test_an_entry_has_githubs_shape(people: Acme, registry: Registry) -> None:
    headers = {"User-Agent": "docker/29.1 go/go1.26 " + "x" * 80}
    path = "/api/v3/orgs/acme/teams"
    answer = await registry.call("POST", path, people.owner, json={"name": "Ops"}, headers=headers)
    [entry] = await _log(people, "action:team")
    hashed = b64encode(hashlib.sha256(people.owner.encode()).digest()).decode()
    now = datetime.now(UTC).timestamp() * 1000
    assert abs(entry.pop("@timestamp") - now) < 60_000
    assert abs(entry.pop("created_at") - now) < 60_000
    assert place_of(entry.pop("_document_id")).id > 0
    assert entry.pop("data")["team"]["slug"] == "ops"
    assert all(entry.pop(name) > 0 for name in ("actor_id", "org_id", "token_id"))
    assert entry == {
        "action": "team.create",
        "actor": "owner",
        "actor_ip": "127.0.0.1",
        "actor_kind": "classic",
        "actor_location": {"country_code": ""},
        "hashed_token": hashed,
        "org": "Acme",
        "request_id": answer.headers["X-Moorage-Request-Id"],
        "token_scopes": ",".join(sorted(SCOPES)),
        "user_agent": headers["User-Agent"][:64],
    }
    assert await _log(people, f"hashed_token:{hashed} action:team.create") == await _log(people, "action:team.create")


async def test_a_phrase_finds_what_it_says(people: Acme, registry: Registry) -> None:
    await registry.push_image("acme/web", "v1", people.owner)
    await people.ok("POST", "/orgs/acme/repos", people.owner, {"name": "code"}, 201)
    await people.ok("POST", "/orgs/acme/teams", people.owner, {"name": "Ops"}, 201)
    every = await _log(people)
    assert [one["action"] for one in every] == [
        "team.create", "repo.create", "packages.tag_created", "packages.package_version_published",
        "packages.package_published", "org.add_member", "org.add_member", "org.create",
    ]  # fmt: skip
    assert await _log(people, order="asc") == every[::-1]
    assert await _log(people, per_page="3") == every
    assert await _log(people, per_page="1", order="asc") == every[::-1]

    middle = every[4]["_document_id"]
    assert await people.ok("GET", f"{LOG}?before={middle}&per_page=2", people.owner) == every[2:4]
    assert await people.ok("GET", f"{LOG}?before={middle}&order=asc&per_page=9", people.owner) == every[:4:-1]
    assert await people.ok("GET", f"{LOG}?before={every[0]['_document_id']}", people.owner) == []

    assert await _log(people, before=middle, per_page="2") == every[2:]

    async def actions(phrase: str) -> set[str]:
        return {one["action"] for one in await _log(people, phrase)}

    today, tomorrow = datetime.now(UTC), datetime.now(UTC) + timedelta(days=1)
    assert await actions("action:team") == await actions("action:team.*") == await actions("team") == {"team.create"}
    assert await actions("action:packages.tag_created action:repo.create") == {"packages.tag_created", "repo.create"}
    assert await actions("-action:packages -action:org") == {"team.create", "repo.create"}
    assert await actions("actor:admin") == {"org.create", "org.add_member"}
    assert await actions("actor:nobody") == await actions("repo:acme/none") == await actions("token_id:999") == set()
    assert await actions("repo:acme/code") == {"repo.create"}
    assert "org.create" not in await actions("package:acme/web")
    assert len(await _log(people, "ip:127.0.0.1")) == len(every)
    assert await actions("ip:192.0.2.1") == set()
    assert len(await _log(people, f"created:{today:%Y-%m-%d}")) == len(every)
    assert len(await _log(people, f"created:>={today:%Y-%m-%d} created:<={today:%Y-%m-%d}")) == len(every)
    assert len(await _log(people, f"created:*..{tomorrow:%Y-%m-%d}")) == len(every)
    assert await actions(f"created:>{today:%Y-%m-%d}") == await actions("created:<2020-01-01") == set()
    for wrong in ("created:yesterday", "colour:red", '"', "action:%", "created:9999-12-31..9999-12-31", "a" * 1001):
        assert (await people.call("GET", f"{LOG}?phrase={quote(wrong)}", people.owner)).status == 422, wrong
    told: Any = (await people.call("GET", f"{LOG}?after=7", people.owner)).json
    assert told["message"].endswith("For 'after', expected what a Link header has, or the _document_id of an entry.")
    assert told["fix"] == "See docs/howto/audit-log.md."
    assert await _log(people, include="git") == []


async def test_json_lines(people: Acme, registry: Registry) -> None:
    answer = await registry.call("GET", f"/api/v3{LOG}", people.owner, headers={"Accept": "application/x-ndjson"})
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [orjson.loads(line) for line in answer.body.splitlines()] == await _log(people)


async def test_who_may_not_see_a_log_learns_nothing_of_it(people: Acme, registry: Registry) -> None:
    assert await people.status("GET", LOG, people.stranger) == 404
    assert await people.status("GET", "/orgs/nobody/audit-log", people.stranger) == 404
    assert await people.status("GET", LOG, people.member) == 403
    assert await people.status("GET", LOG, None) == 401
    narrow = await registry.token("owner", ("repo", "read:org", "read:packages"))
    assert await people.status("GET", LOG, narrow) == 403
    every = "/enterprises/moorage/audit-log"
    assert await people.status("GET", every, people.owner) == 403
    assert await people.status("GET", "/enterprises/github/audit-log", people.admin) == 404
    mine = await _log(people, path="/user/audit-log", token=people.stranger)
    assert {one["user"] for one in mine} == {"stranger"}
    assert {one["action"] for one in mine} == {"user.create", "personal_access_token.create"}
    of_all = await _log(people, path=every, token=people.admin)
    assert {one.get("org") or one.get("user") for one in of_all} == {"admin", "owner", "member", "stranger", "Acme"}


async def test_sign_ins_are_there_and_passwords_are_not(people: Acme, registry: Registry) -> None:
    await person(registry, "paula")
    pages = Pages(registry)
    await sign_in_with(pages, "paula", "not my password")
    await sign_in_with(pages, "hunter2-is-my-password", "not my password")
    await sign_in_with(pages, "paula")
    token = (await pages.get("/")).field("csrf")
    await pages.post("/logout", {"csrf": token})
    of_all = await _log(people, "action:user", "/enterprises/moorage/audit-log", people.admin)
    seen = [(one["action"], one.get("user"), one.get("actor")) for one in of_all][:4]
    assert seen == [
        ("user.logout", "paula", "paula"),
        ("user.login", "paula", "paula"),
        ("user.failed_login", None, None),
        ("user.failed_login", "paula", None),
    ]
    assert {one["actor_kind"] for one in of_all[2:4]} == {"anonymous"}
    assert b"hunter2" not in orjson.dumps(of_all)
    row = await registry.services.db.fetchrow("SELECT string_agg(events::text, ' ') AS every FROM events")
    assert row is not None
    for secret in (people.owner, people.admin, "hunter2", "not my password"):
        assert secret not in row["every"]


async def test_what_changes_how_one_signs_in_is_there(people: Acme, registry: Registry) -> None:
    pages = await browser(registry, "paula")
    await browser(registry, "paula")
    assert await send(pages, "/settings/sessions", "/settings/sessions", {"session": "others"}) == "/settings/sessions"
    for decision in ("approve", "deny"):
        await approve(pages, (await begin(registry))["user_code"], decision)
    fields = {"kind": "classic", "note": "laptop", "scope": "read:packages", "expires": "7"}
    await send(pages, "/settings/tokens/new", "/settings/tokens/new", fields)
    await people.ok("POST", "/admin/users/paula/sign-in-link", people.admin, status=201)
    code = await issue_code(registry.services.db, "paula")
    other = Pages(registry)
    await send(other, "/login/code", "/login/code", {"code": code.reveal()})
    await send(other, "/login/code", "/login/code", {"code": code.reveal()})
    await send(other, "/settings/security", "/settings/security/password", {"password": "quiet harbour lantern moss"})
    found = await _log(people, "action:user -action:user.create", "/enterprises/moorage/audit-log", people.admin)
    seen = [(one["action"].removeprefix("user."), one.get("actor") or one["actor_kind"]) for one in found[::-1]]
    assert seen == [
        ("login", "paula"), ("login", "paula"), ("logout", "paula"), ("approve_device", "paula"),
        ("deny_device", "paula"), ("sign_in_code", "admin"), ("sign_in_code", "operator"), ("login", "paula"),
        ("failed_login", "paula"), ("change_password", "paula"), ("login", "paula"),
    ]  # fmt: skip
    assert {one["data"].get("way") for one in found if one["action"] == "user.login"} == {"password", "code"}


async def test_a_change_by_the_operator_is_one_of_nobody(people: Acme, registry: Registry) -> None:
    await registry.user("cli")
    [entry] = [one for one in await _log(people, "action:user.create", "/enterprises/moorage/audit-log", people.admin)
               if one["user"] == "cli"]  # fmt: skip
    assert entry["actor_kind"] == "operator"
    assert "actor" not in entry


async def test_a_reader_waits_for_what_is_open_and_sees_both(
    people: Acme, registry: Registry, database_url: str
) -> None:
    """The first transaction is held open, the second one is committed: by its id alone the first would be missed."""
    db = registry.services.db
    held, late = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    place = BEGIN
    while entries := await audit.read(db, place):
        place = Place(entries[-1].xid, entries[-1].id)
    insert = "INSERT INTO events (action, via) VALUES ($1, 'operator') RETURNING id"
    transaction = held.transaction()
    await transaction.start()
    first = await held.fetchval(insert, "test.first")
    second = await late.fetchval(insert, "test.second")
    assert first < second
    assert await audit.read(db, place) == []
    await people.ok("POST", "/orgs/acme/teams", people.owner, {"name": "Ops"}, 201)
    assert await audit.read(db, place) == []
    await transaction.commit()
    assert [one.action for one in await audit.read(db, place)] == ["test.first", "test.second", "team.create"]
    place = Place(*[(one.xid, one.id) for one in await audit.read(db, place)][-1])
    transaction = held.transaction()
    await transaction.start()
    await held.fetchval(insert, "test.rolled_back")
    await late.fetchval(insert, "test.third")
    await transaction.rollback()
    assert [one.action for one in await audit.read(db, place)] == ["test.third"]
    for session in (held, late):
        await session.close()


async def test_the_log_goes_on_behind_what_was_restored(people: Acme, registry: Registry, database_url: str) -> None:
    """In a cluster that counts its transactions from the beginning, behind those of the one that made the dump."""
    db, held = registry.services.db, await asyncpg.connect(database_url)
    insert = "INSERT INTO events (action, via) VALUES ($1, 'operator')"
    await held.execute("INSERT INTO events (xid, action, via) VALUES ('900000000000', 'test.restored', 'operator')")
    row = await held.fetchrow("SELECT xid::text::bigint, id FROM events WHERE action = 'test.restored'")
    assert row is not None
    place, told = Place(*row), list[str]()
    for _ in range(2):
        assert await migrate(database_url, tell=told.append) == []
    assert told == ["a dump was restored: the audit log goes on behind what is in it"]
    transaction = held.transaction()
    await transaction.start()
    await held.execute(insert, "test.first")
    await db.execute(insert, "test.second")
    assert await audit.read(db, place) == []
    await transaction.commit()
    assert [one.action for one in await audit.read(db, place)] == ["test.first", "test.second"]
    found = await _log(people, path="/enterprises/moorage/audit-log", token=people.admin)
    assert [one["action"] for one in found[:3]] == ["test.second", "test.first", "test.restored"]
    assert await seal_events(registry.services) == 1
    verified = await verify(db, believed_keys(registry.services.settings.secrets, ()))
    assert (verified.events, verified.broken) == (len(found), [])
    await held.close()


async def test_a_reader_beside_writers_misses_nothing(registry: Registry, database_url: str) -> None:
    db, seen = registry.services.db, list[str]()
    writers = [await asyncpg.connect(database_url) for _ in range(6)]

    async def write(number: int, session: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
        kept = []
        for turn in range(30):
            action = f"test.w{number}_{turn}"
            transaction = session.transaction()
            await transaction.start()
            await session.execute("INSERT INTO events (action, via) VALUES ($1, 'operator')", action)
            await asyncio.sleep(0.001 * ((number * 7 + turn * 3) % 5))
            if (number + turn) % 4 == 0:
                await transaction.rollback()
            else:
                await transaction.commit()
                kept.append(action)
        return kept

    async def read(done: asyncio.Event) -> None:
        place, last = BEGIN, False
        while not last:
            last = done.is_set()
            for entry in await audit.read(db, place):
                place = Place(entry.xid, entry.id)
                seen.append(entry.action)
            await asyncio.sleep(0)

    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(done))
        kept = await asyncio.gather(*(write(number, session) for number, session in enumerate(writers)))
        done.set()
    ours = [action for action in seen if action.startswith("test.")]
    assert sorted(ours) == sorted(action for several in kept for action in several)
    for session in writers:
        await session.close()


async def test_the_page_is_for_owners_and_tells_of_a_wrong_phrase(people: Acme, registry: Registry) -> None:
    pages = await browser(registry, "owner")
    shown = await pages.get("/acme/-/audit-log?phrase=action%3Aorg")
    assert "org.create" in shown.text
    assert "org.add_member" in shown.text
    assert "user.create" not in shown.text
    wrong = await pages.get_raw("/acme/-/audit-log?phrase=colour%3Ared")
    assert wrong.status == 422
    assert "It is made of: action, actor, created" in pages.read(wrong).text
    assert (await pages.get_raw("/-/admin/audit-log")).status == 404
    assert (await (await browser(registry, "member")).get_raw("/acme/-/audit-log")).status == 403
    assert (await (await browser(registry, "stranger")).get_raw("/acme/-/audit-log")).status == 404


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_dates_at_the_ends_of_the_calendar(people: Acme, registry: Registry, order: str) -> None:
    """In a log that is longer than one look, in UTC, and with some time around them."""
    await registry.services.db.execute(
        "INSERT INTO events (action, owner_id, via) SELECT 'team.create', id, 'classic'"
        " FROM accounts, generate_series(1, 1001) WHERE login = 'Acme'"
    )
    for created in (
        "0001-01-01", ">=0001-01-01", "0001-01-01T00:00:00+14:00", ">=0001-01-01T00:00:00+23:59", "<9999-12-31",
        "9999-12-31T20:00:00-12:00", "<9999-12-31T23:59:59", "<=9999-12-30T23:59:59-23:59", "*..9999-12-31T22:59:00",
    ):  # fmt: skip
        target = f"/api/v3{LOG}?order={order}&phrase={quote(f'created:{created} action:nothing')}"
        answer = await registry.call("GET", target, people.owner)
        assert answer.status in {200, 422}, created
