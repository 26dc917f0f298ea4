"""Bytes are reached through their own package only: S6, S7, S8, S10, S11, S12, S21, S24; and S37."""

from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from tests.support.raw import ask, request
from tests.support.server import Answer, Registry, basic
from tests.support.world import digest_of

_IMAGE = "application/vnd.oci.image.manifest.v1+json"
_SECRET = b"what only alice has" * 10


async def _two(registry: Registry) -> tuple[str, str]:
    """alice, who has a private package with a blob, and mallory."""
    alice, mallory = await registry.user("alice"), await registry.user("mallory")
    await registry.push_blob("alice/priv", _SECRET, alice)
    await registry.push_image("alice/priv", "v1", alice)
    return alice, mallory


async def _manifest(registry: Registry, token: str, name: str, **more: Any) -> bytes:
    config = b"{}"
    body = {
        "schemaVersion": 2,
        "mediaType": _IMAGE,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": await registry.push_blob(name, config, token),
            "size": len(config),
        },
        "layers": [],
        **more,
    }
    return orjson.dumps(body)


async def _put(registry: Registry, token: str, path: str, body: bytes) -> Answer:
    return await registry.call("PUT", path, token, data=body, headers={"Content-Type": _IMAGE})


def _shape(answer: Answer) -> tuple[int, set[str], int]:
    return answer.status, set(answer.headers), len(answer.headers.get("Location", ""))


async def test_s6_a_mount_from_what_one_may_not_read_is_an_upload(registry: Registry) -> None:
    _, mallory = await _two(registry)
    digest = digest_of(_SECRET)
    answer = await registry.call("POST", f"/v2/mallory/x/blobs/uploads/?mount={digest}&from=alice/priv", mallory)
    assert answer.status == 202
    assert (await registry.call("GET", f"/v2/mallory/x/blobs/{digest}", mallory)).status == 404
    missing = await registry.call("POST", f"/v2/mallory/x/blobs/uploads/?mount={digest}&from=alice/none", mallory)
    assert _shape(answer) == _shape(missing)


async def test_s7_a_mount_from_anywhere_does_not_tell_what_is_somewhere(registry: Registry) -> None:
    _, mallory = await _two(registry)
    answers = [
        await registry.call("POST", f"/v2/mallory/x/blobs/uploads/?mount={digest_of(body)}", mallory)
        for body in (_SECRET, b"what nobody has")
    ]
    assert answers[0].status == 202
    assert _shape(answers[0]) == _shape(answers[1])
    assert (await registry.call("HEAD", f"/v2/mallory/x/blobs/{digest_of(_SECRET)}", mallory)).status == 404


async def test_s8_a_mount_needs_a_bearer_token_for_both(registry: Registry) -> None:
    alice, _ = await _two(registry)
    digest = digest_of(_SECRET)
    one, both = "scope=repository:alice/other:pull,push", "scope=repository:alice/priv:pull"
    for scopes, expected in ((one, 202), (f"{one}&{both}", 201)):
        issued: Any = (await registry.call("GET", f"/token?service=moorage&{scopes}", alice)).json
        bearer = {"Authorization": f"Bearer {issued['token']}"}
        path = f"/v2/alice/other/blobs/uploads/?mount={digest}&from=alice/priv"
        assert (await registry.call("POST", path, headers=bearer)).status == expected


@pytest.mark.parametrize("where", ["layers", "config", "manifests"])
async def test_s10_a_manifest_cannot_name_what_only_others_have(registry: Registry, where: str) -> None:
    alice, mallory = await _two(registry)
    head = await registry.call("HEAD", "/v2/alice/priv/manifests/v1", alice)
    theirs = head.headers["Docker-Content-Digest"] if where == "manifests" else digest_of(_SECRET)
    answers = []
    for digest in (theirs, digest_of(b"what nobody has")):
        named = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(_SECRET)}
        if where == "manifests":
            named["mediaType"] = _IMAGE
            index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [named]}
            answers.append(
                await registry.call(
                    "PUT",
                    "/v2/mallory/x/manifests/v1",
                    mallory,
                    data=orjson.dumps(index),
                    headers={"Content-Type": str(index["mediaType"])},
                )
            )
            continue
        body = await _manifest(registry, mallory, "mallory/x", **{where: [named] if where == "layers" else named})
        answers.append(await _put(registry, mallory, "/v2/mallory/x/manifests/v1", body))
    assert {answer.status for answer in answers} <= {400, 404}
    assert {answer.code for answer in answers} == {"MANIFEST_BLOB_UNKNOWN"}
    assert _shape(answers[0]) == _shape(answers[1])
    assert answers[0].body.replace(theirs.encode(), b"") == answers[1].body.replace(
        digest_of(b"what nobody has").encode(), b""
    )


