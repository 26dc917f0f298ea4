"""The pages that one reads: packages, tags, versions, searches, accounts; as a visitor, over HTTP (S53)."""

import re

import pytest

from tests.support.pages import Html, Pages
from tests.support.shelf import HOSTILE, Shelf, publish
from tests.support.statements import counted

COSIGN = "application/vnd.dev.cosign.artifact.sig.v1+json"
SPDX = "application/spdx+json"
LABELS = {
    "org.opencontainers.image.description": "The shop's front door",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.source": "https://git.example.org/acme/web",
}


@pytest.fixture
async def shelf(pages: Pages) -> Shelf:
    return Shelf(pages.registry, await pages.registry.user("alice"))


def rows(page: Html) -> list[str]:
    """The links of the first cells of a table's rows."""
    return re.findall(r'<th scope="row"[^>]*>(?:<a [^>]*>)?([^<]+)', page.answer.body.decode())


async def test_a_package_tells_how_to_pull_it(pages: Pages, shelf: Shelf) -> None:
    await shelf.index("alice/web", "1.2.0", LABELS)
    newest = await shelf.index("alice/web", "1.10.0", LABELS)
    await shelf.image("alice/web", "main", labels=LABELS)
    await publish(pages.registry)
    page = await pages.get("/alice/web")
    host = pages.registry.url.partition("://")[2]
    assert page.heading == "alice/web"
    assert page.title == "alice/web · Moorage"
    for text in (
        f"docker pull {host}/alice/web:1.10.0",  # the highest release, not the newest push
        f"podman pull {host}/alice/web@{newest['digest']}",
        f"crane pull {host}/alice/web:1.10.0 image.tar",
        "The shop's front door", "Apache-2.0", "git.example.org", "linux/amd64, linux/arm64", "Claimed by the publisher",
    ):  # fmt: skip
        assert text in page.text, text
    assert rows(page)[:3] == ["main", "1.10.0", "1.2.0"]
    source = page.all("a", href="https://git.example.org/acme/web")[0]
    assert source["rel"] == "nofollow noopener ugc"


async def test_signatures_and_attestations_are_no_platforms_and_no_tags(pages: Pages, shelf: Shelf) -> None:
    image = await shelf.index("alice/web", "v1", LABELS)
    await shelf.referrer("alice/web", image, COSIGN)
    await shelf.referrer("alice/web", image, SPDX)
    await shelf.image("alice/web", image["digest"].replace(":", "-") + ".sig")  # the older way, the newest push
    await publish(pages.registry)
    page = await pages.get("/alice/web")
    assert "unknown" not in page.text
    assert ".sig" not in page.text
    assert ":v1" in page.text
    assert "Signature" in page.text
    assert "SBOM" in page.text
    version = await pages.get("/alice/web:v1")
    assert "unknown" not in version.text
    assert "2 attestations are inside this index." in version.text
    tree = await pages.get(f"/alice/web@{image['digest']}/-/referrers")
    for text in ("Signature", "SBOM", "Attestation", "linux/amd64", "linux/arm64"):
        assert text in tree.text
    assert "unknown" not in tree.text


async def test_a_chart_is_pulled_by_helm(pages: Pages, shelf: Shelf) -> None:
    await shelf.chart("alice/charts/web", "0.1.0")
    await publish(pages.registry)
    page = await pages.get("/alice/charts/web")
    host = pages.registry.url.partition("://")[2]
    assert f"helm pull oci://{host}/alice/charts/web --version 0.1.0" in page.text
    assert "docker pull" not in page.text
    assert (await pages.get("/alice/charts%2Fweb:0.1.0")).heading == "0.1.0"


async def test_what_one_pastes_from_a_pull_command_is_an_address(pages: Pages, shelf: Shelf) -> None:
    image = await shelf.image("alice/web", "v1", labels=LABELS)
    await publish(pages.registry)
    by_tag, by_digest = await pages.get("/alice/web:v1"), await pages.get(f"/alice/web@{image['digest']}")
    assert by_tag.heading == "v1"
    assert by_digest.heading == image["digest"][7:19]
    for page in (by_tag, by_digest):
        assert "COPY app /app" in page.text
        assert 'CMD ["/app"]' in page.text
        assert image["digest"] in page.text
    assert "History of the tag" in by_tag.text
    await pages.get("/alice/web:v2", 404)
    await pages.get("/alice/web@sha256:" + "0" * 64, 404)
    await pages.get("/alice/web@sha256:1", 404)
    await pages.get("/alice/web:-", 404)


