"""Site administration in Chromium: in every view, and a transfer from the search to its end."""

import re
from pathlib import Path

import pytest

from registry.accounts.organizations import create as create_organization
from tests.support.pages import views
from tests.support.people import browser
from tests.support.server import Registry
from tests.support.shelf import Shelf
from tests.web.conftest import Browse

pytestmark = pytest.mark.pages
VIEWS = views(320, 1280)
LONG = "x" * 39
PATHS = (
    "/accounts", "/accounts?q=zz", "/accounts/alice", f"/accounts/{LONG}", "/accounts/alice/suspend", "/new/user",
    "/new/organization", "/organizations", "/accounts/acme", "/tokens", "/tokens?user=nobody", "/tokens/1/revoke", "/packages",
    "/packages/alice/web", "/packages/alice/web/-/transfer?new_owner=acme", "/storage", "/jobs", "/health", "/settings",
)  # fmt: skip


@pytest.mark.timeout(600)
async def test_administration_in_every_view(registry: Registry, browse: Browse, pictures: Path | None) -> None:
    shelf = Shelf(registry, await registry.user("alice"))
    for name in ("alice/web", f"alice/{'y' * 200}", "alice/api/server"):
        await shelf.image(name, "v1")
    await registry.user(LONG)
    await create_organization(registry.services.db, "acme", "alice", name="주식회사 애크미")
    await browser(registry, "alice")
    boss = await browser(registry, "boss", site_admin=True)
    db = registry.services.db
    await db.execute("UPDATE accounts SET suspended_at = now() WHERE login LIKE 'xx%'")
    await db.execute(
        "UPDATE tokens SET note = repeat('n', 255) WHERE account_id = (SELECT max(account_id) FROM tokens)"
    )
    await db.execute(
        "INSERT INTO job_runs VALUES ('collect_garbage', 30, now() - interval '1 hour', now() - interval '2 hours', 1234,"
        " now() - interval '3 hours', 'S3: no answer ' || repeat('z', 200)), ('delete_objects', 15, now(), NULL, 0, NULL, NULL)"
    )
    for place, (width, theme, language) in enumerate(VIEWS):
        chosen = [path for number, path in enumerate(PATHS) if (number + place) % 4 == 0]
        async with browse(registry.url, width=width, theme=theme, language=language, cookies=boss.cookies) as window:
            for path in chosen if pictures is None else PATHS:
                await window.open(f"/-/admin{path}")
                await window.look(f"{re.sub(r'[^a-z]+', '-', path[:40])}-{width}-{theme}-{language}", pictures)


async def test_a_package_is_transferred(registry: Registry, browse: Browse) -> None:
    shelf = Shelf(registry, await registry.user("alice"))
    await shelf.image("alice/web", "v1")
    await registry.user("bob")
    boss = await browser(registry, "boss", site_admin=True)
    async with browse(registry.url, cookies=boss.cookies, script=False) as window:
        page = window.page
        await window.open("/")
        await page.locator("details.menu summary").click()
        await page.get_by_role("link", name="Administration").click()
        await page.get_by_role("navigation", name="Administration").get_by_role("link", name="Packages").click()
        await page.get_by_role("link", name="alice/web").click()
        await page.get_by_label("New owner").fill("bob")
        await page.get_by_role("button", name="Go on").click()
        await page.get_by_text("alice/web → bob/web").wait_for()
        await page.get_by_label("Type the name to confirm").fill("alice/web")
        await page.get_by_role("button", name="Transfer the package").click()
        await page.get_by_text("The package is transferred: bob/web").wait_for()
        assert page.url.endswith("/-/admin/packages/bob/web")
