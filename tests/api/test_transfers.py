"""A package that is given to another owner: what stays, what ends, and which names are free."""

from typing import Any

from tests.support import forge
from tests.support.api import Acme, acme
from tests.support.server import Registry

_WEB = "/orgs/acme/packages/container/web"


async def _transfer(people: Acme, path: str, login: str, name: str | None = None, status: int = 202) -> Any:
    body = {"new_owner": login} if name is None else {"new_owner": login, "new_name": name}
    return await people.ok("POST", f"{path}/transfer", people.admin, body, status)


async def test_a_package_moves_with_all_that_is_in_it(registry: Registry) -> None:
    people = await acme(registry)
    digest = await registry.push_image("acme/web", "v1", people.owner)
    rita = await registry.user("rita")
    await people.ok("PUT", "/orgs/acme/memberships/rita", people.owner, {})
    await people.ok("PUT", f"{_WEB}/access/users/rita", people.owner, {"role": "read"}, 204)
    await forge.repository(registry, "acme", "code", people={"member": "admin"})
    await registry.services.db.execute(
        "UPDATE packages SET visibility = 'internal', repository_id = (SELECT id FROM repositories)"
    )
    before = await people.ok("GET", _WEB, people.owner)
    began = await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)
    moved = await _transfer(people, _WEB, "stranger", "tools/site")
    assert (moved["id"], moved["name"], moved["owner"]["login"]) == (before["id"], "tools/site", "stranger")
    assert (moved["visibility"], "repository" in moved, moved["version_count"]) == ("private", False, 1)
    pulled = await registry.call("GET", "/v2/stranger/tools/site/manifests/v1", people.stranger)
    assert pulled.headers["Docker-Content-Digest"] == digest
    # Its former owner, members and readers have nothing of it any more, under neither name.
    for token in (people.owner, people.member, rita):
        for name in ("stranger/tools/site", "acme/web"):
            assert (await registry.call("GET", f"/v2/{name}/manifests/v1", token)).status == 404
    access = await people.ok("GET", "/users/stranger/packages/container/tools%2Fsite/access", people.stranger)
    assert (access["users"], access["teams"], access["repositories"]) == ([], [], [])
    assert (await registry.call("PATCH", began.headers["Location"], people.owner, data=b"x")).status == 404
    found: Any = (await registry.call("GET", "/api/v3/search/packages?q=stranger/tools", people.stranger)).json
    assert found["total_count"] == 1
    # The name is free: what is pushed there is another package.
    await registry.push_image("acme/web", "v1", people.owner)
    assert (await people.ok("GET", _WEB, people.owner))["id"] != before["id"]


async def test_a_transfer_and_what_ends_with_it_are_recorded_with_the_administrator(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("acme/web", "v1", people.owner)
    await people.ok("PUT", f"{_WEB}/access/users/member", people.owner, {"role": "read"}, 204)
    await forge.repository(registry, "acme", "code", people={"member": "admin"})
    await people.ok("PUT", f"{_WEB}/access/repositories/acme/code", people.owner, {"role": "read"}, 204)
    await registry.services.db.execute(
        "UPDATE packages SET visibility = 'internal', repository_id = (SELECT id FROM repositories)"
    )
    await _transfer(people, _WEB, "stranger", "site")
    path = "/users/stranger/packages/container/site/activity"
    found = await people.ok("GET", path, people.admin)
    events = [one for one in found if one["actor"]["login"] == "admin"]
    assert {one["action"] for one in events} == {
        "packages.access_revoked",
        "packages.package_transferred",
        "packages.repository_unlinked",
        "packages.visibility_changed",
    }
    revoked = [one["data"] for one in events if one["action"] == "packages.access_revoked"]
    assert {"user", "repository"} <= {name for data in revoked for name in data}
    (moved,) = [one for one in events if one["action"] == "packages.package_transferred"]
    assert (moved["data"]["before"], moved["data"]["after"]) == ("acme/web", "stranger/site")


async def test_what_an_administrator_deletes_and_restores_is_recorded_as_the_administrators(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("acme/web", "v1", people.owner)
    await registry.push_image("acme/web", "v2", people.owner)
    version = (await people.ok("GET", f"{_WEB}/versions", people.admin))[0]["id"]
    one = f"{_WEB}/versions/{version}"
    for method, path in (("DELETE", one), ("POST", f"{one}/restore"), ("DELETE", _WEB), ("POST", f"{_WEB}/restore")):
        await people.ok(method, path, people.admin, None, 204)
    found = await people.ok("GET", f"{_WEB}/activity", people.owner)
    changes = [(one["action"].partition(".package_")[2], one["actor"]["login"]) for one in found]
    assert [change for change in changes if change[0].endswith(("deleted", "restored"))] == [
        ("restored", "admin"), ("deleted", "admin"), ("version_restored", "admin"), ("version_deleted", "admin"),
    ]  # fmt: skip


async def test_names_that_are_not_free(registry: Registry) -> None:
    people = await acme(registry)
    for name in ("acme/web", "stranger/web", "acme/other"):
        await registry.push_image(name, "v1", people.owner if name.startswith("acme") else people.stranger)
    assert (await registry.call("POST", "/v2/stranger/begun/blobs/uploads/", people.stranger)).status == 202
    await registry.services.db.execute("INSERT INTO retired_names VALUES ('stranger', 'gone')")
    assert "has a package with this name" in (await _transfer(people, _WEB, "stranger", status=409))["message"]
    assert "retired" in (await _transfer(people, _WEB, "stranger", "gone", 422))["message"]
    assert "already" in (await _transfer(people, _WEB, "acme", status=422))["message"]
    for login in ("nobody", "", "\x7f", "a/b"):
        await _transfer(people, _WEB, login, status=422)
    for name in ("UPPER", "a//b", "x" * 300, "-"):
        await _transfer(people, _WEB, "stranger", name, 422)
    await _transfer(people, _WEB.replace("web", "none"), "stranger", status=404)
    assert (await _transfer(people, _WEB, "stranger", "begun"))["name"] == "begun", "what was only begun gives way"
    assert (await _transfer(people, "/orgs/acme/packages/container/other", "acme", "renamed"))["name"] == "renamed"


async def test_the_name_of_a_popular_package_is_nobodys_again(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("acme/web", "v1", people.owner)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public'")
    await registry.services.db.execute(
        "INSERT INTO download_totals (version_id, package_id, count) SELECT id, package_id, 5001 FROM manifests"
    )
    assert (await _transfer(people, _WEB, "stranger"))["visibility"] == "public"
    again: Any = await registry.call("POST", "/v2/acme/web/blobs/uploads/", people.owner)
    assert (again.status, "retired" in again.json["errors"][0]["message"]) == (403, True)


async def test_who_may_and_under_which_condition(registry: Registry) -> None:
    people = await acme(registry)
    await registry.push_image("acme/web", "v1", people.owner)
    for token, status in ((None, 401), (people.stranger, 403), (people.owner, 403)):
        assert await people.status("POST", f"{_WEB}/transfer", token, {"new_owner": "stranger"}) == status
    path, body = f"/api/v3{_WEB}", {"new_owner": "stranger"}
    seen = (await registry.call("GET", path, people.admin)).headers["ETag"]
    await registry.push_image("acme/web", "v2", people.owner)
    moved = await registry.call("POST", f"{path}/transfer", people.admin, json=body, headers={"If-Match": seen})
    assert moved.status == 412
    seen = (await registry.call("GET", path, people.admin)).headers["ETag"]
    moved = await registry.call("POST", f"{path}/transfer", people.admin, json=body, headers={"If-Match": seen})
    assert moved.status == 202, moved.body
