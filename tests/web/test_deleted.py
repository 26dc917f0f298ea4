"""Deleted packages: at their address, in the list of one's own, and for those who may not restore them."""

import re

import pytest

from registry.accounts.organizations import set_role
from tests.support.manage import Managed, done, managed
from tests.support.pages import Pages
from tests.support.server import Registry

ADDRESS = "/acme/web"


@pytest.fixture
async def world(registry: Registry) -> Managed:
    """A registry whose package ``acme/web`` is deleted, and which never had ``acme/not``."""
    found = await managed(registry)
    answer = await registry.call("DELETE", "/api/v3/orgs/acme/packages/container/web", found.token)
    assert answer.status == 204, answer.body
    return found


async def test_the_address_of_a_deleted_package_says_so_to_those_who_may_restore_it(world: Managed) -> None:
    page = await world.owner.get(ADDRESS)
    assert page.heading == ADDRESS[1:]
    for text in ("This package is deleted", "Versions 2", "Tags 2", "Days left 30", "moorage restore acme/web"):
        assert text.replace(" ", "") in page.text.replace(" ", ""), text
    assert "/api/v3/orgs/acme/packages/container/web/restore" in page.text
    (restore,) = {link for link in page.links if "/-/restore?" in link}
    assert (await world.owner.get(restore)).heading == "Restore the package"
    await done(world.owner, f"{ADDRESS}/-/restore", {"package": restore.partition("=")[2]})
    assert "This package is deleted" not in (await world.owner.get(ADDRESS)).text


async def test_a_taken_name_is_told_in_place_of_the_button(world: Managed) -> None:
    gone = await world.registry.services.db.fetchrow("SELECT id FROM packages WHERE name = 'web'")
    assert gone is not None
    await world.registry.push_image("acme/web", "v1", world.token)
    assert "This package is deleted" not in (await world.owner.get(ADDRESS)).text  # there is another now
    (row,) = [
        text for text in (await world.owner.get("/settings/packages")).text.split("Restore")[:1] if "acme/web" in text
    ]
    assert "Another package has this name now" in row


async def test_others_see_what_they_see_where_nothing_was(world: Managed) -> None:
    async def told(viewer: Pages, path: str) -> tuple[str, list[str]]:
        page = await viewer.get(path, 404)
        text = page.answer.body.decode().replace(page.answer.headers["X-Moorage-Request-Id"], "")
        text = re.sub(r'name="csrf" value="[^"]*"|acme(/|%2F)(web|not)', "", text)
        return text, sorted(set(page.answer.headers) - {"Date"})

    for viewer in (world.visitor, world.stranger, world.reader):
        for tail in ("", ":v1", "/-/tags", "/-/restore"):
            assert await told(viewer, f"/acme/web{tail}") == await told(viewer, f"/acme/not{tail}"), tail


async def test_what_its_time_is_over_for_is_gone_for_everybody(world: Managed) -> None:
    await world.registry.services.db.execute(
        "UPDATE packages SET deleted_at = now() - interval '31 days' WHERE name = 'web'"
    )
    await world.owner.get(ADDRESS, 404)
    assert "Nothing is deleted" in (await world.owner.get("/settings/packages")).text


async def test_ones_own_packages_and_what_one_may_restore_are_one_page(world: Managed) -> None:
    await world.registry.push_image("olivia/tool", "v1", world.token)
    await world.registry.push_image("olivia/old", "v1", world.token)
    answer = await world.registry.call("DELETE", "/api/v3/user/packages/container/old", world.token)
    assert answer.status == 204, answer.body
    page = await world.owner.get("/settings/packages")
    assert "/olivia/tool" in page.links
    assert "/olivia/old" not in page.links
    restores = [link for link in page.links if "/-/restore?" in link]
    assert [link.partition("/-/")[0] for link in restores] == ["/olivia/old", "/acme/web"]
    for viewer in (world.reader, world.stranger):  # a member may not restore what others pushed
        assert "Nothing is deleted" in (await viewer.get("/settings/packages")).text
    await set_role(world.registry.services.db, "acme", "rita", "admin")
    assert "acme/web" in (await world.reader.get("/settings/packages")).text
    assert (await world.visitor.get_raw("/settings/packages")).headers["Location"].startswith("/login")
