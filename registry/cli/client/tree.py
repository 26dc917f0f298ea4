"""The command ``tree``: an index, its platforms, and what refers to them."""

from argparse import ArgumentParser
from typing import Any, Final

from registry.cli.client import references
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import CommandError
from registry.cli.client.manifests import DEPTH_MAX, INDEXES, Manifest
from registry.cli.client.oci import Registry
from registry.cli.client.output import clean, short, size
from registry.cli.client.platforms import attests, platform_of

_TITLES: Final = (
    ("sigstore", "signature (sigstore)"),
    ("cosign", "signature (cosign)"),
    ("notary", "signature (notation)"),
    ("spdx", "SBOM (SPDX)"),
    ("cyclonedx", "SBOM (CycloneDX)"),
    ("in-toto", "attestation (in-toto)"),
    ("helm", "Helm chart"),
)


class _Node:
    """A line of the tree with what stands below; ``facts`` are its JSON."""

    def __init__(self, text: str, facts: dict[str, Any]) -> None:
        self.text = text
        self.facts = facts
        self.below: list[_Node] = []

    def json(self) -> dict[str, Any]:
        """Return the node and all below as JSON."""
        return {**self.facts, "below": [one.json() for one in self.below]}

    def lines(self, lead: str = "") -> list[str]:
        """Return the lines of what stands below."""
        found = []
        for number, one in enumerate(self.below, 1):
            last = number == len(self.below)
            found.append(f"{lead}{'└' if last else '├'} {one.text}")
            found += one.lines(lead + ("  " if last else "│ "))
        return found


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REFERENCE", type=references.parse_version)
    parser.add_argument("--depth", type=int, metavar="N", help="no further than so many levels below")


def _tree(context: Context) -> None:
    reference = context.options.reference
    target = context.target(reference.host)
    registry = Registry(target, reference.path, trace=context.trace)
    root = registry.manifest(reference.version)
    node = _Walk(registry, context.options.depth).node(root, str(reference), 0)
    if context.output.fields is not None:
        context.output.json(node.json())
    elif context.output.quiet:
        for digest in _digests(node):
            context.output.line(digest)
    else:
        for line in [node.text, *node.lines()]:
            context.output.out.write(line + "\n")


def _digests(node: _Node) -> list[str]:
    return [str(node.facts["digest"]), *(one for below in node.below for one in _digests(below))]


class _Walk:
    """A walk through all that belongs to an image, ``levels`` deep; None for all of it."""

    def __init__(self, registry: Registry, levels: int | None) -> None:
        self._registry = registry
        self._levels = levels
        self._seen: set[str] = set()

    def node(self, manifest: Manifest, title: str, depth: int) -> _Node:
        """Return the node of a manifest with all below. Raises CommandError."""
        if depth > DEPTH_MAX:
            raise CommandError(f"{manifest.digest} is too deep")
        self._seen.add(manifest.digest)
        layers_size = manifest.layers_size
        what = "index" if manifest.media_type in INDEXES else size(layers_size)
        facts = {"digest": manifest.digest, "title": title, "media_type": manifest.media_type, "size": layers_size}
        node = _Node(f"{clean(title)}  {what}  {short(manifest.digest)}", facts)
        if depth == self._levels:
            return node
        attestations: list[_Node] = []
        for child in manifest.children:
            if child["digest"] not in self._seen:
                below = self._below(child, platform_of(child), depth)
                (attestations if attests(child) else node.below).append(below)
        node.below += attestations
        for referrer in self._registry.referrers(manifest.digest):
            if referrer["digest"] not in self._seen:
                node.below.append(self._below(referrer, _kind(referrer), depth))
        return node

    def _below(self, descriptor: dict[str, Any], title: str, depth: int) -> _Node:
        return self.node(self._registry.manifest(descriptor["digest"]), title, depth + 1)


def _kind(referrer: dict[str, Any]) -> str:
    kind = str(referrer.get("artifactType") or referrer.get("mediaType"))
    return next((title for word, title in _TITLES if word in kind), kind)


COMMANDS: Final = {"tree": Command(_add, _tree)}
