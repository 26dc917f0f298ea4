"""Search and explore: who finds which packages, in which order, and how many."""

from typing import Any

import pytest

from tests.support import forge
from tests.support.api import Acme, acme
from tests.support.server import Answer, Registry


async def _search(registry: Registry, query: str, token: str | None) -> Any:
    got: Answer = await registry.call("GET", f"/api/v3/search/packages?{query}", token)
    assert got.status == 200, got.body
    return got.json


async def _names(registry: Registry, query: str, token: str | None) -> list[str]:
    found = await _search(registry, query, token)
    assert found["total_count"] >= len(found["items"])
    return [f"{one['owner']['login']}/{one['name']}" for one in found["items"]]


async def _show_as(registry: Registry, owner: str, name: str, visibility: str) -> None:
    await registry.services.db.execute(
        "UPDATE packages SET visibility = $3 WHERE name = $2 AND owner_id = "
        "(SELECT id FROM accounts WHERE lower(login) = lower($1))",
        owner,
        name,
        visibility,
    )


async def _world(registry: Registry) -> Acme:
    """Of acme: a public, an internal, a private package, and private ones that a team and a repository give away."""
    people = await acme(registry)
    for name in ("web", "tools/web-ui", "secret", "teamed", "inherited"):
        await registry.push_image(f"acme/{name}", "v1", people.owner)
    await registry.push_image("stranger/web", "v1", people.stranger)
    await _show_as(registry, "acme", "web", "public")
    await _show_as(registry, "acme", "tools/web-ui", "internal")
    await registry.user("rita")
    await registry.user("tim")
    await forge.team(registry, "acme", "crew", ["tim"])
    db = registry.services.db
    await db.execute(
        "INSERT INTO package_teams SELECT package.id, team.id, 1 FROM packages package, teams team"
        " WHERE package.name = 'teamed'"
    )
    code = await forge.repository(registry, "acme", "code", people={"rita": "read"})
    await db.execute("UPDATE packages SET repository_id = $1, inherit_access = true WHERE name = 'inherited'", code)
    return people


@pytest.mark.parametrize("sort", ["name", "newest"])
@pytest.mark.parametrize("query", ["", "q=acme", "q=acme/"])
async def test_everybody_finds_what_they_may_see(registry: Registry, query: str, sort: str) -> None:
    people = await _world(registry)
    public, internal = ["Acme/web"], ["Acme/tools/web-ui"]
    all_of_acme = ["Acme/inherited", "Acme/secret", "Acme/teamed", "Acme/tools/web-ui", "Acme/web"]
    seen: dict[str | None, list[str]] = {
        None: public,
        people.member: internal + public,
        people.owner: all_of_acme,
        people.admin: all_of_acme,
        people.stranger: public,
        await registry.token("rita"): ["Acme/inherited", *public],
        await registry.token("tim"): ["Acme/teamed", *public],
    }
    for token, names in seen.items():
        mine = ["stranger/web"] if not query and token in {people.stranger, people.admin} else []
        found = await _search(registry, f"{query}&sort={sort}", token)
        listed = [f"{one['owner']['login']}/{one['name']}" for one in found["items"]]
        assert sorted(listed) == sorted(names + mine)
        assert (found["total_count"], found["incomplete_results"]) == (len(listed), False)
        order = [one["published_at"] for one in found["items"]] if sort == "newest" else listed
        assert order == sorted(order, reverse=sort == "newest", key=str.lower)


async def test_a_query_begins_a_component(registry: Registry) -> None:
    people = await _world(registry)
    for query, names in (
        ("web", ["Acme/tools/web-ui", "Acme/web"]),
        ("WEB", ["Acme/tools/web-ui", "Acme/web"]),
        ("web-", ["Acme/tools/web-ui"]),
        ("tools/w", ["Acme/tools/web-ui"]),
        ("acme/tools", ["Acme/tools/web-ui"]),
        ("eb", []),
        ("ui", []),
        ("%25", []),
        ("_", []),
        ("%00", []),
        ("w" * 300, []),
    ):
        assert await _names(registry, f"q={query}&sort=name", people.owner) == names, query
    assert await _names(registry, "q=w&sort=name", people.stranger) == ["Acme/web", "stranger/web"]


