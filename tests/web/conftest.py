"""Pages: over HTTP in the default suite, and in Chromium by `make pages`."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.pages import Browsed, Pages
from tests.support.server import Registry, running

_AXE = Path(__file__).parent / "axe/node_modules/axe-core/axe.min.js"


@pytest.fixture
async def pages(registry: Any) -> Pages:
    """The pages of a registry, as a client without script reads them."""
    return Pages(registry)


@pytest.fixture
async def two(env: dict[str, str]) -> AsyncIterator[Registry]:
    """A registry of two replicas behind a proxy, which says whose request it is."""
    async with running({**env, "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}, replicas=2) as served:
        yield served


@pytest.fixture(scope="session")
def axe_source() -> str:
    """axe-core, as `make pages` has installed it."""
    if not _AXE.exists():
        pytest.fail(f"there is no {_AXE}: run make pages")
    return _AXE.read_text()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    found = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
    if found is None:
        pytest.fail("there is no Chromium on the PATH")
    return found


Browse = Callable[..., AbstractAsyncContextManager[Browsed]]


@pytest.fixture
async def browse(chromium: str, axe_source: str) -> AsyncIterator[Browse]:
    """Opens a window: ``async with browse(url, width=320, theme="dark", language="ko", script=False) as window``.

    At its end it fails for what the console, the policy or a request to another host said meanwhile.
    """
    from playwright.async_api import async_playwright  # noqa: PLC0415 - not everybody has it

    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        @asynccontextmanager
        async def opened(
            url: str,
            *,
            width: int = 1280,
            height: int = 900,
            theme: str = "light",
            language: str = "en",
            script: bool = True,
            cookies: dict[str, str] | None = None,
            **more: Any,
        ) -> AsyncIterator[Browsed]:
            context = await started.new_context(
                viewport={"width": width, "height": height},
                color_scheme=theme,
                locale=language,
                java_script_enabled=script,
                base_url=url,
                **more,
            )
            if cookies:
                await context.add_cookies(
                    [{"name": name, "value": value, "url": url} for name, value in cookies.items()]
                )
            page = await context.new_page()
            window = Browsed(page, url, axe_source)
            try:
                yield window
                window.check()
            finally:
                await context.close()

        try:
            yield opened
        finally:
            await started.close()


@pytest.fixture
def pictures() -> Path | None:
    """Where pictures of pages go: the directory PICTURES, if it is set."""
    path = os.environ.get("PICTURES")  # noqa: TID251 - of the tests, not of the registry
    return None if path is None else Path(path)
