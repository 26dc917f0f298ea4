"""Platforms of an index: how its entries are named, and which one is wanted."""

from typing import Any

from registry.cli.client.errors import NOT_FOUND, CommandError
from registry.cli.client.manifests import Manifest
from registry.cli.client.whole import Source


def attests(child: dict[str, Any]) -> bool:
    """Return whether an entry of an index is an attestation about another."""
    return "vnd.docker.reference.digest" in (child.get("annotations") or {})


def platform_of(child: dict[str, Any]) -> str:
    """Return the platform of an entry of an index, as ``--platform`` of docker names it."""
    if attests(child):
        return "attestation"
    return name_of(child.get("platform") or {}) or "image"


def name_of(platform: dict[str, Any]) -> str:
    """Return the name of a platform, ``OS/ARCHITECTURE/VARIANT``, from its parts."""
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(str(one) for one in parts if one)


def child_of(registry: Source, index: Manifest, wanted: str) -> Manifest:
    """Read the manifest of a platform of an index. Raises CommandError."""
    for child in index.children:
        if platform_of(child) in {wanted, f"{wanted}/v8"}:
            return registry.manifest(child["digest"])
    known = ", ".join(platform_of(child) for child in index.children)
    raise CommandError(f"there is no platform {wanted}", status=NOT_FOUND, why=f"there are {known}")
