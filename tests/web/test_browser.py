"""The frame in Chromium: at every width, in both themes and languages, and with the comforts of the script."""

from itertools import product
from pathlib import Path

import pytest

from tests.support.pages import Browsed
from tests.support.server import Registry
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages
VIEWS = list(product((320, 768, 1280, 1920), ("light", "dark"), ("en", "ko")))


async def look(window: Browsed, name: str, pictures: Path | None) -> None:
    """What holds of every page, and a picture of it if one is wanted."""
    await window.assert_no_overflow()
    await window.axe()
    if pictures is not None:
        await window.page.screenshot(path=pictures / f"{name}.png", full_page=True)


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
                await look(window, f"{path[1:] or 'start'}-{width}-{theme}-{language}", pictures)
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
