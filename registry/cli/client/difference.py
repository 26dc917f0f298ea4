"""The command ``diff``: what changed between two images, in their platforms, layers and configs."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from registry.cli.client import references
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import NOT_FOUND, CommandError
from registry.cli.client.inspection import config_of, mapping, text_of, words
from registry.cli.client.manifests import INDEXES, Manifest
from registry.cli.client.oci import Registry
from registry.cli.client.output import clean, plural, short, size
from registry.cli.client.platforms import attests, name_of, platform_of
from registry.cli.client.references import Reference

#: Fields of a config that are not told: each build has others, and what they mean is in the layers.
_UNTOLD: Final = frozenset({"config", "rootfs", "history", "created"})
_STYLES: Final = {"-": "red", "+": "green"}


class _Image(NamedTuple):
    """An image of a platform, which is read when it is compared."""

    registry: Registry
    digest: str

    def read(self) -> tuple[Manifest, dict[str, Any]]:
        manifest = self.registry.manifest(self.digest)
        return manifest, config_of(self.registry, manifest)


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("former", metavar="REFERENCE", type=references.parse_version)
    parser.add_argument("latter", metavar="REFERENCE", type=references.parse_version)
    parser.add_argument("--platform", metavar="OS/ARCH", help="this platform only")
    parser.add_argument("--layers", action="store_true", help="the layers only")
    parser.add_argument("--config", action="store_true", help="the config only")


def _diff(context: Context) -> None:
    options = context.options
    former, latter = _images(context, options.former), _images(context, options.latter)
    names = list(dict.fromkeys((*former, *latter)))
    if options.platform:
        names = [one for one in names if one in {options.platform, f"{options.platform}/v8"}]
        if not names:
            raise CommandError(f"there is no platform {options.platform}", status=NOT_FOUND)
    found = [_compared(context, name, former.get(name), latter.get(name)) for name in names]
    changed = [one for one in found if one["change"] != "same"]
    if context.output.fields is not None:
        context.output.json({"from": str(options.former), "to": str(options.latter), "platforms": found})
    elif context.output.quiet:
        for one in changed:
            context.output.line(one["platform"])
    else:
        for one in changed:
            _show(context, one)
    if not changed:
        context.note("No difference.")


def _images(context: Context, reference: Reference) -> dict[str, _Image]:
    """List the images of a reference by their platform."""
    registry = Registry(context.target(reference.host), reference.path, trace=context.trace)
    root = registry.manifest(reference.version)
    if root.media_type not in INDEXES:
        return {name_of(config_of(registry, root)) or "image": _Image(registry, root.digest)}
    found: dict[str, _Image] = {}
    for child in root.children:
        if not attests(child):
            name = platform_of(child)
            found[name if name not in found else f"{name} {short(child['digest'])}"] = _Image(registry, child["digest"])
    return found


def _compared(context: Context, name: str, former: _Image | None, latter: _Image | None) -> dict[str, Any]:
    if former is None or latter is None:
        return {"platform": name, "change": "added" if former is None else "removed", "layers": None, "config": None}
    told: dict[str, Any] = {"platform": name, "change": "same", "layers": None, "config": None}
    if former.digest == latter.digest:
        return told
    (old, old_config), (new, new_config) = former.read(), latter.read()
    layers_only, config_only = context.options.layers, context.options.config
    if layers_only or not config_only:
        told["layers"] = _layers(old, new)
    if config_only or not layers_only:
        told["config"] = [{"field": field, "from": a, "to": b} for field, a, b in _fields(old_config, new_config)]
    return {**told, "change": "changed"}


def _layers(former: Manifest, latter: Manifest) -> dict[str, Any]:
    def sizes(manifest: Manifest) -> dict[str, int]:
        return {str(one["digest"]): int(one["size"]) for one in manifest.layers}

    old, new = sizes(former), sizes(latter)

    def listed(of: dict[str, int], without: dict[str, int]) -> list[dict[str, Any]]:
        return [{"digest": digest, "size": count} for digest, count in of.items() if digest not in without]

    same = len(old.keys() & new.keys())
    return {"same": same, "removed": listed(old, new), "added": listed(new, old)}


def _fields(former: dict[str, Any], latter: dict[str, Any]) -> Iterator[tuple[str, str | None, str | None]]:
    """Find the fields that differ, with both values; None where there is none."""
    old, new = dict(_flat(former)), dict(_flat(latter))
    for field in sorted(old.keys() | new.keys()):
        if old.get(field) != new.get(field):
            yield field, old.get(field), new.get(field)


def _flat(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in config.items():
        if name not in _UNTOLD:
            yield name, text_of(value)
    for name, value in mapping(config.get("config")).items():
        if name == "Env":
            for one in words(value):
                variable, _, text = one.partition("=")
                yield f"Env {variable}", text
        elif name == "Labels":
            for label, text in mapping(value).items():
                yield f"Labels {label}", str(text)
        else:
            yield name, text_of(value)


def _show(context: Context, found: dict[str, Any]) -> None:
    output = context.output
    sign = {"added": "+ ", "removed": "- "}.get(found["change"], "")
    output.line(f"{sign}{found['platform']}")
    layers, count = found["layers"], size if output.terminal else str
    if layers is not None:
        if output.terminal:
            output.line(f"  {plural(layers['same'], 'layer')} the same")
        for mark, name in (("-", "removed"), ("+", "added")):
            for one in layers[name]:
                _line(context, mark, f"layer {one['digest']} {count(one['size'])}")
    for one in found["config"] or []:
        for mark, side in (("-", "from"), ("+", "to")):
            if one[side] is not None:
                _line(context, mark, f"{one['field']}={one[side]}")


def _line(context: Context, mark: str, text: str) -> None:
    context.output.out.write(context.output.styled(f"  {mark} {clean(text)}", _STYLES[mark]) + "\n")


COMMANDS: Final = {"diff": Command(_add, _diff)}
