"""The page of the mirror that an organization is."""

from collections.abc import AsyncIterator

import pytest

from tests.support.manage import Managed, done, managed, refused
from tests.support.server import running

_MIRROR = "/acme/-/settings/mirror"


@pytest.fixture
async def world(env: dict[str, str]) -> AsyncIterator[Managed]:
    """An organization without packages, and a registry that may be asked at this machine's address."""
    async with running({**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}) as registry:
        world = await managed(registry)
        await registry.services.db.execute("UPDATE packages SET deleted_at = now()")
        yield world


async def test_a_mirror_is_set_looked_at_and_removed(world: Managed) -> None:
    upstream = world.registry.url.replace("127.0.0.1", "localhost")
    assert _MIRROR in (await world.owner.get("/acme/-/settings")).answer.body.decode()
    page = await world.owner.get(_MIRROR)
    assert (page.field("url"), page.field("tag_seconds")) == ("docker.io", "300")
    form = {"url": upstream, "allow": "library/* app", "max_bytes": "5000", "stale_seconds": "0", "idle_days": "0"}
    page = await done(world.owner, _MIRROR, form)
    assert "The mirror is set" in page.text
    assert f"This organization is a mirror of {upstream.removeprefix('http://').partition(':')[0]}" in page.text
    assert [page.field(name) for name in form] == [upstream, "library/* app", "5000", "0", "0"]
    for wrong, name in (
        ({"allow": "(a"}, "allow"), ({"url": "ftp://a"}, "url"), ({"tag_seconds": "x"}, "tag_seconds"),
        ({"aliases": "docker.io"}, "aliases"), ({"password": "p"}, "username"), ({"url": "http://127.0.0.1:1"}, "url"),
    ):  # fmt: skip
        page = await refused(world.owner, _MIRROR, {**form, **wrong})
        assert f'id="error-{name}"' in page.answer.body.decode()
        assert page.field("max_bytes") == "5000"
    await done(world.owner, _MIRROR, {**form, "paused": "on"})
    assert "paused" in (await world.owner.get(_MIRROR)).text
    korean = await world.owner.get(f"{_MIRROR}?lang=ko")
    assert "미러" in korean.text
    page = await done(world.owner, f"{_MIRROR}/remove", {})
    assert "mirrors nothing any more" in page.text
    page = await done(world.owner, f"{_MIRROR}/remove", {})
    assert "It was no mirror any more." in page.text
