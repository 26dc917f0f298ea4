"""The metadata of an image's config that packages show (OCI Image 1.1, «Image Configuration»). Never raises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from registry.oci.manifest import MAX_MARKS, marks


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The readable fields of an image's config; ``created`` has a time zone."""

    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    created: datetime | None = None


def parse_config(body: bytes) -> ImageConfig:
    """Parse the config in ``body``, which may be any blob: invalid or missing fields are None. Never raises."""
    if marks(body) > MAX_MARKS:
        return ImageConfig()
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ImageConfig()
    if not isinstance(tree, dict):
        return ImageConfig()
    return ImageConfig(
        labels=_labels(tree.get("config")),
        architecture=_text(tree.get("architecture")),
        os=_text(tree.get("os")),
        variant=_text(tree.get("variant")),
        created=_created(tree.get("created")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and "\0" not in value else None


def _labels(config: object) -> Mapping[str, str]:
    labels = config.get("Labels") if isinstance(config, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {key: value for key, value in labels.items() if _text(key) and isinstance(value, str) and "\0" not in value}


def _created(value: object) -> datetime | None:
    """Parse a time of RFC 3339, as the spec requires; without a zone the time is UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
