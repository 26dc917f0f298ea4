"""Payloads of webhooks in GitHub's shape: the package, its version and tag, the repository, who did it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from registry import shapes
from storage.metadata.deliveries import Taken
from storage.metadata.hook_subjects import Subject
from storage.metadata.repositories import Repository

_DESCRIPTORS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Addresses:
    """The URLs of the API and of the pages, each without a slash at its end."""

    base: str
    origin: str

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]


def package_payload(urls: Addresses, taken: Taken, about: Subject, repository: Repository | None) -> dict[str, Any]:
    """Return the payload of ``package``, ``registry_package`` or ``moorage.package``.

    A package that is linked to no repository has ``null`` there, and never an invented one.
    """
    kind = "registry_package" if taken.event == "registry_package" else "package"
    payload = {
        "action": taken.action,
        kind: _package(urls, taken, about),
        "repository": None if repository is None else _repository(urls, repository),
        "sender": _sender(urls, about),
    }
    if about.owner_kind == "Organization":
        payload["organization"] = shapes.simple_organization(urls, about.owner_id, about.owner, about.owner_description)
    if taken.event not in ("package", "registry_package"):
        payload["changes"] = {} if taken.data is None else orjson.loads(taken.data)
    return payload


def _package(urls: Addresses, taken: Taken, about: Subject) -> dict[str, Any]:
    return {
        "id": about.package_id,
        "name": about.package,
        "namespace": about.owner,
        "description": about.description or "",
        "ecosystem": "CONTAINER",
        "package_type": "CONTAINER",
        "html_url": f"{urls.origin}/{about.owner}/{about.package}",
        "created_at": _time(about.created_at),
        "updated_at": _time(about.updated_at),
        "owner": _owner(urls, about),
        "package_version": _version(urls, taken, about),
        "registry": {
            "about_url": f"{urls.origin}/",
            "name": "Moorage container registry",
            "type": "CONTAINER",
            "url": urls.origin,
            "vendor": "Moorage",
        },
    }


def _version(urls: Addresses, taken: Taken, about: Subject) -> dict[str, Any] | None:
    """Return the version, if it is about one; of one that is no more, what its event says."""
    version_id = taken.version_id or about.version_id
    if version_id is None:
        return None
    digest = about.digest or taken.digest or ""
    image = f"{urls.host}/{about.owner.lower()}/{about.package}"
    reference = f"{image}:{taken.tag}" if taken.tag is not None else f"{image}@{digest}"
    at = about.version_created_at or taken.at or about.updated_at
    return {
        "id": version_id,
        "version": digest,
        "summary": "",
        "name": digest,
        "description": about.version_description or "",
        "body": "",
        "body_html": "",
        "html_url": f"{urls.origin}/{about.owner}/{about.package}",
        "target_commitish": "",
        "target_oid": "",
        "created_at": _time(at),
        "updated_at": _time(about.version_updated_at or at),
        "metadata": [],
        "container_metadata": {
            "labels": _labels(about),
            "manifest": _manifest(about),
            "tag": {"name": taken.tag or "", "digest": digest},
        },
        "package_files": [],
        "package_url": reference,
        "author": _sender(urls, about),
        "installation_command": f"docker pull {reference}",
    }


def _labels(about: Subject) -> dict[str, Any]:
    named = {
        "description": about.version_description,
        "source": about.source_url,
        "licenses": about.licenses,
    }
    return {**{name: value for name, value in named.items() if value}, "all_labels": {}}


def _manifest(about: Subject) -> dict[str, Any] | None:
    if about.body is None:
        return None
    document = orjson.loads(about.body)
    config, layers = document.get("config"), document.get("layers")
    return {
        "digest": about.digest,
        "media_type": about.media_type,
        "uri": f"repositories/{about.owner}/{about.package}/manifests/{about.digest}",
        "size": about.size,
        **({"config": _descriptor(config)} if isinstance(config, dict) else {}),
        "layers": [_descriptor(layer) for layer in (layers or [])[:_DESCRIPTORS_MAX]],
    }


def _descriptor(descriptor: dict[str, Any]) -> dict[str, Any]:
    return {"digest": descriptor["digest"], "media_type": descriptor["mediaType"], "size": descriptor["size"]}


def _owner(urls: Addresses, about: Subject) -> dict[str, Any]:
    return shapes.simple_user(urls, about.owner_id, about.owner, about.owner_kind, site_admin=about.owner_site_admin)


def _sender(urls: Addresses, about: Subject) -> dict[str, Any]:
    """Return who did it; of what an operator or the registry did, the owner stands for them."""
    if about.sender_id is None or about.sender is None or about.sender_kind is None:
        return _owner(urls, about)
    return shapes.simple_user(
        urls, about.sender_id, about.sender, about.sender_kind, site_admin=bool(about.sender_site_admin)
    )


def _repository(urls: Addresses, found: Repository) -> dict[str, Any]:
    shape = shapes.repository(urls, found)
    del shape["permissions"]
    times = {name: _time(shape[name]) for name in ("created_at", "updated_at", "pushed_at")}
    return {**shape, **times, "custom_properties": {}, "web_commit_signoff_required": False}


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
