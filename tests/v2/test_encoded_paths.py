"""What clients write in another way than we would: encoded paths, a bare plus, a token of nobody."""

from urllib.parse import quote

import orjson
import pytest

from tests.support.raw import ask, request
from tests.support.server import Registry, basic
from tests.support.uploading import sha256


def _encoded(path: str) -> str:
    """Everything that may be: %2F within names, %3A in digests, %2D, and letters."""
    return "/v2/" + "".join(f"%{byte:02x}" for byte in path.removeprefix("/v2/").encode())


async def test_an_encoded_path_is_the_path(registry: Registry) -> None:
    token = await registry.user("alice")
    digest = await registry.push_image("alice/tools/my-app", "v1", token)
    login = f"Authorization: {basic(token)['Authorization']}"
    for path, rest in (
        ("/v2/alice/tools/my-app/manifests/v1", ""),
        (f"/v2/alice/tools/my-app/manifests/{digest}", ""),
        ("/v2/alice/tools/my-app/tags/list", "?n=1"),
        (f"/v2/alice/tools/my-app/referrers/{digest}", ""),
        ("/v2/_catalog", ""),
    ):
        plain = await ask(registry.url, request("GET", path + rest, login))
        assert plain.status == 200, path
        for written in (quote(path, safe="/"), path.replace("my-app", "my%2Dapp"), _encoded(path)):
            got = await ask(registry.url, request("GET", written + rest, login))
            assert (got.status, got.body) == (200, plain.body), written
    names = await ask(registry.url, request("GET", "/v2/alice%2Ftools%2Fmy-app/manifests/v1", login))
    assert names.status == 200


async def test_a_push_to_encoded_paths(registry: Registry) -> None:
    token, data = await registry.user("alice"), b"data"
    login = f"Authorization: {basic(token)['Authorization']}"
    started = await ask(registry.url, request("POST", "/v2/alice%2Fapp/blobs/uploads/", login, "Content-Length: 0"))
    assert started.status == 202
    put = request(
        "PUT", f"{started.headers['Location'].replace('-', '%2D')}?digest={quote(sha256(data))}", login, "Content-Length: 4",
        body=data,
    )  # fmt: skip
    done = await ask(registry.url, put)
    assert (done.status, done.headers["Location"]) == (201, f"/v2/alice/app/blobs/{sha256(data)}")
    assert (await registry.call("GET", f"/v2/alice/app/blobs/{sha256(data)}", token)).body == data


async def test_rights_are_those_of_the_decoded_name(registry: Registry) -> None:
    """Once, and before rights and handler: neither can see another package than the other."""
    alice, bob = await registry.user("alice"), await registry.user("bob")
    await registry.push_image("alice/app", "v1", alice)
    await registry.push_image("bob/app", "v1", bob)
    login = f"Authorization: {basic(bob)['Authorization']}"
    for path, status in (
        ("bob%2Fapp", 200),
        ("alice%2Fapp", 404),
        ("%61lice/app", 404),
        ("alice%252Fapp", 400),
        ("bob%2F..%2Falice%2Fapp", 400),
        ("bob/app%2Fmanifests%2Fv1%3F/../../../alice/app", 400),
        ("bob%2Fapp%00", 400),
        ("bob%2Fapp%C0%AF", 400),
        ("bob%2Fapp%", 400),
    ):
        got = await ask(registry.url, request("GET", f"/v2/{path}/manifests/v1", login))
        assert got.status == status, path
    challenged = await ask(registry.url, request("GET", "/v2/alice%2Fapp/manifests/v1"))
    assert challenged.status == 401
    assert 'scope="repository:alice/app:pull"' in challenged.headers["WWW-Authenticate"]


@pytest.mark.parametrize("written", ["application/vnd.sbom+json", "application%2Fvnd.sbom%2Bjson"])
async def test_a_bare_plus_in_a_type_is_a_plus(registry: Registry, written: str) -> None:
    token = await registry.user("alice")
    subject = await registry.push_image("alice/app", "v1", token)
    config = await registry.push_blob("alice/app", b"{}", token)
    kind = "application/vnd.oci.image.manifest.v1+json"
    for artifact_type in ("application/vnd.sbom+json", "application/vnd.other+json", "text/plain; charset=utf-8"):
        body = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": kind,
                "artifactType": artifact_type,
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
                "layers": [],
                "subject": {"mediaType": kind, "digest": subject, "size": 1},
            }
        )
        path = f"/v2/alice/app/manifests/{sha256(body)}"
        assert (await registry.call("PUT", path, token, data=body, headers={"Content-Type": kind})).status == 201
    login = f"Authorization: {basic(token)['Authorization']}"
    for asked, found in (
        (written, "application/vnd.sbom+json"),
        ("text/plain;+charset%3Dutf-8", "text/plain; charset=utf-8"),
        ("text/plain;%20charset=utf-8", "text/plain; charset=utf-8"),
    ):
        got = await ask(registry.url, request("GET", f"/v2/alice/app/referrers/{subject}?artifactType={asked}", login))
        assert [one["artifactType"] for one in orjson.loads(got.body)["manifests"]] == [found], asked


async def test_a_token_of_nobody_is_one(registry: Registry) -> None:
    issued = await registry.call("GET", "/token?service=registry&scope=repository:alice/app:pull")
    token = orjson.loads(issued.body)["token"]
    for method in ("GET", "HEAD"):
        got = await registry.call(method, "/v2/", headers={"Authorization": f"Bearer {token}"})
        assert got.status == 200, method
    assert (await registry.call("GET", "/v2/")).status == 401
    assert (await registry.call("GET", "/v2/", headers={"Authorization": f"Bearer {token}x"})).status == 401
    assert (await registry.call("GET", "/v2/_catalog", headers={"Authorization": f"Bearer {token}"})).status == 401
