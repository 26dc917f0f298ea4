"""The JSON that the registry writes itself."""

import orjson

from registry.oci.manifest import Descriptor, parse_manifest
from registry.oci.media_types import OCI_IMAGE, OCI_INDEX
from registry.oci.responses import catalog, referrers_index, tags_list
from storage.names import Digest, PackageName

D = Digest.of(b"d")


def test_lists() -> None:
    assert orjson.loads(tags_list(PackageName("octo", "app"), ["a", "b"])) == {"name": "octo/app", "tags": ["a", "b"]}
    assert orjson.loads(tags_list(PackageName("octo", "app"), [])) == {"name": "octo/app", "tags": []}
    assert orjson.loads(catalog(["octo/app"])) == {"repositories": ["octo/app"]}


def test_referrers_are_an_index_that_parses() -> None:
    body = referrers_index(
        [
            Descriptor(OCI_IMAGE, D, 7, artifact_type="application/vnd.example", annotations={"a": "b"}),
            Descriptor(OCI_INDEX, D, 8),
        ]
    )
    assert orjson.loads(body) == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            {
                "mediaType": OCI_IMAGE,
                "digest": D,
                "size": 7,
                "artifactType": "application/vnd.example",
                "annotations": {"a": "b"},
            },
            {"mediaType": OCI_INDEX, "digest": D, "size": 8},
        ],
    }
    assert parse_manifest(body, OCI_INDEX).children == (D,)


def test_no_referrers_are_an_empty_list() -> None:
    assert orjson.loads(referrers_index([]))["manifests"] == []
