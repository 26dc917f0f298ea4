"""The command ``import``: repositories of any registry, with all that belongs to them, below an account here."""

import os
import threading
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import Any, Final

from registry.cli.client import sources
from registry.cli.client.api import package_path
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.copy import JOBS_MAX, STOP_SECONDS, Copier
from registry.cli.client.errors import (
    DENIED,
    INTERRUPTED,
    NOT_SIGNED_IN,
    PARTIAL,
    UNREACHABLE,
    USAGE,
    CommandError,
)
from registry.cli.client.halves import Turns
from registry.cli.client.layout import Bundle, Layout
from registry.cli.client.oci import Registry
from registry.cli.client.output import Output, plural, size
from registry.cli.client.pace import Pace
from registry.cli.client.progress import Progress
from registry.cli.client.references import Reference
from registry.cli.client.sources import Found, Pattern

_SETTINGS: Final = ("visibility", "links")
#: A registry that asks for patience is waited for while something comes, and then for so long.
_PATIENCE_SECONDS: Final = 600.0
#: So many images in a row that nobody answered for, or nobody may push: the rest would not come either.
_GIVE_UP: Final = 10
_TELL_SECONDS: Final = 60.0
_SHOW_SECONDS: Final = 0.5
#: What is in one repository is mounted into the others. Who names more than twenty gets a token for all of the account.
_NAMES_MAX: Final = 21


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("sources", metavar="SOURCE", nargs="*", help="HOST/NAME[:TAG], HOST/[NAMESPACE/]*, or a file")
    parser.add_argument("--to", metavar="OWNER", required=True, help="the account that gets them, [HOST/]OWNER")
    parser.add_argument("--names", metavar="FILE", help="a file of sources, one a line")
    parser.add_argument(
        "--list-by", choices=sources.LISTS, help="how the repositories of a pattern are listed (catalog)"
    )
    parser.add_argument("--api", metavar="URL", default="", help="where the API that lists is, if not at HOST")
    parser.add_argument(
        "--with",
        dest="settings",
        metavar="visibility,links",
        default="",
        help="set these too, where the list tells them",
    )
    parser.add_argument("--platform", metavar="OS/ARCH", help="this platform of an index only")
    parser.add_argument("--no-referrers", action="store_true", help="leave out signatures, SBOMs and other referrers")
    parser.add_argument(
        "-j", "--jobs", type=int, default=4, metavar="N", help="repositories, or blobs of one, at once (4)"
    )
    parser.add_argument("--dry-run", action="store_true", help="tell what would come, and send nothing")


def _run(context: Context) -> int:
    options = context.options
    settings = [one for one in options.settings.split(",") if one]
    if not 1 <= options.jobs <= JOBS_MAX:
        raise CommandError(f"--jobs is 1 to {JOBS_MAX}", status=USAGE)
    if unknown := [one for one in settings if one not in _SETTINGS]:
        raise CommandError(f"--with knows no {unknown[0]!r}", status=USAGE, why=f"expected {','.join(_SETTINGS)}")
    host, _, owner = options.to.rpartition("/")
    done = _Import(context, host, owner, settings)
    done.take(_plan(context, owner, done))
    return done.tell()


def _plan(context: Context, owner: str, done: "_Import") -> list[tuple[Pattern, Found, str]]:
    """List what is to come, each repository with its name here; two of one name are refused. Raises CommandError."""
    texts = list(context.options.sources)
    if context.options.names:
        try:
            with open(context.options.names, encoding="utf-8") as file:
                texts += [line.strip() for line in file if line.strip() and not line.startswith("#")]
        except (OSError, UnicodeError) as error:
            raise CommandError(f"cannot read {context.options.names}", status=USAGE, why=str(error)) from error
    if not texts:
        raise CommandError("import what?", status=USAGE, why="expected SOURCE, or --names FILE")
    wanted: dict[str, tuple[Pattern, Found, str]] = {}
    for pattern, found_all in _each(context, texts):
        for found in found_all:
            try:
                name = sources.owned(owner, found)
            except CommandError as error:
                done.failed(f"{pattern.host}/{found.path}", error)
                continue
            known = wanted.setdefault(f"{name}:{found.version}", (pattern, found, name))
            if (known[0].host, known[1].path) != (pattern.host, found.path):
                both = f"{known[0].host}/{known[1].path} and {pattern.host}/{found.path}"
                raise CommandError(f"two sources would be {name}", status=USAGE, why=f"they are {both}")
    return list(wanted.values())


