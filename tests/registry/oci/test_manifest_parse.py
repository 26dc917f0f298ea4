"""Manifests: what clients push, and what must not get in."""

from typing import Any

import orjson
import pytest

from registry.errors import ManifestInvalid, ManifestTooLarge
from registry.http.statuses import oci_body
from registry.oci.manifest import (
    MAX_ANNOTATIONS,
    MAX_DESCRIPTORS,
    MAX_MANIFEST_BYTES,
    MAX_MARKS,
    Descriptor,
    ManifestKind,
    Platform,
    parse_manifest,
)
from registry.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_IMAGE,
    DOCKER_LIST,
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_IMAGE,
    OCI_INDEX,
)
from storage.names import Digest

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def part(name: str, media_type: str, **fields: object) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(name.encode())), "size": len(name), **fields}


def image(**fields: object) -> dict[str, Any]:
    shape = {"schemaVersion": 2, "mediaType": OCI_IMAGE, "config": part("config", OCI_CONFIG)}
    return {**shape, "layers": [part("one", LAYER), part("three", LAYER)], **fields}


def index(*entries: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), **fields}


def digest(name: str) -> Digest:
    return Digest.of(name.encode())


def test_an_image() -> None:
    manifest = parse_manifest(orjson.dumps(image(annotations={"a": "b"}, unknown={"x": 1.5})), OCI_IMAGE)
    assert (manifest.media_type, manifest.kind) == (OCI_IMAGE, ManifestKind.IMAGE)
    assert manifest.config == Descriptor(OCI_CONFIG, digest("config"), 6)
    assert manifest.blobs == (digest("config"), digest("one"), digest("three"))
    assert (manifest.children, manifest.foreign, manifest.subject) == ((), (), None)
    assert manifest.artifact_type == OCI_CONFIG
    assert manifest.annotations == {"a": "b"}
    assert manifest.size == 6 + 3 + 5


def test_an_index_with_platforms() -> None:
    platform = {"os": "linux", "architecture": "arm64", "variant": "v8", "os.version": "1"}
    body = index(part("a", OCI_IMAGE, platform=platform), part("b", OCI_INDEX), part("a", OCI_IMAGE))
    manifest = parse_manifest(orjson.dumps(body), OCI_INDEX)
    assert manifest.kind is ManifestKind.INDEX
    assert manifest.children == (digest("a"), digest("b"))
    assert manifest.manifests[0].platform == Platform("linux", "arm64", "v8", "1")
    assert (manifest.blobs, manifest.artifact_type, manifest.size) == ((), None, 0)


def test_a_cache_of_buildkit_is_an_index_of_blobs() -> None:
    cache = part("cache", "application/vnd.buildkit.cacheconfig.v0")
    manifest = parse_manifest(orjson.dumps(index(part("one", LAYER), cache)), OCI_INDEX)
    assert manifest.blobs == (digest("one"), digest("cache"))
    assert manifest.children == ()


def test_docker_formats() -> None:
    layer = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    body = image(mediaType=DOCKER_IMAGE, config=part("config", DOCKER_CONFIG), layers=[part("one", layer)])
    assert parse_manifest(orjson.dumps(body), DOCKER_IMAGE).artifact_type == DOCKER_CONFIG
    body = index(part("a", DOCKER_IMAGE), mediaType=DOCKER_LIST)
    assert parse_manifest(orjson.dumps(body), DOCKER_LIST).children == (digest("a"),)


def test_an_artifact_with_a_subject_that_need_not_be_there() -> None:
    body = image(
        artifactType="application/vnd.example.v1",
        config=part("{}", OCI_EMPTY, data="e30="),
        subject=part("subject", OCI_IMAGE),
    )
    manifest = parse_manifest(orjson.dumps(body), OCI_IMAGE)
    assert manifest.artifact_type == "application/vnd.example.v1"
    assert manifest.subject is not None
    assert manifest.subject.digest == digest("subject")
    assert digest("subject") not in (*manifest.blobs, *manifest.children)


def test_an_empty_artifact_type_is_a_missing_one() -> None:
    assert parse_manifest(orjson.dumps(image(artifactType="")), OCI_IMAGE).artifact_type == OCI_CONFIG
    assert parse_manifest(orjson.dumps(index(artifactType="")), OCI_INDEX).artifact_type is None


