"""The keyboard alone, in a window of Chromium."""

from tests.support.pages import Browsed

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
