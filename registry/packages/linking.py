"""The metadata of images: labels, annotations, platforms, and the source repository they name. Pure functions.

Keys of OCI Image 1.1, «Pre-Defined Annotation Keys»: source, description, licenses; an annotation of the manifest goes
before a label of its config. Of an index the annotations count alone.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from license_expression import get_spdx_licensing

from registry.oci.image_config import ImageConfig
from registry.oci.manifest import Descriptor, Manifest
from registry.oci.media_types import DOCKER_CONFIG, OCI_CONFIG

_PREFIX: Final = "org.opencontainers.image."
_SOURCE_MAX: Final = 256
_DESCRIPTION_MAX: Final = 512
_LICENSES_MAX: Final = 256
#: Made once, before processes are forked: its list of licences is read from a file, and an automaton made of it, which
#: the library would else leave to the first push with a licence.
_SPDX: Final = get_spdx_licensing()
_SPDX.get_advanced_tokenizer()

#: The tags under which cosign keeps what belongs to an image.
_COSIGN_TAG: Final = re.compile(r"sha256-[a-f0-9]{64}\.(?:sig|att|sbom)", re.ASCII)
#: Types of signatures and attestations: sigstore's, Notary's, and in-toto's, which BuildKit uses for provenance.
_SIGNATURE_TYPES: Final = (
    "application/vnd.dev.cosign.",
    "application/vnd.dev.sigstore.",
    "application/vnd.cncf.notary.",
    "application/vnd.in-toto",
)
_REPOSITORY_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_LOGIN: Final = re.compile(r"[A-Za-z0-9_-]{1,39}", re.ASCII)
_SCP: Final = re.compile(r"git@([A-Za-z0-9.-]+):/?([^:@]+)", re.ASCII)
#: The pages of a branch, a directory or a file, on GitHub, Gitea and GitLab.
_PAGE: Final = re.compile(r"/(?:-/)?(?:tree|blob|src|commit|releases)/", re.ASCII)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Settings of links. ``forge_origins``: the forges whose repositories a label may name, ``scheme://host[:port]``."""

    forge_origins: tuple[str, ...] = ("https://github.com",)


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels of an image. ``licenses_spdx``: ``licenses`` is a valid SPDX expression, in its canonical form."""

    source: str | None = None
    description: str | None = None
    licenses: str | None = None
    licenses_spdx: bool | None = None


def has_image_config(manifest: Manifest) -> bool:
    """Return whether the manifest has an image config, which can have labels."""
    return manifest.config is not None and manifest.config.media_type in {OCI_CONFIG, DOCKER_CONFIG}


def labels_of(manifest: Manifest, config: ImageConfig) -> Labels:
    """Return the labels to store. Long texts are truncated; a long URL is dropped, as its prefix is another URL."""
    said: Mapping[str, str] = {**config.labels, **manifest.annotations}
    source = said.get(f"{_PREFIX}source", "").strip()
    description = said.get(f"{_PREFIX}description", "").strip()[:_DESCRIPTION_MAX]
    licenses, spdx = _licenses(said.get(f"{_PREFIX}licenses", "").strip())
    kept = source if len(source) <= _SOURCE_MAX else ""
    return Labels(_clean(kept), _clean(description), _clean(licenses), spdx if licenses else None)


def _clean(text: str) -> str | None:
    """Remove NUL and lone surrogates, which Postgres cannot store."""
    return text.replace("\0", "").encode("utf-8", "replace").decode() or None


def _licenses(text: str) -> tuple[str, bool]:
    if len(text) > _LICENSES_MAX:
        return text[:_LICENSES_MAX], False
    if not text:
        return "", False
    try:
        checked = _SPDX.validate(text)
    except Exception:  # noqa: BLE001 - the library raises what it likes; it is shown as it came
        return text, False
    if checked.errors or not checked.normalized_expression:
        return text, False
    return str(checked.normalized_expression), True


def repository_of(source: str, origins: Iterable[str]) -> tuple[str, str] | None:
    """Return the ``(owner, name)`` of a repository's URL on a forge, in any spelling; None for another URL.

    Spellings are those that people copy: of the pages (also a branch's), and what ``git clone`` takes.
    """
    text = source.removeprefix("git+")
    if (scp := _SCP.fullmatch(text)) is not None:
        text = f"ssh://git@{scp[1]}/{scp[2]}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host, user = (parts.hostname or "").removeprefix("www."), parts.netloc.rpartition("@")[0]
    forges = {_place(origin) for origin in origins}
    if parts.scheme in {"ssh", "git"}:  # its port is another than that of the pages
        known = user in {"", "git"} and host in {name for name, _ in forges}
    else:
        known = parts.scheme in {"http", "https"} and not user and (host, _port(parts.scheme, port)) in forges
    owner, _, rest = parts.path.removeprefix("/").partition("/")
    name, slash, page = rest.partition("/")
    name = name.removesuffix(".git")
    told = not page or _PAGE.match(slash + page) is not None
    if not (known and told and _LOGIN.fullmatch(owner) and _REPOSITORY_NAME.fullmatch(name)) or name in {".", ".."}:
        return None
    return owner, name


def _place(origin: str) -> tuple[str, int | None]:
    """Return the host and port of a forge; None is the usual port, of http and https alike."""
    parts = urlsplit(origin)
    return (parts.hostname or "").removeprefix("www."), _port(parts.scheme, parts.port)


def _port(scheme: str, port: int | None) -> int | None:
    return None if port == {"https": 443, "http": 80}[scheme] else port


def sort_of(manifest: Manifest, tags: Collection[str]) -> str:
    """Return the sort of a manifest, image or signature: downloads of signatures are counted separately."""
    types = [manifest.artifact_type or "", *(layer.media_type for layer in manifest.layers)]
    if manifest.config is not None:
        types.append(manifest.config.media_type)
    signs = any(kind.startswith(_SIGNATURE_TYPES) for kind in types) or any(_COSIGN_TAG.fullmatch(t) for t in tags)
    return "signature" if signs else "image"


def platforms_of(manifest: Manifest, config: ImageConfig) -> tuple[str, ...]:
    """Return ``os/architecture[/variant]`` of an image, or of an index's children without attestations."""
    if manifest.manifests:
        named = (_platform_of(child) for child in manifest.manifests)
        return tuple(dict.fromkeys(platform for platform in named if platform is not None))
    if config.os and config.architecture:
        return ("/".join(filter(None, (config.os, config.architecture, config.variant)))[:_SOURCE_MAX],)
    return ()


def _platform_of(child: Descriptor) -> str | None:
    platform = child.platform
    if platform is None or "unknown" in {platform.os, platform.architecture}:
        return None
    return "/".join(filter(None, (platform.os, platform.architecture, platform.variant))) or None
