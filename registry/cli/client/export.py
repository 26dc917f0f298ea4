"""The command ``export``: images in one tar file, an OCI layout that ``docker load`` takes too."""

import json
import os
import tarfile
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from io import BytesIO
from shutil import copyfileobj
from typing import IO, Any, Final, cast

from registry.cli.client import references
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import USAGE, CommandError
from registry.cli.client.layout import IMAGE_NAME, REF_NAME, Bundle
from registry.cli.client.layout import member as _path
from registry.cli.client.manifests import INDEXES, Manifest
from registry.cli.client.oci import TRAVEL_ERRORS, Registry
from registry.cli.client.output import plural, size
from registry.cli.client.platforms import child_of
from registry.cli.client.references import Reference
from registry.cli.client.verified import Verified
from registry.cli.client.whole import Body, Whole

_BLOCK: Final = 1 << 20
_ELSEWHERE: Final = ("foreign", "nondistributable")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", type=references.parse_any, help="[HOST/]OWNER/NAME[:TAG|@DIGEST]"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the tar file that is written, or a directory: DIR/"
    )
    parser.add_argument(
        "--have", metavar="FILE", action="append", default=[], help="leave out the layers that this former file has"
    )
    parser.add_argument("--platform", metavar="OS/ARCH", help="this platform of an index only")
    parser.add_argument("--no-referrers", action="store_true", help="leave out signatures, SBOMs and other referrers")


def _run(context: Context) -> None:
    path = context.options.output
    bundle = _Bundle(context, [Bundle(one) for one in context.options.have])
    for image in context.options.images:
        bundle.add(image)
    try:
        count = _to_directory(bundle, path) if path.endswith("/") or os.path.isdir(path) else _to_tar(bundle, path)  # noqa: PTH112
    except OSError as error:
        raise CommandError(f"cannot write {path}", status=USAGE, why=(error.strerror or str(error)).lower()) from error
    had = f", {plural(bundle.had, 'blob')} left out" if bundle.had else ""
    context.note(f"{plural(len(context.options.images), 'image')} in {path}, {size(count)}{had}")


def _to_tar(bundle: "_Bundle", path: str) -> int:
    """Write a tar file, whole or not at all. Raises CommandError, OSError."""
    part = f"{path}.part"
    try:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:

            def put(name: str, body: Callable[[], IO[bytes]], count: int) -> None:
                found = tarfile.TarInfo(name)  # owner, mode and time are the same everywhere
                found.size = count
                with closing(body()) as file:
                    tar.addfile(found, file)

            count = bundle.write(put)
        os.replace(part, path)  # noqa: PTH105
    finally:
        if os.path.exists(part):  # noqa: PTH110
            os.unlink(part)  # noqa: PTH108
    return count


def _to_directory(bundle: "_Bundle", path: str) -> int:
    """Write a directory; what is there from a former time is not fetched again. Raises CommandError, OSError."""

    def put(name: str, body: Callable[[], IO[bytes]], count: int) -> None:
        there = os.path.join(path, name)  # noqa: PTH118
        if name.startswith("blobs/") and os.path.isfile(there) and os.path.getsize(there) == count:  # noqa: PTH113, PTH202
            return
        os.makedirs(os.path.dirname(there), exist_ok=True)  # noqa: PTH103, PTH120
        try:
            with closing(body()) as file, open(f"{there}.part", "wb") as made:
                copyfileobj(file, made, _BLOCK)
            os.replace(f"{there}.part", there)  # noqa: PTH105
        finally:
            if os.path.exists(f"{there}.part"):  # noqa: PTH110
                os.unlink(f"{there}.part")  # noqa: PTH108

    return bundle.write(put)


