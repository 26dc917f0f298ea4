"""The keyboard alone, in Chromium: signing in, a package made public, roles, deletion and restore, search, a token."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.keyboard import Keys
from tests.support.people import PASSWORD, person
from tests.support.server import Registry
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages


@pytest.fixture
async def image(registry: Registry) -> None:
    """alice has an account with a password, and an image."""
    await person(registry, "alice")
    await registry.push_image("alice/web", "v1", await registry.token("alice"))


@asynccontextmanager
async def signed_in(registry: Registry, browse: Browse) -> AsyncIterator[Keys]:
    """A window in which alice has signed in."""
    async with browse(registry.url) as window:
        keys = Keys(window)
        await window.open("/")
        await keys.press("Sign in")
        await keys.write("Login", "alice")
        await keys.write("Password", PASSWORD)
        await entered(keys)
        yield keys


async def entered(keys: Keys) -> None:
    """Presses Enter where the focus is, and waits for the page that follows."""
    async with keys.page.expect_navigation():
        await keys.keyboard.press("Enter")


async def chosen(keys: Keys, entry: str) -> None:
    """Opens the menu of the account, and presses one of its entries."""
    await keys.to("alice")
    await keys.keyboard.press("Enter")
    await keys.press(entry)


async def visibility(registry: Registry) -> str:
    """What a client of the API is told of alice/web."""
    answer = await registry.call("GET", "/api/v3/users/alice/packages/container/web", await registry.token("alice"))
    return str(answer.json["visibility"]) if answer.status == 200 else "gone"  # type: ignore[index]


@pytest.mark.usefixtures("image")
async def test_a_package_is_made_public_by_keyboard(registry: Registry, browse: Browse) -> None:
    async with signed_in(registry, browse) as keys:
        await chosen(keys, "Your packages")
        await keys.press("web")
        await keys.press("Settings")
        await keys.press("Make it public")
        await keys.write("Type the name to confirm", "alice/web")
        await keys.press("Make the package public")
        await keys.said("The package is public now.")
    assert await visibility(registry) == "public"


@pytest.mark.usefixtures("image")
async def test_a_role_is_given_and_taken_by_keyboard(registry: Registry, browse: Browse) -> None:
    bob = await registry.user("bob")

    async def pulled() -> int:
        return (await registry.call("GET", "/v2/alice/web/manifests/v1", bob)).status

    async with signed_in(registry, browse) as keys:
        await keys.page.goto(f"{registry.url}/alice/web/-/access")
        await keys.write("Login of the person", "bob")
        await keys.press("Add the person")
        await keys.said("bob: Read")
        assert await pulled() == 200
        await keys.press("Remove bob")
        await keys.said("bob: No role")
    assert await pulled() == 404


@pytest.mark.usefixtures("image")
async def test_a_package_is_deleted_and_restored_by_keyboard(registry: Registry, browse: Browse) -> None:
    async with signed_in(registry, browse) as keys:
        await keys.page.goto(f"{registry.url}/alice/web/-/settings")
        await keys.press("Delete the package")
        await keys.write("Type the name to confirm", "alice/web")
        await keys.press("Delete alice/web", "Space")
        await keys.said("The package is deleted: alice/web")
        assert await visibility(registry) == "gone"
        await keys.press("Deleted")
        await keys.press("Restore web")
        await keys.press("Restore the package")
        await keys.said("The package is restored: alice/web")
    assert await visibility(registry) == "private"


@pytest.mark.usefixtures("image")
async def test_a_package_is_found_by_keyboard(registry: Registry, browse: Browse) -> None:
    async with signed_in(registry, browse) as keys:
        await keys.write("Search packages", "web")
        await entered(keys)
        await keys.said("alice/web")
        assert keys.page.url == f"{registry.url}/search?q=web"


@pytest.mark.usefixtures("image")
async def test_a_token_is_made_by_keyboard_before_one_signs_out(registry: Registry, browse: Browse) -> None:
    async with signed_in(registry, browse) as keys:
        await chosen(keys, "Access tokens")
        await keys.press("New token")
        await keys.write("Name", "laptop")
        await keys.to("read:packages")
        await keys.keyboard.press("Space")
        await keys.press("Make the token")
        await keys.said("Copy it now")
        found = re.search(r"mrp_[0-9A-Za-z]{42}", await keys.page.content())
        await chosen(keys, "Sign out")
        await keys.said("Sign in")
    assert found is not None
    assert (await registry.call("GET", "/v2/alice/web/manifests/v1", found[0])).status == 200
