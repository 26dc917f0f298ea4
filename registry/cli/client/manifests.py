"""Manifests as registries send them: parsed once, so that whoever lies is found out before anything is done."""

import json
import re
from typing import Any, Final, NamedTuple

from registry.cli.client.errors import CommandError

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_SIZE_MAX: Final = 1 << 53
#: Indexes in indexes, and referrers of referrers: a registry could go on for ever.
DEPTH_MAX: Final = 16


class Manifest(NamedTuple):
    """A manifest, whose bytes have the digest."""

    digest: str
    media_type: str
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body)
        return found if isinstance(found, dict) else {}

    @property
    def children(self) -> list[dict[str, Any]]:
        """The entries of an index."""
        return list(self.json.get("manifests") or []) if self.media_type in INDEXES else []

    @property
    def blobs(self) -> list[dict[str, Any]]:
        """The descriptors of config and layers."""
        if self.media_type in INDEXES:
            return []
        config = self.json.get("config")
        return [*([config] if config else []), *self.layers]

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The descriptors of the layers."""
        return [] if self.media_type in INDEXES else list(self.json.get("layers") or [])

    @property
    def layers_size(self) -> int:
        """The bytes of config and layers."""
        return sum(int(one["size"]) for one in self.blobs)

    @property
    def subject(self) -> str:
        """The digest of what the manifest refers to; empty for none."""
        return str((self.json.get("subject") or {}).get("digest") or "")


def parsed(host: str, digest: str, media_type: str, body: bytes) -> Manifest:
    """Return the manifest that a host sent, if it is one. Raises CommandError."""
    try:
        found = json.loads(body)
        if not isinstance(found, dict):
            raise TypeError  # noqa: TRY301 - told like all that is wrong with it
        if media_type in INDEXES:
            entries(found)
        else:
            _descriptors([one for one in (found.get("config"),) if one is not None])
            _descriptors(found.get("layers") or [])
        _descriptors([{"size": 0, **found["subject"]}] if found.get("subject") is not None else [])
    except (ValueError, TypeError, RecursionError) as error:
        raise CommandError(f"{host} has no manifest under {digest}", why="what it sent is none") from error
    return Manifest(digest, media_type, body)


def entries(index: object) -> list[dict[str, Any]]:
    """Return the entries of an index. Raises TypeError, ValueError for what is none."""
    if not isinstance(index, dict):
        raise TypeError
    found = index.get("manifests") or []
    _descriptors(found)
    return list(found)


def _descriptors(found: object) -> None:
    if not isinstance(found, list):
        raise TypeError
    for one in found:
        size = one["size"] if isinstance(one, dict) and "size" in one else -1
        if type(size) is not int or not 0 <= size < _SIZE_MAX or not _DIGEST.fullmatch(one.get("digest") or ""):
            raise ValueError("no descriptor")
        for name, kind in (("mediaType", str), ("artifactType", str), ("platform", dict), ("annotations", dict)):
            if not isinstance(one.get(name), kind | None):
                raise TypeError
