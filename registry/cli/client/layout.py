"""OCI layouts that an import reads: tar files such as ``moorage export`` and ``docker save`` write, and directories."""

import gzip
import hashlib
import json
import os
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from typing import IO, Any, Final, cast

from registry.cli.client.errors import NOT_FOUND, USAGE, CommandError
from registry.cli.client.manifests import Manifest, entries, parsed
from registry.cli.client.references import Reference, parse_any
from registry.cli.client.whole import Body

#: How containerd and docker name an image of a layout.
IMAGE_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"
_MANIFEST_MAX: Final = 4 << 20
_INDEX_MAX: Final = 32 << 20
_MEMBERS_MAX: Final = 1_000_000
_HEADER_MAX: Final = 1 << 20
_BLOCK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ALGORITHMS: Final = ("sha256", "sha512")


class Bundle:
    """An OCI layout; ``name`` is what images without one are called. Raises CommandError for what is none."""

    def __init__(self, path: str, name: str = "") -> None:
        self.path = path
        self._name = name
        why = "expected an OCI layout, a directory or a tar file, that is not cut"
        try:
            self._tar = None if os.path.isdir(path) else _unpacked(path)  # noqa: PTH112
            self._members = {} if self._tar is None else _listed(self._tar)
            self.index = entries(json.loads(self.read("index.json", _INDEX_MAX)))
        except KeyError as error:
            raise CommandError(f"{path} is no OCI layout", status=USAGE, why="there is no index.json in it") from error
        except OSError as error:
            raise CommandError(f"cannot read {path}", status=USAGE, why=error.strerror or str(error)) from error
        except (EOFError, zlib.error, tarfile.TarError, TypeError, ValueError, RecursionError) as error:
            raise CommandError(f"{path} is no OCI layout", status=USAGE, why=why) from error

    def open(self, name: str) -> tuple[int, int, int]:
        """Open a member: a descriptor that is the caller's, where its bytes begin, and their number.

        Raises KeyError, OSError.
        """
        if self._tar is not None:
            begin, size = self._members[name]
            return os.dup(self._tar.fileno()), begin, size
        try:
            file = os.open(os.path.join(self.path, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # noqa: PTH118
        except FileNotFoundError as error:
            raise KeyError(name) from error
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            os.close(file)
            raise KeyError(name)
        return file, 0, found.st_size

    def has(self, name: str) -> bool:
        """Return whether there is a member of this name."""
        return name in self._members if self._tar is not None else os.path.isfile(os.path.join(self.path, name))  # noqa: PTH113, PTH118

    def read(self, name: str, most: int = _MANIFEST_MAX) -> bytes:
        """Read a small member. Raises KeyError, OSError, ValueError for one that is larger."""
        file, begin, size = self.open(name)
        try:
            if size > most:
                raise ValueError(f"{name} has {size} bytes")
            return os.pread(file, size, begin)
        finally:
            os.close(file)

    def images(self) -> Iterator[tuple[Reference, str]]:
        """List the names of the images, with their digests. Raises CommandError for one without a name."""
        for one in self.index:
            told = {name: text for name, text in (one.get("annotations") or {}).items() if isinstance(text, str)}
            named = told.get(IMAGE_NAME) or (told[REF_NAME] if "/" in told.get(REF_NAME, "") else "")
            tag = told.get(REF_NAME) or ("" if len(self.index) > 1 else "latest")
            if not named and tag and not self._name:
                raise CommandError(f"an image of {self.path} has no name", status=USAGE, attempt="--as NAME",
                    why=f"expected the annotation {IMAGE_NAME}")  # fmt: skip
            if named or tag:
                yield parse_any(named or f"bundle/{self._name}:{tag}"), str(one["digest"])

    @cached_property
    def referring(self) -> dict[str, list[dict[str, Any]]]:
        """The entries that refer to a manifest, by its digest. Raises CommandError."""
        named = {digest for _, digest in self.images()}
        found: dict[str, list[dict[str, Any]]] = {}
        for one in self.index:
            if one["digest"] not in named and (subject := self.manifest(one["digest"]).subject):
                found.setdefault(subject, []).append(one)
        return found

    def manifest(self, digest: str, media_type: str = "") -> Manifest:
        """Read a manifest, and check its digest. Raises CommandError."""
        try:
            body = self.read(member(digest))
        except (KeyError, OSError) as error:
            raise CommandError(f"{digest} is not in {self.path}", status=NOT_FOUND) from error
        except ValueError as error:
            raise CommandError(f"{digest} of {self.path} is larger than 4 MB") from error
        algorithm = digest.partition(":")[0]
        if algorithm not in _ALGORITHMS or f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}" != digest:
            raise CommandError(f"{self.path} has other bytes for {digest}")
        found = parsed(self.path, digest, "", body)
        return parsed(self.path, digest, str(found.json.get("mediaType") or media_type), body)


def member(digest: str) -> str:
    """Return the name of a blob in a layout."""
    return "blobs/" + digest.replace(":", "/")


def _unpacked(path: str) -> IO[bytes]:
    """Open a tar file; one that is compressed is unpacked into a file that nobody else sees. Raises OSError."""
    file = open(path, "rb")  # noqa: SIM115 - as long as the process
    magic = file.read(4)
    if magic == _ZSTD:
        raise CommandError(f"{path} is compressed by zstd", status=USAGE, attempt=f"zstd -d {path}")
    file.seek(0)
    if not magic.startswith(_GZIP):
        return file
    made = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
    with gzip.open(file) as packed:
        while data := packed.read(_BLOCK):
            made.write(data)
    made.seek(0)
    return cast("IO[bytes]", made)


class _Headers:
    """A tar file of which headers alone are read: one that is longer than any is no header."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, count: int) -> bytes:
        """Read a header. Raises ReadError."""
        if count > _HEADER_MAX:
            raise tarfile.ReadError("a header is too long")
        return self._file.read(count)


def _listed(file: IO[bytes]) -> dict[str, tuple[int, int]]:
    """List where the members of a tar file are: files only, and nothing outside of a layout. Raises TarError."""
    found: dict[str, tuple[int, int]] = {}
    with tarfile.open(fileobj=cast("IO[bytes]", _Headers(file)), mode="r:") as tar:
        while (one := tar.next()) is not None:
            name = one.name.removeprefix("./")
            if one.isreg() and not one.issparse() and (name == "index.json" or name.startswith("blobs/")):
                found[name] = (one.offset_data, one.size)
            if len(found) > _MEMBERS_MAX:
                raise tarfile.ReadError("too many members")
            tar.members.clear()  # type: ignore[attr-defined]
    return found


class Layout:
    """A repository of a bundle, as an import reads it."""

    def __init__(self, bundle: Bundle, path: str) -> None:
        self.path = path
        self._bundle = bundle
        self._tags = {
            found.tag or (digest if found.digest else "latest"): digest
            for found, digest in bundle.images()
            if found.path == path
        }
        self._types = {str(one["digest"]): str(one.get("mediaType") or "") for one in bundle.index}

    def twin(self) -> "Layout":
        """Return the repository itself: nothing is open between two reads."""
        return self

    def close(self) -> None:
        """Close nothing."""

    def tags(self) -> Iterator[str]:
        """List the tags, and the digests of images that have none."""
        yield from self._tags

    def manifest(self, version: str) -> Manifest:
        """Read a manifest by tag or digest, and check its digest. Raises CommandError."""
        digest = self._tags.get(version, version)
        made = self._bundle.manifest(digest, self._types.get(digest, ""))
        self._types |= {str(one["digest"]): str(one.get("mediaType") or "") for one in made.children}
        return made

    def has_manifest(self, version: str) -> str:
        """Return the digest of a manifest that is there; empty if none is."""
        digest = self._tags.get(version, version)
        return digest if self._bundle.has(member(digest)) else ""

    def referrers(self, digest: str) -> list[dict[str, Any]]:
        """List what refers to a manifest."""
        return self._bundle.referring.get(digest, [])

    def open_blob(self, digest: str, size: int, offset: int = 0) -> tuple[Body, int]:
        """Open a blob for reading; return where its bytes begin. Raises CommandError, OSError."""
        try:
            file, begin, count = self._bundle.open(member(digest))
        except KeyError as error:
            why = "import the files first that it was written beside, with --have"
            raise CommandError(f"{digest} is not in {self._bundle.path}", status=NOT_FOUND, why=why) from error
        begin, count = begin + min(offset, size), max(count - min(offset, size), 0)
        return _Member(file, begin, count), offset


class _Member:
    """The bytes of a member, whose descriptor is its own."""

    def __init__(self, file: int, begin: int, count: int) -> None:
        self._file, self._at, self._end = file, begin, begin + count

    def read1(self, size: int, /) -> bytes:
        """Read at most ``size`` bytes; none at the end."""
        data = os.pread(self._file, min(size, self._end - self._at), self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._file)
