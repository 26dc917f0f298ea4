"""The layers of an image with the commands that made them (OCI Image 1.1, «history»). Never raises."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from registry.oci.manifest import MAX_MARKS, Manifest, marks

_COMMAND_MAX: Final = 2000
_SHELLS: Final = ("/bin/sh -c #(nop) ", "/bin/sh -c ")


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer; ``command`` None: the config tells none. A step without a layer has no digest and size."""

    digest: str | None
    media_type: str | None
    size: int | None
    command: str | None
    foreign: bool = False


def steps(manifest: Manifest, config: bytes | None, most: int) -> list[Layer]:
    """Return the first steps of an image's history, each with its layer; without a history the layers alone."""
    history = _history(config)
    made = [step for step in history if not step.get("empty_layer")]
    if len(made) != len(manifest.layers):
        return [Layer(one.digest, one.media_type, one.size, None, one.foreign) for one in manifest.layers[:most]]
    layers, found = iter(manifest.layers), []
    for step in history[:most]:
        command = _command(step.get("created_by"))
        if step.get("empty_layer"):
            found.append(Layer(None, None, None, command))
        else:
            one = next(layers)
            found.append(Layer(one.digest, one.media_type, one.size, command, one.foreign))
    return found


def _history(config: bytes | None) -> list[dict[str, Any]]:
    if config is None or marks(config) > MAX_MARKS:
        return []
    try:
        tree = orjson.loads(config)
    except orjson.JSONDecodeError:
        return []
    history = tree.get("history") if isinstance(tree, dict) else None
    return [step for step in history if isinstance(step, dict)] if isinstance(history, list) else []


def _command(value: object) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return None
    text = value.strip()
    for shell in _SHELLS:
        text = text.removeprefix(shell)
    return " ".join(text.removesuffix("# buildkit").split())[:_COMMAND_MAX] or None
