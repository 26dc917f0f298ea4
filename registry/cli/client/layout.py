"""OCI layouts in a tar file, whose images have their whole names: what ``moorage export`` writes."""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from typing import Any, Final

from registry.cli.client.errors import NOT_FOUND, USAGE, CommandError
from registry.cli.client.manifests import Manifest, entries, parsed
from registry.cli.client.references import is_tag, parse_any
from registry.cli.client.whole import Body

_IMAGE_NAME: Final = "io.containerd.image.name"
_REF_NAME: Final = "org.opencontainers.image.ref.name"
_MANIFEST_MAX: Final = 32 << 20
_ALGORITHMS: Final = ("sha256", "sha512")


class Bundle:
    """A tar file that is an OCI layout. Raises CommandError for one that is none."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with tarfile.open(path, "r:") as tar:
                self.members = {one.name.removeprefix("./"): (one.offset_data, one.size) for one in tar if one.isfile()}
            self.index = entries(json.loads(self.read("index.json")))
        except (OSError, tarfile.TarError, KeyError, TypeError, ValueError) as error:
            why = "expected a tar file with index.json, that is not compressed"
            raise CommandError(f"{path} is no OCI layout", status=USAGE, why=why) from error

    def read(self, name: str) -> bytes:
        """Read a small member. Raises KeyError, OSError."""
        offset, size = self.members[name]
        if size > _MANIFEST_MAX:
            raise KeyError(name)
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(size)

    def images(self) -> Iterator[tuple[str, str]]:
        """List the names and tags of the images; one without a name is told."""
        for one in self.index:
            told = one.get("annotations") or {}
            named = str(told.get(_IMAGE_NAME) or "")
            if not named:
                if told.get(_REF_NAME):
                    raise CommandError(f"{told[_REF_NAME]} of {self.path} has no name", status=USAGE,
                        why=f"expected the annotation {_IMAGE_NAME}")  # fmt: skip
                continue
            found = parse_any(named)
            yield found.path, found.tag or "latest"


class Layout:
    """A repository of a bundle, as an import reads it."""

    def __init__(self, bundle: Bundle, path: str) -> None:
        self.path = path
        self._bundle = bundle
        self._tags: dict[str, str] = {}
        self._types = {str(one["digest"]): str(one.get("mediaType") or "") for one in bundle.index}
        self._referring: dict[str, list[dict[str, Any]]] = {}
        for one in bundle.index:
            named = str((one.get("annotations") or {}).get(_IMAGE_NAME) or "")
            if named and parse_any(named).path == path:
                self._tags[parse_any(named).tag or "latest"] = str(one["digest"])
            elif not named and (subject := self.manifest(str(one["digest"])).subject):
                self._referring.setdefault(subject, []).append(one)

    def twin(self) -> "Layout":
        """Return the repository itself: nothing is open between two reads."""
        return self

    def close(self) -> None:
        """Close nothing."""

    def tags(self) -> Iterator[str]:
        """List the tags."""
        yield from (tag for tag in self._tags if is_tag(tag))

    def manifest(self, version: str) -> Manifest:
        """Read a manifest by tag or digest, and check its digest. Raises CommandError."""
        digest = self._tags.get(version, version)
        try:
            body = self._bundle.read("blobs/" + digest.replace(":", "/"))
        except (KeyError, OSError) as error:
            raise CommandError(f"{version} is not in {self._bundle.path}", status=NOT_FOUND) from error
        algorithm = digest.partition(":")[0]
        if algorithm not in _ALGORITHMS or f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}" != digest:
            raise CommandError(f"{self._bundle.path} has other bytes for {digest}")
        found = parsed(self._bundle.path, digest, "", body)
        media_type = str(found.json.get("mediaType") or self._types.get(digest) or "")
        made = parsed(self._bundle.path, digest, media_type, body)
        self._types |= {str(one["digest"]): str(one.get("mediaType") or "") for one in made.children}
        return made

    def has_manifest(self, version: str) -> str:
        """Return the digest of a manifest that is there; empty if none is."""
        digest = self._tags.get(version, version)
        return digest if "blobs/" + digest.replace(":", "/") in self._bundle.members else ""

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """List what refers to a manifest."""
        return self._referring.get(digest, [])

    def open_blob(self, digest: str, size: int, offset: int = 0) -> tuple[Body, int]:
        """Open a blob for reading; return where its bytes begin. Raises CommandError, OSError."""
        name = "blobs/" + digest.replace(":", "/")
        if name not in self._bundle.members:
            raise CommandError(f"{digest} is not in {self._bundle.path}", status=NOT_FOUND)
        return _Member(self._bundle, name, min(offset, size)), offset


class _Member:
    """The bytes of a member from ``offset`` on."""

    def __init__(self, bundle: Bundle, name: str, offset: int) -> None:
        begin, size = bundle.members[name]
        self._left = max(size - offset, 0)
        self._file = open(bundle.path, "rb")  # noqa: SIM115 - closed by close
        self._file.seek(begin + offset)

    def read1(self, size: int, /) -> bytes:
        """Read at most ``size`` bytes; none at the end."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()
