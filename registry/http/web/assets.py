"""The assets of the pages: each at an address with its hash, which can be kept for ever, and compressed once."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
PREFIX: Final = "/-/assets/"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file for browsers; ``path`` is its address."""

    path: str
    content_type: str
    body: bytes
    gzipped: bytes


def _read(file: Path) -> Asset:
    body = file.read_bytes()
    path = f"{PREFIX}{file.stem}.{hashlib.sha256(body).hexdigest()[:8]}{file.suffix}"
    return Asset(path, _TYPES[file.suffix], body, gzip.compress(body, 9, mtime=0))


#: The assets by the names of their files.
ASSETS: Final[Mapping[str, Asset]] = {
    file.name: _read(file) for file in (Path(__file__).parent / "assets").iterdir() if file.suffix in _TYPES
}
BY_PATH: Final[Mapping[str, Asset]] = {asset.path: asset for asset in ASSETS.values()}


def address(name: str) -> str:
    """Return the address of an asset."""
    return ASSETS[name].path
