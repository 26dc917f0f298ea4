"""docker search: /v1/_ping and /v1/search, as docker's engine and podman ask them."""

from typing import Any

from tests.support.server import Registry, basic

#: What moby's registry/search_session.go sends.
_ENGINE = {"User-Agent": "docker/20.10.24 go/go1.19.8 kernel/6.1.0 os/linux arch/amd64", "X-Docker-Token": "true"}
_PODMAN = {
    "User-Agent": "containers/5.23.1 (github.com/containers/image)",
    "Docker-Distribution-Api-Version": "registry/2.0",
}


async def _world(registry: Registry) -> str:
    """Two packages of alice: one public, one private. Her token."""
    token = await registry.user("Alice", ("repo", "read:packages", "write:packages"))
    for name in ("hello-world", "tools/hello"):
        await registry.push_image(f"alice/{name}", "v1", token)
    shown = await registry.call(
        "PATCH", "/api/v3/user/packages/container/hello-world", token, json={"visibility": "public"}
    )
    assert shown.status == 200
    return token


async def _search(registry: Registry, query: str, headers: dict[str, str]) -> Any:
    got = await registry.call("GET", f"/v1/search?{query}", headers={**_ENGINE, **headers})
    assert got.status == 200, got.body
    assert got.headers["Content-Type"] == "application/json"
    return got.json


async def test_the_engine_finds_what_its_user_may_see(registry: Registry) -> None:
    token = await _world(registry)
    ping: Any = await registry.call("GET", "/v1/_ping", headers=_ENGINE)
    assert (ping.status, ping.json) == (200, {"standalone": False})
    assert ping.headers["X-Docker-Registry-Standalone"] == "false", "else it sends an empty name over HTTPS"
    found = await _search(registry, "q=hello&n=25", {})
    assert found == {
        "query": "hello",
        "num_results": 1,
        "num_pages": 1,
        "page": 1,
        "page_size": 25,
        "results": [
            {
                "name": "alice/hello-world",
                "description": "",
                "star_count": 0,
                "is_official": False,
                "is_automated": False,
            }
        ],
    }
    mine = await _search(registry, "q=HELLO&n=25", basic(token, "alice"))
    assert {one["name"] for one in mine["results"]} == {"alice/hello-world", "alice/tools/hello"}
    others = basic(await registry.user("bob"), "bob")
    assert (await _search(registry, "q=hello&n=25", others))["num_results"] == 1
    assert (await _search(registry, "q=nothing", basic(token, "alice")))["results"] == []
    wrong = await registry.call("GET", "/v1/search?q=hello", headers={**_ENGINE, **basic("wrong", "alice")})
    assert wrong.status == 401
    assert wrong.headers["WWW-Authenticate"].startswith("Basic")


async def test_pages_and_what_is_no_number(registry: Registry) -> None:
    token = await registry.user("alice")
    for number in range(5):
        await registry.push_image(f"alice/app{number}", "v1", token)
    mine, seen = basic(token, "alice"), list[str]()
    for page in (1, 2, 3):
        found = await _search(registry, f"q=app&n=2&page={page}", mine)
        assert (found["num_results"], found["num_pages"], found["page"]) == (5, 3, page)
        seen += [one["name"] for one in found["results"]]
    assert sorted(seen) == [f"alice/app{number}" for number in range(5)]
    assert (await _search(registry, "q=app&n=2&page=999999", mine))["results"] == []
    for query in ("q=app&n=0&page=0", "q=app&n=-1&page=x", "q=app&n=9999999999", "q=%00&n=2", "q=%25", "q='+OR+1=1--"):
        await _search(registry, query, mine)
    assert (await _search(registry, "", mine))["num_results"] == 5
    assert (await registry.call("POST", "/v1/search", headers=_ENGINE)).status == 405
    assert (await registry.call("GET", "/v1/repositories/x", headers=_ENGINE)).status == 404


async def test_podman_goes_on_to_the_catalog_where_it_sends_its_credentials(registry: Registry) -> None:
    await _world(registry)
    assert (await registry.call("GET", "/v1/search?n=25&q=hello", headers=_PODMAN)).status == 404
