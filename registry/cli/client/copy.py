"""The command ``copy``: an image from any registry to any other, whole, and only what is missing there."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from http.client import HTTPResponse
from typing import IO, Any, Final, cast

from registry.cli.client import references
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import UNREACHABLE, USAGE, CommandError
from registry.cli.client.oci import INDEXES, TRAVEL_ERRORS, Manifest, Registry
from registry.cli.client.platforms import child_of
from registry.cli.client.progress import Progress
from registry.cli.client.references import Reference
from registry.cli.client.verified import Verified

_TRIES: Final = 3
_JOBS_MAX: Final = 32
#: Tags of cosign, which stand beside an image: sha256-….sig
_COSIGN: Final = ("sig", "att", "sbom")
_ELSEWHERE: Final = ("foreign", "nondistributable")


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", type=references.parse_any, help="[HOST/]NAME[:TAG|@DIGEST]")
    parser.add_argument(
        "target",
        metavar="TARGET",
        type=references.parse_any,
        help="[HOST/]NAME[:TAG]; the tag of SOURCE, if there is none",
    )
    parser.add_argument("--all-tags", action="store_true", help="each tag of SOURCE, under its name")
    parser.add_argument("--platform", metavar="OS/ARCH", help="this platform of an index only")
    parser.add_argument("--no-referrers", action="store_true", help="leave out signatures, SBOMs and other referrers")
    parser.add_argument("-j", "--jobs", type=int, default=4, metavar="N", help="blobs at once (4)")
    parser.add_argument("--dry-run", action="store_true", help="tell what is missing there, and send nothing")


def _run(context: Context) -> None:
    options = context.options
    source, target = options.source, options.target
    if not 1 <= options.jobs <= _JOBS_MAX:
        raise CommandError(f"--jobs is 1 to {_JOBS_MAX}", status=USAGE)
    if target.digest or (options.all_tags and (source.version or target.version)):
        raise CommandError("the tags are those of SOURCE" if options.all_tags else f"{target} is no tag", status=USAGE)
    both = [context.target(one.host) for one in (source, target)]
    own = both[0].url == both[1].url
    read = Registry(both[0], source.path, trace=context.trace)
    write = Registry(both[1], target.path, actions="pull,push", also=(source.path,) if own else (), trace=context.trace)
    copier = _Copier(context, read, write, mounts=own)
    if options.all_tags:
        wanted = [(tag, tag) for tag in read.tags() if not tag.startswith("sha256-")]
    else:
        version = source.version or "latest"
        wanted = [(version, target.tag or source.tag or ("latest" if not source.digest else ""))]
    done = [copier.copy(version, tag) for version, tag in wanted]
    _tell(context, target, both[1].host, done)


def _tell(context: Context, target: Reference, host: str, done: list[tuple[str, str]]) -> None:
    if context.output.fields is not None:
        context.output.json([{"tag": tag or None, "digest": digest} for tag, digest in done])
        return
    for tag, digest in done:
        name = f"{host}/{target.path}{f':{tag}' if tag else ''}"
        context.output.line(digest if context.output.quiet else f"{name}@{digest}")


class _Copier:
    """Copies images from one repository to another; what is there already is not sent."""

    def __init__(self, context: Context, read: Registry, write: Registry, *, mounts: bool) -> None:
        self.context = context
        self.read = read
        self.write = write
        self.mounts = mounts
        self.here: set[str] = set()
        self.options: Any = context.options

    def copy(self, version: str, tag: str) -> tuple[str, str]:
        """Copy one image with all that belongs to it; return its tag there, and its digest. Raises CommandError."""
        root = self._chosen(self.read.manifest(version))
        ordered = self._ordered(root)
        self._blobs(ordered)
        if not self.options.dry_run:
            for manifest, name in ordered:
                self._put(manifest, name or manifest.digest)
            self._put(root, tag or root.digest)
        return tag, root.digest

    def _chosen(self, root: Manifest) -> Manifest:
        wanted = self.options.platform
        if wanted is None or root.media_type not in INDEXES:
            return root
        return child_of(self.read, root, wanted)

    def _ordered(self, root: Manifest) -> list[tuple[Manifest, str]]:
        """List the manifests with their tags, children before their index, and referrers behind their subject."""
        found: dict[tuple[str, str], tuple[Manifest, str]] = {}

        def add(manifest: Manifest, tag: str = "") -> None:
            if (manifest.digest, tag) in found:
                return
            for child in manifest.children:
                add(self.read.manifest(child["digest"]))
            found[manifest.digest, tag] = (manifest, tag)
            if not self.options.no_referrers:
                for referrer in self.read.referrers(manifest.digest):
                    add(self.read.manifest(referrer["digest"]))
                for suffix in _COSIGN:
                    beside = f"{manifest.digest.replace(':', '-')}.{suffix}"
                    if self.read.has_manifest(beside):
                        add(self.read.manifest(beside), beside)

        add(root)
        return list(found.values())

    def _blobs(self, manifests: list[tuple[Manifest, str]]) -> None:
        wanted = {
            one["digest"]: int(one["size"])
            for manifest, _ in manifests
            for one in manifest.blobs
            if one["digest"] not in self.here and not any(word in one.get("mediaType", "") for word in _ELSEWHERE)
        }
        progress = Progress(self.context.output, wanted)
        if self.options.dry_run:
            missing = [digest for digest in wanted if not self.write.has_blob(digest)]
            count = sum(wanted[digest] for digest in missing)
            self.context.note(f"{len(missing)} of {len(wanted)} blobs are missing there, {count} bytes")
            return
        first, *others = sorted(wanted, key=lambda digest: wanted[digest]) or [""]
        if first:  # alone, so that both registries have given a token before others follow
            self._blob(self.read, self.write, first, wanted[first], progress)
        self._others(others, wanted, progress)
        progress.end()
        self.here |= wanted.keys()

    def _others(self, digests: list[str], wanted: dict[str, int], progress: Progress) -> None:
        """Send blobs side by side, the largest first."""
        ways = [(self.read.twin(), self.write.twin()) for _ in range(self.options.jobs)]

        def send(digest: str) -> None:
            way = ways.pop()
            try:
                self._blob(*way, digest, wanted[digest], progress)
            finally:
                ways.append(way)

        pool = ThreadPoolExecutor(self.options.jobs)
        try:
            for future in as_completed([pool.submit(send, digest) for digest in reversed(digests)]):
                future.result()
        except BaseException:
            progress.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _blob(self, read: Registry, write: Registry, digest: str, size: int, progress: Progress) -> None:
        for attempt in range(1, _TRIES + 1):
            try:
                self._transfer(read, write, digest, size, progress)
            except (*TRAVEL_ERRORS, CommandError) as error:
                if isinstance(error, CommandError) and error.status != UNREACHABLE:
                    raise
                for one in (read, write):
                    one.connection.close()
                progress.again(digest)
                if attempt == _TRIES:
                    raise CommandError(
                        f"{digest} did not arrive", status=UNREACHABLE, why=str(error), attempt="the same command again"
                    ) from error
            else:
                progress.done(digest)
                return

    def _transfer(self, read: Registry, write: Registry, digest: str, size: int, progress: Progress) -> None:
        """Have a blob there: it is, or it is mounted, or it is sent."""
        if write.has_blob(digest):
            return
        here, location = write.mount(digest, self.read.path if self.mounts else "")
        if not here:
            response = read.open_blob(digest)
            _send(write, location, digest, size, response, lambda count: progress.add(digest, count))

    def _put(self, manifest: Manifest, version: str) -> None:
        if self.write.has_manifest(version) == manifest.digest:
            return
        if not self.write.put_manifest(manifest, version):
            self._remember(manifest)

    def _remember(self, manifest: Manifest) -> None:
        """Add a referrer to the tag that stands for its subject, where the registry keeps no referrers by itself."""
        tag, entries = self.write.fallback(manifest.subject)
        if any(one["digest"] == manifest.digest for one in entries):
            return
        found = manifest.json
        kind = found.get("artifactType") or (found.get("config") or {}).get("mediaType")
        entry = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.body)}
        entry |= {"artifactType": kind} if kind else {}
        entry |= {"annotations": found["annotations"]} if found.get("annotations") else {}
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": [*entries, entry]}).encode()
        self.write.put_manifest(Manifest("", INDEXES[0], body), tag)


def _send(
    write: Registry, location: str, digest: str, size: int, response: HTTPResponse, count: Callable[[int], None]
) -> None:
    body = Verified(response, digest, size, count)
    try:
        write.put_blob(location, digest, cast("IO[bytes]", body), size)
    finally:
        response.close()


COMMANDS: Final = {"copy": Command(_add, _run)}
