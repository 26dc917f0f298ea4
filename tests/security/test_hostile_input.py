"""Names, digests and manifests that nobody well-meaning sends (S26, S42-S45, S50)."""

import asyncio
import hashlib
from typing import Any

import orjson

from tests.support.raw import ask, request
from tests.support.server import Answer, Registry, basic

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


async def put(registry: Registry, token: str, body: bytes, kind: str = IMAGE, tag: str = "v1") -> Answer:
    return await registry.call(
        "PUT", f"/v2/alice/app/manifests/{tag}", token, data=body, headers={"Content-Type": kind}
    )


async def parts(registry: Registry, token: str) -> dict[str, Any]:
    """A good image manifest, whose blobs are there."""
    config, layer = b"{}", b"layer"
    return {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {
            "mediaType": CONFIG,
            "digest": await registry.push_blob("alice/app", config, token),
            "size": len(config),
        },
        "layers": [
            {"mediaType": LAYER, "digest": await registry.push_blob("alice/app", layer, token), "size": len(layer)}
        ],
    }


NAMES = [
    "alice/..", "alice/../bob", "alice/%2e%2e/bob", "alice/%2E%2E", "alice%252Fapp", "alice%5Capp", "alice\\app", "alice/app%00",
    "alice/app;x", "alice/app;x=y", "alice/%252e%252e", "alice/%c0%ae%c0%ae", "alice/%ef%bd%81pp", "alice/%c3%a9",
    "alice/e%cc%81", "alice/app/", "/alice/app", "alice//app", "Alice/app", "alice/App", "alice/.app", "alice/app.", "alice/-app",
    "alice/a___b", "alice/app~", "alice/app:1", "alice/app@sha256", "alice/a..b", "alice/" + "a" * 256, "a" * 300, "alice/app%0d%0aX:1",
    "alice/$app", "alice/app*", "alice/app%20", "alice/app+x",
]  # fmt: skip


async def test_s26_names_that_are_none(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    header = f"Authorization: {basic(token)['Authorization']}"
    for name in NAMES:
        for method, rest in [
            ("GET", "/manifests/v1"),
            ("GET", "/tags/list"),
            ("POST", "/blobs/uploads/"),
            ("PUT", "/manifests/v1"),
        ]:
            answer = await ask(registry.url, request(method, f"/v2/{name}{rest}", header, "Content-Length: 0"))
            code = orjson.loads(answer.body)["errors"][0]["code"]
            assert (answer.status, code) in {(400, "NAME_INVALID"), (404, "NAME_UNKNOWN"), (404, "UNSUPPORTED")}, (
                method,
                name,
            )
            assert len(answer.body) < 700
    for tag in [
        "..",
        ".v1",
        "-v1",
        "v%2531",
        "v1/",
        "a" * 129,
        "v1%00",
        "v1;x",
        "v 1".replace(" ", "%20"),
        "%C3%A9",
        "v1+x",
        "v1~",
    ]:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            sent = request(method, f"/v2/alice/app/manifests/{tag}", header, "Content-Length: 0")
            answer = await ask(registry.url, sent, head=method == "HEAD")
            assert answer.status in {400, 404}, (method, tag)


async def test_s44_digests_that_are_none(registry: Registry) -> None:
    token = await registry.user("alice")
    header = f"Authorization: {basic(token)['Authorization']}"
    data = b"content"
    good = hashlib.sha256(data).hexdigest()
    for digest in [
        "sha256:" + good.upper(), "SHA256:" + good, "sha256:" + good[:-1], "sha256:" + good + "0", "md5:" + "0" * 32,
        "sha1:" + "0" * 40, "sha256:../x", "sha256:", "sha512:" + good, "sha256+x:" + good, "sha256:" + "g" * 64,
        "blake3:" + good, "sha384:" + "0" * 96, "sha256:%2530" + good[1:], "sha256%253A" + good,
    ]:  # fmt: skip
        for method, path in [
            ("GET", f"/v2/alice/app/blobs/{digest}"),
            ("GET", f"/v2/alice/app/manifests/{digest}"),
            ("PUT", f"/v2/alice/app/manifests/{digest}"),
            ("DELETE", f"/v2/alice/app/blobs/{digest}"),
            ("GET", f"/v2/alice/app/referrers/{digest}"),
        ]:
            answer = await ask(registry.url, request(method, path, header, "Content-Length: 0"))
            assert answer.status in {400, 404}, (method, path)
        if "%" in digest:
            continue  # these are for a path
        started = await registry.call("POST", "/v2/alice/app/blobs/uploads/", token)
        done = await registry.call("PUT", f"{started.headers['Location']}?digest={digest}", token, data=data)
        assert (done.status, done.code) == (400, "DIGEST_INVALID"), digest


async def test_s44_sha512_goes_both_ways(registry: Registry) -> None:
    token = await registry.user("alice")
    data = b"content"
    digest = "sha512:" + hashlib.sha512(data).hexdigest()
    done = await registry.call("POST", f"/v2/alice/app/blobs/uploads/?digest={digest}", token, data=data)
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, digest)
    pulled = await registry.call("GET", f"/v2/alice/app/blobs/{digest}", token)
    assert (pulled.body, pulled.headers["Docker-Content-Digest"]) == (data, digest)


