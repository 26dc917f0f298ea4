"""What a signed-in reader sees: own packages, those of an organization, and its people and teams."""

import pytest

from tests.support.api import acme
from tests.support.pages import Pages
from tests.support.people import browser
from tests.support.server import Registry


async def test_the_first_run_shows_three_lines_and_then_the_package(registry: Registry) -> None:
    alice = await browser(registry, "Alice")
    first = await alice.get("/")
    host = registry.url.partition("://")[2]
    assert first.heading == "Push your first image"
    for line in (
        f"docker login {host} -u Alice",
        f"docker tag IMAGE {host}/alice/hello",
        f"docker push {host}/alice/hello",
    ):
        assert line in first.text
    assert "Check again" in first.text
    await registry.push_image("alice/hello", "v1", await registry.token("Alice"))
    own = await alice.get("/")
    assert own.heading == "Your packages"
    assert "/alice/hello" in own.links
    assert "private" in own.text


@pytest.mark.parametrize("tail", ["", ":v1", "/-/tags", "/-/versions"])
async def test_a_private_package_is_read_by_its_owner_alone(registry: Registry, tail: str) -> None:
    alice, bob, visitor = await browser(registry, "alice"), await browser(registry, "bob"), Pages(registry)
    await registry.push_image("alice/secret", "v1", await registry.token("alice"))
    page = await alice.get(f"/alice/secret{tail}")
    assert "secret" in page.text
    assert ("/alice/secret/-/settings" in page.links) == (tail != ":v1")
    for other in (bob, visitor):
        await other.get(f"/alice/secret{tail}", 404)
    assert "You are signed in as bob." in (await bob.get(f"/alice/secret{tail}", 404)).text
    assert [link for link in (await alice.get("/explore")).links if link == "/alice/secret"]
    assert not [link for link in (await bob.get("/search?q=secret")).links if link == "/alice/secret"]


async def test_an_organization_shows_its_people_to_members(registry: Registry) -> None:
    made = await acme(registry)
    await made.ok("POST", "/orgs/acme/teams", made.owner, {"name": "Crew <b>"}, 201)
    owner, member, stranger = [await browser(registry, login) for login in ("owner", "member", "stranger")]
    for pages in (owner, member):
        people = await pages.get("/acme/-/people")
        assert {"/owner", "/member"} <= set(people.links)
        assert "Crew <b>" in (await pages.get("/acme/-/teams")).text
    assert "/acme/-/settings" in (await owner.get("/acme")).links
    assert "/acme/-/settings" not in (await member.get("/acme")).links
    for path in ("/acme/-/people", "/acme/-/teams"):
        await stranger.get(path, 404)
        await Pages(registry).get(path, 404)
    assert "/acme/-/people" not in (await stranger.get("/acme")).links
