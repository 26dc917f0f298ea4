"""Versions by reference: which digest and which id a tag or digest stands for."""

from typing import Any
from urllib.parse import quote

from registry.cli.client.api import Api, package_path
from registry.cli.client.errors import NOT_FOUND, CommandError
from registry.cli.client.references import Reference


def tag_path(package: Reference, tag: str) -> str:
    """Return the path of a tag below the API."""
    return f"{package_path(package)}/tags/{quote(tag, safe='')}"


def digest_of(api: Api, reference: Reference) -> str:
    """Return the digest of a version. Raises CommandError."""
    return reference.digest or str(api.get(tag_path(reference, reference.tag))["digest"])


def id_of(api: Api, reference: Reference, state: str | None = None) -> int:
    """Return the id of a version. Raises CommandError."""
    if not reference.digest and state is None:
        return int(api.get(tag_path(reference, reference.tag))["version_id"])
    return int(find(api, reference, state)["id"])


def find(api: Api, reference: Reference, state: str | None = None) -> dict[str, Any]:
    """Find a version in the list of active or deleted ones. Raises CommandError."""
    for one in api.pages(package_path(reference) + "/versions", state=state):
        if reference.digest == one["name"] or reference.tag in one["metadata"]["container"]["tags"]:
            found: dict[str, Any] = one
            return found
    which = "--deleted " if state else ""
    raise CommandError(
        f"there is no {'deleted ' if state else ''}version {reference}",
        status=NOT_FOUND,
        attempt=f"moorage versions {which}{reference.path}",
    )
