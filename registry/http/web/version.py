"""The pages of a version, by tag or digest: its platforms or layers, config, manifest, referrers, parents, history."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiohttp import web

from registry.errors import NotFound, RegistryError
from registry.http.web import artifacts
from registry.http.web.call import PageCall
from registry.http.web.opening import alone
from registry.http.web.package import Head, head_of
from registry.http.web.reading import named
from registry.http.web.retention import DECISIONS
from registry.http.web.routes import Route
from registry.oci.layers import Layer, steps
from registry.oci.manifest import Descriptor, Manifest, marks, parse_manifest
from registry.packages.linking import has_image_config
from storage.metadata import manifests, package_pages, retention_decisions
from storage.metadata.package_pages import Referrer, ShownVersion
from storage.metadata.web_sessions import WebSession
from storage.names import Digest, InvalidName, PackageName, TagName

_THREAD_BYTES: Final = 256 * 1024
#: Of a manifest or config more is not shown.
_TEXT_MAX: Final = 64 * 1024
_MOVES: Final = 30
#: As many rows as templates/layer_rows.html shows.
_STEPS_MAX: Final = 200
_ATTESTATION: Final = "vnd.docker.reference.type"
_ABOUT: Final = "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class Seen:
    """A version that the viewer may read, with the head of its package."""

    head: Head
    row: ShownVersion
    digest: Digest
    tag: str | None
    kind: str
    manifest: Manifest | None  # None: it is one that cannot be read today

    @property
    def path(self) -> str:
        """The path of the version's page by digest, below which its others are."""
        return f"{self.head.path}@{self.digest}"

    @property
    def body(self) -> bytes:
        """The bytes of the manifest."""
        return self.row.body or b""


def _reference(call: PageCall) -> tuple[PackageName, TagName | None, Digest | None]:
    """Return the package of the address, and the tag or digest. Raises NotFound for what is no name."""
    try:
        tag = TagName.parse(call.param("tag")) if "tag" in call.parameters else None
        return named(call), tag, Digest.parse(call.param("digest")) if tag is None else None
    except InvalidName as error:
        raise NotFound from error


async def _opening(call: PageCall, session: bytes | None) -> tuple[WebSession | None, object]:
    """Find the viewer together with the version that the address names, as the viewer sees it."""
    try:
        name, tag, digest = _reference(call)
    except NotFound:
        return await alone(call, session)
    return await package_pages.version_in_session(call.services.db, session, name, tag=tag, digest=digest)


async def _seen(call: PageCall) -> Seen:
    """Return the version that the address names. Raises NotFound."""
    name, tag, _ = _reference(call)
    if not isinstance(call.found, ShownVersion):
        raise NotFound
    row = call.found
    head = head_of(call, name, row)
    if row.digest is None or row.media_type is None or row.body is None:
        raise NotFound
    kind = artifacts.kind_of(row.media_type, row.artifact_type, row.kind or "image")
    return Seen(head, row, Digest(row.digest), tag, kind, await _parsed(row.body, row.media_type))


async def _parsed(body: bytes, media_type: str) -> Manifest | None:
    try:
        if len(body) > _THREAD_BYTES:
            return await asyncio.to_thread(parse_manifest, body, media_type)
        return parse_manifest(body, media_type)
    except RegistryError:
        return None


def _page(call: PageCall, seen: Seen, tab: str, **values: Any) -> web.Response:
    name: PackageName = seen.head.name
    reference = f":{seen.tag}" if seen.tag else f"@{seen.digest[:19]}…"
    tag = seen.tag or next(iter(seen.row.tags), None)
    return call.page(
        f"version_{tab}.html",
        title=[f"{name}{reference}"],
        api=f"{seen.head.api}/versions/{seen.row.version_id}",
        command=f"moorage tree {name}{f':{seen.tag}' if seen.tag else f'@{seen.digest}'}",
        head=seen.head,
        seen=seen,
        version=seen.row,
        tab=tab,
        tools=artifacts.pull_commands(call.host, str(name), tag, seen.digest, seen.kind),
        **values,
    )


@dataclass(frozen=True, slots=True)
class Platform:
    """An image of an index: its platform, size in bytes (None: it is not here), and what refers to it."""

    name: str
    digest: str
    size: int | None
    referrers: list[str]


async def overview(call: PageCall) -> web.Response:
    """Show a version: the platforms of an index, or the layers of an image; and by tag the tag's history."""
    seen = await _seen(call)
    platforms: list[Platform] = []
    attestations: list[Descriptor] = []
    layers: list[Layer] = []
    db, package_id = call.services.db, seen.head.package_id
    if seen.manifest is not None and seen.manifest.manifests:
        images = [child for child in seen.manifest.manifests if _ATTESTATION not in child.annotations][:100]
        attestations = [child for child in seen.manifest.manifests if _ATTESTATION in child.annotations]
        sizes = {
            one.digest: one.size for one in await package_pages.children(db, package_id, [c.digest for c in images])
        }
        platforms = [Platform(_platform(one), one.digest, sizes.get(one.digest), []) for one in images]
    elif seen.manifest is not None:
        layers = await _steps(call, seen)
    moves = []
    if seen.tag is not None:
        page = await call.services.activity.of_tag(package_id, seen.tag, detailed=False, after=None, limit=_MOVES)
        moves = page.events
    return _page(call, seen, "overview", platforms=platforms, attestations=attestations, layers=layers, moves=moves)


