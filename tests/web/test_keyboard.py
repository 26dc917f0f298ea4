"""The keyboard alone, in Chromium: from signing in to a package that is public, deleted, and there again."""

import pytest

from tests.support.pages import Browsed
from tests.support.people import PASSWORD, person
from tests.support.server import Registry
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages
#: Whether what has the focus is shown with an outline, and nothing lies over it; and its name.
_FOCUSED = """() => {
    const e = document.activeElement, box = e.getBoundingClientRect();
    const seen = e.matches('input[type=radio]') && e.nextElementSibling ? e.nextElementSibling : e;
    const style = getComputedStyle(seen);
    const at = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 20));
    return {
        name: (e.labels && e.labels.length ? e.labels[0].textContent : e.textContent || e.getAttribute('aria-label') || '').trim(),
        outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        covered: box.width > 2 && (at === null || !(e.contains(at) || at.contains(e))),
    };
}"""


class Keys:
    """Presses keys in a window, and holds that the focus is seen at each stop."""

    def __init__(self, window: Browsed) -> None:
        self.keyboard = window.page.keyboard
        self.page = window.page

    async def to(self, *names: str) -> None:
        """Goes on by Tab until something has this name."""
        for name in names:
            passed: list[str] = []
            while True:
                await self.keyboard.press("Tab")
                found = await self.page.evaluate(_FOCUSED)
                assert found["outlined"], found
                assert not found["covered"], found
                if found["name"].startswith(name):
                    break
                passed.append(found["name"])
                assert len(passed) < 100, (name, passed)

    async def press(self, name: str, key: str = "Enter") -> None:
        """Goes to something, presses it, and waits for the page that follows."""
        await self.to(name)
        async with self.page.expect_navigation():
            await self.keyboard.press(key)

    async def write(self, name: str, text: str) -> None:
        """Goes to a field, and writes into it."""
        await self.to(name)
        await self.keyboard.type(text)

    async def said(self, text: str) -> None:
        """Waits for a text of the page."""
        await self.page.get_by_text(text).first.wait_for()


@pytest.mark.timeout(180)
async def test_the_life_of_a_package_by_keyboard(registry: Registry, browse: Browse) -> None:
    await person(registry, "alice")
    await registry.push_image("alice/web", "v1", await registry.token("alice"))
    async with browse(registry.url) as window:
        keys = Keys(window)
        await window.open("/")
        await keys.press("Sign in")
        await keys.write("Login", "alice")
        await keys.write("Password", PASSWORD)
        async with window.page.expect_navigation():
            await keys.keyboard.press("Enter")
        await keys.to("alice")
        await keys.keyboard.press("Enter")
        await keys.press("Your packages")
        await keys.press("web")
        await keys.press("Settings")
        await keys.press("Make it public")
        await keys.write("Type the name to confirm", "alice/web")
        await keys.press("Make the package public")
        await keys.said("The package is public now.")
        await keys.press("Delete the package")
        await keys.write("Type the name to confirm", "alice/web")
        await keys.press("Delete alice/web", "Space")
        await keys.said("The package is deleted: alice/web")
        await keys.press("Deleted")
        await keys.press("Restore web")
        await keys.press("Restore the package")
        await keys.said("The package is restored: alice/web")
        await keys.to("alice")
        await keys.keyboard.press("Enter")
        await keys.press("Sign out")
        await keys.said("Sign in")