async def _referrers(registry: Registry, name: str, digest: str, token: str) -> list[str]:
    answer = await registry.call("GET", f"/v2/{name}/referrers/{digest}", token)
    assert answer.status == 200
    listed: Any = answer.json
    return [one["digest"] for one in listed["manifests"]]


async def test_s11_a_subject_of_others_reveals_nothing(registry: Registry) -> None:
    alice, mallory = await _two(registry)
    theirs = (await registry.call("HEAD", "/v2/alice/priv/manifests/v1", alice)).headers["Docker-Content-Digest"]
    answers = []
    for digest in (theirs, digest_of(b"what nobody has")):
        subject = {"mediaType": _IMAGE, "digest": digest, "size": 100}
        body = await _manifest(registry, mallory, "mallory/x", subject=subject)
        answers.append(await _put(registry, mallory, f"/v2/mallory/x/manifests/{digest_of(body)}", body))
        assert answers[-1].headers["OCI-Subject"] == digest
    assert answers[0].status == 201
    assert _shape(answers[0]) == _shape(answers[1])
    assert await _referrers(registry, "alice/priv", theirs, alice) == []


async def test_s12_referrers_are_those_of_the_package(registry: Registry) -> None:
    alice, mallory = await _two(registry)
    digest = (await registry.call("HEAD", "/v2/alice/priv/manifests/v1", alice)).headers["Docker-Content-Digest"]
    subject = {"mediaType": _IMAGE, "digest": digest, "size": 100}
    pushed = {}
    for name, token in (("alice/priv", alice), ("alice/other", alice), ("mallory/x", mallory)):
        body = await _manifest(registry, token, name, subject=subject, annotations={"of": name})
        assert (await _put(registry, token, f"/v2/{name}/manifests/{digest_of(body)}", body)).status == 201
        pushed[name] = digest_of(body)
    for name, token in (("alice/priv", alice), ("alice/other", alice), ("mallory/x", mallory)):
        assert await _referrers(registry, name, digest, token) == [pushed[name]]
    for query in ("", "?artifactType=a/b", "?n=1", f"?n=1&last={digest}"):
        assert (await registry.call("GET", f"/v2/alice/priv/referrers/{digest}{query}", mallory)).status == 404
        assert (await registry.call("GET", f"/v2/alice/priv/referrers/{digest}{query}")).status == 401


async def test_s21_who_may_not_write_moves_no_tag(registry: Registry) -> None:
    alice = await registry.user("alice")
    reader = await registry.user("rita")
    for tag in ("v1", "latest"):
        await registry.push_image("alice/app", tag, alice)
    made = await registry.call(
        "PUT", "/api/v3/users/alice/packages/container/app/access/users/rita", alice, json={"role": "read"}
    )
    assert made.status == 204
    before = await _tags(registry, alice)
    other = (await registry.call("GET", "/v2/alice/app/manifests/v1", reader)).body
    for path in ("manifests/latest", f"manifests/{digest_of(other)}?tag=latest", f"manifests/{digest_of(other)}"):
        refused = await _put(registry, reader, f"/v2/alice/app/{path}", other)
        assert (refused.status, refused.code) == (403, "DENIED"), path
    assert await _tags(registry, alice) == before


async def _tags(registry: Registry, token: str) -> Mapping[str, str]:
    return {
        tag: (await registry.call("HEAD", f"/v2/alice/app/manifests/{tag}", token)).headers["Docker-Content-Digest"]
        for tag in ("v1", "latest")
    }


_CATALOGS = ("/v2/_catalog", "//v2//_catalog", "/v2/_catalog/", "/V2/_catalog", "/v2/%5fcatalog", "/v2/./_catalog")


async def test_s24_the_catalog_however_it_is_spelt(registry: Registry) -> None:
    _, mallory = await _two(registry)
    for path in _CATALOGS:
        nobody = await ask(registry.url, request("GET", path))
        assert nobody.status in {401, 404}, path
        known = await ask(registry.url, request("GET", path, f"Authorization: {basic(mallory)['Authorization']}"))
        assert known.status in {200, 404}, path
        assert b"alice" not in nobody.body + known.body, path


async def test_s37_there_are_no_passwords(registry: Registry) -> None:
    """Nothing is ever hashed slowly: what is not a token is refused by its form, whatever its length."""
    await registry.user("alice")
    for password in ("a" * 72, "a" * 100, "a" * 6000):
        for path in ("/token", "/v2/", "/api/v3/user"):
            answer = await registry.call("GET", path, headers=basic(password, "alice"))
            assert answer.status in {401, 429}, (path, len(password))
    huge = {"grant_type": "password", "username": "alice", "password": "a" * 1_000_000}
    refused = await registry.call("POST", "/token", data=huge)
    assert refused.status in {400, 401, 413, 429}
