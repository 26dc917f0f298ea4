"""The API on a host of its own, without ``/api/v3``, as api.github.com is GitHub's."""

from tests.support.server import running

HOST = {"Host": "api.registry.example"}


async def test_the_api_has_a_host_of_its_own(env: dict[str, str]) -> None:
    named = {"MOORAGE_API_URL": "https://api.registry.example", "MOORAGE_PUBLIC_URL": "https://registry.example"}
    async with running({**env, **named}) as registry:
        token = await registry.user("alice", ["user", "read:packages", "write:packages"])
        me = await registry.call("GET", "/user", token, headers=HOST)
        assert me.status == 200
        assert me.json["url"] == "https://api.registry.example/users/alice"  # type: ignore[index]
        for name in ("one", "two"):
            await registry.push_image(f"alice/{name}", "v1", token)
        path = "/user/packages?package_type=container&per_page=1"
        page = await registry.call("GET", path, token, headers=HOST)
        assert "<https://api.registry.example/user/packages?" in page.headers["Link"]
        under = await registry.call("GET", f"/api/v3{path}", token)
        assert "<https://registry.example/api/v3/user/packages?" in under.headers["Link"]
        missing = await registry.call("GET", "/nowhere", token, headers=HOST)
        assert (missing.status, missing.json["message"]) == (404, "Not Found")  # type: ignore[index]
        elsewhere = await registry.call("GET", "/user", token)
        assert elsewhere.status == 404
        assert (await registry.call("GET", "/v2/alice/one/manifests/v1", token, headers=HOST)).status == 404
        assert (await registry.call("GET", "/v2/alice/one/manifests/v1", token)).status == 200
