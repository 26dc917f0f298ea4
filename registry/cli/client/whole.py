"""Whole images: manifests, the platforms of an index, and all that refers to them."""

from collections.abc import Iterator
from typing import Any, Final, Protocol

from registry.cli.client.errors import REFUSED, CommandError
from registry.cli.client.manifests import DEPTH_MAX, Manifest

_MANIFESTS_MAX: Final = 10_000
_MANIFESTS_BYTES_MAX: Final = 64 << 20
#: Tags of cosign, which stand beside an image: sha256-….sig
COSIGN: Final = ("sig", "att", "sbom")


class Body(Protocol):
    """The bytes of a blob."""

    def read1(self, size: int, /) -> bytes:
        """Read what is there, at most ``size`` bytes; none at the end."""

    def close(self) -> None:
        """Close the body."""


class Source(Protocol):
    """A repository that images are read from: of a registry, or of an OCI layout."""

    path: str

    def twin(self) -> "Source":
        """Return the same repository for another thread."""

    def close(self) -> None:
        """Close what is open, so that the next request begins anew."""

    def manifest(self, version: str) -> Manifest:
        """Read a manifest by tag or digest, and check its digest. Raises CommandError."""

    def has_manifest(self, version: str) -> str:
        """Return the digest of a manifest that is there; empty if none is."""

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """List what refers to a manifest."""

    def open_blob(self, digest: str, size: int, offset: int = 0) -> tuple[Body, int]:
        """Open a blob for reading; return where its bytes begin."""


class Whole:
    """All manifests of an image; ``cosign``: with what has a tag of cosign beside it."""

    def __init__(self, read: Source, *, referrers: bool, cosign: bool = True) -> None:
        self._read = read
        self._wants_referrers = referrers
        self._cosign = cosign

    def ordered(self, root: Manifest) -> list[tuple[Manifest, str]]:
        """List the manifests with their tags, children before their index, and referrers behind their subject."""
        found: dict[tuple[str, str], tuple[Manifest, str]] = {}
        left = _MANIFESTS_BYTES_MAX

        def add(manifest: Manifest, tag: str, depth: int) -> None:
            nonlocal left
            if (manifest.digest, tag) in found:
                return
            left -= len(manifest.body)
            if depth > DEPTH_MAX or len(found) > _MANIFESTS_MAX or left < 0:
                raise CommandError(f"{root.digest} is too deep, or has too many manifests")
            if manifest.json.get("schemaVersion") == 1:
                why = "docker before 1.10 wrote it; build the image anew"
                raise CommandError(f"{manifest.digest} has schema 1", status=REFUSED, why=why)
            for child in manifest.children:
                if (child["digest"], "") not in found:
                    add(self._read.manifest(child["digest"]), "", depth + 1)
            found[manifest.digest, tag] = (manifest, tag)
            for referrer, beside in self._referring(manifest.digest):
                add(referrer, beside, depth + 1)

        add(root, "", 0)
        return list(found.values())

    def _referring(self, digest: str) -> Iterator[tuple[Manifest, str]]:
        """Find what refers to a manifest, with the tag that it has there."""
        if not self._wants_referrers:
            return
        for one in self._read.referrers(digest):
            yield self._read.manifest(one["digest"]), ""
        for suffix in COSIGN if self._cosign else ():
            beside = f"{digest.replace(':', '-')}.{suffix}"
            if self._read.has_manifest(beside):
                yield self._read.manifest(beside), beside