def test_foreign_layers_need_not_be_there() -> None:
    foreign = part(
        "f", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls=["http://169.254.169.254/"]
    )
    docker = part("d", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
    linked = part("l", LAYER, urls=["https://example.com/l"])
    manifest = parse_manifest(orjson.dumps(image(layers=[foreign, docker, linked, part("one", LAYER)])), OCI_IMAGE)
    assert manifest.blobs == (digest("config"), digest("one"))
    assert manifest.foreign == (digest("f"), digest("d"), digest("l"))


def test_only_layers_are_foreign() -> None:
    config = part("config", OCI_CONFIG, urls=["https://example.com/"])
    assert parse_manifest(orjson.dumps(image(config=config, layers=[])), OCI_IMAGE).blobs == (digest("config"),)
    entries = part("a", OCI_IMAGE, urls=["https://example.com/"]), part("one", LAYER, urls=["https://example.com/"])
    manifest = parse_manifest(orjson.dumps(index(*entries)), OCI_INDEX)
    assert (manifest.children, manifest.blobs) == ((digest("a"),), (digest("one"),))


@pytest.mark.parametrize("layers", [None, []])
def test_images_without_layers(layers: object) -> None:
    assert parse_manifest(orjson.dumps(image(layers=layers)), OCI_IMAGE).layers == ()


def test_an_empty_index() -> None:
    assert parse_manifest(orjson.dumps(index()), OCI_INDEX).manifests == ()


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (image(), None, OCI_IMAGE),
        (image(), "", OCI_IMAGE),
        (image(mediaType=None), None, OCI_IMAGE),
        (index(mediaType=None), None, OCI_INDEX),
        (index(mediaType=None), OCI_INDEX, OCI_INDEX),
        (image(mediaType=DOCKER_IMAGE), None, DOCKER_IMAGE),
        (image(), OCI_IMAGE + "; charset=utf-8", OCI_IMAGE),
        (image(), OCI_IMAGE.upper(), OCI_IMAGE),
    ],
)
def test_the_type_of_a_manifest(body: dict[str, Any], content_type: str | None, expected: str) -> None:
    assert parse_manifest(orjson.dumps(body), content_type).media_type == expected


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (image(), OCI_INDEX),
        (image(), DOCKER_IMAGE),
        (image(), "application/json"),
        (image(mediaType=None), OCI_INDEX),
        (index(), OCI_IMAGE),
        (index(mediaType=None), OCI_IMAGE),
        (image(mediaType=None), "application/json"),
        (image(mediaType="text/html"), None),
        (image(mediaType=7), OCI_IMAGE),
        (image(manifests=[]), OCI_IMAGE),
        (image(manifests=None), OCI_IMAGE),
        (index(layers=[]), OCI_INDEX),
        (index(config=part("c", OCI_CONFIG)), OCI_INDEX),
        (image(Manifests=[]), OCI_IMAGE),
        (image(LAYERS=[]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, Digest="x")]), OCI_IMAGE),
        (image(layers=[part("l", OCI_INDEX)]), OCI_IMAGE),
        (image(config=part("l", OCI_IMAGE)), OCI_IMAGE),
        (image(config=None), OCI_IMAGE),
        ({"schemaVersion": 2, "mediaType": OCI_IMAGE, "layers": []}, OCI_IMAGE),
        ({"schemaVersion": 2, "mediaType": OCI_INDEX}, OCI_INDEX),
        (image(schemaVersion=1), OCI_IMAGE),
        (image(schemaVersion=3), OCI_IMAGE),
        (image(schemaVersion="2"), OCI_IMAGE),
        (image(schemaVersion=True), OCI_IMAGE),
        ({"mediaType": OCI_IMAGE, "config": part("c", OCI_CONFIG), "layers": []}, OCI_IMAGE),
        (image(layers={}), OCI_IMAGE),
        (image(layers=["x"]), OCI_IMAGE),
        (image(layers=[None]), OCI_IMAGE),
        (image(layers=[part("l", "")]), OCI_IMAGE),
        (image(layers=[part("l", "a/b\r\nX: y")]), OCI_IMAGE),
        (image(layers=[part("l", "a/" + "b" * 300)]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, size=-1)]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, size=1.5)]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, size="1")]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, size=2**63)]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, digest="sha256:../x")]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, digest="sha256:" + "A" * 64)]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, digest="md5:aa")]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, digest=None)]), OCI_IMAGE),
        (image(layers=[part("l", LAYER, urls="x")]), OCI_IMAGE),
        (image(subject={}), OCI_IMAGE),
        (image(subject="sha256:aa"), OCI_IMAGE),
        (image(artifactType="x"), OCI_IMAGE),
        (image(annotations=[]), OCI_IMAGE),
        (image(annotations={"a": 1}), OCI_IMAGE),
        (image(annotations={"a": "\0"}), OCI_IMAGE),
        (image(annotations={str(i): "" for i in range(MAX_ANNOTATIONS + 1)}), OCI_IMAGE),
        (image(layers=[part("l", LAYER)] * (MAX_DESCRIPTORS + 1)), OCI_IMAGE),
        (image(unknown=[0] * MAX_MARKS), OCI_IMAGE),
        (index(part("a", OCI_IMAGE, platform={"os": "\0"})), OCI_INDEX),
        (index(part("a", OCI_IMAGE, platform={"os": "x" * 256})), OCI_INDEX),
    ],
)
def test_what_is_no_manifest(body: dict[str, Any], content_type: str | None) -> None:
    with pytest.raises(ManifestInvalid) as raised:
        parse_manifest(orjson.dumps(body), content_type)
    oci_body(raised.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"{}",
        b"\xef\xbb\xbf" + orjson.dumps(image()),
        orjson.dumps(image()).decode().encode("utf-16"),
        orjson.dumps(image()) + b"{}",
        orjson.dumps(image(x="\u00e9")).replace("\u00e9".encode(), b"\xff"),
        orjson.dumps(image(x="@")).replace(b'"@"', b'"\\ud800"'),
        orjson.dumps(image(x="@")).replace(b'"@"', b"NaN"),
        orjson.dumps(image(x="@")).replace(b'"@"', b"-Infinity"),
        orjson.dumps(image(x="@")).replace(b'"@"', b"1e400"),
        orjson.dumps(image(x="@")).replace(b'"@"', b"9" * 10_000),
        orjson.dumps(image(x="@")).replace(b'"@"', b"[" * 100_000 + b"]" * 100_000),
        orjson.dumps(image(x="@")).replace(b'"@"', b"[" * 1020 + b"]" * 1020),
        orjson.dumps(image(x="@")).replace(b'"@"', b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        orjson.dumps(image(x="@")).replace(b'"x":"@"', b'"schemaVersion":2'),
        orjson.dumps(image(x="@")).replace(b'"@"', b'{"a":1,"a":2}'),
        orjson.dumps(image(x="@")).replace(b'"x":"@"', b'"\\u0063onfig":{}'),
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        parse_manifest(body, OCI_IMAGE)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ({"schemaVersion": 1, "fsLayers": [], "history": []}, DOCKER_SCHEMA1_SIGNED),
        ({"schemaVersion": 1, "fsLayers": []}, None),
        (image(fsLayers=[]), OCI_IMAGE),
    ],
)
def test_schema_1_is_told_so(body: dict[str, Any], content_type: str | None) -> None:
    with pytest.raises(ManifestInvalid, match="schema 1"):
        parse_manifest(orjson.dumps(body), content_type)


def test_the_largest_manifest() -> None:
    body = orjson.dumps(image())
    padded = body + b" " * (MAX_MANIFEST_BYTES - len(body))
    assert parse_manifest(padded, OCI_IMAGE).kind is ManifestKind.IMAGE
    with pytest.raises(ManifestTooLarge):
        parse_manifest(padded + b" ", OCI_IMAGE)


def test_the_most_layers() -> None:
    body = image(layers=[part(str(i), LAYER) for i in range(MAX_DESCRIPTORS)])
    assert len(parse_manifest(orjson.dumps(body), OCI_IMAGE).blobs) == MAX_DESCRIPTORS + 1
