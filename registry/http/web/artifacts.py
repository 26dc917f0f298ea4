"""Kinds of artifacts as people name them, the tools that pull each, and the tag that one would pull."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from registry.http.web.catalogue import key
from registry.packages.tags import Tag

IMAGE: Final = key("Image")
INDEX: Final = key("Multi-platform image")
CHART: Final = key("Helm chart")
ARTIFACT: Final = key("Artifact")
SIGNATURE: Final = key("Signature")
SBOM: Final = key("SBOM")
ATTESTATION: Final = key("Attestation")

_CHARTS: Final = "application/vnd.cncf.helm."
_IMAGES: Final = ("application/vnd.oci.image.config.", "application/vnd.docker.container.image.")
_SIGNATURES: Final = ("cosign.artifact.sig", "cosign.simplesigning", "cncf.notary.signature", "sigstore.bundle")
_SBOMS: Final = ("spdx", "cyclonedx", "syft", ".sbom")
_ATTESTATIONS: Final = ("in-toto", "slsa", "attestation", "provenance")


def referrer_kind(artifact_type: str | None) -> str:
    """Return the kind of what refers to another manifest, by its artifact type."""
    text = (artifact_type or "").lower()
    for kind, marks in ((SBOM, _SBOMS), (ATTESTATION, _ATTESTATIONS), (SIGNATURE, _SIGNATURES)):
        if any(mark in text for mark in marks):
            return kind
    return ARTIFACT


def kind_of(media_type: str, artifact_type: str | None, kind: str = "image") -> str:
    """Return the kind of a version; ``kind``: image or signature, as the registry has it."""
    if "index" in media_type or "manifest.list" in media_type:
        return INDEX
    if kind == "signature":
        return SIGNATURE
    text = artifact_type or ""
    if not text or text.startswith(_IMAGES):
        return IMAGE
    return CHART if text.startswith(_CHARTS) else ARTIFACT


def kinds(artifact_types: Iterable[str]) -> list[str]:
    """Return the kinds of referrers that are worth a chip, each once."""
    found = {referrer_kind(one) for one in artifact_types}
    return [kind for kind in (SIGNATURE, SBOM, ATTESTATION) if kind in found]


def pull_commands(
    host: str, name: str, tag: str | None, digest: str | None, kind: str
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the tools for a kind of artifact, each with its commands by tag and by digest."""
    references = [
        (form, ref)
        for form, ref in (("tag", f":{tag}" if tag else ""), ("digest", f"@{digest}" if digest else ""))
        if ref
    ]
    whole = f"{host}/{name}"
    made = {
        "docker": [(form, f"docker pull {whole}{ref}") for form, ref in references],
        "podman": [(form, f"podman pull {whole}{ref}") for form, ref in references],
        "crane": [(form, f"crane pull {whole}{ref} image.tar") for form, ref in references],
        "oras": [(form, f"oras pull {whole}{ref}") for form, ref in references],
        "helm": [("tag", f"helm pull oci://{whole} --version {tag}")]
        if tag
        else [("digest", f"helm pull oci://{whole}@{digest}")],
    }
    tools = {CHART: ("helm", "oras", "crane"), IMAGE: _ENGINES, INDEX: _ENGINES}.get(kind, ("oras", "crane"))
    return [(tool, made[tool]) for tool in tools]


_ENGINES: Final = ("docker", "podman", "crane", "oras")
_RELEASE: Final = re.compile(r"v?([0-9]{1,9})\.([0-9]{1,9})(?:\.([0-9]{1,9}))?", re.ASCII)


def favourite(tags: Sequence[Tag]) -> Tag | None:
    """Return the tag to pull: the highest release, else ``latest``, else the newest; never a signature's."""
    images = [tag for tag in tags if tag.kind == "image"]
    releases = [(_parts(found), tag) for tag in images if (found := _RELEASE.fullmatch(tag.name))]
    if releases:
        return max(releases, key=lambda one: one[0])[1]
    return next((tag for tag in images if tag.name == "latest"), images[0] if images else None)


def _parts(found: re.Match[str]) -> tuple[int, int, int]:
    return int(found[1]), int(found[2]), -1 if found[3] is None else int(found[3])
