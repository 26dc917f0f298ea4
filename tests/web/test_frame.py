"""The frame of every page: its addresses, headers, languages, themes, forms and errors (S52, S53, S55, S56)."""

import gzip
import re

import pytest

from registry.accounts.accounts import rename
from tests.support.pages import Pages
from tests.support.server import Registry


async def test_the_start_page_tells_a_visitor_how_to_sign_in(pages: Pages) -> None:
    start = await pages.get("/")
    assert start.heading == "A registry for your container images"
    host = pages.registry.url.partition("://")[2]
    assert f"docker login {host}" in start.text
    assert "/login" in start.links


async def test_every_page_has_the_headers_that_keep_others_out(pages: Pages) -> None:
    for path, status in (("/", 200), ("/nobody", 404), ("/-/preferences", 405)):
        headers = (await pages.get(path, status)).answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "private, no-cache, no-transform"
        assert "X-Moorage-Request-Id" in headers
        assert "Cross-Origin-Opener-Policy" not in headers  # over http Chromium logs an error


async def test_no_page_has_a_script_or_a_style_of_its_own(pages: Pages) -> None:
    for path, status in (("/", 200), ("/nobody", 404)):
        found = await pages.get(path, status)
        assert [script["src"].startswith("/-/assets/") for script in found.all("script")] == [True]
        assert not found.all("style")
        assert not [
            one
            for _, attributes in found.outline.elements
            for one in attributes
            if one.startswith("on") or one == "style"
        ]


async def test_assets_are_kept_for_ever_and_compressed(pages: Pages) -> None:
    start = await pages.get("/")
    for path in [
        start.all("script")[0]["src"],
        start.all("link", rel="stylesheet")[0]["href"],
        start.all("link", rel="icon")[0]["href"],
    ]:
        assert re.fullmatch(r"/-/assets/[a-z]+\.[0-9a-f]{8}\.(css|js|svg)", path)
        plain = await pages.registry.call("GET", path, headers={"Accept-Encoding": "identity"})
        assert plain.status == 200
        assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        packed = await pages.registry.call("GET", path, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) <= (5000 if path.endswith("css") else 4000)
    assert (await pages.get("/-/assets/style.00000000.css", 404)).heading == "There is nothing here"


async def test_a_page_that_has_not_changed_is_not_sent_again(pages: Pages) -> None:
    first = await pages.get("/")
    again = await pages.registry.call("GET", "/", headers={"If-None-Match": first.answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


async def test_head_is_a_get_without_its_body(pages: Pages) -> None:
    got, head = [
        await pages.registry.call(method, "/", headers={"Accept-Encoding": "identity"}) for method in ("GET", "HEAD")
    ]
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.body))


async def test_protocols_stay_json(registry: Registry) -> None:
    for path in (
        "/v2x",
        "/v2/nothing",
        "/token/x",
        "/api",
        "/api/x",
        "/api/v3/nothing",
        "/healthz/x",
        "/metrics",
        "/metrics/x",
    ):
        answer = await registry.call("GET", path)
        assert answer.headers["Content-Type"].startswith("application/json"), path


@pytest.mark.parametrize(
    ("path", "there"),
    [
        ("/Alice", "/alice"), ("/alice/", "/alice"), ("/ALICE/?after=x", "/alice?after=x"),
        ("/users/alice", "/alice"), ("/orgs/Alice", "/alice"), ("/users/alice/packages", "/alice"),
        ("/users/Alice/packages/container/package/web%2Fapp", "/alice/web/app"),
        ("/alice/code/pkgs/container/web", "/alice/web"), ("/orgs/Acme/teams/devs", "/acme/-/teams/devs"),
    ],
)  # fmt: skip
async def test_a_page_has_one_address(pages: Pages, path: str, there: str) -> None:
    await pages.registry.user("alice")
    answer = await pages.registry.call("GET", path)
    assert (answer.status, answer.headers["Location"]) == (308, there)


@pytest.mark.parametrize(
    "path", ["//evil.example/", "//evil.example", "/\\evil.example/", "/%2Fevil.example/", "/%5Cevil/"]
)
async def test_no_address_leads_elsewhere(pages: Pages, path: str) -> None:
    assert (await pages.get(path, 404)).heading == "There is nothing here"