@pytest.mark.parametrize("query", ["", "&q=web"])
@pytest.mark.parametrize("sort", ["name", "newest"])
async def test_pages(registry: Registry, query: str, sort: str) -> None:
    alice = await registry.user("alice")
    for number in range(7):
        await registry.push_image(f"alice/web{number}", "v1", alice)
    path, pages = f"/api/v3/search/packages?per_page=3&sort={sort}{query}", list[list[str]]()
    while path:
        got: Any = await registry.call("GET", path, alice)
        assert got.json["total_count"] == 7
        pages.append([one["name"] for one in got.json["items"]])
        link = got.headers.get("Link", "")
        path = link.partition(">")[0].removeprefix("<")
    names = [f"web{number}" for number in range(7)]
    assert pages == ([names[:3], names[3:6], names[6:]] if sort == "name" else [names[:3:-1], names[3:0:-1], names[:1]])


async def test_what_changes_is_found_as_it_is_now(registry: Registry) -> None:
    people = await acme(registry)
    alice = await registry.user("alice", ("repo", "read:packages", "write:packages", "delete:packages"))
    await registry.push_image("alice/web", "v1", alice)
    app = "/api/v3/user/packages/container/web"
    for query in ("", "q=web", "q=alice/w"):
        assert await _names(registry, query, None) == [], "private"
    assert (await registry.call("PATCH", app, alice, json={"visibility": "public"})).status == 200
    for query in ("", "q=web", "q=alice/w", "q=w&sort=name", "sort=name"):
        assert await _names(registry, query, None) == ["alice/web"]
    await people.ok("PATCH", "/admin/users/alice", people.admin, {"login": "Alan"}, 202)
    assert await _names(registry, "q=alice", None) == []
    assert await _names(registry, "q=ala", None) == ["Alan/web"]
    assert await _names(registry, "sort=name", None) == ["Alan/web"]
    assert (await registry.call("DELETE", app, alice)).status == 204
    for query in ("", "q=web", "q=alan", "sort=name"):
        assert await _names(registry, query, alice) == []
    assert (await registry.call("POST", f"{app}/restore", alice)).status == 204
    assert await _names(registry, "q=web", None) == ["Alan/web"]
    # Only begun: there is nothing to be found yet.
    assert (await registry.call("POST", "/v2/alan/begun/blobs/uploads/", alice)).status == 202
    assert await _names(registry, "", alice) == ["Alan/web"]


async def test_what_a_token_narrows(registry: Registry) -> None:
    people = await _world(registry)
    weak = await registry.token("owner", ["user"])
    assert await _names(registry, "q=acme", weak) == ["Acme/web"]
    fine = await people.ok(
        "POST",
        "/user/tokens",
        people.owner,
        {"rules": [{"packages": "acme/se*", "actions": ["read"]}]},
        201,
    )
    assert await _names(registry, "q=acme&sort=name", fine["token"]) == ["Acme/secret", "Acme/web"]
    assert await _names(registry, "sort=name", fine["token"]) == ["Acme/secret", "Acme/web"]
    await registry.services.db.execute("UPDATE accounts SET packages_sso_required = true WHERE login = 'Acme'")
    assert await _names(registry, "q=acme", people.owner) == ["Acme/web"]


async def test_a_token_of_a_repository_finds_what_is_its_own(registry: Registry) -> None:
    await _world(registry)
    code: Any = await registry.services.db.fetchrow("SELECT id FROM repositories WHERE name = 'code'")
    token = await forge.repository_token(registry, code["id"], "owner")
    names = ["Acme/inherited", "Acme/tools/web-ui", "Acme/web"]
    for query in ("q=acme&sort=name", "sort=name"):
        assert await _names(registry, query, token) == names


async def test_a_cursor_that_no_page_gave(registry: Registry) -> None:
    for query in (
        "after=x",
        "after=2026-01-01T00:00:00~1",
        "after=%00",
        "sort=name&after=%00",
        "q=a&after=x",
        "sort=x",
    ):
        refused = await registry.call("GET", f"/api/v3/search/packages?{query}", None)
        assert refused.status == 422, query
