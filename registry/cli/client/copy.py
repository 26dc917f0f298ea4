"""The command ``copy``: an image from any registry to any other, whole, and only what is missing there."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from contextlib import closing
from typing import IO, Any, Final, cast

from registry.cli.client import references
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import INTERRUPTED, REFUSED, UNREACHABLE, USAGE, CommandError
from registry.cli.client.halves import Half, Turns, forget_old, half
from registry.cli.client.manifests import INDEXES, Manifest
from registry.cli.client.oci import TRAVEL_ERRORS, Registry
from registry.cli.client.output import Output
from registry.cli.client.pace import Pace
from registry.cli.client.platforms import child_of
from registry.cli.client.progress import Progress
from registry.cli.client.references import Reference
from registry.cli.client.verified import Verified
from registry.cli.client.whole import Source, Whole

_TRIES: Final = 3
JOBS_MAX: Final = 32
#: So much is sent in one request, and anew if that is cut; more goes on where it was cut.
_WHOLE_BYTES: Final = 1 << 20
STOP_SECONDS: Final = 0.7
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
    if not 1 <= options.jobs <= JOBS_MAX:
        raise CommandError(f"--jobs is 1 to {JOBS_MAX}", status=USAGE)
    if target.digest or (options.all_tags and (source.version or target.version)):
        raise CommandError("the tags are those of SOURCE" if options.all_tags else f"{target} is no tag", status=USAGE)
    both = [context.target(one.host) for one in (source, target)]
    own = both[0].url == both[1].url
    pace = Pace(both[0].host, context.note)
    read = Registry(both[0], source.path, trace=context.trace, pace=pace)
    write = Registry(both[1], target.path, actions="pull,push", also=(source.path,) if own else (), trace=context.trace)
    copier = Copier(context, read, write, mounts=source.path if own else None)
    if options.all_tags:
        wanted = [(tag, tag) for tag in read.tags() if not tag.startswith("sha256-")]
    else:
        version = source.version or "latest"
        wanted = [(version, target.tag or source.tag or ("latest" if not source.digest else ""))]
    try:
        done = [copier.copy(version, tag) for version, tag in wanted]
    except CommandError as error:
        if error.instead:
            tag = f":{target.tag}" if target.tag else ""
            error.attempt = f"moorage copy {both[0].host}/{source} {both[1].host}/{error.instead}{tag}"
        raise
    _tell(context, target, both[1].host, done)


def _tell(context: Context, target: Reference, host: str, done: list[tuple[str, str]]) -> None:
    if context.output.fields is not None:
        context.output.json([{"tag": tag or None, "digest": digest} for tag, digest in done])
        return
    for tag, digest in done:
        name = f"{host}/{target.path}{f':{tag}' if tag else ''}"
        context.output.line(digest if context.output.quiet else f"{name}@{digest}")


class Copier:
    """Copies images from one repository to another; what is there already is not sent.

    ``mounts`` is the repository there that blobs are mounted from, empty for any that has them; None: there is none.
    """

    def __init__(
        self, context: Context, read: Source, write: Registry, *, mounts: str | None = None, cosign: bool = True,
        progress: Callable[[Output, dict[str, int]], Progress] = Progress, turns: Turns | None = None,
    ) -> None:  # fmt: skip
        self.context = context
        self._progress = progress
        self._whole = Whole(read, referrers=not context.options.no_referrers, cosign=cosign)
        self.read = read
        self.write = write
        self.mounts = mounts
        self.turns = turns or Turns()
        self.here: set[str] = set()
        self.options: Any = context.options
        self.jobs: int = context.options.jobs

    def copy(self, version: str, tag: str) -> tuple[str, str]:
        """Copy one image with all that belongs to it; return its tag there, and its digest. Raises CommandError."""
        root = self._chosen(self.read.manifest(version))
        ordered = self._whole.ordered(root)
        self._blobs(ordered)
        if not self.options.dry_run:
            for manifest, name in ordered:
                self._put(manifest, name or manifest.digest)
            self._put(root, tag or root.digest)
        return tag, root.digest

    def unchanged(self, version: str, there: str) -> str:
        """Return the digest of an image that is there with its own referrers; empty if it is not, or not whole."""
        digest = self.read.has_manifest(version)
        if not digest or digest == "?" or self.write.has_manifest(there) != digest:
            return ""
        if self.options.no_referrers or _digests(self.read.referrers(digest)) <= _digests(self.write.referrers(digest)):
            return digest
        return ""

    def _chosen(self, root: Manifest) -> Manifest:
        wanted = self.options.platform
        if wanted is None or root.media_type not in INDEXES:
            return root
        return child_of(self.read, root, wanted)

    def _blobs(self, manifests: list[tuple[Manifest, str]]) -> None:
        wanted = {
            one["digest"]: int(one["size"])
            for manifest, _ in manifests
            for one in manifest.blobs
            if one["digest"] not in self.here and not any(word in one.get("mediaType", "") for word in _ELSEWHERE)
        }
        progress = self._progress(self.context.output, wanted)
        if self.options.dry_run:
            missing = [digest for digest in wanted if not self.write.has_blob(digest)]
            count = sum(wanted[digest] for digest in missing)
            progress.would(f"{len(missing)} of {len(wanted)} blobs are missing there, {count} bytes")
            return
        forget_old(self.context.env)
        ordered = sorted(wanted, key=lambda digest: wanted[digest])
        # The smallest alone, so that both registries have given a token before others follow; then the largest first.
        for digests in (ordered[:1], ordered[:0:-1]):
            self._send(digests, wanted, progress)
        progress.end()
        self.here |= wanted.keys()

    def _send(self, digests: list[str], wanted: dict[str, int], progress: Progress) -> None:
        """Send blobs side by side."""
        jobs = min(self.jobs, len(digests))
        ways = [(self.read, self.write), *((self.read.twin(), self.write.twin()) for _ in range(jobs - 1))]

        def send(digest: str) -> None:
            way = ways.pop()
            try:
                _Blob(self, *way, digest, wanted[digest], progress).send()
            finally:
                ways.append(way)

        pool = ThreadPoolExecutor(max(jobs, 1))
        sent = [pool.submit(send, digest) for digest in digests]
        try:
            for future in as_completed(sent):
                future.result()
        except BaseException as error:
            progress.stop(goes_on=not isinstance(error, CommandError) or error.status == UNREACHABLE)
            pool.shutdown(wait=False, cancel_futures=True)
            wait(sent, STOP_SECONDS)  # uploads under way are told that no more comes, and then go on from there
            raise
        pool.shutdown()

    def _put(self, manifest: Manifest, version: str) -> None:
        if self.write.has_manifest(version) == manifest.digest:
            # A copy may have been cut before the tag of the subject was written.
            known = not manifest.subject or manifest.digest in _digests(self.write.referrers(manifest.subject))
        else:
            known = self.write.put_manifest(manifest, version)
        if not known:
            self._remember(manifest)

    def _remember(self, manifest: Manifest) -> None:
        """Add a referrer to the tag that stands for its subject, where the registry keeps no referrers by itself."""
        tag, entries = self.write.fallback(manifest.subject)
        if manifest.digest in _digests(entries):
            return
        found = manifest.json
        kind = found.get("artifactType") or (found.get("config") or {}).get("mediaType")
        entry = {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.body)}
        entry |= {"artifactType": kind} if kind else {}
        entry |= {"annotations": found["annotations"]} if found.get("annotations") else {}
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEXES[0], "manifests": [*entries, entry]}).encode()
        self.write.put_manifest(Manifest("", INDEXES[0], body), tag)


class _Blob:
    """A blob on its way from one repository to another."""

    def __init__(
        self, copier: Copier, read: Source, write: Registry, digest: str, size: int, progress: Progress
    ) -> None:
        self.env = copier.context.env
        self.mounts = copier.mounts
        self.turns = copier.turns
        self.read = read
        self.write = write
        self.digest = digest
        self.size = size
        self.progress = progress
        self.arrived = 0
        self.resumed = False

    def send(self) -> None:
        """Have the blob there. What a cut leaves is gone on with; tries without a byte more are few."""
        attempt = 0
        name = f"{self.write.target.url}/{self.write.path}@{self.digest}"
        with self.turns.of(self.digest), half(self.env, name) as upload:
            while True:
                before = self.arrived
                try:
                    self._transfer(upload)
                except (*TRAVEL_ERRORS, CommandError) as error:
                    self._cut(error, upload)
                    attempt = 1 if self.arrived > before else attempt + 1
                    if attempt >= _TRIES:
                        raise CommandError(
                            f"{self.digest} did not arrive", status=UNREACHABLE, why=str(error),
                            attempt="the same command again", wait=getattr(error, "wait", 0),
                        ) from error  # fmt: skip
                    self.progress.pause(getattr(error, "wait", 0) or 0.2 * attempt)
                else:
                    upload.forget()
                    self.progress.done(self.digest)
                    return

    def _cut(self, error: Exception, upload: Half) -> None:
        """Close what was cut. Raises CommandError for what no further try can mend."""
        for one in (self.read, self.write):
            one.close()
        if isinstance(error, CommandError) and error.status not in {UNREACHABLE, INTERRUPTED}:
            upload.forget()
            if not self.resumed or error.status != REFUSED:
                raise error
        if self.progress.stopped:
            raise error

    def _transfer(self, upload: Half) -> None:
        """Have a blob there: it is, or it is mounted, or it is sent."""
        offset, location = self.write.upload_offset(upload.location) if upload.location else (0, "")
        if not 0 < offset <= self.size:
            offset = 0
            upload.forget()
            if self.write.has_blob(self.digest):
                return
            here, location = self.write.mount(self.digest, self.mounts)
            if here:
                return
        self.arrived = offset
        self.resumed = offset > 0
        self.progress.begin(self.digest, offset)
        if self.size <= _WHOLE_BYTES:
            self._whole(location)
            return
        upload.keep(location)
        if offset < self.size:
            upload.keep(self.write.patch_blob(location, self._bytes(offset)))
        if self.progress.stopped:
            raise CommandError("stopped", status=INTERRUPTED)
        self.write.put_blob(upload.location, self.digest)

    def _whole(self, location: str) -> None:
        response, _ = self.read.open_blob(self.digest, self.size)
        with closing(response):
            body = Verified(response, self.digest, self.size, self._count)
            self.write.put_blob(location, self.digest, cast("IO[bytes]", body), self.size)

    def _bytes(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes from ``offset`` on, until no more is to be sent."""
        response, begin = self.read.open_blob(self.digest, self.size, offset)
        with closing(response):
            body = Verified(response, self.digest, self.size, self._count, begin)
            body.skip(offset - begin)
            while not self.progress.stopped and (data := body.read()):
                yield data

    def _count(self, count: int) -> None:
        self.arrived += count
        self.progress.add(self.digest, count)


def _digests(entries: list[dict[str, Any]]) -> set[str]:
    return {str(one["digest"]) for one in entries}


COMMANDS: Final = {"copy": Command(_add, _run)}
