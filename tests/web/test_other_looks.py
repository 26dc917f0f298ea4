"""Pages as some people set them: wide spacing of text (WCAG 1.4.12), 200 % zoom, forced colours, and on paper."""

from pathlib import Path

import pytest

from tests.support.manage import managed
from tests.support.server import Registry
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages
_PATHS = {
    "start": "/", "package": "/acme/web", "tags": "/acme/web/-/tags", "versions": "/acme/web/-/versions",
    "version": "/acme/web:v1", "access": "/acme/web/-/access?person=rita", "settings": "/acme/web/-/settings",
    "delete": "/acme/web/-/delete", "matching": "/acme/web/-/versions/delete/matching?match=v1",
    "people": "/acme/-/people", "token": "/settings/tokens/new", "missing": "/acme/none",
}  # fmt: skip
#: A style sheet that the policy of the pages does not concern, as those of extensions.
_SPACED = """() => { const sheet = new CSSStyleSheet();
    sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }'
        + ' p { margin-bottom: 2em !important }');
    document.adoptedStyleSheets = [sheet]; }"""
#: Controls that have no edge but by their ground, which forced colours take away.
_EDGELESS = """[...document.querySelectorAll('main .btn, main input:not([type=hidden], [type=radio], [type=checkbox]), main select, main textarea')]
    .filter(e => e.offsetParent && parseFloat(getComputedStyle(e).borderTopWidth) === 0).map(e => e.outerHTML.slice(0, 120))"""
#: What is of no use on paper, and is shown there.
_ON_PAPER = "[...document.querySelectorAll('.search, .copy, .foot form')].filter(e => e.offsetParent).length"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["en", "ko"])
async def test_nothing_is_cut_with_wide_spacing_and_at_200_percent(
    registry: Registry, browse: Browse, language: str
) -> None:
    world = await managed(registry)
    for width in (320, 640, 1280):  # 640 is 1280 at 200 %
        async with browse(registry.url, width=width, language=language, cookies=world.owner.cookies) as window:
            for path in _PATHS.values():
                await window.open(path, 404 if path.endswith("none") else 200)
                await window.page.evaluate(_SPACED)
                await window.assert_no_overflow()


async def test_controls_are_seen_in_forced_colours_and_paper_has_none(
    registry: Registry, browse: Browse, pictures: Path | None
) -> None:
    world = await managed(registry)
    async with browse(registry.url, cookies=world.owner.cookies) as window:
        for name, path in _PATHS.items():
            await window.open(path, 404 if path.endswith("none") else 200)
            await window.page.emulate_media(forced_colors="active", media="screen")
            assert await window.page.evaluate(_EDGELESS) == [], path
            if pictures is not None:
                await window.page.screenshot(path=pictures / f"forced-{name}.png", full_page=True)
            await window.page.emulate_media(forced_colors="none", media="print")
            assert await window.page.evaluate(_ON_PAPER) == 0, path
            if pictures is not None:
                await window.page.screenshot(path=pictures / f"print-{name}.png", full_page=True)
