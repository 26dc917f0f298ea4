"""The parser of image manifests and indexes (OCI Image 1.1, Docker schema 2).

Strict where two readers could see two things (CVE-2021-41190): duplicate keys, keys that differ only in case,
``layers`` beside ``manifests``, a Content-Type that is not the ``mediaType``. Unknown fields are let be. The bytes
themselves are stored as they came and never written again from what is parsed here.
"""

import json  # noqa: TID251 - the only reader that can tell a key that comes twice
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

import msgspec
import orjson

from registry.errors import ManifestInvalid, ManifestTooLarge, shown
from registry.oci.media_types import (
    INDEXES,
    MANIFESTS,
    OCI_IMAGE,
    OCI_INDEX,
    SCHEMA1,
    essence,
    is_foreign,
)
from storage.names import Digest, InvalidName

#: The spec asks clients and registries for at least this much («Pushing Manifests»).
MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024
MAX_DESCRIPTORS: Final = 5000
MAX_ANNOTATIONS: Final = 4096
#: Commas and opening brackets, in strings too. Above, 4 MiB of «[],[],…» are 1.4 million objects that Python makes and
#: drops while nothing else runs for 300 ms, in whichever thread; MAX_DESCRIPTORS may have 40 each.
MAX_MARKS: Final = 200_000

# Wider than RFC 6838 (artifacts bring parameters), and safe in a header and in a column.
_MEDIA_TYPE: Final = re.compile(r"[!-~]+/[!-~]+(?: [!-~]+)*", re.ASCII)
_MEDIA_TYPE_MAX: Final = 255
_DOCUMENT_KEYS: Final = frozenset({"schemaVersion", "mediaType", "config", "layers", "manifests", "subject"})
_DESCRIPTOR_KEYS: Final = frozenset({"mediaType", "digest", "size", "urls", "platform", "artifactType"})
_SAME_IN_LOWER_CASE: Final = {key.lower(): key for key in _DOCUMENT_KEYS | _DESCRIPTOR_KEYS}


class ManifestKind(StrEnum):
    IMAGE = "image"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Platform:
    """The platform of an index's child (OCI Image 1.1, «Image Index»)."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A descriptor (OCI Image 1.1); ``size`` in bytes. ``foreign``: kept elsewhere, need not be pushed."""

    media_type: str
    digest: Digest
    size: int
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Manifest:
    """A parsed manifest. ``artifact_type`` is the referrers API's: an image without one has its config's media type."""

    media_type: str
    kind: ManifestKind
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Digest, ...]:
        """The digests of required blobs: config, layers, and entries of an index that are no manifests.

        BuildKit's caches are an index over layers and a ``cacheconfig``.
        """
        entries = (entry for entry in self.manifests if entry.media_type not in MANIFESTS)
        config = () if self.config is None else (self.config,)
        return _distinct(part for part in (*config, *self.layers, *entries) if not part.foreign)

    @property
    def foreign(self) -> tuple[Digest, ...]:
        """The digests of foreign layers, which need not be pushed; the pushed ones belong to the manifest."""
        kept = frozenset(self.blobs)
        return tuple(digest for digest in _distinct(part for part in self.layers if part.foreign) if digest not in kept)

    @property
    def children(self) -> tuple[Digest, ...]:
        """The digests of required manifests: the entries of an index. The subject is not required."""
        return _distinct(entry for entry in self.manifests if entry.media_type in MANIFESTS)

    @property
    def size(self) -> int:
        """The size in bytes of config and layers by their descriptors, each digest once; 0 for an index."""
        config = () if self.config is None else (self.config,)
        return sum({part.digest: part.size for part in (*config, *self.layers) if not part.foreign}.values())


def _distinct(descriptors: Iterable[Descriptor]) -> tuple[Digest, ...]:
    return tuple(dict.fromkeys(descriptor.digest for descriptor in descriptors))


class _Platform(msgspec.Struct, rename={"os_version": "os.version"}):
    os: str = ""
    architecture: str = ""
    variant: str | None = None
    os_version: str | None = None


class _Descriptor(msgspec.Struct, rename="camel"):
    media_type: str
    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    urls: list[str] | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None
    platform: _Platform | None = None
    data: str | None = None  # the bytes once more; they are read from the blob, never from here


class _Document(msgspec.Struct, rename="camel"):
    """The fields of all four formats; Go writes an empty list as null."""

    schema_version: int
    media_type: str | None = None
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: list[_Descriptor] | None = None
    subject: _Descriptor | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


