"""The pages of webhooks: made, changed, looked at and deleted in a browser without script."""

from aiohttp import web

from tests.hooks.conftest import World
from tests.support.manage import done, refused
from tests.support.people import browser


async def test_a_webhook_from_its_making_to_its_end(world: World) -> None:
    alice = await browser(world.registry, "alice")
    url = world.receiver.url + "/in"
    page = await done(
        alice,
        "/acme/-/hooks",
        {"url": url, "secret": "s3cr3t", "package": "on", "active": "on", "content_type": "json"},
    )
    assert "The webhook is made, and sent a ping." in page.text
    assert "s3cr3t" not in page.text
    world.receiver.answer = lambda _: web.Response(status=500, text="<b>broken</b>")
    await world.push("app", "v1")
    await world.deliver()
    page = await alice.get("/acme/-/hooks/1")
    assert "failing" in page.text
    assert "Invalid HTTP Response: 500" in page.text
    link = next(one for one in page.links if "/deliveries/2" in one)
    page = await alice.get(link)
    assert '"action": "published"' in page.text
    assert "X-Hub-Signature-256: sha256=" in page.text
    assert "<b>broken</b>" in page.text
    world.receiver.answer = None
    page = await done(alice, link)
    assert "The delivery is sent once more." in page.text
    await world.due()
    await world.deliver()
    told = [one for one in world.receiver.got if one.event != "ping"]
    assert {one.body for one in told} == {told[0].body}
    assert all(one.is_signed("s3cr3t") for one in told)
    page = await alice.get("/acme/-/hooks/1")
    assert "works" in page.text
    fields = {"url": url + "/other", "secret": "********", "package": "on", "active": "on", "format": "cloudevents"}
    assert "The webhook is saved." in (await done(alice, "/acme/-/hooks/1", fields)).text
    await world.push("app", "v2")
    await world.deliver()
    assert world.receiver.got[-1].json["type"] == "moorage.package.published"
    assert world.receiver.got[-1].is_signed("s3cr3t")
    assert "The webhook is deleted." in (await done(alice, "/acme/-/hooks/1/delete")).text


async def test_a_webhook_that_cannot_be(world: World) -> None:
    alice = await browser(world.registry, "alice")
    page = await refused(alice, "/acme/-/hooks", {"url": "https://192.168.1.1/", "package": "on"})
    assert "the address is not of the internet" in page.text
    page = await refused(alice, "/acme/-/hooks", {"url": "https://hooks.example/"})
    assert "expected events among" in page.text