async def test_the_parts_of_a_version(pages: Pages, shelf: Shelf) -> None:
    index = await shelf.index("alice/web", "v1", LABELS)
    child = (await pages.registry.call("GET", f"/v2/alice/web/manifests/{index['digest']}", shelf.token)).json[
        "manifests"
    ][0]  # type: ignore[index]
    await publish(pages.registry)
    base = f"/alice/web@{child['digest']}/-"
    assert "COPY app /app" in (await pages.get(f"{base}/layers")).text
    assert '"architecture": "amd64"' in (await pages.get(f"{base}/config")).text
    assert '"schemaVersion":2' in (await pages.get(f"{base}/manifest")).text
    assert "Nothing refers to this version" in (await pages.get(f"{base}/referrers")).text
    assert index["digest"][7:19] in (await pages.get(f"{base}/parents")).text
    await pages.get(f"{base}/nothing", 404)


async def test_tags_are_found_and_paged(pages: Pages, shelf: Shelf) -> None:
    image = await shelf.image("alice/web", "latest")
    body = (await pages.registry.call("GET", f"/v2/alice/web/manifests/{image['digest']}", shelf.token)).body
    for number in range(105):
        put = await pages.registry.call(
            "PUT",
            f"/v2/alice/web/manifests/v{number:03}",
            shelf.token,
            data=body,
            headers={"Content-Type": image["mediaType"]},
        )
        assert put.status == 201
    await publish(pages.registry)
    first = await pages.get("/alice/web/-/tags")
    assert rows(first)[0] == "v104"
    assert len(rows(first)) == 100
    (following,) = [link for link in first.links if "after=" in link]
    assert rows(await pages.get(following)) == ["v004", "v003", "v002", "v001", "v000", "latest"]
    by_name = await pages.get("/alice/web/-/tags?sort=name")
    assert rows(by_name)[:2] == ["latest", "v000"]
    assert rows(await pages.get("/alice/web/-/tags?q=v01")) == [f"v01{n}" for n in range(10)]
    assert "No tag begins like this" in (await pages.get("/alice/web/-/tags?q=zzz")).text
    assert "Nothing found" in (await pages.get("/alice/web/-/tags?q=%3Cscript%3E")).text
    assert "also" in first.text
    await pages.get("/alice/web/-/tags?after=nonsense", 422)


async def test_versions_are_listed_without_what_belongs_to_them(pages: Pages, shelf: Shelf) -> None:
    index = await shelf.index("alice/web", "v1", LABELS)
    await shelf.referrer("alice/web", index, COSIGN)
    lone = await shelf.image("alice/web")
    await publish(pages.registry)

    async def listed(show: str) -> list[str]:
        return rows(await pages.get(f"/alice/web/-/versions{show}"))

    assert await listed("") == [lone["digest"][7:19], index["digest"][7:19]]
    assert await listed("?show=tagged") == [index["digest"][7:19]]
    assert await listed("?show=untagged") == [lone["digest"][7:19]]
    assert len(await listed("?show=all")) == 7
    assert await listed("?show=nonsense&after=x") == await listed("")


async def test_packages_are_found(pages: Pages, shelf: Shelf) -> None:
    await shelf.image("alice/web/front", "v1")
    await shelf.image("alice/worker", "v1")
    await publish(pages.registry)
    await shelf.image("alice/hidden", "v1")
    for path, found in (
        ("/explore", ["/alice/worker", "/alice/web/front"]), ("/search?q=front", ["/alice/web/front"]),
        ("/explore?sort=name", ["/alice/web/front", "/alice/worker"]), ("/search?q=ali", ["/alice/worker", "/alice/web/front"]),
        ("/search?q=hidden", []), ("/search?q=%3Cscript%3E", []), ("/explore?sort=x", ["/alice/worker", "/alice/web/front"]),
        ("/", ["/alice/worker", "/alice/web/front"]),
    ):  # fmt: skip
        page = await pages.get(path)
        assert [link for link in page.links if link.startswith("/alice/")] == found, path
    assert "<script>" not in (await pages.get("/search?q=%3Cscript%3E")).answer.body.decode()
    await pages.get("/explore?after=nonsense", 422)


async def test_what_is_hidden_is_one_page_with_what_is_missing(pages: Pages, shelf: Shelf) -> None:
    image = await shelf.image("alice/secret", "v1")

    async def told(path: str) -> str:
        page = await pages.get(path, 404)
        text = page.answer.body.decode().replace(page.answer.headers["X-Moorage-Request-Id"], "")
        return re.sub(r'(value|href)="[^"]*(secret|absent)[^"]*"', "", text)

    for tail in ("", ":v1", f"@{image['digest']}", "/-/tags", "/-/versions", f"@{image['digest']}/-/layers"):
        assert await told(f"/alice/secret{tail}") == await told(f"/alice/absent{tail}"), tail