async def test_html_urls_of_the_api_answer(pages: Pages) -> None:
    token = await pages.registry.user("alice", ["read:packages", "write:packages"])
    digest = await pages.registry.push_image("alice/web/app", "v1", token)
    await pages.registry.services.db.execute("UPDATE packages SET visibility = 'public'")
    package = (await pages.registry.call("GET", "/api/v3/users/alice/packages/container/web%2Fapp", token)).json
    version = (
        await pages.registry.call("GET", "/api/v3/users/alice/packages/container/web%2Fapp/versions", token)
    ).json
    there = [
        (await pages.registry.call("GET", url)).headers["Location"]
        for url in (package["html_url"], version[0]["html_url"], version[0]["package_html_url"])  # type: ignore[index]
    ]
    assert there == ["/alice/web/app", f"/alice/web/app@{digest}", "/alice/web/app"]
    repo = await pages.registry.token("alice", ["repo"])
    for name, private, place in (("web", False, "/alice/-/repositories/web"), ("Web.Site", True, None)):
        new = {"name": name, "private": private}
        made = (await pages.registry.call("POST", "/api/v3/user/repos", repo, json=new)).json
        answer = await pages.registry.call("GET", made["html_url"])  # type: ignore[index]
        assert (answer.status, answer.headers.get("Location")) == (404 if private else 308, place)
    assert (await pages.get(package["owner"]["html_url"].removeprefix(pages.registry.url))).heading == "alice"  # type: ignore[index]


async def test_the_language_is_that_of_the_browser_until_one_is_chosen(pages: Pages) -> None:
    assert (await pages.get("/", Accept_Language="ko-KR,ko;q=0.9,en;q=0.5")).language == "ko"
    assert (await pages.get("/", Accept_Language="fr, en;q=0.1, ko;q=0.9")).language == "ko"
    assert (await pages.get("/", Accept_Language="fr")).language == "en"
    chosen = await pages.post("/-/preferences", {"lang": "ko", "next": "/nobody"})
    assert (chosen.status, chosen.headers["Location"]) == (303, "/nobody")
    assert (await pages.get("/", Accept_Language="en")).heading == "컨테이너 이미지를 위한 레지스트리"
    assert (await pages.get("/?lang=en")).language == "en"


async def test_the_theme_is_chosen_and_forgotten(pages: Pages) -> None:
    assert "data-theme" not in (await pages.get("/")).all("html")[0]
    await pages.post("/-/preferences", {"theme": "dark"})
    assert (await pages.get("/")).all("html")[0]["data-theme"] == "dark"
    await pages.post("/-/preferences", {"theme": ""})
    assert "data-theme" not in (await pages.get("/")).all("html")[0]


@pytest.mark.parametrize(
    "bad",
    [
        "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https://evil.example", "evil",
        "/%0d%0aSet-Cookie:x", "/%2Fevil.example", "/%5Cevil.example", "/\t/evil", "/ /evil", "", "javascript:alert(1)",
        "/\x00", "/\r\nX: y", "///evil", "/%09/evil", "/x%5cy",
    ],
)  # fmt: skip
async def test_s56_next_leads_to_a_page_of_ours(pages: Pages, bad: str) -> None:
    answer = await pages.post("/-/preferences", {"lang": "en", "next": bad})
    assert (answer.status, answer.headers["Location"]) == (303, "/")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303), ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": "own"}, 303),
        ({"Cookie": "lang=ko"}, 403), ({}, 303),
    ],
)  # fmt: skip
async def test_s55_a_form_of_others_is_refused(pages: Pages, headers: dict[str, str], status: int) -> None:
    sent = {name: pages.registry.url if value == "own" else value for name, value in headers.items()}
    sent["Content-Type"] = "application/x-www-form-urlencoded"
    answer = await pages.registry.call("POST", "/-/preferences", data=b"lang=ko", headers=sent)
    assert answer.status == status
    if status == 403:
        assert "Set-Cookie" not in answer.headers


async def test_s52_nobody_else_names_the_host(pages: Pages) -> None:
    for header in ("X-Forwarded-Host", "Forwarded"):
        assert "evil" not in (await pages.get("/", 200, **{header: "evil.example"})).answer.body.decode()
    odd = await pages.get("/", Host='evil"><script>')
    assert "evil" not in odd.answer.body.decode()


