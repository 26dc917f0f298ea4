"""``/admin``: GitHub Enterprise Server's way to make users and their tokens."""

from tests.support.server import Registry


async def test_an_administrator_makes_users_and_tokens(registry: Registry) -> None:
    admin = await registry.admin()
    made = await registry.call("POST", "/api/v3/admin/users", admin, json={"login": "Alice", "email": "a@example.com"})
    assert made.status == 201
    assert made.json["login"] == "Alice"  # type: ignore[index]
    assert made.json["type"] == "User"  # type: ignore[index]
    path = "/api/v3/admin/users/alice/authorizations"
    token = await registry.call("POST", path, admin, json={"scopes": ["write:packages"]})
    assert token.status == 201
    text = token.json["token"]  # type: ignore[index]
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", text)).status == 202


async def test_logins_are_checked(registry: Registry) -> None:
    admin = await registry.admin()
    for login in ("v2", "token", "_x", "robot$", "a--b", "a" * 40, "ADMIN"):
        refused = await registry.call("POST", "/api/v3/admin/users", admin, json={"login": login})
        assert refused.status == 422, login


async def test_logins_as_those_of_managed_users(registry: Registry) -> None:
    """GitHub's name what is theirs and an underscore and what is their company's: jane_corp."""
    admin = await registry.admin()
    made = await registry.call("POST", "/api/v3/admin/users", admin, json={"login": "Jane_Corp"})
    assert (made.status, made.json["login"]) == (201, "Jane_Corp")  # type: ignore[index]
    jane = await registry.token("jane_corp", ["repo", "read:packages", "write:packages"])
    await registry.push_image(
        "jane_corp/app",
        "v1",
        jane,
        config={"Labels": {"org.opencontainers.image.source": "https://github.com/jane_corp/code"}},
    )
    assert (await registry.call("GET", "/v2/jane_corp/app/manifests/v1", jane)).status == 200
    assert (await registry.call("POST", "/api/v3/user/repos", jane, json={"name": "code"})).status == 201
    path = "/api/v3/users/jane_corp/packages/container/app"
    linked = await registry.call("PUT", f"{path}/repository", jane, json={"repository": "jane_corp/code"})
    assert (linked.status, linked.json["repository"]["full_name"]) == (200, "Jane_Corp/code")  # type: ignore[index]
    for login in ("jane_", "jane__corp", "jane-_corp"):
        refused = await registry.call("POST", "/api/v3/admin/users", admin, json={"login": login})
        assert refused.status == 422, login


async def test_nobody_else_may(registry: Registry) -> None:
    alice = await registry.user("alice", ["site_admin", "write:packages"])
    assert (await registry.call("POST", "/api/v3/admin/users", json={"login": "bob"})).status == 401
    assert (await registry.call("POST", "/api/v3/admin/users", alice, json={"login": "bob"})).status == 403
    admin = await registry.admin()
    weak = await registry.token("admin", ["write:packages"])
    assert (await registry.call("POST", "/api/v3/admin/users", weak, json={"login": "bob"})).status == 403
    assert (await registry.call("POST", "/api/v3/admin/users", admin, json={})).status == 422
    assert (await registry.call("POST", "/api/v3/admin/users", admin, data=b"{")).status == 400
    unknown = "/api/v3/admin/users/nobody/authorizations"
    assert (await registry.call("POST", unknown, admin, json={"scopes": []})).status == 404
