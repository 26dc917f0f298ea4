"""Texts of manifests and configs that PostgreSQL has no place for, or that look like it: they are no fault of ours."""

import orjson
import pytest

from tests.support.server import Registry
from tests.support.uploading import sha256

_IMAGE = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
#: As they stand in JSON: NUL, the six characters of its escape, the same with more backslashes, half a pair.
_TEXTS = [r"a\u0000z", r"a\\u0000z", r"a\\\u0000z", r"a\\\\u0000z", r"\\", r"\ud800", r"\udc00\ud800", r"\u2028\u0085"]


def _filled(document: object, text: str) -> bytes:
    return orjson.dumps(document).replace(b"TEXT", text.encode())


@pytest.mark.parametrize("text", _TEXTS)
async def test_a_text_is_stored_or_the_manifest_refused(registry: Registry, text: str) -> None:
    token = await registry.user("alice")
    subject = await registry.push_image("alice/app", "v1", token)
    config = _filled(
        {
            "architecture": "TEXT",
            "os": "TEXT",
            "variant": "TEXT",
            "config": {
                "Labels": {
                    "TEXT": "TEXT",
                    "org.opencontainers.image.description": "TEXT",
                    "org.opencontainers.image.licenses": "TEXT",
                    "org.opencontainers.image.source": "https://github.com/TEXT",
                }
            },
        },
        text,
    )
    digest = await registry.push_blob("alice/app", config, token)
    annotations = {"TEXT": "TEXT", "org.opencontainers.image.description": "TEXT"}
    described = {"mediaType": _CONFIG, "digest": digest, "size": len(config), "annotations": annotations}
    child = {"mediaType": _IMAGE, "digest": subject, "size": 1, "platform": {"os": "TEXT", "architecture": "TEXT"}}
    image = {"schemaVersion": 2, "mediaType": _IMAGE, "config": described, "layers": []}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [child]}
    for base in (image, index):
        for more in (
            {},
            {"annotations": annotations},
            {"subject": {"mediaType": _IMAGE, "digest": subject, "size": 1}, "annotations": annotations},
        ):
            body = _filled({**base, **more}, text)
            for reference in (sha256(body), "latest"):
                path, headers = f"/v2/alice/app/manifests/{reference}", {"Content-Type": str(base["mediaType"])}
                put = await registry.call("PUT", path, token, data=body, headers=headers)
                assert put.status in {201, 400}, (text, more, put.body)
            listed = await registry.call("GET", f"/v2/alice/app/referrers/{subject}", token)
            assert listed.status == 200, (text, more)
            for path in ("", "/versions"):
                shown = await registry.call("GET", f"/api/v3/user/packages/container/app{path}", token)
                assert shown.status == 200, (text, more)


async def test_the_six_characters_are_kept_as_they_came(registry: Registry) -> None:
    token = await registry.user("alice")
    subject = await registry.push_image("alice/app", "v1", token)
    config = await registry.push_blob("alice/app", b"{}", token)
    body = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _IMAGE,
            "artifactType": "text/plain",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2},
            "layers": [],
            "subject": {"mediaType": _IMAGE, "digest": subject, "size": 1},
            "annotations": {"grep": "\\u0000", "more": "\\\\u0000z"},
        }
    )
    path = f"/v2/alice/app/manifests/{sha256(body)}"
    assert (await registry.call("PUT", path, token, data=body, headers={"Content-Type": _IMAGE})).status == 201
    listed = orjson.loads((await registry.call("GET", f"/v2/alice/app/referrers/{subject}", token)).body)
    assert listed["manifests"][0]["annotations"] == {"grep": "\\u0000", "more": "\\\\u0000z"}