class _Bundle:
    """Images that one file gets: what they share stands in it once, in the order of the digests."""

    def __init__(self, context: Context, have: Sequence[Bundle]) -> None:
        self._context = context
        self._have = have
        self.had = 0
        self._manifests: dict[str, Manifest] = {}
        self._blobs: dict[str, tuple[Registry, int]] = {}
        self._entries: list[dict[str, Any]] = []
        self._loads: list[dict[str, Any]] = []

    def add(self, image: Reference) -> None:
        """Find what belongs to an image. Raises CommandError."""
        options, target = self._context.options, self._context.target(image.host)
        read = Registry(target, image.path, trace=self._context.trace)
        root = read.manifest(image.version or "latest")
        if options.platform and root.media_type in INDEXES:
            root = child_of(read, root, options.platform)
        tag = image.tag or ("" if image.digest else "latest")
        for manifest, beside in Whole(read, referrers=not options.no_referrers).ordered(root):
            self._manifests[manifest.digest] = manifest
            for one in manifest.blobs:
                if not any(word in one.get("mediaType", "") for word in _ELSEWHERE):
                    self._blobs.setdefault(one["digest"], (read, int(one["size"])))
            if manifest.subject or beside:
                self._entry(manifest, f"{target.host}/{image.path}", beside)
        self._entry(root, f"{target.host}/{image.path}", tag, by_digest=not tag)
        self._load(root, f"{target.host}/{image.path}:{tag}" if tag else "")

    def _entry(self, manifest: Manifest, name: str, tag: str, *, by_digest: bool = False) -> None:
        """Add an entry of the index; a referrer that has no tag has no name."""
        named = {IMAGE_NAME: f"{name}:{tag}", REF_NAME: tag} if tag else {}
        named |= {IMAGE_NAME: f"{name}@{manifest.digest}"} if by_digest else {}
        entry = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.body)}
        entry |= {"annotations": named} if named else {}
        if entry not in self._entries:
            self._entries.append(entry)

    def _load(self, root: Manifest, name: str) -> None:
        """Add what ``docker load`` without containerd's store reads: an image of one platform."""
        chosen = next((self._manifests[one["digest"]] for one in root.children if _common(one)), root)
        config = chosen.json.get("config")
        if not config or chosen.media_type in INDEXES:
            return
        layers = [_path(one["digest"]) for one in chosen.layers]
        if self._have:  # its layers are in several files, and docker takes one
            return
        self._loads.append({"Config": _path(config["digest"]), "RepoTags": [name] if name else [], "Layers": layers})

    def write(self, put: "Callable[[str, Callable[[], IO[bytes]], int], None]") -> int:
        """Write the layout; return how many bytes the blobs in it have. Raises CommandError, OSError."""
        missing = {digest for digest in self._blobs if any(one.has(_path(digest)) for one in self._have)}
        self.had = len(missing)
        index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": sorted(self._entries, key=json.dumps)}
        for digest in sorted({*self._manifests, *self._blobs} - missing):
            if digest in self._manifests:
                body = self._manifests[digest].body
                put(_path(digest), partial(BytesIO, body), len(body))
            else:
                put(_path(digest), partial(_body, *self._blobs[digest], digest), self._blobs[digest][1])
        for name, found in (
            ("index.json", index), ("manifest.json", self._loads), ("oci-layout", {"imageLayoutVersion": "1.0.0"})
        ):  # fmt: skip
            body = json.dumps(found, sort_keys=True).encode()
            put(name, partial(BytesIO, body), len(body))
        return sum(count for digest, (_, count) in self._blobs.items() if digest not in missing)


def _body(read: Registry, count: int, digest: str) -> IO[bytes]:
    """Open a blob for reading. Raises CommandError."""
    try:
        response, _ = read.open_blob(digest, count)
    except TRAVEL_ERRORS as error:
        raise read.connection.failure(error) from error
    return cast("IO[bytes]", _Full(Verified(response, digest, count, lambda _: None), read, response))


class _Full:
    """A body of which each read is as long as it was asked for, as ``tarfile`` needs it."""

    def __init__(self, body: Verified, source: Registry, response: Body) -> None:
        self._body = body
        self._source = source
        self.close = response.close

    def read(self, count: int) -> bytes:
        """Read ``count`` bytes, or all that are left. Raises CommandError."""
        found = bytearray()
        try:
            while len(found) < count and (data := self._body.read(count - len(found))):
                found += data
        except TRAVEL_ERRORS as error:
            raise self._source.connection.failure(error) from error
        return bytes(found)


def _common(entry: dict[str, Any]) -> bool:
    platform = entry.get("platform") or {}
    return (platform.get("os"), platform.get("architecture")) == ("linux", "amd64")


COMMANDS: Final = {"export": Command(_add, _run)}
