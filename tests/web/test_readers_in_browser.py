"""A signed-in reader in Chromium: the menu by keyboard, the first push that is announced, and every width."""

import pytest

from tests.support.people import browser
from tests.support.server import Registry
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages


async def test_the_menu_opens_and_closes_by_keyboard(registry: Registry, browse: Browse) -> None:
    alice = await browser(registry, "alice")
    async with browse(registry.url, cookies=alice.cookies) as window:
        await window.open("/")
        await window.page.locator("details.menu summary").focus()
        await window.page.keyboard.press("Enter")
        assert await window.page.get_by_role("link", name="Access tokens").is_visible()
        await window.axe()
        await window.page.keyboard.press("Escape")
        assert not await window.page.get_by_role("link", name="Access tokens").is_visible()
        assert await window.page.evaluate("document.activeElement.tagName") == "SUMMARY"


async def test_the_first_push_is_announced(registry: Registry, browse: Browse) -> None:
    alice = await browser(registry, "alice")
    for width, theme, language in ((320, "dark", "ko"), (1280, "light", "en")):
        async with browse(registry.url, width=width, theme=theme, language=language, cookies=alice.cookies) as window:
            await window.open("/")
            await window.assert_no_overflow()
            await window.axe()
    async with browse(registry.url, cookies=alice.cookies) as window:
        await window.open("/")
        await registry.push_image("alice/hello", "v1", await registry.token("alice"))
        await window.page.get_by_role("link", name="Your package is here").click()
        assert await window.page.get_by_role("heading", level=1).inner_text() == "Your packages"
