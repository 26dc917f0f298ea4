"""The keyboard alone, in Chromium: signing in, a package made public, roles, deletion and restore, search, a token."""

import pytest

from tests.support.keyboard import Keys
from tests.support.people import PASSWORD, person
from tests.support.server import Registry
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages


@pytest.mark.timeout(180)
async def test_the_life_of_a_package_by_keyboard(registry: Registry, browse: Browse) -> None:
    await person(registry, "alice")
    await registry.user("bob")
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
        await keys.press("Access")
        await keys.write("Login of the person", "bob")
        await keys.press("Add the person")
        await keys.said("bob: Read")
        await keys.press("Remove bob")
        await keys.said("bob: No role")
        await keys.press("Settings")
        await keys.press("Delete the package")
        await keys.write("Type the name to confirm", "alice/web")
        await keys.press("Delete alice/web", "Space")
        await keys.said("The package is deleted: alice/web")
        await keys.press("Deleted")
        await keys.press("Restore web")
        await keys.press("Restore the package")
        await keys.said("The package is restored: alice/web")
        await keys.write("Search packages", "web")
        async with window.page.expect_navigation():
            await keys.keyboard.press("Enter")
        await keys.said("alice/web")
        await keys.to("alice")
        await keys.keyboard.press("Enter")
        await keys.press("Access tokens")
        await keys.press("New token")
        await keys.write("Name", "laptop")
        await keys.to("read:packages")
        await keys.keyboard.press("Space")
        await keys.press("Make the token")
        await keys.said("Copy it now")
        await keys.to("alice")
        await keys.keyboard.press("Enter")
        await keys.press("Sign out")
        await keys.said("Sign in")