async def test_s53_texts_of_publishers_are_inert(pages: Pages, shelf: Shelf) -> None:
    for place, text in enumerate(HOSTILE):
        labels = {
            "org.opencontainers.image.description": text.replace("\x00", ""),
            "org.opencontainers.image.licenses": text,
            "org.opencontainers.image.source": text,
        }
        name = f"alice/p{place}"
        image = await shelf.image(name, "v1", labels=labels, commands=(text, f"RUN {text}"), annotations={text: text})
        await shelf.referrer(name, image, "application/vnd.x+json;" + re.sub(r"[^!-~]", "", text).replace(" ", ""))
        await publish(pages.registry)
        tails = (
            "",
            "/-/tags",
            "/-/versions?show=all",
            ":v1",
            *(f"@{image['digest']}/-/{t}" for t in ("layers", "config", "manifest", "referrers")),
        )
        for path in ("/explore", "/alice", *(f"/{name}{tail}" for tail in tails)):
            page = await pages.get(path)
            assert [one["src"] for one in page.all("script")] == [page.all("script")[0]["src"]], path
            assert not page.all("img"), path
            assert "49" not in re.sub(r"[0-9a-f]{12,}|\d\d:49|:\d+", "", page.text) or "{{" not in text, path
            assert not [link for link in page.links if not link.startswith(("/", "#"))], path
            assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page.answer.body.decode()), path


async def test_long_texts_are_shown(pages: Pages, shelf: Shelf) -> None:
    name = "alice/" + "x" * 200
    await shelf.image(name, "t" * 128, labels={"org.opencontainers.image.description": "long" * 128})
    await publish(pages.registry)
    assert "long" * 128 in (await pages.get(f"/{name}")).text
    await pages.get(f"/{name}:{'t' * 128}")


async def test_a_page_asks_three_statements_at_most(pages: Pages, shelf: Shelf) -> None:
    index = await shelf.index("alice/web", "v1", LABELS)
    await publish(pages.registry)
    digest = index["digest"]
    paths = [
        "/",
        "/explore",
        "/search?q=web",
        "/alice",
        "/alice/web",
        "/alice/web/-/tags",
        "/alice/web/-/versions",
        "/alice/web:v1",
    ]
    paths += [f"/alice/web@{digest}"] + [
        f"/alice/web@{digest}/-/{t}" for t in ("layers", "config", "manifest", "referrers", "parents")
    ]
    for path in paths:
        with counted() as statements:
            await pages.get(path)
        assert len(statements) <= 3, (path, statements)


async def test_a_page_of_a_hundred_rows_keeps_its_budget(pages: Pages, shelf: Shelf) -> None:
    image = await shelf.index("alice/web", "latest", LABELS)
    await pages.registry.services.db.execute(
        "INSERT INTO tags (package_id, name, digest) SELECT package_id, 'v1.0.' || n, digest FROM tags, generate_series(1, 120) n"
    )
    await publish(pages.registry)
    for path in (
        "/alice/web",
        "/alice/web/-/tags",
        "/alice/web/-/versions",
        "/alice/web:latest",
        f"/alice/web@{image['digest']}",
    ):
        page = await pages.get(path)
        packed = await pages.registry.call("GET", path, headers={"Accept-Encoding": "gzip"})
        assert (len(page.answer.body) <= 30_000, len(packed.body) <= 8_000) == (True, True), (
            path,
            len(page.answer.body),
        )


async def test_a_package_shows_its_downloads(pages: Pages, shelf: Shelf) -> None:
    index = await shelf.index("alice/web", "v1", LABELS)
    signature = await shelf.referrer("alice/web", index, COSIGN)
    await publish(pages.registry)
    for digest, count in ((index["digest"], 3), (signature["digest"], 40)):
        await pages.registry.services.db.execute(
            "WITH pulled AS (SELECT id, package_id FROM manifests WHERE digest = $1), days AS ("
            " INSERT INTO downloads SELECT id, (now() AT TIME ZONE 'UTC')::date - n, $2 FROM pulled, generate_series(0, 39) n)"
            " INSERT INTO download_totals (version_id, package_id, count) SELECT id, package_id, 40 * $2 FROM pulled",
            digest,
            count,
        )
    page = await pages.get("/alice/web")
    assert "Downloads, 30 days 90" in page.text
    assert "Downloads in all120" in page.text
    assert page.answer.body.count(b"<rect ") == 30


async def test_versions_are_paged_through_all_that_belong_to_others(pages: Pages, shelf: Shelf) -> None:
    first = await shelf.image("alice/web", "v1")
    await pages.registry.services.db.execute(
        "INSERT INTO manifests (package_id, digest, media_type, size, body, subject)"
        " SELECT package_id, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), media_type, size, body, digest"
        " FROM manifests, generate_series(1, 450) n"
    )
    await publish(pages.registry)
    page = await pages.get("/alice/web/-/versions")
    assert (rows(page), "there are older versions" in page.text) == ([], True)
    (following,) = [link for link in page.links if "after=" in link]
    assert rows(await pages.get(following)) == [first["digest"][7:19]]
