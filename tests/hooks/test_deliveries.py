"""Webhooks from the push to the receiver: what is told, how it is signed, in which order, and how often."""

from tests.hooks.conftest import World


async def test_a_push_is_told(world: World) -> None:
    hook = await world.hook()
    digest = await world.registry.push_image("acme/web/app", "v1", world.alice)
    await world.deliver()
    ping, told = world.receiver.got
    assert ping.headers["X-GitHub-Event"] == "ping"
    assert ping.json["hook_id"] == hook
    assert told.headers["X-GitHub-Event"] == "package"
    assert told.headers["X-GitHub-Hook-ID"] == str(hook)
    assert told.headers["User-Agent"].startswith("Moorage-Hook/")
    assert told.is_signed()
    package = told.json["package"]
    assert (told.json["action"], package["name"], package["namespace"]) == ("published", "web/app", "acme")
    assert package["package_version"]["container_metadata"]["tag"] == {"name": "v1", "digest": digest}
    assert told.json["sender"]["login"] == "alice"
    assert told.json["organization"]["login"] == "acme"
    assert told.json["repository"] is None
