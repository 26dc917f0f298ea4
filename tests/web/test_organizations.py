"""Pages of organizations, people, teams and repositories, over HTTP as a browser without script."""

import pytest

from tests.support.manage import Managed, change, done, managed, refused
from tests.support.people import browser
from tests.support.server import Registry
from tests.support.statements import counted


@pytest.fixture
async def world(registry: Registry) -> Managed:
    return await managed(registry)


async def test_an_organization_is_made_and_its_maker_owns_it(registry: Registry) -> None:
    alice = await browser(registry, "alice")
    page = await alice.get("/new/organization")
    assert registry.url.partition("://")[2] in page.text
    page = await done(alice, "/new/organization", {"login": "Initech", "name": "Initech Inc."})
    assert page.heading == "Initech"
    assert "/initech/-/settings" in page.links
    for login, told in (("initech", "This name is taken."), ("alice", "This name is taken."), ("orgs", "some are reserved"),
                        ("", "some are reserved"), ("a b", "some are reserved"), ("x" * 70, "some are reserved")):  # fmt: skip
        page = await refused(alice, "/new/organization", {"login": login, "name": "Kept"})
        assert told in page.text, login
        assert page.field("name") == "Kept"


async def test_the_rules_of_packages_are_set_and_hold(world: Managed) -> None:
    page = await world.owner.get("/acme/-/settings")
    assert "1 member who is no owner is affected" in page.text
    assert len([box for box in page.all("input", type="checkbox") if "checked" in box]) >= 3
    page = await done(world.owner, "/acme/-/settings", {"part": "packages", "private": "on", "inherit": "on"})
    checked = {box["name"] for box in page.all("input", type="checkbox") if "checked" in box}
    assert checked == {"private", "inherit"}
    told = await world.registry.call("GET", "/api/v3/orgs/acme", world.token)
    assert told.json["members_can_create_public_packages"] is False  # type: ignore[index]
    assert told.json["packages_inherit_access"] is True  # type: ignore[index]
    profile = {"part": "profile", "name": "Acme Inc.", "description": "Anvils", "email": "a@acme.example"}
    page = await done(world.owner, "/acme/-/settings", profile)
    assert "Anvils" in page.text
    assert {box["name"] for box in page.all("input", type="checkbox") if "checked" in box} == checked
    await world.reader.get("/acme/-/settings", 403)
    await world.stranger.get("/acme/-/settings", 404)
    await world.owner.get("/olivia/-/settings", 404)


async def test_an_organization_is_deleted_by_its_typed_name_after_a_recent_sign_in(world: Managed) -> None:
    path = "/acme/-/settings/delete"
    late = await browser(world.registry, "olivia", minutes_ago=20)
    assert (await change(late, path, {"typed": "acme"})).headers["Location"] == f"/login?next={path}"
    assert "This is not the name." in (await refused(world.owner, path, {"typed": "web"})).text
    page = await done(world.owner, path, {"typed": "acme"})
    assert "The organization is deleted: acme" in page.text
    await world.owner.get("/acme", 404)


async def test_people_are_added_promoted_and_removed(world: Managed) -> None:
    people = "/acme/-/people"
    page = await done(world.owner, people, {"login": "stan", "role": "member"})
    assert "stan" in page.text
    await world.stranger.get(people)
    assert "Add the person" not in (await world.reader.get(people)).text
    assert "Nobody has this login." in (await refused(world.owner, people, {"login": "nobody", "role": "member"})).text
    page = await done(world.owner, people, {"login": "olivia", "role": "member"})
    assert "The last owner stays one" in page.text
    await done(world.owner, people, {"login": "stan", "role": "admin"})
    page = await world.owner.get(f"{people}/remove?login=rita")
    assert "Every role that this organization gave ends: rita" in page.text
    await done(world.owner, f"{people}/remove", {"login": "rita"})
    await world.reader.get("/acme/web", 404)
    await world.owner.get(f"{people}/remove?login=rita", 404)
    page = await done(world.owner, f"{people}/remove", {"login": "olivia"})
    assert page.heading == "acme"
    await world.owner.get(people, 404)
    page = await done(world.stranger, f"{people}/remove", {"login": "stan"})
    assert "The last owner stays one" in page.text


