"""Who may pull from a mirror, and who may have it fetch; where its credentials go."""

import pytest
from aiohttp import web

from auth.sealing import Sealing
from registry.mirror.mirrors import seal
from tests.mirror.conftest import Mirrored
from tests.mirror.test_mirror import BLOBS, MANIFESTS, parts, pull
from tests.support.server import PACKAGES


async def status(mirrored: Mirrored, token: str | None, path: str = f"{MANIFESTS}/1") -> int:
    return (await mirrored.registry.call("GET", path, token)).status


async def test_nobody_without_rights_gets_what_is_cached(mirrored: Mirrored) -> None:
    await mirrored.push("app", size=300_000)
    stranger = await mirrored.registry.user("sam")
    assert await status(mirrored, None) == 401
    assert mirrored.upstream.count("") == 0
    found = (await pull(mirrored, mirrored.member))[0]
    await mirrored.registry.services.db.execute("UPDATE packages SET visibility = 'private'")
    for path in (
        f"{MANIFESTS}/1",
        f"{MANIFESTS}/{found.headers['Docker-Content-Digest']}",
        f"{BLOBS}/{parts(found)[1]}",
    ):
        assert await status(mirrored, None, path) == 401
        assert await status(mirrored, stranger, path) == 404
    asked = mirrored.upstream.count("")
    await mirrored.set("tag_seconds = 0")
    assert await status(mirrored, stranger) == 404
    assert mirrored.upstream.count("") == asked


async def test_a_right_that_is_revoked_ends_at_once(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await pull(mirrored, mirrored.member)
    await mirrored.registry.services.db.execute("UPDATE packages SET visibility = 'private'")
    await mirrored.registry.services.db.execute("DELETE FROM memberships WHERE role = 'member'")
    assert await status(mirrored, mirrored.member) == 404
    assert await status(mirrored, mirrored.owner) == 200


async def test_a_mirror_says_who_may_have_it_fetch(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await mirrored.registry.services.db.execute("UPDATE accounts SET members_can_create_private_packages = false")
    await mirrored.set("fetch_by = 'write'")
    assert await status(mirrored, mirrored.member) == 404
    assert mirrored.upstream.count("") == 0
    assert await status(mirrored, mirrored.owner) == 200
    assert await status(mirrored, mirrored.member) == 200
    await mirrored.set("tag_seconds = 0")
    asked = mirrored.upstream.count("")
    assert await status(mirrored, mirrored.member) == 200
    assert mirrored.upstream.count("") == asked
    assert await status(mirrored, mirrored.owner) == 200
    assert mirrored.upstream.count("") == asked + 1


async def test_anonymous_pulls_fetch_only_where_the_mirror_lets_them(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await mirrored.set("fetch_by = 'anonymous'")
    assert await status(mirrored, None) == 200
    visibility = await mirrored.registry.services.db.fetchrow("SELECT visibility FROM packages")
    assert visibility is not None
    assert visibility[0] == "public"


async def test_members_fetch_though_they_may_make_no_packages(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await mirrored.registry.services.db.execute("UPDATE accounts SET members_can_create_private_packages = false")
    assert await status(mirrored, await mirrored.registry.user("sam")) == 404
    assert mirrored.upstream.count("") == 0
    await pull(mirrored, mirrored.member)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_push_into_a_mirror_is_refused(mirrored: Mirrored, method: str) -> None:
    path = "/v2/hub/own/blobs/uploads/" if method == "POST" else "/v2/hub/own/manifests/1"
    found = await mirrored.registry.call(method, path, mirrored.owner, data=b"{}")
    assert (found.status, found.code) == (403, "DENIED")
    assert "hub is a mirror of docker.io" in found.body.decode()


async def test_what_is_not_allowed_is_not_fetched(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await mirrored.set("allow = '{library/*}', deny = '{*/app}'")
    assert await status(mirrored, mirrored.owner) == 404
    await mirrored.set("deny = '{}', allow = '{other/*}'")
    assert await status(mirrored, mirrored.owner) == 404
    assert mirrored.upstream.count("") == 0
    await mirrored.set("allow = '{library/*}'")
    assert await status(mirrored, mirrored.owner) == 200


async def _signed_in(mirrored: Mirrored, key: str = "test-secret-" * 4) -> str:
    """Give the mirror credentials of the origin; the password."""
    token = await mirrored.origin.token("library", PACKAGES)
    db, sealing = mirrored.registry.services.db, Sealing([key.encode()])
    row = await db.fetchrow("SELECT owner_id FROM mirrors")
    assert row is not None
    await db.execute("UPDATE mirrors SET username = 'library', secret = $1", seal(sealing, row[0], token))
    await mirrored.set("paused = false")
    return token


async def test_a_private_image_of_the_upstream_is_private_here(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await mirrored.push("open")
    await mirrored.origin.services.db.execute("UPDATE packages SET visibility = 'private' WHERE name = 'app'")
    await _signed_in(mirrored)
    stranger = await mirrored.registry.user("sam")
    assert await status(mirrored, mirrored.owner) == 200
    assert await status(mirrored, stranger) == 404
    assert await status(mirrored, mirrored.owner, "/v2/hub/library/open/manifests/1") == 200
    rows = await mirrored.registry.services.db.fetch("SELECT name, visibility FROM packages ORDER BY name")
    assert [tuple(row) for row in rows] == [("library/app", "private"), ("library/open", "internal")]


async def test_credentials_go_to_the_upstream_and_the_realms_that_the_mirror_names(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    token = await _signed_in(mirrored)
    got: list[str] = []

    async def realm(request: web.Request) -> web.Response:
        got.append(request.headers.get("Authorization", ""))
        return web.json_response({"token": "nothing"})

    app = web.Application()
    app.router.add_get("/token", realm)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        mirrored.upstream.status = 401
        mirrored.upstream.headers = {"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="evil"'}
        assert await status(mirrored, mirrored.owner) == 503
        assert got == []
        await mirrored.set(f"realm_hosts = '{{{host}}}'")
        assert await status(mirrored, mirrored.owner) == 503
        assert len(got) == 1
        assert got[0].startswith("Basic ")
        assert token not in str(mirrored.upstream.credentials)
    finally:
        await runner.cleanup()


async def test_a_password_that_cannot_be_opened_is_not_left_out(mirrored: Mirrored) -> None:
    await mirrored.push("app")
    await _signed_in(mirrored, "another-secret-" * 4)
    found = await mirrored.registry.call("GET", f"{MANIFESTS}/1", mirrored.owner)
    assert found.status == 503
    assert "the password of this mirror cannot be opened" in found.body.decode()
    assert mirrored.upstream.count("") == 0
