"""Every page of the table of addresses: hidden as missing (S3), ids of nobody (S17), and without PostgreSQL."""

import re

import pytest

from registry.http.web.app import ROUTES
from registry.http.web.routes import Route
from tests.support.api import acme
from tests.support.pages import Pages
from tests.support.people import browser
from tests.support.server import Answer, Registry

_PARAMETER = re.compile(r"\{([a-z_]+)\}")
_OWN = {"X-Moorage-Request-Id", "Date", "ETag"}
_ABSENT = "sha256:" + "0" * 64
#: An account is no secret, and these pages tell of it what everybody may see.
_PUBLIC = {"/{owner}", "/{owner}/-/repositories"}
#: What changes from one page to the next: the tokens of its forms.
_TOKENS = re.compile(rb'(name="(?:csrf|once)" value=")[^"]*')


def _filled(address: str, values: dict[str, str]) -> str:
    return _PARAMETER.sub(lambda found: values.get(found[1], "none"), address)


async def _asked(pages: Pages, route: Route, path: str, csrf: str) -> Answer:
    return await (pages.get_raw(path) if route.method == "GET" else pages.post(path, {"csrf": csrf}))


def _told(answer: Answer, *names: str) -> tuple[int, dict[str, str], bytes]:
    """What an answer tells but for the names that were asked for, of the same length each."""
    body = _TOKENS.sub(rb"\1", answer.body).replace(answer.headers["X-Moorage-Request-Id"].encode(), b"")
    headers = {name: value for name, value in answer.headers.items() if name not in _OWN}
    for name in names:
        body = body.replace(name.encode(), b"").replace(name.replace("/", "%2F").encode(), b"")
        headers = {key: value.replace(name, "") for key, value in headers.items()}
    return answer.status, headers, body


@pytest.mark.timeout(120)
async def test_s3_hidden_is_missing_on_every_page(registry: Registry) -> None:
    made = await acme(registry)
    digest = await registry.push_image("acme/secret", "v1", made.owner)
    row = await registry.services.db.fetchrow("SELECT id FROM manifests WHERE digest = $1", digest)
    assert row is not None
    values = {"tag": "v1", "digest": digest, "number": str(row[0]), "repository": "web"}
    failures, asked = [], 0
    for pages in (Pages(registry), await browser(registry, "stranger")):
        csrf = (await pages.get("/explore")).all("input", name="csrf")
        token = csrf[0]["value"] if csrf else (await pages.get("/login")).field("csrf")
        for route in ROUTES:
            names = set(_PARAMETER.findall(route.address))
            if not names & {"image", "owner"} or route.address in _PUBLIC:
                continue
            there = {"owner": "acme", "image": "secret"}
            missing = {"owner": "acme", "image": "absent"} if "image" in names else {"owner": "acne"}
            got = [
                await _asked(pages, route, _filled(route.address, {**values, **one}), token) for one in (there, missing)
            ]
            asked += 1
            one, other = [_told(answer, "acme", "acne", "secret", "absent") for answer in got]
            if one != other or one[0] not in {303, 308, 403, 404}:
                failures.append((route.method, route.address, one[:2], other[:2]))
    assert asked > 20
    assert not failures, failures


async def test_s17_ids_of_nobody_on_every_page(registry: Registry) -> None:
    boss = await browser(registry, "boss", site_admin=True)
    token = (await boss.get("/explore")).all("input", name="csrf")[0]["value"]
    failures = []
    for route in ROUTES:
        for name in set(_PARAMETER.findall(route.address)):
            for hostile in ("0", "9" * 18, "9" * 40, "-1", "%00", "%ff", "%E2%80%AE", "a" * 300, _ABSENT):
                values = {"owner": "boss", "image": "web", "tag": "v1", "digest": _ABSENT, "number": "1"}
                answer = await _asked(boss, route, _filled(route.address, {**values, name: hostile}), token)
                if answer.status not in {303, 308, 403, 404, 405, 422}:
                    failures.append((route.method, route.address, name, hostile[:50], answer.status))
    assert not failures, failures


async def test_every_page_says_when_to_come_again_while_postgres_is_away(registry: Registry) -> None:
    boss, visitor = await browser(registry, "boss", site_admin=True), Pages(registry)
    token = (await boss.get("/explore")).all("input", name="csrf")[0]["value"]
    values = {"owner": "boss", "image": "web", "tag": "v1", "digest": _ABSENT, "number": "1"}
    await registry.services.db.close()
    failures = []
    for route in ROUTES:
        path = _filled(route.address, values)
        for pages, least in ((boss, 503), (visitor, 200)):
            answer = await _asked(pages, route, path, token)
            if answer.status == 503:
                good = "Retry-After" in answer.headers and b"Traceback" not in answer.body
            else:
                good = least <= answer.status < 500
            if not good or ("Set-Cookie" in answer.headers and route.address not in {"/-/preferences", "/logout"}):
                failures.append((route.method, route.address, answer.status))
    assert not failures, failures


async def test_s55_no_page_changes_anything_by_get(registry: Registry) -> None:
    """A POST has an address of its own, or one whose GET shows its form; and each wants the token of its session."""
    boss = await browser(registry, "boss", site_admin=True)
    posts = [route for route in ROUTES if route.method == "POST"]
    assert {route.address for route in posts if not route.token} == {
        "/-/preferences", "/login/device/code", "/login/device/token",
    }  # fmt: skip
    values = {"owner": "boss", "image": "web", "tag": "v1", "digest": _ABSENT, "number": "1"}
    for route in (one for one in posts if one.token):
        path = _filled(route.address, values)
        assert (await boss.post(path, {})).status == 403, path
        assert (await boss.post(path, {"csrf": "0" * 48}, Origin="https://evil.example")).status == 403, path
    assert {route.method for route in ROUTES} == {"GET", "POST"}


async def test_no_shared_cache_has_what_one_viewer_sees(registry: Registry) -> None:
    """Each page is private, tells by what it differs, and is not unchanged for others."""
    alice, bob, visitor = await browser(registry, "alice"), await browser(registry, "bob"), Pages(registry)
    await registry.push_image("alice/secret", "v1", await registry.token("alice"))
    seen = await alice.get("/alice/secret")
    tag = {"If_None_Match": seen.answer.headers["ETag"]}
    await bob.get("/alice/secret", 404, **tag)
    await visitor.get("/alice/secret", 404, **tag)
    values = {"owner": "alice", "image": "secret", "tag": "v1", "digest": _ABSENT, "number": "1"}
    for route in (one for one in ROUTES if one.method == "GET"):
        for pages in (alice, bob, visitor):
            answer = await pages.get_raw(_filled(route.address, values))
            assert answer.headers["Cache-Control"].startswith("private, no-"), route.address
            assert "Cookie" in answer.headers["Vary"], route.address
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], route.address
            assert answer.headers["X-Content-Type-Options"] == "nosniff", route.address
