"""What the pages of a package show of an image's config (OCI Image 1.1, «Image Configuration»). Never refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from registry.oci.manifest import MAX_MARKS, marks


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What could be read; ``created`` has a time zone."""

    labels: Mapping[str, str] = field(default_factory=dict)
    architecture: str | None = None
    os: str | None = None
    variant: str | None = None
    created: datetime | None = None


def parse_config(body: bytes) -> ImageConfig:
    """The config in ``body``. It may be a blob of any type: what is odd or missing is None, and nothing is raised."""
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
    """RFC 3339, as the spec says. A time without a zone is taken for UTC."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
