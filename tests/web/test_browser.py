"""The frame in Chromium: at every width, in both themes and languages, and with the comforts of the script."""

import re
from pathlib import Path

import pytest

from tests.support.pages import views
from tests.support.server import Registry
from tests.support.shelf import HOSTILE, Shelf, publish
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages
VIEWS = views(320, 768, 1280, 1920)


@pytest.mark.timeout(600)
async def test_the_frame_in_every_view(registry: Registry, browse: Browse, pictures: Path | None) -> None:
    token = await registry.user("alice")
    for name in ("web", "api/server", "x" * 200):
        await registry.push_image(f"alice/{name}", "v1", token)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public', description = repeat('long', 128)")
    for width, theme, language in VIEWS:
        async with browse(registry.url, width=width, theme=theme, language=language) as window:
            for path, status in (("/", 200), ("/alice", 200), ("/nobody", 404)):
                await window.open(path, status)
                await window.look(f"{path[1:] or 'start'}-{width}-{theme}-{language}", pictures)
            assert len([url for url in window.requests if "/-/assets/" not in url]) == 3


async def test_a_command_is_copied_by_one_press(registry: Registry, browse: Browse) -> None:
    async with browse(registry.url, permissions=["clipboard-read", "clipboard-write"]) as window:
        await window.open("/")
        await window.page.get_by_role("button", name="Copy").click()
        await window.page.get_by_text("Copied").wait_for()
        host = registry.url.partition("://")[2]
        assert await window.page.evaluate("navigator.clipboard.readText()") == f"docker login {host}"


async def test_without_script_nothing_dead_is_shown(registry: Registry, browse: Browse) -> None:
    async with browse(registry.url, script=False) as window:
        await window.open("/")
        assert await window.page.get_by_role("button", name="Copy").count() == 0
        await window.page.get_by_role("button", name="한국어").click()
        assert await window.page.get_by_role("heading", level=1).inner_text() == "컨테이너 이미지를 위한 레지스트리"


async def test_by_keyboard_one_skips_to_the_content(registry: Registry, browse: Browse) -> None:
    async with browse(registry.url) as window:
        await window.open("/")
        await window.page.keyboard.press("Tab")
        assert await window.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        await window.page.keyboard.press("Enter")
        assert await window.page.evaluate("document.activeElement.id") == "main"


@pytest.mark.timeout(900)
async def test_the_pages_of_packages_in_every_view(registry: Registry, browse: Browse, pictures: Path | None) -> None:
    """The widths, themes and languages by turns: each page in two of the sixteen views, each view on some page."""
    shelf = Shelf(registry, await registry.user("alice"))
    labels = {
        "org.opencontainers.image.description": "결제와 주문을 처리하는 서버 " + "long" * 60,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.source": "https://git.example.org/" + "x" * 100,
    }
    long = "alice/" + "x" * 200
    index = await shelf.index("alice/web", "v1.0.0", labels)
    await shelf.referrer("alice/web", index, "application/vnd.dev.cosign.artifact.sig.v1+json")
    image = await shelf.image(long, "t" * 128, labels=labels, commands=("RUN " + "y" * 500, "CMD sh"))
    await shelf.chart("alice/charts/web", "0.1.0")
    await publish(registry)
    by_digest = f"/alice/web@{index['digest']}/-"
    seen = {
        "/explore": "web", "/search?q=nothing": "nothing", "/alice/web": "v1.0.0", "/alice/charts/web": "0.1.0",
        f"/{long}": "longlong", "/alice/web/-/tags": "v1.0.0", f"/{long}/-/tags": "t" * 128, "/alice/web/-/tags?q=none": "alice/web",
        "/alice/web/-/versions": "v1.0.0", "/alice/web/-/versions?show=all": "v1.0.0", "/alice/web:v1.0.0": "v1.0.0",
        f"/{long}:{'t' * 128}": "t" * 128, f"{by_digest}/manifest": "application/vnd.oci.image.index.v1+json",
        f"{by_digest}/referrers": "cosign", f"{by_digest}/parents": str(index["digest"])[:19],
        f"/{long}@{image['digest']}/-/layers": "y" * 60, f"/{long}@{image['digest']}/-/config": "amd64",
        f"/{long}@{image['digest']}/-/referrers": str(image["digest"])[:19],
    }  # fmt: skip
    for place, view in enumerate(VIEWS):
        width, theme, language = view
        chosen = [path for number, path in enumerate(seen) if (number + place) % (len(VIEWS) // 2) == 0]
        async with browse(registry.url, width=width, theme=theme, language=language) as window:
            for path in chosen:
                await window.open(path)
                assert seen[path] in await window.page.locator("main").inner_text(), (path, view)
                name = re.sub(r"[^a-z0-9]+", "-", path[:60])
                await window.look(f"{name}-{width}-{theme}-{language}", pictures)


async def test_s53_hostile_texts_run_nothing(registry: Registry, browse: Browse) -> None:
    shelf = Shelf(registry, await registry.user("alice"))
    for place, text in enumerate(HOSTILE):
        labels = {f"org.opencontainers.image.{name}": text for name in ("description", "licenses", "source")}
        await shelf.image(f"alice/p{place}", "v1", labels=labels, commands=(text, text), annotations={text: text})
    await publish(registry)
    async with browse(registry.url) as window:
        for path in ("/explore", *(f"/alice/p{place}{tail}" for place in range(len(HOSTILE)) for tail in ("", ":v1"))):
            await window.open(path)
            assert "hacked" not in await window.page.title()


async def test_the_tool_that_was_chosen_is_remembered(registry: Registry, browse: Browse) -> None:
    shelf = Shelf(registry, await registry.user("alice"))
    await shelf.image("alice/web", "v1")
    await shelf.image("alice/api", "v1")
    await publish(registry)
    host = registry.url.partition("://")[2]
    async with browse(registry.url) as window:
        await window.open("/alice/web")
        await window.page.get_by_text("podman", exact=True).click()
        assert await window.page.get_by_text(f"podman pull {host}/alice/web:v1").is_visible()
        await window.open("/alice/api")
        assert await window.page.get_by_text(f"podman pull {host}/alice/api:v1").is_visible()
        assert not await window.page.get_by_text(f"docker pull {host}/alice/api:v1").is_visible()