async def test_s42_manifests_of_two_minds(registry: Registry) -> None:
    token = await registry.user("alice")
    good = await parts(registry, token)
    layer = good["layers"][0]
    digest = await registry.push_image("alice/app", "child", token)
    child = {"mediaType": IMAGE, "digest": digest, "size": 1}
    refused: dict[str, tuple[dict[str, Any], str]] = {
        "manifests and layers": ({**good, "manifests": []}, IMAGE),
        "an index with layers": (
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [child], "layers": [layer]},
            INDEX,
        ),
        "an index with config": (
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "config": good["config"]},
            INDEX,
        ),
        "another Content-Type": (good, INDEX),
        "another media type": ({**good, "mediaType": INDEX}, IMAGE),
        "a layer that is an index": ({**good, "layers": [{**layer, "mediaType": INDEX}]}, IMAGE),
        "schema 1": ({**good, "schemaVersion": 1}, IMAGE),
        "schema two": ({**good, "schemaVersion": "2"}, IMAGE),
        "no config": ({k: v for k, v in good.items() if k != "config"}, IMAGE),
        "a size below 0": ({**good, "layers": [{**layer, "size": -1}]}, IMAGE),
        "a size of text": ({**good, "layers": [{**layer, "size": "5"}]}, IMAGE),
        "layers of text": ({**good, "layers": "none"}, IMAGE),
        "a digest of nothing": ({**good, "layers": [{**layer, "digest": "sha256:../x"}]}, IMAGE),
    }
    for name, (manifest, kind) in refused.items():
        answer = await put(registry, token, orjson.dumps(manifest), kind)
        assert (answer.status, answer.code) == (400, "MANIFEST_INVALID"), (name, answer.body)
    body = orjson.dumps(good, option=orjson.OPT_INDENT_2) + b"\n \n"
    assert (await put(registry, token, body)).status == 201
    pulled = await registry.call("GET", "/v2/alice/app/manifests/v1", token, headers={"Accept": INDEX})
    assert (pulled.body, pulled.headers["Content-Type"]) == (body, IMAGE), "bit for bit, and never another type"


async def test_s43_json_that_is_hardly_any(registry: Registry) -> None:
    token = await registry.user("alice")
    good = await parts(registry, token)
    text = orjson.dumps(good).decode()
    hostile = {
        "nothing": b"",
        "nested": b"[" * 100_000,
        "nested and closed": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "NaN": text.replace('"size":2', '"size":NaN').encode(),
        "10^400": text.replace('"size":2', '"size":1' + "0" * 400).encode(),
        "1e400": text.replace('"size":2', '"size":1e400').encode(),
        "2^64": text.replace('"size":2', '"size":18446744073709551616').encode(),
        "a lone surrogate": text.replace('"schemaVersion"', '"annotations":{"a":"\\ud800"},"schemaVersion"').encode(),
        "a BOM": b"\xef\xbb\xbf" + text.encode(),
        "no UTF-8": text.replace('"schemaVersion"', '"annotations":{"a":"X"},"schemaVersion"')
        .encode()
        .replace(b"X", b"\xff\xfe"),
        "two keys": text.replace('"schemaVersion":2', '"schemaVersion":2,"schemaVersion":2').encode(),
        "a comma": text.replace("}]}", "}],}").encode(),
        "more behind": text.encode() + b"{}",
        "a list": b"[]",
        "null": b"null",
    }
    for name, body in hostile.items():
        answer = await put(registry, token, body)
        assert (answer.status, answer.code) == (400, "MANIFEST_INVALID"), (name, answer.body)
        made = await registry.call("POST", "/api/v3/admin/users", token, data=body)
        assert made.status in {400, 403, 404, 422}, (name, made.body)
    assert (await put(registry, token, text.encode())).status == 201


async def test_s50_the_urls_of_foreign_layers_are_never_fetched(registry: Registry) -> None:
    token = await registry.user("alice")
    good = await parts(registry, token)
    came: list[object] = []
    listener = await asyncio.start_server(lambda *_: came.append(1), "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        urls = [
            f"http://127.0.0.1:{port}/layer",
            "http://169.254.169.254/latest/meta-data",
            f"http://localhost:{port}/",
        ]
        foreign = {"mediaType": FOREIGN, "digest": "sha256:" + "0" * 64, "size": 5, "urls": urls}
        body = orjson.dumps({**good, "layers": [foreign], "annotations": {"org.opencontainers.image.source": urls[0]}})
        assert (await put(registry, token, body)).status == 201
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).body == body
        assert (await registry.call("GET", f"/v2/alice/app/blobs/{foreign['digest']}", token)).status == 404
        await asyncio.sleep(0.3)
    assert came == []
