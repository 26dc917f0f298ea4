"""What strangers send to pages: queries, cookies and forms that no page of ours makes."""

import re
import time
from typing import Any

import orjson
import pytest

from tests.support.pages import Html
from tests.support.people import browser
from tests.support.raw import ask, request
from tests.support.server import Registry, running


@pytest.mark.parametrize("query", ["x=%0d%0aSet-Cookie:%20theme=dark", "x=%00", "next=%0A", "q=%7f&a=%E2%80%A8", "a+b"])
@pytest.mark.parametrize("path", ["/alice/", "/Alice", "/new/token"])
async def test_s56_a_query_is_led_on_as_it_came(registry: Registry, path: str, query: str) -> None:
    answer = await ask(registry.url, request("GET", f"{path}?{query}"))
    assert answer.status == 308
    assert answer.headers["Location"] == f"{'/settings/tokens/new' if path == '/new/token' else '/alice'}?{query}"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "place",
    [
        "0001-01-01T00:00:00+23:59~1",
        "9999-12-31T23:59:59-23:59~1",
        "2026-01-01T00:00:00~1",
        "2026-13-01T00:00:00+00:00~1",
        "-1",
        "9" * 400,
        "\0",
        "\u202e",
    ],
)
async def test_s17_a_place_in_a_search_that_no_page_gave(registry: Registry, place: str) -> None:
    for path in ("/search", "/explore", "/api/v3/search/packages"):
        async with registry.http.get(registry.url + path, params={"after": place}) as response:
            assert response.status == (200 if place == "\0" and path[1] != "a" else 422), path


async def test_s17_an_end_outside_of_time(registry: Registry) -> None:
    alice = await registry.user("alice", ["user"])
    for end in ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"):
        answer = await registry.call("POST", "/api/v3/user/tokens", alice, json={"scopes": ["user"], "expires_at": end})
        assert answer.status == 422, (end, answer.body)


@pytest.mark.parametrize(
    "cookie",
    [
        "moorage_flash=a\xff.b\xff",
        'moorage_flash="\\377.\\377"',
        "moorage=\xff; __Host-moorage=\xff",
        "moorage_flow=\xff.\xff; moorage_identity=\xff.\xff",
        "lang=\xff; theme=\xff",
        "=;=;;;moorage_flash",
    ],
)
async def test_no_cookie_is_our_fault(registry: Registry, cookie: str) -> None:
    for path, status in (("/", 200), ("/login", 200), ("/nothing/here", 404), ("/settings/tokens", 303)):
        answer = await ask(registry.url, request("GET", path, f"Cookie: {cookie}"))
        assert answer.status == status, path


async def test_s55_what_a_page_says_once_is_for_this_host_too(env: dict[str, str]) -> None:
    for url, name in (
        ("https://registry.example", "__Host-moorage_flash"),
        ("http://registry.example", "moorage_flash"),
    ):
        async with running({**env, "MOORAGE_PUBLIC_URL": url}) as registry:
            alice = await browser(registry, "alice")
            alice.cookies = {"__Host-moorage" if url[4] == "s" else "moorage": alice.cookies["moorage"]}
            own = (await alice.get("/settings/sessions")).field("csrf")
            answer: Any = await alice.post("/settings/sessions", {"csrf": own, "session": "others"}, Origin=url)
            lines = answer.headers.getall("Set-Cookie")
            assert [line.partition("=")[0] for line in lines] == [name]
            assert ("Secure" in lines[0]) == url.startswith("https:")
            assert "All other sessions have ended." in (await alice.get("/settings/sessions")).text
            assert name not in alice.cookies, "it is said once"


async def test_a_form_that_is_sent_twice_makes_one_token(registry: Registry) -> None:
    alice, bob = await browser(registry, "alice"), await browser(registry, "bob")
    page = await alice.get("/settings/tokens/new")
    fields = {name: page.field(name) for name in ("csrf", "once", "kind")}
    fields |= {"note": "laptop", "days": "7", "scopes": "read:packages"}
    first, second = [alice.read(await alice.post("/settings/tokens/new", fields)) for _ in range(2)]
    assert first.heading == second.heading == "The token is made"
    assert _token(first) == _token(second), "who clicked twice sees the answer to the second"
    assert (await registry.call("GET", "/api/v3/user", _token(first))).status == 200
    forms = (await alice.get("/settings/tokens")).all("form")
    assert len([form for form in forms if form["action"].endswith("/revoke")]) == 1
    theirs = {**fields, "csrf": (await bob.get("/settings/tokens/new")).field("csrf")}
    assert _token(bob.read(await bob.post("/settings/tokens/new", theirs))) != _token(first)
    again = {**fields, "once": (await alice.get("/settings/tokens/new")).field("once")}
    assert _token(alice.read(await alice.post("/settings/tokens/new", again))) != _token(first)


async def test_a_form_that_was_filled_in_otherwise_makes_another_token(registry: Registry) -> None:
    alice = await browser(registry, "alice")
    page = await alice.get("/settings/tokens/new")
    fields = {name: page.field(name) for name in ("csrf", "once", "kind")}
    fields |= {"note": "laptop", "days": "7", "scopes": "read:packages"}
    changes: list[dict[str, str]] = [{}, {"scopes": "delete:packages"}, {"note": "other"}, {"days": "never"}]
    made = {_token(alice.read(await alice.post("/settings/tokens/new", {**fields, **one}))) for one in changes}
    assert len(made) == len(changes)


