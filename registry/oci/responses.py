"""The JSON bodies that the registry writes itself."""

from collections.abc import Iterable, Sequence

import orjson

from registry.oci.manifest import Descriptor
from registry.oci.media_types import OCI_INDEX
from storage.names import PackageName


def tags_list(name: PackageName, tags: Sequence[str]) -> bytes:
    """The body of end-8; ``tags`` in order of their bytes."""
    return orjson.dumps({"name": str(name), "tags": list(tags)})


def catalog(names: Sequence[str]) -> bytes:
    """The body of ``/v2/_catalog`` (Docker Registry HTTP API V2); ``names`` in order of their bytes."""
    return orjson.dumps({"repositories": list(names)})


def referrers_index(descriptors: Iterable[Descriptor]) -> bytes:
    """The body of end-12: an image index. Its Content-Type is OCI_INDEX."""
    manifests = [_referrer(descriptor) for descriptor in descriptors]
    return orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def _referrer(descriptor: Descriptor) -> dict[str, object]:
    """A descriptor without fields that are not set: «artifactType MUST be omitted» where an index has none."""
    shape: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.artifact_type:
        shape["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        shape["annotations"] = dict(descriptor.annotations)
    return shape
