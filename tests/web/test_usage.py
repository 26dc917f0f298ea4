"""The pages of usage: what an account stores, its quota, and who stores most."""

from pathlib import Path

import pytest

from registry.jobs.runner import run_once
from tests.support.api import acme
from tests.support.pages import views
from tests.support.people import browser, send
from tests.support.server import Registry
from tests.support.uploading import noise
from tests.web.conftest import Browse


async def test_an_owner_sees_what_takes_the_room(registry: Registry) -> None:
    people = await acme(registry)
    owner = await browser(registry, "owner")
    empty = (await owner.get("/acme/-/usage")).text
    assert "Nothing is stored." in empty
    assert "Not everything is counted yet." in empty
    for name, count in (("web", 30_000), ("api", 20_000)):
        await registry.push_blob(f"acme/{name}", noise(count, count), people.owner)
    await run_once(registry.services, ("fold_usage", "recount_usage"))
    assert "No limit" in (await owner.get("/acme/-/usage")).text
    await people.ok("PUT", "/orgs/acme/packages/quota", people.admin, {"bytes": 64_000})
    page = (await owner.get("/acme/-/usage")).text
    assert [word in page for word in ("50.0 kB", "64.0 kB", "30.0 kB", "Uploads above it are refused.")] == [True] * 4
    assert page.index("web") < page.index("20.0 kB")
    await owner.get("/owner/-/usage")
    await (await browser(registry, "member")).get("/acme/-/usage", 403)
    every = (await (await browser(registry, "admin", site_admin=True)).get("/-/admin/usage")).text
    assert [word in every for word in ("Acme", "50.0 kB", "64.0 kB")] == [True] * 3


async def test_an_administrator_sets_a_quota(registry: Registry) -> None:
    people = await acme(registry)
    boss, form = await browser(registry, "admin", site_admin=True), "/-/admin/accounts/acme/quota"
    assert (await boss.get(form)).all("input", name="warn_percent")[0]["value"] == "90"

    async def quota() -> object:
        return (await people.ok("GET", "/orgs/acme/packages/usage", people.owner))["quota"]

    for wrong in ({"bytes": "much", "warn_percent": "90"}, {"bytes": "1GB", "warn_percent": "0"}, {"bytes": "1GB"}):
        assert "Expected a size" in str(getattr(await send(boss, form, form, wrong), "text", ""))
    assert await quota() is None
    await send(boss, form, form, {"bytes": "1.5 GB", "hard": "no", "warn_percent": "80"})
    assert await quota() == {"bytes": 1_500_000_000, "hard": False, "warn_percent": 80}
    await send(boss, form, form, {"bytes": "", "warn_percent": "80"})
    assert await quota() is None
    log = await people.ok("GET", "/orgs/acme/audit-log", people.owner)
    assert [(one["action"], one["actor"]) for one in log][:2] == [
        ("packages.quota_removed", "admin"), ("packages.quota_set", "admin"),
    ]  # fmt: skip


@pytest.mark.pages
@pytest.mark.timeout(300)
async def test_in_every_view(registry: Registry, browse: Browse, pictures: Path | None) -> None:
    people = await acme(registry)
    for name, count in (("web", 30_000), ("x" * 200, 20_000), ("api/server", 1000)):
        await registry.push_blob(f"acme/{name}", noise(count, count), people.owner)
    await run_once(registry.services, ("fold_usage", "recount_usage"))
    await people.ok("PUT", "/orgs/acme/packages/quota", people.admin, {"bytes": 64_000})
    boss = await browser(registry, "admin", site_admin=True)
    for width, theme, language in views(320, 1280):
        async with browse(registry.url, width=width, theme=theme, language=language, cookies=boss.cookies) as window:
            for path in ("/acme/-/usage", "/-/admin/usage", "/-/admin/accounts/acme/quota"):
                await window.open(path)
                await window.look(
                    f"{path.rpartition('/')[2]}-{path.count('admin')}-{width}-{theme}-{language}", pictures
                )
