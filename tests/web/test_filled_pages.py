"""Pages that `test_every_page.py` sees empty, with all that they can show: plans, tag rules, histories, pulls, limits, usage."""

from pathlib import Path

import pytest

from registry.jobs.runner import run_once
from tests.api.test_retention import age
from tests.support.hostile import LONG_TAG, Hostile, hostile
from tests.support.manage import done
from tests.support.pages import views
from tests.support.server import Registry, running
from tests.support.shelf import HOSTILE
from tests.web.conftest import Browse

_SETTINGS = {
    "MOORAGE_PULL_LOG": "7",
    "MOORAGE_LIMITS": "account-pulls=100000/30d, account-requests=500000/1h, token-pulls=10/1h",
}
_RULES = """{"packages": ["*"], "guards": {"max_share": %s}, "rules": [{"keep": {"tags": ["v1", "0*"]}},
    {"delete": {"tags": ["*"], "older_than": "14d"}}, {"delete": {"untagged": true}}]}"""
#: Each page, by the name of its picture.
PATHS = {
    "policies": "/acme/-/retention?policy=1", "plan": "/acme/-/retention/plans/1", "applied": "/acme/-/retention/plans/2",
    "explained": "/acme/web@{digest}/-/retention", "tag-rules": "/acme/-/settings/tag-rules", "clusters": "/acme/-/settings/clusters", "history": "/acme/web/-/tags/v3",
    "long-history": f"/acme/web/-/tags/{LONG_TAG}", "hooks": "/acme/-/hooks", "hook": "/acme/-/hooks/{hook}",
    "delivery": "/acme/-/hooks/{hook}/deliveries/{delivery}", "usage": "/acme/-/usage", "pulls": "/acme/web/-/pulls",
    "profile": "/settings/profile",
}  # fmt: skip
ADMIN = {"admin-usage": "/-/admin/usage", "quota": "/-/admin/accounts/acme/quota", "account": "/-/admin/accounts/acme"}


async def filled(registry: Registry) -> Hostile:
    """A hostile registry whose owner has used all that is new."""
    world = await hostile(registry)
    owner, token, retention = world.viewers["owner"], await registry.token("olivia"), "/acme/-/retention"
    await done(owner, "/acme/web/-/tag", {"tag": "v1", "digest": world.values["digest"]})
    headers = {"User-Agent": HOSTILE[0] + "u" * 300}
    for tag in ("v1", LONG_TAG):  # the second is deleted by the plan below
        assert (await registry.call("GET", f"/v2/acme/web/manifests/{tag}", token, headers=headers)).status == 200
    await registry.services.downloads.flush()
    await registry.services.db.execute("UPDATE manifests SET created_at = created_at - interval '50 days'")
    for name, share in (("c" * 100, 0.01), ("long", 1.0)):
        policy = {"name": name, "rules": _RULES % share, "schedule": "weekly", "enabled": "on"}
        await done(owner, retention, policy)
    for number in ("1", "2"):
        await age(registry, 20)
        await done(owner, f"{retention}/plan", {"policy": number})
        await run_once(registry.services, ["keep_retention"])
    await done(owner, f"{retention}/plans/2", {"turn": "apply"})
    await run_once(registry.services, ["keep_retention"])
    for name in ("releases", "r" * 60):
        rule = {"name": name, "tags": "v[0-9]* " + "l" * 128, "excepts": "x" * 128, "package": "*", "forbid": "move"}
        await done(owner, "/acme/-/settings/tag-rules", rule)
    await done(owner, f"/acme/-/settings/tag-rules/{'r' * 60}", {"change": "disable"})
    cluster = {"name": "c" * 63, "issuer": "https://" + "i" * 500, "audience": "a" * 512}
    await done(owner, "/acme/-/settings/clusters", cluster)
    await done(owner, "/acme/-/settings/clusters", {"name": "empty", "issuer": "https://cluster.example"})
    grant = {"namespace": "n" * 128, "account": "a" * 128, "package": "p" * 128}
    await done(owner, f"/acme/-/settings/clusters/{'c' * 63}", grant)
    await run_once(registry.services, ("fold_usage", "recount_usage"))
    await done(
        world.viewers["admin"], "/-/admin/accounts/acme/quota", {"bytes": "1kB", "hard": "yes", "warn_percent": "80"}
    )
    return world


async def test_no_link_leads_nowhere(env: dict[str, str]) -> None:
    """Also of versions that are deleted, and of tags that are gone, or older than what is recorded."""
    async with running({**env, **_SETTINGS}) as registry:
        world, dead = await filled(registry), list[tuple[str, str, int]]()
        await registry.services.db.execute(
            "INSERT INTO tags (package_id, name, digest) SELECT package_id, 'old', digest FROM tags WHERE name = '0.1.0'"
        )
        owner = {**PATHS, "gone": "/acme/web/-/tags/v2", "old": "/acme/charts/web/-/tags/old"}
        for who, paths in (("owner", owner), ("admin", ADMIN)):
            viewer, seen = world.viewers[who], dict[str, int]()
            for name, path in paths.items():
                for link in (await viewer.get(path.format_map(world.values))).links:
                    if link.startswith("/") and link not in seen:
                        seen[link] = (await viewer.get_raw(link.partition("#")[0])).status
                    if seen.get(link, 200) >= 400:
                        dead.append((name, link[:100], seen[link]))
        assert not dead, "\n".join(map(str, dead))


@pytest.mark.pages
@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ["en", "ko"])
async def test_filled_pages_in_chromium(
    env: dict[str, str], browse: Browse, pictures: Path | None, language: str
) -> None:
    async with running({**env, **_SETTINGS}) as registry:
        world, wrong = await filled(registry), list[str]()
        for who, paths in (("owner", PATHS), ("admin", ADMIN)):
            cookies = {**world.viewers[who].cookies, "lang": language}
            for width, theme, spoken in views(320, 1280):
                if spoken != language:
                    continue
                view = f"{width}-{theme}-{language}"
                async with browse(
                    registry.url, width=width, theme=theme, language=language, cookies=cookies, reduced_motion="reduce"
                ) as window:
                    for name, path in paths.items():
                        await window.open(path.format_map(world.values))
                        try:
                            await window.look(f"{name}-{view}", pictures)
                        except AssertionError as error:
                            wrong.append(f"{name} in {view}: {error}")
        assert wrong == [], "\n".join(wrong)