def _platform(child: Descriptor) -> str:
    one = child.platform
    if one is None:
        return child.artifact_type or child.media_type
    return "/".join(part for part in (one.os, one.architecture, one.variant) if part) + (
        f" {one.os_version}" if one.os_version else ""
    )


async def _config(call: PageCall, seen: Seen) -> bytes | None:
    """Read the config of an image or artifact, if it is small enough to be in the database."""
    if seen.manifest is None or seen.manifest.config is None:
        return None
    found = await manifests.config(call.services.db, seen.head.package_id, seen.manifest.config.digest)
    return None if found is None else found.body


async def _steps(call: PageCall, seen: Seen) -> list[Layer]:
    """Return the steps that the page shows, and one more if there are others."""
    return [] if seen.manifest is None else steps(seen.manifest, await _config(call, seen), _STEPS_MAX + 1)


async def layers(call: PageCall) -> web.Response:
    """Show the layers of an image, with the commands that made them."""
    seen = await _seen(call)
    return _page(call, seen, "layers", layers=await _steps(call, seen))


async def config(call: PageCall) -> web.Response:
    """Show the config of an image, as text."""
    seen = await _seen(call)
    body = await _config(call, seen)
    described = seen.manifest is not None and has_image_config(seen.manifest)
    return _page(call, seen, "config", text=None if body is None else _pretty(body), described=described)


async def manifest(call: PageCall) -> web.Response:
    """Show the manifest, as its bytes are."""
    seen = await _seen(call)
    text = None if len(seen.body) > _TEXT_MAX else seen.body.decode("utf-8", "replace")
    return _page(call, seen, "manifest", text=text)


def _pretty(body: bytes) -> str | None:
    """Return JSON with line breaks; what is none, as it is; None: it is too long to show."""
    if len(body) > _TEXT_MAX:
        return None
    try:
        tree = orjson.loads(body)
        if 2 * _depth(tree) * marks(body) > _TEXT_MAX:  # an indent of each line, which a hostile text makes long
            return body.decode("utf-8", "replace")
        return orjson.dumps(tree, option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return body.decode("utf-8", "replace")


def _depth(tree: object) -> int:
    depth, level = 0, [tree]
    while level:
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        depth, level = depth + 1, [child for several in inner for child in several]
    return depth


@dataclass(frozen=True, slots=True)
class Branch:
    """A manifest in the tree of a version: ``label``, what refers to it, each with its kind, and attestations of it."""

    label: str | None
    digest: str
    referrers: list[tuple[str, Referrer]]
    inside: list[Descriptor]


async def referrers(call: PageCall) -> web.Response:
    """Show signatures, SBOMs, attestations and others: of the version, and of each image of an index."""
    seen = await _seen(call)
    children = [] if seen.manifest is None else list(seen.manifest.manifests)[:100]
    images = [child for child in children if _ATTESTATION not in child.annotations]
    found: dict[str, list[tuple[str, Referrer]]] = {}
    subjects = [seen.digest, *(child.digest for child in images)]
    for one in await package_pages.referrers(call.services.db, seen.head.package_id, subjects):
        found.setdefault(one.subject, []).append((artifacts.referrer_kind(one.artifact_type), one))
    inside: dict[str, list[Descriptor]] = {}
    for child in children:
        if _ATTESTATION in child.annotations:
            about = child.annotations.get(_ABOUT, "")
            inside.setdefault(about if about in subjects else seen.digest, []).append(child)
    labels = [(None, seen.digest), *((_platform(child), child.digest) for child in images)]
    tree = [Branch(label, digest, found.get(digest, []), inside.get(digest, [])) for label, digest in labels]
    return _page(call, seen, "referrers", tree=tree, any=bool(found or inside))


async def parents(call: PageCall) -> web.Response:
    """Show the indexes that a version is part of."""
    return _page(call, await _seen(call), "parents")


async def retention(call: PageCall) -> web.Response:
    """Tell the package's admins why retention keeps a version, or deletes it."""
    seen = await _seen(call)
    if not seen.head.may_manage or seen.row.version_id is None:
        raise NotFound
    found = await retention_decisions.explained(call.services.db, seen.head.package_id, seen.row.version_id)
    told = [(one, orjson.loads(one.decisions)) for one in found]
    return _page(call, seen, "retention", told=told, decisions=DECISIONS)


_BELOW: Final = {
    "layers": layers,
    "config": config,
    "manifest": manifest,
    "referrers": referrers,
    "parents": parents,
    "retention": retention,
}
ROUTES: Final = (
    Route("GET", "/{owner}/{image}:{tag}", overview, opening=_opening),
    Route("GET", "/{owner}/{image}@{digest}", overview, opening=_opening),
    *(
        Route("GET", f"/{{owner}}/{{image}}@{{digest}}/-/{tab}", handler, opening=_opening)
        for tab, handler in _BELOW.items()
    ),
)
