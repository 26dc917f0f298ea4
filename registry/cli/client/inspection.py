"""The command ``inspect``: the manifest, the config and the labels of an image as text, or their bytes."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from registry.cli.client import references
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, USAGE, CommandError
from registry.cli.client.manifests import INDEXES, Manifest
from registry.cli.client.oci import Registry
from registry.cli.client.output import Column, size
from registry.cli.client.platforms import attests, child_of, name_of, platform_of

_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.cncf.helm.config.v1+json",
)
#: Facts of a config of an image: the title, and the field below ``config`` (OCI image-spec, config.md).
_FIELDS: Final = (
    ("entrypoint", "Entrypoint"), ("command", "Cmd"), ("user", "User"), ("directory", "WorkingDir"),
    ("ports", "ExposedPorts"), ("volumes", "Volumes"), ("stop signal", "StopSignal"), ("health", "Healthcheck"),
)  # fmt: skip


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REFERENCE", type=references.parse_version)
    parser.add_argument("--platform", metavar="OS/ARCH", help="this platform of an index")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--raw", action="store_true", help="print the manifest, byte for byte")
    kinds.add_argument("--config", action="store_true", help="print the config, byte for byte")


def _inspect(context: Context) -> None:
    options = context.options
    registry = Registry(context.target(options.reference.host), options.reference.path, trace=context.trace)
    manifest = registry.manifest(options.reference.version)
    if manifest.media_type in INDEXES and (options.platform or options.config):
        manifest = image_of(registry, manifest, options.platform)
    elif options.platform:
        has = name_of(config_of(registry, manifest))
        if has not in {options.platform, f"{options.platform}/v8"}:
            raise CommandError(f"there is no platform {options.platform}", status=NOT_FOUND, why=f"there is {has}")
    if options.raw:
        context.output.raw(manifest.body)
    elif options.config:
        context.output.raw(_config_bytes(registry, manifest))
    elif context.output.quiet:
        context.output.line(manifest.digest)
    else:
        _show(context, manifest, config_of(registry, manifest))


def _show(context: Context, manifest: Manifest, config: dict[str, Any]) -> None:
    reference = str(context.options.reference)
    if context.output.fields is not None:
        told = {"reference": reference, "digest": manifest.digest, "media_type": manifest.media_type}
        context.output.json({**told, "size": manifest.layers_size, "manifest": manifest.json, "config": config})
        return
    measure = size if context.output.terminal else str
    rows = [("reference", reference), ("digest", manifest.digest), *_rows(manifest, config, measure)]
    columns = [Column(title, itemgetter(at)) for at, (title, _) in enumerate(rows)]
    context.output.facts([text for _, text in rows], columns)


def image_of(registry: Registry, root: Manifest, wanted: str | None) -> Manifest:
    """Read the image of an index for a platform, or the only one that it has. Raises CommandError."""
    if root.media_type not in INDEXES:
        return root
    if wanted:
        return child_of(registry, root, wanted)
    images = [child for child in root.children if not attests(child)]
    if len(images) != 1:
        known = ", ".join(map(platform_of, images)) or "none"
        raise CommandError("which platform?", status=USAGE, why=f"the index has {known}", attempt="--platform OS/ARCH")
    return registry.manifest(images[0]["digest"])


def config_of(registry: Registry, manifest: Manifest) -> dict[str, Any]:
    """Read the config of an image or chart; empty for what has none, such as an index. Raises CommandError."""
    descriptor = mapping(manifest.json.get("config"))
    if descriptor.get("mediaType") not in _CONFIGS:
        return {}
    try:
        return mapping(json.loads(registry.read_blob(descriptor)))
    except (ValueError, RecursionError):
        return {}


def _config_bytes(registry: Registry, manifest: Manifest) -> bytes:
    descriptor = mapping(manifest.json.get("config"))
    if "digest" not in descriptor:
        raise CommandError(f"{manifest.digest} has no config", status=NOT_FOUND)
    return registry.read_blob(descriptor)


def _rows(manifest: Manifest, config: dict[str, Any], measure: Callable[[int], str]) -> list[tuple[str, str]]:
    told, inner = manifest.json, mapping(config.get("config"))
    rows = [
        ("type", told.get("artifactType") or manifest.media_type),
        ("platform", name_of(config)),
        ("size", measure(manifest.layers_size) if manifest.layers_size else ""),
        *((title, text_of(config.get(title))) for title in ("created", "author", "name", "version", "description")),
        *((title, text_of(inner.get(field))) for title, field in _FIELDS),
        *(("environment", one) for one in words(inner.get("Env"))),
        *(("label", f"{name}={value}") for name, value in sorted(mapping(inner.get("Labels")).items())),
        *(("annotation", f"{name}={value}") for name, value in sorted(mapping(told.get("annotations")).items())),
        *(("entry", f"{child.get('digest')} {platform_of(child)}") for child in manifest.children),
        *(("layer", f"{one['digest']} {measure(int(one['size']))}") for one in manifest.layers),
    ]
    return [(title, str(text)) for title, text in rows]


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object; empty for anything else: nobody has checked a config."""
    return value if isinstance(value, dict) else {}


def words(value: Any) -> list[str]:
    """Return a JSON array as texts; empty for anything else."""
    return [str(one) for one in value] if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """Render a value of a config: words as a shell takes them, the keys of a set, anything else as JSON."""
    if value in (None, "", [], {}):
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        import shlex

        return shlex.join(value)
    if isinstance(value, dict) and not any(value.values()):
        return " ".join(sorted(value))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _entry(child: dict[str, Any]) -> str:
    return f"{child.get('digest')} {platform_of(child)}"


COMMANDS: Final = {"inspect": Command(_add, _inspect)}
