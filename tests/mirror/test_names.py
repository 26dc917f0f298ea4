"""Mirrors by the names that clients have for them: ``ns=``, and a host that stands for the upstream; with tokens."""

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from tests.mirror.conftest import Mirrored
from tests.mirror.test_mirror import parts
from tests.support.server import Answer, basic

HOST = "hub.example:5000"
BY_PATH, BY_NAME = "/v2/hub/library/app", "/v2/library/app"
HUBS = "a password of the Hub"


@pytest.fixture
async def named(mirrored: Mirrored) -> Mirrored:
    """The mirror has the alias docker.io, and a host."""
    await mirrored.registry.services.db.execute(
        "INSERT INTO mirror_names (name, is_host, owner_id, place) SELECT $1, true, owner_id, 1 FROM mirrors", HOST
    )
    for replica in mirrored.registry.replicas:
        await replica.mirroring.look()
    await mirrored.push("app")
    return mirrored


def _realm(refused: Answer) -> tuple[str, str]:
    challenge = refused.headers["WWW-Authenticate"]
    given = dict(part.split("=", 1) for part in challenge.removeprefix("Bearer ").split(","))
    return given["realm"].strip('"'), given.get("scope", "").strip('"')


async def _token(
    named: Mirrored, scope: str, token: str | None = None, headers: dict[str, str] | None = None
) -> dict[str, str]:
    """A bearer token, as clients get it."""
    sent = {**(basic(token) if token else {}), **(headers or {})}
    issued = await named.registry.call(
        "GET", f"/token?{urlencode({'service': 'moorage', 'scope': scope})}", headers=sent
    )
    assert issued.status == 200, issued.body
    answer: dict[str, Any] = orjson.loads(issued.body)
    return {"Authorization": f"Bearer {answer['token']}"}


async def test_a_client_of_ns_gets_the_image_by_the_name_of_the_upstream(named: Mirrored) -> None:
    call = named.registry.call
    refused = await call("GET", f"{BY_NAME}/manifests/1?ns=docker.io")
    assert refused.status == 401
    realm, scope = _realm(refused)
    assert (realm, scope) == (f"{named.registry.url}/token", "repository:hub/library/app:pull")
    # containerd asks for both: what the challenge says, and what it has asked for.
    bearer = await _token(named, f"{scope} repository:library/app:pull", named.member)
    found = await call("GET", f"{BY_NAME}/manifests/1?ns=docker.io", headers=bearer)
    assert found.status == 200
    for digest in parts(found):
        blob = await call("GET", f"{BY_NAME}/blobs/{digest}?ns=DOCKER.io", headers=bearer)
        assert blob.status == 200
    assert (await call("HEAD", f"{BY_PATH}/manifests/1", headers=bearer)).status == 200
    assert (await call("GET", f"{BY_NAME}/tags/list?ns=docker.io", named.member)).json == {
        "name": "hub/library/app",
        "tags": ["1"],
    }


async def test_what_no_mirror_is_called_is_unknown_and_never_asked(named: Mirrored) -> None:
    for name in ("evil.example", "127.0.0.1:1", "docker.io.evil.example", "", "docker.io/"):
        refused = await named.registry.call("GET", f"{BY_NAME}/manifests/1?ns={name}", named.member)
        assert (refused.status, refused.json["errors"][0]["code"]) == (404, "NAME_UNKNOWN")  # type: ignore[index]
    assert named.upstream.count("") == 0
    # Our own name is no other registry.
    own = named.registry.url.removeprefix("http://")
    assert (await named.registry.call("GET", f"{BY_PATH}/manifests/1?ns={own}", named.member)).status == 200
    pushed = await named.registry.call("POST", f"{BY_NAME}/blobs/uploads/?ns=docker.io", named.owner)
    assert pushed.status == 403
    assert b"hub is a mirror of docker.io" in pushed.body


async def test_a_host_stands_for_the_upstream(named: Mirrored) -> None:
    call, to_host = named.registry.call, {"Host": HOST}
    realm, _ = _realm(await call("GET", "/v2/", headers=to_host))
    assert realm == f"http://{HOST}/token"
    refused = await call("GET", f"{BY_NAME}/manifests/1", headers=to_host)
    assert _realm(refused) == (realm, "repository:library/app:pull")
    bearer = await _token(named, "repository:library/app:pull", named.member, to_host)
    found = await call("GET", f"{BY_NAME}/manifests/1", headers={**bearer, **to_host})
    assert found.status == 200
    for digest in parts(found):
        assert (await call("GET", f"{BY_NAME}/blobs/{digest}", headers={**bearer, **to_host})).status == 200
    # The same as by path; on the registry's own host the name is another's.
    assert (await call("GET", f"{BY_PATH}/manifests/1", headers=bearer)).status == 200
    assert (await call("GET", f"{BY_NAME}/manifests/1", named.member)).status == 404
    assert (await call("GET", f"{BY_NAME}/manifests/1?ns=docker.io", headers={**bearer, **to_host})).status == 200
    assert (await call("PUT", f"{BY_NAME}/manifests/2", named.owner, data=b"{}", headers=to_host)).status == 403


@pytest.mark.parametrize("way", ["basic", "form"])
async def test_docker_sends_a_mirror_its_password_of_the_upstream(
    named: Mirrored, way: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is nobody's here: it is not counted as a failure, not written down, and not sent on."""
    await named.set("fetch_by = 'anonymous'")
    call, to_host, asked = named.registry.call, {"Host": HOST}, {"scope": "repository:library/app:pull"}
    tokens = []
    for _ in range(15):
        if way == "basic":
            headers = {**basic(HUBS, "hubs-user"), **to_host}
            issued = await call("GET", f"/token?{urlencode(asked)}", headers=headers)
        else:
            form = {**asked, "grant_type": "password", "username": "hubs-user", "password": HUBS, "service": "moorage"}
            issued = await call("POST", "/token", data=form, headers=to_host)
        assert issued.status == 200, issued.body
        tokens.append(issued.json["token"])  # type: ignore[index]
    bearer = {"Authorization": f"Bearer {tokens[-1]}"}
    assert (await call("GET", f"{BY_NAME}/manifests/1", headers={**bearer, **to_host})).status == 200
    assert (await call("GET", "/v2/", named.member)).status == 200
    assert (await call("GET", "/token", headers=basic(HUBS, "hubs-user"))).status == 401  # elsewhere it is a failure
    out, err = capfd.readouterr()
    for told in (out + err, str(named.upstream.credentials)):
        assert HUBS not in told
        assert basic(HUBS, "hubs-user")["Authorization"].removeprefix("Basic ") not in told


async def test_a_token_of_a_member_is_for_what_is_not_here_yet(named: Mirrored) -> None:
    bearer = await _token(named, "repository:hub/library/app:pull", named.member)
    assert (await named.registry.call("GET", f"{BY_PATH}/manifests/1", headers=bearer)).status == 200
    sam = await named.registry.user("sam")
    await named.push("other")
    bearer = await _token(named, "repository:hub/library/other:pull", sam)
    asked = named.upstream.count("")
    assert (await named.registry.call("GET", "/v2/hub/library/other/manifests/1", headers=bearer)).status in {401, 404}
    assert named.upstream.count("") == asked
