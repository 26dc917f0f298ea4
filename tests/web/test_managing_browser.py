"""The pages that change things in Chromium: the walk of a package's life, without script, and every view."""

from pathlib import Path

import pytest

from tests.support.manage import Managed, change, managed
from tests.support.pages import views
from tests.support.people import browser
from tests.support.server import Registry
from tests.support.shelf import Shelf
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages
VIEWS = views(320, 1280)


async def pulled(registry: Registry, name: str) -> int:
    """The status of an anonymous pull, as docker does it."""
    token = (await registry.call("GET", f"/token?scope=repository:{name}:pull")).json["token"]  # type: ignore[index]
    bearer = {"Authorization": f"Bearer {token}"}
    return (await registry.call("GET", f"/v2/{name}/manifests/v1", headers=bearer)).status


@pytest.mark.parametrize("script", [True, False])
async def test_the_life_of_a_package(registry: Registry, browse: Browse, script: bool) -> None:
    """First push private, page, link to a repository, public, anonymous pull, delete, restore."""
    alice = await browser(registry, "alice")
    token = await registry.token("alice")
    await change(alice, "/alice/-/repositories", {"name": "code", "visibility": "private"})
    await registry.push_image("alice/web", "v1", token)
    assert await pulled(registry, "alice/web") != 200
    async with browse(registry.url, cookies=alice.cookies, script=script) as window:
        page = window.page
        await window.open("/alice")
        await page.get_by_role("link", name="web", exact=True).click()
        assert await page.locator(".badge.private").count() == 1
        await page.get_by_role("navigation", name="Package").get_by_role("link", name="Settings").click()
        await page.get_by_label("Repository (owner/name)").fill("alice/code")
        await page.get_by_role("button", name="See what changes").click()
        await page.get_by_role("button", name="Link it").click()
        await page.get_by_text("The package is linked to the repository: alice/code").wait_for()
        await page.get_by_role("link", name="Make it public").click()
        await page.get_by_label("Type the name to confirm").fill("alice/web")
        await page.get_by_role("button", name="Make the package public").click()
        await page.get_by_text("The package is public now.").wait_for()
        assert await pulled(registry, "alice/web") == 200
        await page.get_by_role("link", name="Delete the package").click()
        await page.get_by_label("Type the name to confirm").fill("alice/web")
        await page.get_by_role("button", name="Delete alice/web").click()
        await page.get_by_text("The package is deleted: alice/web").wait_for()
        assert await pulled(registry, "alice/web") != 200
        await page.get_by_role("link", name="Deleted", exact=True).click()
        await page.get_by_role("link", name="Restore web").click()
        await page.get_by_role("button", name="Restore the package").click()
        await page.get_by_text("The package is restored: alice/web").wait_for()
        assert await pulled(registry, "alice/web") == 200


async def test_versions_are_chosen_by_boxes_and_come_back_by_undo(registry: Registry, browse: Browse) -> None:
    world = await managed(registry)
    await registry.push_image("acme/web", "v3", world.token)
    async with browse(registry.url, cookies=world.owner.cookies) as window:
        page = window.page
        await window.open("/acme/web/-/versions")
        for digest in world.digests:
            await page.get_by_label(digest[7:19]).check()
        await page.get_by_role("button", name="Delete the chosen versions").click()
        await page.get_by_role("button", name="Delete 2 versions").click()
        await page.get_by_role("button", name="Undo").click()
        await page.get_by_text("Tags that came back: v1, v2.").wait_for()
        await window.open("/acme/web:v1")
        await page.get_by_role("button", name="Remove the tag").click()
        await page.get_by_role("button", name="Undo").click()
        await page.get_by_text("The tag points at the version now").wait_for()


@pytest.mark.parametrize("script", [True, False])
async def test_all_that_match_go_and_come_back(registry: Registry, browse: Browse, script: bool) -> None:
    world = await managed(registry)
    for tag in ("nightly-1", "nightly-2"):
        await registry.push_image("acme/web", tag, world.token)
    async with browse(registry.url, cookies=world.owner.cookies, script=script) as window:
        page = window.page
        await window.open("/acme/web/-/versions")
        await page.get_by_label("Tag, such as v1.*").fill("nightly-*")
        await page.get_by_role("button", name="Filter").click()
        await page.get_by_role("link", name="Delete all that match").click()
        await page.get_by_text("These are all that match.").wait_for()
        await page.get_by_role("button", name="Delete 2 versions").dblclick()
        await page.get_by_role("heading", name="acme/web").wait_for()
        assert (await world.owner.get_raw("/acme/web:nightly-1")).status == 404
        await window.open("/acme/web/-/restore")
        await page.get_by_role("button", name="Restore all 2 of this page").click()
        await page.get_by_text("Tags that came back: nightly-1, nightly-2.").wait_for()