async def test_hidden_and_missing_are_one_page(pages: Pages) -> None:
    token = await pages.registry.user("alice")
    await pages.registry.push_image("alice/secret", "v1", token)

    async def told(path: str) -> tuple[object, str]:
        found = await pages.get(path, 404)
        number = found.answer.headers["X-Moorage-Request-Id"]
        return (
            {n: v for n, v in found.answer.headers.items() if n not in {"X-Moorage-Request-Id", "Date", "ETag"}},
            found.answer.body.decode().replace(number, "").replace(path.replace("/", "%2F"), "").replace(path, ""),
        )

    hidden, missing = (
        await told("/users/alice/packages/container/secret/1"),
        await told("/users/alice/packages/container/absent/1"),
    )
    assert hidden[1] == missing[1]


async def test_errors_are_pages(pages: Pages) -> None:
    assert (await pages.get("/-/preferences", 405)).answer.headers["Allow"] == "POST"
    too_large = await pages.post("/-/preferences", {"lang": "x" * 70_000})
    assert (too_large.status, too_large.headers["Content-Type"]) == (413, "text/html; charset=utf-8")
    no_form = await pages.post("/-/preferences", {}, Content_Type="text/plain")
    assert no_form.status == 400
    missing = await pages.get("/nobody", 404)
    assert missing.answer.headers["X-Moorage-Request-Id"] in missing.text
    assert "/login?next=/nobody" in missing.links
    korean = await pages.get("/nobody", 404, Accept_Language="ko")
    assert korean.heading == "여기에는 아무것도 없습니다"


async def test_a_page_says_when_to_come_again_while_postgres_is_away(pages: Pages, registry: Registry) -> None:
    await pages.get("/")
    await registry.services.db.close()
    away = await pages.get("/nobody", 503)
    assert away.heading == "The registry cannot do this now"
    assert away.answer.headers["Retry-After"] in away.text


async def test_a_renamed_owner_is_found(pages: Pages) -> None:
    await pages.registry.user("before")
    await rename(pages.registry.services.db, "before", "after", kind="User")
    answer = await pages.registry.call("GET", "/before")
    assert (answer.status, answer.headers["Location"]) == (308, "/after")


async def test_the_page_of_an_owner_shows_what_one_may_read(pages: Pages) -> None:
    token = await pages.registry.user("alice")
    for name in ("one", "two", "three"):
        await pages.registry.push_image(f"alice/{name}", "v1", token)
    assert "No packages here" in (await pages.get("/alice")).text
    await pages.registry.services.db.execute("UPDATE packages SET visibility = 'public' WHERE name <> 'two'")
    shown = await pages.get("/alice")
    assert [link for link in shown.links if re.fullmatch("/alice/[a-z]+", link)] == ["/alice/one", "/alice/three"]
    assert (shown.heading, shown.title) == ("alice", "alice · Moorage")


async def test_the_packages_of_an_owner_are_filtered(pages: Pages) -> None:
    token = await pages.registry.user("alice")
    for name in ("web", "web/app", "worker"):
        await pages.registry.push_image(f"alice/{name}", "v1", token)
    await pages.registry.services.db.execute("UPDATE packages SET visibility = 'public'")
    for query, found in (
        ("?q=web", ["/alice/web", "/alice/web/app"]), ("?visibility=public", ["/alice/web", "/alice/web/app", "/alice/worker"]),
        ("?visibility=private", []), ("?q=%3Cscript%3E", []), ("?visibility=x&q=W", ["/alice/web", "/alice/web/app", "/alice/worker"]),
    ):  # fmt: skip
        shown = await pages.get(f"/alice{query}")
        assert [link for link in shown.links if link.startswith("/alice/") and ":" not in link] == found, query
    assert "/alice/web:v1" in (await pages.get("/alice")).links


async def test_what_the_api_answers_runs_nothing_in_a_browser(registry: Registry) -> None:
    token = await registry.user("alice")
    for path in ("/api/v3/user", "/api/v3/users/alice", "/api/v3/nothing", "/api/v3/openapi.json", "/api/v3/meta"):
        headers = (await registry.call("GET", path, token)).headers
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox", path
        assert headers["X-Content-Type-Options"] == "nosniff"