def parse_manifest(body: bytes, content_type: str | None) -> Manifest:
    """Parse the manifest in ``body``, sent as ``content_type``. Raises ManifestInvalid, ManifestTooLarge.

    Costs about 5 microseconds a layer, and up to 100 ms for the largest: bodies above 256 KiB belong in a thread.
    """
    if len(body) > MAX_MANIFEST_BYTES:
        raise ManifestTooLarge(MAX_MANIFEST_BYTES)
    if marks(body) > MAX_MARKS:
        raise ManifestInvalid(f"expected at most {MAX_MARKS} commas and opening brackets")
    tree = _tree(body)
    media_type = _media_type(tree, essence(content_type or ""))
    _exclusive(tree, media_type)
    try:
        document = msgspec.convert(tree, _Document)
    except msgspec.ValidationError as error:
        raise ManifestInvalid(f"this is no manifest: {error}") from None
    if document.schema_version != 2:  # noqa: PLR2004 - the schemaVersion of both specifications
        raise ManifestInvalid(f"expected schemaVersion 2, got {document.schema_version}")
    if media_type in INDEXES:
        return _index(document, media_type)
    return _image(document, media_type)


def marks(body: bytes) -> int:
    """Estimate the number of values in JSON without decoding them: see MAX_MARKS."""
    return sum(map(body.count, (b",", b"[", b"{")))


def _tree(body: bytes) -> dict[str, object]:
    """Parse the JSON object in ``body`` and reject duplicate keys."""
    try:
        # First reading: refuses what is no JSON, a BOM, bytes that are no UTF-8, lone surrogates, NaN, numbers beyond
        # a double and nesting beyond 1024, all of which the second would let pass or fail on in its own way.
        orjson.loads(body)
        tree = _READER.decode(body.decode())
    except RecursionError:
        raise ManifestInvalid("the JSON is nested too deeply") from None
    except ValueError as error:
        raise ManifestInvalid(f"this is no JSON: {error}") from None
    if not isinstance(tree, dict):
        raise ManifestInvalid("expected a JSON object")
    return tree


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ManifestInvalid(f"the key {shown(twice)} comes twice in an object")
    return members


_READER: Final = json.JSONDecoder(object_pairs_hook=_object)


def _media_type(tree: Mapping[str, object], sent_as: str) -> str:
    """Return the Content-Type, one of MANIFESTS; a ``mediaType`` must be equal («Pushing Manifests»)."""
    stated = tree.get("mediaType")
    if isinstance(stated, str) and sent_as and stated != sent_as:
        raise ManifestInvalid(f"the Content-Type {shown(sent_as)} is not the mediaType {shown(stated)}")
    media_type = sent_as or (stated if isinstance(stated, str) else None) or _guessed(tree)
    if media_type in SCHEMA1 or tree.get("schemaVersion") == 1 or "fsLayers" in tree:
        raise ManifestInvalid("Docker image manifests of schema 1 are not taken; push with a client from 2017 or later")
    if media_type not in MANIFESTS:
        raise ManifestInvalid(f"expected the type of an OCI or Docker image or index, got {shown(media_type)}")
    return media_type


def _guessed(tree: Mapping[str, object]) -> str:
    """Return the OCI type of a manifest without ``mediaType`` and Content-Type: Docker's formats require the field."""
    return OCI_INDEX if "manifests" in tree else OCI_IMAGE


def _exclusive(tree: Mapping[str, object], media_type: str) -> None:
    """Reject a manifest that another parser could read as the other kind."""
    _cased(tree, _DOCUMENT_KEYS)
    wrong = {"config", "layers"} if media_type in INDEXES else {"manifests"}
    found = sorted(wrong & tree.keys())
    if found:
        raise ManifestInvalid(f"a manifest of the type {media_type} must not have {' and '.join(found)}")
    needed = "manifests" if media_type in INDEXES else "config"
    if needed not in tree:
        raise ManifestInvalid(f"a manifest of the type {media_type} must have {needed}")
    for key in ("config", "subject"):
        _cased(tree.get(key), _DESCRIPTOR_KEYS)
    for key in ("layers", "manifests"):
        entries = tree.get(key)
        if isinstance(entries, list):
            _few(entries)
            for entry in entries:
                _cased(entry, _DESCRIPTOR_KEYS)


