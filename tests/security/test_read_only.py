"""Every route and form that changes something, while the registry is read-only: 503 with the reason, or a line here."""

from typing import Final

import orjson
import pytest

from registry.http.web.app import ROUTES as PAGES
from registry.jobs.runner import run_once
from registry.jobs.schedule import SCHEDULE
from registry.oci.request import Kind
from storage.metadata import read_only
from tests.security.expected import OCI, REST
from tests.security.test_every_change import BEFORE, changes, short
from tests.security.test_matrix import ask, ok_of, sent_to, target_of
from tests.support.manage import change, managed
from tests.support.people import PASSWORD, browser, login_of, person, sign_in_with
from tests.support.server import Answer, Registry, basic, running
from tests.support.uploading import Session, noise, sha256
from tests.support.world import Cells, build, table
from tests.web.test_every_form import FORMS, OWN, before, fields_of

_REASON: Final = "we \"move\" 100% of {it} \\ 이사 중 🚚 'bye' <b>"
_READS: Final = frozenset({"GET", "HEAD"})
#: What goes on: sign-in, suspension, the tokens of workflows, what takes a right away from a token, uploads under way, and
#: to send once more what hooks were told.
GOES_ON: Final = frozenset(
    {
        ("POST", "/admin/users/{username}/sign-in-link"),
        ("DELETE", "/admin/users/{username}/sessions"),
        ("DELETE", "/admin/tokens/{token_id}"),
        ("PUT", "/users/{username}/suspended"),
        ("DELETE", "/users/{username}/suspended"),
        ("DELETE", "/user/tokens/{token_id}"),
        ("DELETE", "/user/tokens/{token_id}/organizations/{org}"),
        ("POST", "/repos/{owner}/{repo}/actions/token"),
        ("POST", "/repos/{owner}/{repo}/codespaces/token"),
        ("DELETE", "/installation/token"),
        *(
            ("POST", f"{prefix}/hooks/{{hook_id}}/{what}")
            for prefix in ("/orgs/{org}", "/repos/{owner}/{repo}")
            for what in ("pings", "deliveries/{delivery_id}/attempts")
        ),
        ("POST", "/repos/{owner}/{repo}/hooks/{hook_id}/tests"),
    }
)
UPLOADS: Final = frozenset({Kind.UPLOAD_CHUNK, Kind.UPLOAD_FINISH, Kind.UPLOAD_CANCEL})
_UNPROCESSABLE: Final = 422


def _wrong(answer: Answer, ok: int | None) -> str:
    """What is wrong with an answer, which is ``ok``, or with None the refusal; nothing: ""."""
    reason = orjson.dumps(f"read-only: {_REASON}")[1:-1]
    right = answer.status == ok if ok else (answer.status, reason in answer.body) == (503, True)
    return "" if right else f"{answer.status} {answer.body[:200]!r}"


@pytest.mark.timeout(300)
async def test_every_route(env: dict[str, str], database_url: str) -> None:
    cells, failures = Cells(), list[tuple[str, str]]()
    rest, v2 = changes(cells)
    await build(database_url, cells.all)
    env |= {"MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8", "MOORAGE_ACCESS_LOG": "off"}
    async with running(env) as registry:
        for (method, path), cell in rest:
            if (method, short(path)) in BEFORE:
                await registry.services.db.execute(BEFORE[method, short(path)], cell.id)
        await read_only.switch_on(registry.services.db, _REASON)
        for (method, path), cell in rest:
            line = REST[method, path]
            answer = await ask(registry, cell, method, path, line)
            if ok_of(line, cell) == _UNPROCESSABLE:
                continue  # there is nothing of the kind, read-only or not
            wrong = _wrong(answer, ok_of(line, cell) if (method, path) in GOES_ON else None)
            failures += [(f"{method} {path}", wrong)] if wrong else []
        for kind, cell in v2:
            answer = await registry.call(
                OCI[kind].method, target_of(OCI[kind], cell), **sent_to(OCI[kind], cell.headers)
            )
            wrong = _wrong(answer, OCI[kind].ok if kind in UPLOADS else None)
            failures += [(str(kind), wrong)] if wrong else []
    assert not failures, table(failures)


