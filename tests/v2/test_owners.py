"""Pushes to a name without an owner, and to an owner that is not there: refused at once, with what to do instead."""

from tests.api.test_tokens import USER, make, org, seat
from tests.support.server import PACKAGES, Answer, Registry

_UPLOADS = "/v2/{}/blobs/uploads/"


def _said(answer: Answer, status: int, code: str) -> str:
    assert (answer.status, answer.code) == (status, code), answer.body
    return str(answer.json["errors"][0]["message"])  # type: ignore[index]


async def test_a_push_without_an_owner_is_told_the_name(registry: Registry) -> None:
    alice = await registry.user("alice")
    host = registry.url.partition("://")[2]
    words = f"images are OWNER/IMAGE here: docker tag {host}/hello-world {host}/alice/hello-world"
    # docker repeats what is refused with NAME_INVALID for 50 seconds, and what is DENIED not at all.
    for method, path in (
        ("POST", _UPLOADS.format("hello-world")),
        ("POST", "/v2/hello-world/blobs/uploads"),
        ("POST", f"{_UPLOADS.format('hello-world')}?mount=sha256:{'0' * 64}&from=alice/app"),
        ("PUT", "/v2/hello-world/manifests/latest"),
        ("DELETE", "/v2/hello-world/manifests/latest"),
    ):
        assert _said(await registry.call(method, path, alice), 403, "DENIED").startswith(words), path
    # The bearer token that docker got for this name.
    issued = await registry.call("GET", "/token?scope=repository:hello-world:pull,push", alice)
    bearer = {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]
    answer = await registry.call("POST", _UPLOADS.format("hello-world"), headers=bearer)
    assert _said(answer, 403, "DENIED").startswith(words)
    # What a push looks at first is not there, so that it goes on to where it is told why.
    for path in ("blobs/sha256:" + "0" * 64, "manifests/latest"):
        assert (await registry.call("HEAD", f"/v2/hello-world/{path}", alice)).status == 404
    pulled = _said(await registry.call("GET", "/v2/hello-world/manifests/latest", alice), 404, "NAME_UNKNOWN")
    assert pulled.startswith(f"images are OWNER/IMAGE here: {host}/OWNER/hello-world")
    assert "docker tag" not in pulled


async def test_who_pushes_without_an_owner_as_nobody(registry: Registry) -> None:
    host = registry.url.partition("://")[2]
    path = _UPLOADS.format("hello-world")
    challenged = await registry.call("POST", path)
    assert challenged.status == 401
    assert challenged.headers["WWW-Authenticate"].startswith("Bearer ")
    issued = await registry.call("GET", "/token?scope=repository:hello-world:pull,push")
    bearer = {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]
    said = _said(await registry.call("POST", path, headers=bearer), 403, "DENIED")
    assert f"docker tag {host}/hello-world {host}/OWNER/hello-world" in said
    # Not every name is one that lacks an owner alone.
    for name in ("Hello", "hello..world", "-", "%2e", "a" * 256):
        assert _said(await registry.call("POST", _UPLOADS.format(name)), 400, "NAME_INVALID"), name


async def test_a_push_to_an_account_that_is_not_there_says_so(registry: Registry) -> None:
    await org(registry, "acme")
    await org(registry, "closed")
    await org(registry, "others")
    alice = await registry.user("alice", (*USER, *PACKAGES))
    root = await registry.user("rooty", PACKAGES, site_admin=True)
    for name in ("acme", "closed"):
        await seat(registry, name, "alice", "member")
    await registry.services.db.execute(
        "UPDATE accounts SET members_can_create_private_packages = false WHERE login = 'closed'"
    )
    host = registry.url.partition("://")[2]
    for path, method in ((_UPLOADS.format("nobody/app"), "POST"), ("/v2/nobody/app/manifests/v1", "PUT")):
        headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        answer = await registry.call(method, path, alice, headers=headers, data=b"{}" if method == "PUT" else None)
        said = _said(answer, 403, "DENIED")
        assert said.startswith("permission_denied: there is no account nobody here")
        assert f"docker tag {host}/nobody/app {host}/alice/app" in said
        assert "acme" in said
        assert "closed" not in said
        assert "others" not in said
        assert answer.json["errors"][0]["detail"]["have"] == ["alice", "acme"]  # type: ignore[index]
    said = _said(await registry.call("POST", _UPLOADS.format("nobody/app"), root), 403, "DENIED")
    assert "there is no account nobody" in said
    assert "rooty/app" in said
    # What the token narrows is not offered; who may push nowhere is told no name.
    reading = await registry.token("alice", ["read:packages"])
    answer = await registry.call("POST", _UPLOADS.format("nobody/app"), reading)
    assert answer.json["errors"][0]["detail"]["have"] == []  # type: ignore[index]
    fine = (await make(registry, alice, rules=[{"packages": "acme/*", "actions": ["write"]}]))["token"]
    answer = await registry.call("POST", _UPLOADS.format("nobody/app"), fine)
    assert answer.json["errors"][0]["detail"]["have"] == ["acme"]  # type: ignore[index]
    # A deleted account is not there; one of others is, and its answer is the one of a package without a role.
    await registry.user("gone")
    await registry.services.db.execute("UPDATE accounts SET deleted_at = now() WHERE login = 'gone'")
    assert "no account gone" in _said(await registry.call("POST", _UPLOADS.format("gone/app"), alice), 403, "DENIED")
    said = _said(await registry.call("POST", _UPLOADS.format("others/app"), alice), 403, "DENIED")
    assert said.startswith("permission_denied: write_package")
    # Nobody is asked to log in, and learns no more.
    assert (await registry.call("POST", _UPLOADS.format("nobody/app"))).status == 401
    assert (await registry.call("GET", "/v2/nobody/app/tags/list", alice)).status == 404