async def test_a_form_whose_session_ends_is_sent_after_a_sign_in_in_another_tab(
    registry: Registry, browse: Browse
) -> None:
    from tests.support.people import PASSWORD, person  # noqa: PLC0415

    world = await managed(registry)
    await person(registry, "olive")
    await change(world.owner, "/acme/-/people", {"login": "olive", "role": "admin"})
    pages = await browser(registry, "olive")
    async with browse(registry.url, cookies=pages.cookies) as window:
        page = window.page
        window.expected.add("status of 403")
        await window.open("/acme/-/teams")
        await page.get_by_label("Name").fill("Night shift")
        await registry.services.db.execute("UPDATE tokens SET revoked_at = now() WHERE kind = 'session'")
        await page.get_by_role("button", name="Make the team").click()
        async with page.context.expect_page() as opened:
            await page.get_by_role("link", name="Sign in in a new tab").click()
        tab = await opened.value
        await tab.get_by_label("Login").fill("olive")
        await tab.get_by_label("Password").fill(PASSWORD)
        await tab.locator("main").get_by_role("button", name="Sign in").click()
        await tab.get_by_role("heading", name="Push your first image").wait_for()
        await page.get_by_role("button", name="Send the form again").click()
        await page.get_by_role("heading", name="Send the form once more").wait_for()
        await page.get_by_role("button", name="Send the form again").click()
        await page.get_by_text("The team is made: Night shift").wait_for()


async def test_a_sensitive_change_asks_to_sign_in_again_and_leads_back(registry: Registry, browse: Browse) -> None:
    from tests.support.people import PASSWORD, person  # noqa: PLC0415

    await person(registry, "alice")
    await registry.push_image("alice/web", "v1", await registry.token("alice"))
    late = await browser(registry, "alice", minutes_ago=20)
    async with browse(registry.url, cookies=late.cookies) as window:
        await window.open("/alice/web/-/settings")
        await window.page.get_by_role("link", name="Make it public").click()
        await window.page.get_by_label("Password").fill(PASSWORD)
        await window.page.locator("main").get_by_role("button", name="Sign in").click()
        await window.page.get_by_role("heading", name="Make the package public").wait_for()


async def _rich(registry: Registry) -> Managed:
    """Long names, many roles, a link, a deletion, and an index with what belongs to it."""
    world = await managed(registry)
    shelf = Shelf(registry, world.token)
    index = await shelf.index("acme/web", "t" * 128)
    await shelf.referrer("acme/web", index, "application/vnd.dev.cosign.artifact.sig.v1+json")
    for kind, who in (("team", "devs"), ("actions", "acme/code"), ("codespaces", "acme/code")):
        await change(world.owner, "/acme/web/-/access", {"kind": kind, "who": who, "role": "write"})
    await change(world.owner, "/acme/-/teams", {"name": "x" * 100, "description": "설명 " + "y" * 200})
    await change(world.owner, "/acme/-/repositories", {"name": "z" * 100, "visibility": "internal"})
    await registry.push_image("acme/" + "q" * 200, "v1", world.token)
    long = "/acme/" + "q" * 200
    seen = (await world.owner.get(f"{long}/-/delete")).field("seen")
    await change(world.owner, f"{long}/-/delete", {"typed": long[1:], "seen": seen})
    one = await world.number(world.digests[0])
    preview = await world.owner.get(f"/acme/web/-/versions/delete?version={one}")
    await change(world.owner, "/acme/web/-/versions/delete", {"version": str(one), "seen": preview.field("seen")})
    return world


@pytest.mark.timeout(900)
async def test_the_pages_in_every_view(registry: Registry, browse: Browse, pictures: Path | None) -> None:
    world = await _rich(registry)
    row = await registry.services.db.fetchrow("SELECT id FROM manifests WHERE media_type LIKE '%index%'")
    gone = await registry.services.db.fetchrow("SELECT id FROM packages WHERE deleted_at IS NOT NULL")
    assert row is not None
    assert gone is not None
    web, acme = "/acme/web/-", "/acme/-"
    paths = {
        "access": f"{web}/access?person=rita", "settings": f"{web}/settings", "public": f"{web}/settings/public",
        "link": f"{web}/settings/link?repository=acme/code&inherit=on", "delete": f"{web}/delete",
        "delete-versions": f"{web}/versions/delete?version={row[0]}", "matching": f"{web}/versions/delete/matching?match=t*",
        "restore": f"{web}/restore",
        "activity": f"{web}/activity", "pulls": f"{web}/pulls", "versions": f"{web}/versions", "version": f"/acme/web:{'t' * 128}",
        "org-settings": f"{acme}/settings", "people": f"{acme}/people", "teams": f"{acme}/teams",
        "team": f"{acme}/teams/devs", "deleted": f"{acme}/deleted", "repositories": f"{acme}/repositories",
        "repository": f"{acme}/repositories/code", "leave": f"{acme}/people/remove?login=rita",
        "restore-package": f"/acme/{'q' * 200}/-/restore?package={gone[0]}", "new": "/new/organization",
    }  # fmt: skip
    for place, (width, theme, language) in enumerate(VIEWS):
        cookies = world.owner.cookies
        async with browse(registry.url, width=width, theme=theme, language=language, cookies=cookies) as window:
            for number, (name, path) in enumerate(paths.items()):
                if pictures is None and (number + place) % 2:
                    continue  # by turns: each page in four of the eight views
                await window.open(path)
                await window.look(f"{name}-{width}-{theme}-{language}", pictures)