async def test_no_way_to_begin_a_blob_is_open(registry: Registry) -> None:
    token = await registry.user("alice", ["repo", "write:packages"])
    data, other = noise(1000), noise(1000, 1)
    await registry.push_image("alice/app", "v1", token)
    await registry.push_blob("alice/app", data, token)
    begun = await Session.begin(registry, "alice/fresh", token)
    await registry.push_blob("alice/two", other, token)
    await read_only.switch_on(registry.services.db, _REASON)
    for query in (f"mount={sha256(data)}&from=alice/app", f"mount={sha256(data)}", f"digest={sha256(noise(9, 2))}"):
        answer = await registry.call("POST", f"/v2/alice/two/blobs/uploads/?{query}", token, data=noise(9, 2))
        assert not _wrong(answer, None), query
    assert (await registry.call("HEAD", f"/v2/alice/two/blobs/{sha256(data)}", token)).status == 404
    assert (await begun.put(sha256(data), data)).status == 201, "of a package that was begun by it"


#: To send once more what hooks were told, too.
_FORMS_GO_ON: Final = {f"/{{owner}}/-/hooks/{{hook}}{rest}" for rest in ("/pings", "/deliveries/{delivery}")}


@pytest.mark.parametrize("address", sorted(FORMS.keys() - _FORMS_GO_ON))
async def test_every_form(registry: Registry, address: str) -> None:
    world = await managed(registry)
    await before(world, address)
    fields = await fields_of(world, FORMS[address])
    await read_only.switch_on(registry.services.db, _REASON)
    answer = await change(world.owner, FORMS[address].path, fields)
    assert answer.status == 503, answer.body
    assert _REASON in world.owner.read(answer).text


async def test_sign_in_and_its_end_go_on(registry: Registry) -> None:
    await person(registry, "alice")
    first, second = await browser(registry, "alice"), await browser(registry, "alice")
    boss = await registry.user("boss", ["site_admin"], site_admin=True)
    await read_only.switch_on(registry.services.db, _REASON)
    assert await sign_in_with(second, "alice") == "/"
    assert await sign_in_with(second, "alice", PASSWORD) == "/", "once more, and the session before ends"
    assert await login_of(second) == "alice"
    assert (await change(second, "/logout", {})).status == 303
    assert await login_of(second) is None
    assert await login_of(first) == "alice"
    assert (await registry.call("DELETE", "/api/v3/admin/users/alice/sessions", boss)).status == 204
    assert await login_of(first) is None


async def test_no_form_of_ones_own_or_of_administrators_fails(registry: Registry) -> None:
    boss = await browser(registry, "boss", site_admin=True)
    await read_only.switch_on(registry.services.db, _REASON)
    addresses = {
        *OWN.values(),
        *(route.address for route in PAGES if route.method != "GET" and "/-/admin/" in route.address),
    }
    for address in sorted(addresses):
        path = address.replace("{owner}/{image}", "boss/app").replace("{number}", "1").replace("{change}", "suspend")
        assert (await change(boss, path, {"login": "eve", "kind": "User"})).status != 500, address


async def test_what_is_left_of_jobs(registry: Registry) -> None:
    token = await registry.user("alice", ["repo", "read:packages"])
    made = await registry.call("POST", "/api/v3/user/repos", token, json={"name": "code"})
    assert made.status == 201
    short_lived = await registry.call("POST", "/api/v3/repos/alice/code/actions/token", token)
    assert short_lived.status == 201, short_lived.body
    await registry.services.db.execute(
        "UPDATE tokens SET expires_at = now() - interval '90 days' WHERE kind = 'workflow'"
    )
    await browser(registry, "alice")
    await registry.services.db.execute(
        "UPDATE tokens SET expires_at = now() - interval '90 days' WHERE kind = 'session'"
    )
    await read_only.switch_on(registry.services.db, _REASON)
    done = await run_once(registry.services, [name for name in SCHEDULE if name.startswith("forget_")])
    assert sum(done.values()) >= 2, done
    assert basic(token)


async def test_the_page_in_korean(registry: Registry) -> None:
    world = await managed(registry)
    fields = await fields_of(world, FORMS["/{owner}/{image}/-/untag"])
    await read_only.switch_on(registry.services.db, _REASON)
    answer = await change(world.owner, FORMS["/{owner}/{image}/-/untag"].path, fields, Accept_Language="ko")
    page = world.owner.read(answer)
    assert (answer.status, page.language) == (503, "ko")
    assert _REASON in page.text
    assert "read-only" not in page.text, page.text
