"""The command ``export``: images in one tar file, an OCI layout that ``docker load`` takes too."""

import json
import os
import tarfile
from argparse import ArgumentParser
from io import BytesIO
from typing import IO, Any, Final, cast

from registry.cli.client import references
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import USAGE, CommandError
from registry.cli.client.manifests import INDEXES, Manifest
from registry.cli.client.oci import TRAVEL_ERRORS, Registry
from registry.cli.client.output import plural, size
from registry.cli.client.platforms import child_of
from registry.cli.client.references import Reference
from registry.cli.client.verified import Verified
from registry.cli.client.whole import Whole

#: How containerd and docker name an image of a layout.
IMAGE_NAME: Final = "io.containerd.image.name"
REF_NAME: Final = "org.opencontainers.image.ref.name"
_ELSEWHERE: Final = ("foreign", "nondistributable")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument(
        "images", metavar="IMAGE", nargs="+", type=references.parse_any, help="[HOST/]OWNER/NAME[:TAG|@DIGEST]"
    )
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the tar file that is written")
    parser.add_argument("--platform", metavar="OS/ARCH", help="this platform of an index only")
    parser.add_argument("--no-referrers", action="store_true", help="leave out signatures, SBOMs and other referrers")


def _run(context: Context) -> None:
    path = context.options.output
    bundle = _Bundle(context)
    for image in context.options.images:
        bundle.add(image)
    part = f"{path}.part"
    try:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            count = bundle.write(tar)
        os.replace(part, path)  # noqa: PTH105
    except OSError as error:
        raise CommandError(f"cannot write {path}", status=USAGE, why=(error.strerror or str(error)).lower()) from error
    finally:
        if os.path.exists(part):  # noqa: PTH110
            os.unlink(part)  # noqa: PTH108
    context.note(f"{plural(len(context.options.images), 'image')} in {path}, {size(count)}")


class _Bundle:
    """Images that one file gets: what they share stands in it once, in the order of the digests."""

    def __init__(self, context: Context) -> None:
        self._context = context
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
        self._entry(root, f"{target.host}/{image.path}", tag)
        self._load(root, f"{target.host}/{image.path}:{tag}" if tag else "")

    def _entry(self, manifest: Manifest, name: str, tag: str) -> None:
        named = {IMAGE_NAME: f"{name}:{tag}", REF_NAME: tag} if tag else {}
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
        self._loads.append({"Config": _path(config["digest"]), "RepoTags": [name] if name else [], "Layers": layers})

    def write(self, tar: tarfile.TarFile) -> int:
        """Write the file; return how many bytes the blobs have. Raises CommandError, OSError."""
        index = {"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": sorted(self._entries, key=json.dumps)}
        for digest in sorted({*self._manifests, *self._blobs}):
            if digest in self._manifests:
                body = self._manifests[digest].body
                _member(tar, _path(digest), cast("IO[bytes]", BytesIO(body)), len(body))
            else:
                self._blob(tar, digest, *self._blobs[digest])
        for name, found in (
            ("index.json", index), ("manifest.json", self._loads), ("oci-layout", {"imageLayoutVersion": "1.0.0"})
        ):  # fmt: skip
            body = json.dumps(found, sort_keys=True).encode()
            _member(tar, name, BytesIO(body), len(body))
        return sum(count for _, count in self._blobs.values())

    def _blob(self, tar: tarfile.TarFile, digest: str, read: Registry, count: int) -> None:
        try:
            response, _ = read.open_blob(digest, count)
        except TRAVEL_ERRORS as error:
            raise read.connection.failure(error) from error
        body = _Full(Verified(response, digest, count, lambda _: None), read)
        _member(tar, _path(digest), cast("IO[bytes]", body), count)
        response.close()


class _Full:
    """A body of which each read is as long as it was asked for, as ``tarfile`` needs it."""

    def __init__(self, body: Verified, source: Registry) -> None:
        self._body = body
        self._source = source

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


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _member(tar: tarfile.TarFile, name: str, body: IO[bytes], count: int) -> None:
    found = tarfile.TarInfo(name)  # owner, mode and time are the same everywhere
    found.size = count
    tar.addfile(found, body)


COMMANDS: Final = {"export": Command(_add, _run)}