def _cased(members: object, known: frozenset[str]) -> None:
    """Reject keys in another case: Go ignores case, so that «Digest» would be another digest for some clients."""
    if not isinstance(members, dict):
        return
    for key in members.keys() - known:
        if _SAME_IN_LOWER_CASE.get(key.lower()) in known:
            raise ManifestInvalid(f"expected the key {_SAME_IN_LOWER_CASE[key.lower()]}, got {shown(key)}")


def _few(entries: Sequence[object]) -> None:
    if len(entries) > MAX_DESCRIPTORS:
        raise ManifestInvalid(f"expected at most {MAX_DESCRIPTORS} descriptors, got {len(entries)}")


def _image(document: _Document, media_type: str) -> Manifest:
    if document.config is None:
        raise ManifestInvalid("expected a descriptor in config, got null")
    config = _part(document.config, "config")
    layers = tuple(_layer(layer, f"layers[{i}]") for i, layer in enumerate(document.layers or ()))
    return Manifest(
        media_type,
        ManifestKind.IMAGE,
        config=config,
        layers=layers,
        subject=_subject(document),
        artifact_type=_artifact_type(document.artifact_type, "artifactType") or config.media_type,
        annotations=_annotations(document.annotations),
    )


def _index(document: _Document, media_type: str) -> Manifest:
    entries = enumerate(document.manifests or ())
    return Manifest(
        media_type,
        ManifestKind.INDEX,
        manifests=tuple(_descriptor(entry, f"manifests[{i}]") for i, entry in entries),
        subject=_subject(document),
        artifact_type=_artifact_type(document.artifact_type, "artifactType"),
        annotations=_annotations(document.annotations),
    )


def _subject(document: _Document) -> Descriptor | None:
    return None if document.subject is None else _descriptor(document.subject, "subject")


def _layer(raw: _Descriptor, where: str) -> Descriptor:
    """Parse a layer. Only layers can be foreign: a config or child with ``urls`` is required all the same."""
    return _part(raw, where, foreign=bool(raw.urls) or is_foreign(raw.media_type))


def _part(raw: _Descriptor, where: str, *, foreign: bool = False) -> Descriptor:
    """Parse the descriptor of a config or layer, and reject the media types of manifests."""
    if raw.media_type in MANIFESTS | SCHEMA1:
        raise ManifestInvalid(f"expected a blob in {where}, got the manifest type {raw.media_type}")
    return _descriptor(raw, where, foreign=foreign)


def _descriptor(raw: _Descriptor, where: str, *, foreign: bool = False) -> Descriptor:
    try:
        digest = Digest.parse(raw.digest)
    except InvalidName as error:
        raise ManifestInvalid(f"{where}.digest: {error}") from None
    return Descriptor(
        _checked_type(raw.media_type, f"{where}.mediaType"),
        digest,
        raw.size,
        artifact_type=_artifact_type(raw.artifact_type, f"{where}.artifactType"),
        annotations=_annotations(raw.annotations),
        platform=_platform(raw.platform, where),
        foreign=foreign,
    )


def _checked_type(text: str, where: str) -> str:
    if len(text) > _MEDIA_TYPE_MAX or not _MEDIA_TYPE.fullmatch(text):
        raise ManifestInvalid(f"expected a media type in {where}, got {shown(text)}")
    return text


def _artifact_type(text: str | None, where: str) -> str | None:
    """«empty or missing» are the same to the spec."""
    return _checked_type(text, where) if text else None


def _annotations(raw: Mapping[str, str] | None) -> Mapping[str, str]:
    if not raw:
        return {}
    if len(raw) > MAX_ANNOTATIONS:
        raise ManifestInvalid(f"expected at most {MAX_ANNOTATIONS} annotations, got {len(raw)}")
    for key, value in raw.items():
        _storable(key, "an annotation")
        _storable(value, f"the annotation {shown(key)}")
    return raw


def _storable(text: str, where: str) -> None:
    if "\0" in text:  # Postgres keeps no NUL in text or jsonb
        raise ManifestInvalid(f"expected no NUL character in {where}")


def _platform(raw: _Platform | None, where: str) -> Platform | None:
    if raw is None:
        return None
    for text in (raw.os, raw.architecture, raw.variant or "", raw.os_version or ""):
        _storable(text, f"{where}.platform")
        if len(text) > _MEDIA_TYPE_MAX:
            raise ManifestInvalid(f"expected at most {_MEDIA_TYPE_MAX} characters in {where}.platform")
    return Platform(raw.os, raw.architecture, raw.variant or None, raw.os_version or None)