async def test_a_form_does_not_bring_back_what_was_revoked(registry: Registry) -> None:
    alice = await browser(registry, "alice")
    page = await alice.get("/settings/tokens/new")
    fields = {name: page.field(name) for name in ("csrf", "once", "kind")}
    fields |= {"note": "laptop", "days": "7", "scopes": "read:packages"}
    text = _token(alice.read(await alice.post("/settings/tokens/new", fields)))
    (path,) = {
        form["action"]
        for form in (await alice.get("/settings/tokens")).all("form")
        if form.get("action", "").endswith("/revoke")
    }
    assert (await alice.post(path, {"csrf": fields["csrf"]})).status == 303
    answer = alice.read(await alice.post("/settings/tokens/new", fields))
    assert answer.status == 409
    assert text not in answer.text
    assert (await registry.call("GET", "/api/v3/user", text)).status == 401


@pytest.mark.parametrize("once", ["", "a", "x" * 5000, "\u202e" * 32])
async def test_a_key_that_no_form_had_makes_a_token_as_before(registry: Registry, once: str) -> None:
    alice = await browser(registry, "alice")
    page = await alice.get("/settings/tokens/new")
    fields = {"csrf": page.field("csrf"), "once": once, "kind": "classic", "days": "7", "scopes": "read:packages"}
    texts = {_token(alice.read(await alice.post("/settings/tokens/new", fields))) for _ in range(2)}
    assert len(texts) == 2


def _token(page: Html) -> str:
    return str(re.findall(r"mrp_[0-9A-Za-z]{42}", page.text)[0])


async def test_s45_a_long_history_or_many_layers_make_no_long_page(registry: Registry) -> None:
    """A config that pages read has room for 3,500 steps, and a manifest for 5,000 layers."""
    alice = await registry.user("alice")
    history = [{"created_by": "COPY first"}, *[{"empty_layer": 1}] * 3500]
    steps = await registry.push_image("alice/web", "v1", alice, history=history)
    got = await registry.call("GET", "/v2/alice/web/manifests/v1", alice)
    document = orjson.loads(got.body)
    document["layers"] *= 5000
    headers = {"Content-Type": str(got.headers["Content-Type"])}
    put = await registry.call("PUT", "/v2/alice/web/manifests/v2", alice, data=orjson.dumps(document), headers=headers)
    assert put.status == 201, put.body
    reader = await browser(registry, "alice")
    for reference in (":v1", f"@{steps}", ":v2", f"@{put.headers['Docker-Content-Digest']}"):
        for tab in ("", "/-/layers") if reference[0] == "@" else ("",):
            page = await reader.get(f"/alice/web{reference}{tab}")
            assert "Only the first 200 are shown" in page.text, reference
            assert len(page.answer.body) < 150_000, reference


async def test_s45_a_config_is_not_blown_up_by_its_indents(registry: Registry) -> None:
    alice = await registry.user("alice")
    deep = b"[" * 250 + b",".join([b"1"] * 15_000) + b"]" * 250
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.example",
        "config": {
            "mediaType": "application/vnd.example+json",
            "digest": await registry.push_blob("alice/web", deep, alice),
            "size": len(deep),
        },
        "layers": [],
    }
    headers = {"Content-Type": str(document["mediaType"])}
    put = await registry.call("PUT", "/v2/alice/web/manifests/v1", alice, data=orjson.dumps(document), headers=headers)
    assert put.status == 201, put.body
    digest = put.headers["Docker-Content-Digest"]
    page = await (await browser(registry, "alice")).get(f"/alice/web@{digest}/-/config")
    assert "1,1,1,1" in page.text, "as it is"
    assert len(page.answer.body) < 100_000


async def test_s57_globs_that_go_back_and_forth_are_matched_at_once(registry: Registry) -> None:
    """Fifty rules of a token, on a name that each of them nearly matches: in this process, and in PostgreSQL."""
    alice, name = await registry.user("alice", ["user", "write:packages"]), f"alice/{'a' * 200}"
    await registry.push_image(name, "v1", alice)
    globs = [f"alice/{glob}" for glob in ("*a" * 120 + "b", "?*" * 120 + "b", "a*" * 120 + "b", "*" * 248 + "b")]
    rules = [{"packages": glob, "actions": ["read"]} for glob in globs] * 12
    made = await registry.call("POST", "/api/v3/user/tokens", alice, json={"rules": rules})
    assert made.status == 201, made.body
    token = str(made.json["token"])  # type: ignore[index]
    started = time.monotonic()
    assert (await registry.call("GET", f"/v2/{name}/manifests/v1", token)).status in {403, 404}
    found = await registry.call("GET", "/api/v3/search/packages?q=alice", token)
    assert found.json["total_count"] == 0  # type: ignore[index]
    assert time.monotonic() - started < 2, "of a loaded machine"


async def test_s52_links_name_the_registry_by_its_settings(env: dict[str, str]) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Origin": "https://registry.example"}
    async with running({**env, "MOORAGE_PUBLIC_URL": "https://registry.example"}) as registry:
        begun = await registry.call("POST", "/login/device/code", data={"client_name": "laptop"}, headers=evil)
        assert begun.json["verification_uri"] == "https://registry.example/login/device"  # type: ignore[index]
        for path in ("/", "/login", "/explore", "/nothing/here", "/alice/", "/new/token"):
            answer = await registry.call("GET", path, headers=evil)
            assert b"evil" not in answer.body, path
            assert "evil" not in answer.headers.get("Location", ""), path
    async with running(env) as registry:  # by nobody's settings: as this client has asked, no header of a stranger
        begun = await registry.call("POST", "/login/device/code", data={}, headers={"X-Forwarded-Host": "evil.example"})
        assert begun.json["verification_uri"] == f"{registry.url}/login/device"  # type: ignore[index]
