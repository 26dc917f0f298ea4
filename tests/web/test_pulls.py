"""The page of who pulled a package."""

from tests.support.manage import managed
from tests.support.server import Registry, running

PULLS = "/acme/web/-/pulls"
ACTIVITY = "/acme/web/-/activity"


async def test_admins_see_who_pulled_the_package(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_PULL_LOG": "7"}) as registry:
        world = await managed(registry)
        assert "Nothing yet" in (await world.owner.get(PULLS)).text
        token = await registry.token("rita")
        headers = {"User-Agent": "docker/29 <b>"}
        assert (await registry.call("GET", "/v2/acme/web/manifests/v1", token, headers=headers)).status == 200
        await registry.services.downloads.flush()
        activity = await world.owner.get(ACTIVITY)
        assert PULLS in activity.links
        text = (await world.owner.get(PULLS)).text
        for part in ("rita v1", "with an access token", "127.0.0.1", "docker/29 <b>", "1 pull"):
            assert part in text, (part, text)
        await world.reader.get(PULLS, 403)
        assert PULLS not in (await world.reader.get(ACTIVITY)).links


async def test_the_page_where_it_is_off(registry: Registry) -> None:
    world = await managed(registry)
    assert "MOORAGE_PULL_LOG" in (await world.owner.get(PULLS)).text
