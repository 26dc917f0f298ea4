"""Webhooks of repositories: what they are told of packages that are linked to them, and of no others."""

from tests.hooks.conftest import World


async def _linked(world: World, name: str) -> None:
    link = {"repository": f"acme/{name}", "inherit_access": True}
    await world.call("PUT", "/orgs/acme/packages/container/app/repository", link)


async def test_a_package_is_told_to_the_repository_that_it_is_linked_to(world: World) -> None:
    """Linked, and unlinked too, where nothing is told of the repository that it is linked to instead."""
    for name in ("code", "other"):
        await world.call("POST", "/orgs/acme/repos", {"name": name, "private": True}, status=201)
        await world.hook(f"/{name}", f"repos/acme/{name}", events=["*"])
    await world.push("app", "v1")
    await world.deliver()
    await _linked(world, "code")
    await world.deliver()
    await _linked(world, "other")
    await world.deliver()
    await world.call("DELETE", "/orgs/acme/packages/container/app/repository", status=204)
    await world.push("app", "v2")
    await world.deliver()
    for name in ("code", "other"):
        _, *told = world.receiver.of(f"/{name}")
        assert [one.what[1] for one in told if "linked" in one.what[1]] == ["linked", "unlinked"]
        for one in told:
            assert one.json["repository"]["full_name"] == f"acme/{name}", one.what
            assert (b"acme/other" if name == "code" else b"acme/code") not in one.body


async def test_what_waits_is_not_told_once_the_package_is_linked_no_more(world: World) -> None:
    await world.call("POST", "/orgs/acme/repos", {"name": "code", "private": True}, status=201)
    hook = await world.hook("/code", "repos/acme/code")
    await world.push("app", "v1")
    await _linked(world, "code")
    await world.deliver()
    before = len(world.receiver.got)
    await world.registry.services.db.execute("UPDATE hooks SET rests_until = now() + interval '1 hour'")
    await world.push("app", "v2")
    await world.deliver()
    await world.call("DELETE", "/orgs/acme/packages/container/app/repository", status=204)
    await world.due()
    await world.deliver()
    assert [one.what[1] for one in world.receiver.got[before:]] == ["unlinked"]
    (told,) = await world.call("GET", f"/repos/acme/code/hooks/{hook}/deliveries?status=failure")
    assert told["status"] == "the package is linked to the repository no more"


async def test_a_private_package_that_inherits_nothing_is_not_told(world: World) -> None:
    """Admins of the repository may not read it."""
    await world.call("POST", "/orgs/acme/repos", {"name": "code", "private": True}, status=201)
    hook = await world.hook("/code", "repos/acme/code", events=["*"])
    await world.push("app", "v1")
    await world.deliver()
    link = {"repository": "acme/code", "inherit_access": False}
    await world.call("PUT", "/orgs/acme/packages/container/app/repository", link)
    await world.push("app", "v2")
    await world.deliver()
    await world.call("DELETE", "/orgs/acme/packages/container/app/repository", status=204)
    await world.deliver()
    assert world.receiver.told == []
    kept = await world.call("GET", f"/repos/acme/code/hooks/{hook}/deliveries")
    assert [one["event"] for one in kept] == ["ping"], "nor that anything happened"
    await world.call("PUT", "/orgs/acme/packages/container/app/repository", link)
    await world.call("PATCH", "/orgs/acme/packages/container/app", {"visibility": "public"})
    await world.push("app", "v3")
    await world.deliver()
    assert ("package", "published", "v3") in world.receiver.told