def _each(context: Context, texts: list[str]) -> Iterator[tuple[Pattern, Iterable[Found]]]:
    for text in texts:
        if os.path.isfile(text):  # noqa: PTH113
            bundle = Bundle(text)
            pattern = Pattern(text, "", "", bundle)
            yield (
                pattern,
                [Found(path, pattern.below(path)) for path in dict.fromkeys(path for path, _ in bundle.images())],
            )
        else:
            pattern = sources.parse(text)
            yield pattern, sources.repositories(context, pattern)


class _Import:
    """An import: what has come, what was here, and what could not come."""

    def __init__(self, context: Context, host: str, owner: str, settings: list[str]) -> None:
        self._context = context
        self._target = context.target(host)
        self._owner = owner
        self._settings = settings
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._end: CommandError | None = None
        self._began = self._shown = self._moved = time.monotonic()
        self._tells = 0.0
        self._repositories = (0, 0)
        self._names: tuple[str, ...] = ()
        self._turns = Turns()
        self._paces: dict[str, Pace] = {}
        self._come = self._known = self._sent = self._unanswered = 0
        self._rows: list[dict[str, Any]] = []
        self._failures: list[tuple[str, CommandError]] = []

    def take(self, wanted: list[tuple[Pattern, Found, str]]) -> None:
        """Take the repositories, several at once. Raises CommandError if the source or the registry is away."""
        self._repositories = (0, len(wanted))
        self._names = tuple({name for _, _, name in wanted})[:_NAMES_MAX]
        pool = ThreadPoolExecutor(min(self._context.options.jobs, len(wanted)) or 1)
        taken = [pool.submit(self._repository, *one) for one in wanted]
        try:
            for future in as_completed(taken):
                future.result()
                self._repositories = (self._repositories[0] + 1, len(wanted))
        except BaseException:
            self._stop.set()
            for pace in self._paces.values():
                pace.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            wait(taken, STOP_SECONDS)
            self._tell_failures()
            self._context.note(f"{plural(self._come + self._known, 'image')} are here; the same command goes on")
            raise
        pool.shutdown()

    def _repository(self, pattern: Pattern, found: Found, name: str) -> None:
        trace = self._context.trace
        read: Registry | Layout
        if pattern.bundle is not None:
            read = Layout(pattern.bundle, found.path)
        else:
            source = self._context.target(pattern.host)
            with self._lock:
                pace = self._paces.setdefault(source.url, Pace(source.host, self._context.note))
            read = Registry(source, found.path, trace=trace, pace=pace)
        write = Registry(self._target, name, actions="pull,push", also=self._names, trace=trace)
        copier = Copier(
            self._context, read, write, mounts="", cosign=bool(found.version), progress=self._progress,
            turns=self._turns,
        )  # fmt: skip
        copier.jobs = max(1, copier.jobs // self._repositories[1])
        came = False
        try:
            for version in [found.version] if found.version else _ordered(read.tags()):
                came = self._image(copier, version, name) or came
        except CommandError as error:
            self.failed(f"{pattern.host}/{found.path}", error)
        if came and not self._context.options.dry_run:
            self._set(found, name)

    def _image(self, copier: Copier, version: str, name: str) -> bool:
        """Take one image, patiently; return whether it is here now. Raises CommandError for the end of all."""
        while True:
            if self._stop.is_set():
                raise self._end or CommandError("stopped", status=INTERRUPTED)
            try:
                self._copy(copier, version, name)
            except CommandError as error:
                if error.wait and time.monotonic() - self._moved < _PATIENCE_SECONDS:
                    self._patient(error)
                    continue
                self.failed(f"{copier.read.path}{'@' if ':' in version else ':'}{version}", error)
                return False
            self._unanswered = 0
            return True

    def _patient(self, error: CommandError) -> None:
        """Wait as a registry wants, and tell now and then what for."""
        with self._lock:
            tells = (now := time.monotonic()) > self._tells
            self._tells = now + _TELL_SECONDS if tells else self._tells
        if tells:
            self._context.note(f"waiting: {error.why or error.what}")
        self._stop.wait(error.wait)

    def _copy(self, copier: Copier, version: str, name: str) -> None:
        tag = "" if ":" in version else version
        known = copier.unchanged(version, tag or version)
        digest = known or copier.copy(version, tag)[1]
        with self._lock:
            self._moved = time.monotonic()
            self._known += bool(known)
            self._come += not known
            if self._context.output.fields is not None:
                self._rows.append(
                    {"name": name, "tag": tag or None, "digest": digest, "state": "known" if known else "came"}
                )
            elif not known:
                shown = f"{self._target.host}/{name}{f':{tag}' if tag else ''}"
                self._context.output.line(digest if self._context.output.quiet else f"{shown}@{digest}")

    def _set(self, found: Found, name: str) -> None:
        """Set what the source tells of a repository."""
        api, path = self._context.api_of(self._target), package_path(Reference("", name))
        try:
            if "visibility" in self._settings and found.visibility:
                api.reply("PATCH", path, {"visibility": found.visibility})
        except CommandError as error:
            self.failed(f"{name}: visibility {found.visibility}", error)
        linked = f"{self._owner}/{found.repository.rpartition('/')[2]}"
        try:
            if "links" in self._settings and found.repository:
                api.reply("PUT", f"{path}/repository", {"repository": linked, "inherit_access": False})
        except CommandError as error:
            self.failed(f"{name}: link to {linked}", error)

    def failed(self, what: str, error: CommandError) -> None:
        """Keep why something could not come. Raises CommandError if the rest would not come either, or all ends."""
        if error is self._end or error.status == INTERRUPTED:
            raise error
        with self._lock:
            self._failures.append((what, error))
            refused = error.status in {DENIED, NOT_SIGNED_IN} and error.origin == self._target.url
            self._unanswered = self._unanswered + 1 if refused or error.status == UNREACHABLE else 0
        if self._unanswered >= _GIVE_UP:
            self._end = error
            self._stop.set()
            raise error

    def _progress(self, output: Output, wanted: dict[str, int]) -> Progress:
        return _Share(output, wanted, self._stop, self._count)

    def _count(self, count: int) -> None:
        with self._lock:
            self._sent += count
            self._moved = time.monotonic()
            output, now = self._context.output, time.monotonic()
            if output.quiet or not output.err.isatty() or now - self._shown < _SHOW_SECONDS:
                return
            self._shown = now
            done, total = self._repositories
            rate = self._sent / max(now - self._began, 0.001)
            left = f"  {(now - self._began) / done * (total - done):.0f} s left" if done else ""
            text = f"{done}/{total} repositories  {self._come + self._known} images  {size(self._sent)}"
            output.err.write(f"\r\x1b[K{text}  {size(rate)}/s{left}\r")
            output.err.flush()

    def tell(self) -> int:
        """Tell what has come and what has not, and why; return the status."""
        output = self._context.output
        if output.fields is not None:
            rows = [{"name": what, "tag": None, "digest": None, "state": "failed", "error": error.facts()}
                    for what, error in self._failures]  # fmt: skip
            output.json([*({**one, "error": None} for one in self._rows), *rows])
        self._tell_failures()
        would = "would come" if self._context.options.dry_run else f"came, {size(self._sent)} sent"
        failed = f"; {len(self._failures):,} did not come" if self._failures else ""
        self._context.note(f"{plural(self._come, 'image')} {would}; {self._known:,} were here{failed}")
        return PARTIAL if self._failures else 0

    def _tell_failures(self) -> None:
        for what, error in self._failures:
            self._context.note(f"{what} did not come: {error.what}{f' ({error.why})' if error.why else ''}")


class _Share(Progress):
    """The progress of one image of an import, that tells the whole of it."""

    def __init__(self, output: Output, wanted: dict[str, int], stop: threading.Event, count: Any) -> None:
        super().__init__(output, wanted)
        self._line = False
        self._stop = stop
        self._whole = count

    def add(self, digest: str, count: int) -> None:
        """Count bytes of a blob."""
        super().add(digest, count)
        self._whole(count)

    def stop(self, *, goes_on: bool) -> None:
        """Stop nothing but this image: the import goes on with others."""

    def would(self, text: str) -> None:
        """Tell nothing: the import does at its end."""

    def end(self) -> None:
        """Tell nothing: the import does at its end."""


def _ordered(tags: Iterable[str]) -> Iterable[str]:
    """Order tags: those of cosign come last, behind their subjects; one that stands for referrers is left out."""
    last = []
    for tag in tags:
        if not tag.startswith("sha256-"):
            yield tag
        elif "." in tag:
            last.append(tag)
    yield from last


COMMANDS: Final = {"import": Command(_add, _run)}
