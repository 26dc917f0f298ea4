"""Deletion of all versions that match the filter of their list: what goes is shown before, batch by batch."""

import re
from urllib.parse import quote

import pytest

from registry.packages import selections
from tests.support.manage import Managed, change, done, managed
from tests.support.pages import Html
from tests.support.server import Registry

WEB = "/acme/web"
LIST = f"{WEB}/-/versions"
MATCHING = f"{LIST}/delete/matching"


def row(page: Html, text: str) -> bool:
    return "".join(text.split()) in "".join(page.text.split())


@pytest.fixture
async def world(registry: Registry) -> Managed:
    return await managed(registry)


async def _fields(world: Managed, query: str) -> dict[str, str]:
    page = await world.owner.get(f"{MATCHING}?{query}")
    return {one: page.field(one) for one in ("seen", "after", "show", "match", "older")}


async def _untagged(world: Managed, count: int) -> None:
    """Makes versions without a tag, as pushes of a tag that moves leave them."""
    await world.registry.services.db.execute(
        "INSERT INTO manifests (package_id, digest, media_type, size, body)"
        " SELECT package_id, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), media_type, size, body"
        " FROM manifests, generate_series(1, $2) n WHERE digest = $1",
        world.digests[0],
        count,
    )


async def test_all_that_match_are_shown_and_deleted(world: Managed) -> None:
    for tag in ("nightly-1", "nightly-2", "nightly-3", "kept"):
        await world.registry.push_image("acme/web", tag, world.token)
    listed = await world.owner.get(f"{LIST}?match=nightly-%5B12%5D")
    assert [one["value"] for one in listed.all("input", id="match")] == ["nightly-[12]"]
    assert len(listed.all("input", name="version")) == 2
    leads = next(link for link in listed.links if link.startswith(MATCHING))
    page = await world.owner.get(leads)
    assert "These are all that match." in page.text
    assert row(page, "Versions 2 Tags 2")
    assert "nightly-3" not in page.text
    page = await done(world.owner, MATCHING, await _fields(world, "match=nightly-%5B12%5D"))
    assert "2 versions" in page.text
    assert "Undo" in page.text
    await world.owner.get(f"{WEB}:nightly-1", 404)
    for left in ("nightly-3", "kept", "v1", "v2"):
        await world.owner.get(f"{WEB}:{left}")
    answer = await world.owner.get_raw(leads)
    assert answer.status == 303
    assert "No version that could be deleted matches." in (await world.owner.get(str(answer.headers["Location"]))).text


async def test_a_batch_is_bounded_and_leads_on_to_the_next(world: Managed) -> None:
    await _untagged(world, selections.AT_ONCE + 5)
    page = await world.owner.get(f"{MATCHING}?show=untagged")
    assert f"{selections.AT_ONCE + 5:,} versions match." in page.text
    page = await done(world.owner, MATCHING, await _fields(world, "show=untagged"))
    assert page.heading == "Delete all versions that match"
    assert "These are all that match." in page.text
    assert row(page, "Versions 5 Tags 0")
    page = await done(
        world.owner, MATCHING, {one: page.field(one) for one in ("seen", "after", "show", "match", "older")}
    )
    assert page.heading == "acme/web"
    for left in ("v1", "v2"):
        await world.owner.get(f"{WEB}:{left}")


async def test_a_stale_form_deletes_nothing(world: Managed) -> None:
    await world.registry.push_image("acme/web", "x-1", world.token)
    fields = await _fields(world, "match=x-*")
    await world.registry.push_image("acme/web", "x-2", world.token)
    stale = world.owner.read(await change(world.owner, MATCHING, fields))
    assert "nothing was deleted" in stale.text
    await world.owner.get(f"{WEB}:x-1")
    fields = {one: stale.field(one) for one in ("seen", "after", "show", "match", "older")}
    await done(world.owner, MATCHING, fields)
    await world.owner.get(f"{WEB}:x-2", 404)
    page = await done(world.owner, MATCHING, fields)
    assert "No more versions match." in page.text


async def test_an_age_is_a_moment_and_nonsense_is_no_filter(world: Managed) -> None:
    await world.registry.services.db.execute(
        "UPDATE manifests SET created_at = now() - interval '10 days' WHERE digest = $1", world.digests[0]
    )
    page = await world.owner.get(f"{MATCHING}?older=7")
    assert row(page, "Versions 1 Tags 1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", page.field("older"))
    assert len((await world.owner.get(f"{LIST}?older=7")).all("input", name="version")) == 1
    for text in ("x", "-1", "9" * 30, "2026-01-01", "2999-01-01T00:00:00Z", "%00", "1e3"):
        assert len((await world.owner.get(f"{LIST}?older={text}")).all("input", name="version")) == 2, text
    for glob in ("[", "]", "[z-a]", "[!]", "[[:alpha:]]", "(", "a{9999}", "\\", "*" * 128, "%ED%9F%BF", "%00"):
        assert (await world.owner.get_raw(f"{LIST}?match={glob}")).status == 200, glob


async def test_who_may_not_delete_is_led_nowhere(world: Managed) -> None:
    assert not [link for link in (await world.reader.get(LIST)).links if link.startswith(MATCHING)]
    await world.reader.get(MATCHING, 403)
    await world.stranger.get(MATCHING, 404)
    await world.visitor.get(MATCHING, 404)


async def test_an_age_at_the_ends_of_the_calendar_is_none(registry: Registry) -> None:
    world = await managed(registry)
    for older in ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:00:00-12:00", "9" * 19):
        headers = {"Cookie": f"moorage={world.owner.cookies['moorage']}"}
        answer = await registry.call("GET", f"{MATCHING}?match=v1&older={quote(older)}", headers=headers)
        assert answer.status in {200, 303}, (older, answer.status)