async def test_the_number_of_a_page_is_one_from_1_to_100(world: Managed) -> None:
    for path in ("/acme/-/people", "/acme/-/teams", "/acme/-/teams/devs", "/acme/-/repositories", "/acme/-/deleted"):
        for odd in ("0", "-1", "x", "99999999999999999999", "٣"):
            assert (await world.owner.get(f"{path}?page={odd}")).status == 200, (path, odd)


async def test_a_member_leaves(world: Managed) -> None:
    page = await world.reader.get("/acme/-/people/remove?login=rita")
    assert page.heading == "Leave the organization"
    await done(world.reader, "/acme/-/people/remove", {"login": "rita"})
    await world.reader.get("/acme/-/people", 404)


async def test_teams_are_made_filled_renamed_and_deleted(world: Managed) -> None:
    teams = "/acme/-/teams"
    page = await done(world.owner, teams, {"name": "Night Shift", "description": "On call"})
    assert "Nobody is in this team" in page.text
    team = f"{teams}/night-shift"
    assert "There is such a team." in (await refused(world.owner, teams, {"name": "night shift"})).text
    assert "a letter or a digit" in (await refused(world.owner, teams, {"name": "--"})).text
    page = await done(world.owner, f"{team}/members", {"login": "rita"})
    assert "In the team now: rita" in page.text
    assert "Only members of the organization" in (await refused(world.owner, f"{team}/members", {"login": "stan"})).text
    page = await done(world.owner, f"{team}/members", {"login": "rita", "change": "remove"})
    assert "Undo" in page.text
    await done(world.owner, f"{team}/members", {"login": "rita", "change": "remove"})
    page = await done(world.owner, team, {"name": "Day Shift", "description": ""})
    assert page.answer.status == 200
    assert "Save the team" not in (await world.reader.get(f"{teams}/day-shift")).text
    await done(world.owner, f"{teams}/day-shift/delete")
    await world.owner.get(f"{teams}/day-shift", 404)
    await world.owner.get(f"{teams}/%00", 404)
    await world.stranger.get(f"{teams}/devs", 404)


async def test_repositories_are_made_shared_and_deleted(world: Managed) -> None:
    repositories = "/acme/-/repositories"
    page = await done(world.reader, repositories, {"name": "tools", "visibility": "internal", "description": "Ours"})
    assert "tools" in page.text
    for name, told in (
        ("tools", "This name is taken."),
        ("a b", "does not end with .git"),
        ("", "does not end with .git"),
    ):
        assert told in (await refused(world.reader, repositories, {"name": name})).text
    one = f"{repositories}/code"
    await world.reader.get(one, 404)
    page = await done(world.owner, f"{one}/collaborators", {"login": "rita", "role": "read"})
    assert "rita" in page.text
    assert "Collaborators" not in (await world.reader.get(one)).text
    await refused(world.reader, one, {"visibility": "public"}, 403)
    assert (
        "Nobody has this login."
        in (await refused(world.owner, f"{one}/collaborators", {"login": "x", "role": "read"})).text
    )
    told = (await refused(world.owner, f"{one}/collaborators", {"login": "acme", "role": "read"})).text
    assert "This account cannot be a collaborator." in told
    page = await done(world.owner, f"{one}/collaborators", {"login": "rita", "role": "none"})
    assert "Remove rita" not in page.text
    await done(world.owner, one, {"visibility": "public", "description": "Open"})
    assert "code" in (await world.visitor.get(repositories)).text
    assert "tools" not in (await world.visitor.get(repositories)).text
    assert "This is not the name." in (await refused(world.owner, f"{one}/delete", {"typed": "code"})).text
    await done(world.owner, f"{one}/delete", {"typed": "acme/code"})
    await world.owner.get(one, 404)
    alice = await browser(world.registry, "alice")
    await done(alice, "/alice/-/repositories", {"name": "mine", "visibility": "private"})
    assert "mine" not in (await world.owner.get("/alice/-/repositories")).text
    told = (await refused(alice, "/alice/-/repositories", {"name": "other", "visibility": "internal"})).text
    assert "Only a repository of an organization can be internal." in told


async def test_what_is_neither_a_package_nor_a_repository_is_looked_up_once_as_each(world: Managed) -> None:
    for path, most in (("/acme/nothing", 3), ("/acme/No.Package", 2), ("/acme/-/repositories/nothing", 2)):
        with counted() as statements:
            await world.owner.get(path, 404)
        assert len(statements) <= most, (path, statements)
