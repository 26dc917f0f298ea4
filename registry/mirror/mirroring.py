"""The rules of mirrors: what is fetched, when it is asked for again, and what is served meanwhile.

Each process knows all mirrors, so that a pull costs no statement more for being of none. What it has learned of tags
it remembers; PostgreSQL has it for all (``mirror_tags``).
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

import structlog

from registry.errors import ManifestUnknown, NameUnknown, RegistryError, TooManyRequests, UnavailableNow
from registry.mirror.blobs import MirrorBlobs
from registry.mirror.mirrors import Mirror, Mirrors
from registry.mirror.storing import store
from registry.mirror.upstream import Upstream, UpstreamError
from registry.packages.globs import pattern_of
from storage.errors import StorageError, Unavailable
from storage.metadata import mirror_contents
from storage.metadata.database import Database
from storage.names import Digest, PackageName, TagName

log = structlog.get_logger()

#: How often a process looks which mirrors there are.
_LOOK_SECONDS: Final = 5.0
#: How long an upstream may take to tell of a tag that is here, and of one that is not.
_PATIENCE_SECONDS: Final = 2.0
_FIRST_SECONDS: Final = 10.0
_REST_MOST: Final = 60
_SEEN_MAX: Final = 20_000
_DENIED_SECONDS: Final = 60
_HUB: Final = frozenset({"docker.io", "registry-1.docker.io", "index.docker.io"})

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Stale:
    """Why what is served may be older than what the upstream has; ``age`` in seconds since it last told."""

    code: int
    why: str
    age: int | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell a client (RFC 7234 §5.5)."""
        aged = {} if self.age is None else {"Age": str(self.age)}
        return {"Warning": f'{self.code} - "{self.why}"', **aged}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a process knows of a tag until ``until`` (time.monotonic)."""

    until: float
    stale: Stale | None


@dataclass(slots=True)
class Mirroring:
    """The mirrors of a process. ``known``: those that there are, by their owners."""

    db: Database
    mirrors: Mirrors
    upstream: Upstream
    blobs: MirrorBlobs
    known: dict[int, Mirror] = field(default_factory=dict)
    #: ``stale``: answers with what may be old; ``moved``: tags that were moved; ``manifests`` that were stored.
    counts: Counter[str] = field(default_factory=Counter)
    _seen: dict[tuple[int, str], _Seen] = field(default_factory=dict)
    _missing: dict[tuple[int, str, str], tuple[float, UpstreamError]] = field(default_factory=dict)
    _joined: dict[object, "asyncio.Task[object]"] = field(default_factory=dict)

    async def look(self) -> None:
        """Look which mirrors there are."""
        self.known = {mirror.owner_id: mirror for mirror in await self.mirrors.every()}

    def of(self, owner_id: int | None) -> Mirror | None:
        """Return the mirror that an account is."""
        return self.known.get(owner_id) if owner_id is not None else None

    def is_due(self, package_id: int, tag: str) -> bool:
        """Return whether there is more to do for a tag of a mirror than to serve what is here."""
        seen = self._seen.get((package_id, tag))
        return seen is None or seen.stale is not None or seen.until <= time.monotonic()

    async def refresh(
        self, mirror: Mirror, name: PackageName, package_id: int | None, tag: TagName, have: Digest | None
    ) -> Stale | None:
        """Ask the upstream what a tag is, if it is time; return why what is served may be old. ``have``: what is here.

        Raises ManifestUnknown, TooManyRequests, UnavailableNow where nothing is here.
        """
        seen = None if package_id is None else self._seen.get((package_id, tag))
        if seen is not None and have is not None and seen.until > time.monotonic():
            self.counts["stale"] += seen.stale is not None
            return seen.stale
        key = (mirror.owner_id, name.image, tag)
        return await self._join(key, lambda: self._refresh(mirror, name, package_id, tag, have))

    async def fetch(self, mirror: Mirror, name: PackageName, package_id: int | None, digest: Digest) -> None:
        """Fetch a manifest by its digest. Raises ManifestUnknown, TooManyRequests, UnavailableNow."""

        async def work() -> None:
            self._check(mirror, name, str(digest))
            try:
                async with asyncio.timeout(_FIRST_SECONDS):
                    await self._take(mirror, name, package_id, str(digest), None)
            except (UpstreamError, TimeoutError) as error:
                raise self._told(mirror, name, str(digest), _as_error(error)) from error

        await self._join((mirror.owner_id, name.image, digest), work)

    async def _refresh(
        self, mirror: Mirror, name: PackageName, package_id: int | None, tag: TagName, have: Digest | None
    ) -> Stale | None:
        row = None if package_id is None else await mirror_contents.tag(self.db, package_id, tag)
        age = None if row is None else row.checked_age
        if row is not None and have is not None and age is not None and age < mirror.tag_seconds:
            gone = Stale(110, f"{mirror.shown}: gone there", int(age)) if row.kept_deleted else None
            return self._note(package_id, tag, mirror.tag_seconds - age, gone)
        failure: UpstreamError | None = None
        rests = 0.0
        if row is not None and row.rests is not None and row.rests > 0 and row.failure is not None:
            rests, failure = row.rests, _remembered(row.failure, row.rests)
        elif mirror.paused:
            rests, failure = float(_REST_MOST), UpstreamError("away", "paused", _REST_MOST)
        if failure is None:
            if have is None:
                self._check(mirror, name, tag)
            try:
                await self._ask(mirror, name, package_id, tag, have)
            except (UpstreamError, TimeoutError, StorageError) as error:
                if isinstance(error, StorageError) and have is None:
                    raise
                failure = _as_error(error)
                rests = float(failure.retry_after or min(_REST_MOST, 2 ** min(0 if row is None else row.failures, 6)))
                if failure.kind == "missing":
                    rests = float(mirror.missing_seconds)
            else:
                return None
            if failure.kind == "missing" and have is not None and package_id is not None:
                await mirror_contents.checked(self.db, package_id, tag, None, gone=True)
                return self._note(package_id, tag, mirror.tag_seconds, Stale(110, f"{mirror.shown}: gone there", 0))
            if package_id is not None and failure.kind != "missing":
                with suppress(StorageError):
                    await mirror_contents.failed(self.db, package_id, tag, rests, failure.why[:100])
        if have is None or (mirror.stale_seconds is not None and (age or 0) > mirror.stale_seconds):
            raise self._told(mirror, name, tag, failure)
        self.counts["stale"] += 1
        seen = "" if age is None else f", last seen {int(age)} s ago"
        why = f"{mirror.shown}: {failure.why}{seen}".replace('"', "'")
        return self._note(package_id, tag, rests, Stale(111, why, None if age is None else int(age)))

    async def _ask(
        self, mirror: Mirror, name: PackageName, package_id: int | None, tag: TagName, have: Digest | None
    ) -> None:
        async with asyncio.timeout(_FIRST_SECONDS if have is None else _PATIENCE_SECONDS):
            digest = await self.upstream.resolve(mirror, self.there(mirror, name), tag)
        if digest is None or digest != have:
            async with asyncio.timeout(_FIRST_SECONDS):
                package_id, digest = await self._take(mirror, name, package_id, str(digest or tag), tag)
            self.counts["moved"] += have is not None
        assert package_id is not None  # noqa: S101 - what is here has a package
        await mirror_contents.checked(self.db, package_id, tag, digest)
        self._note(package_id, tag, mirror.tag_seconds, None)

    async def _take(
        self, mirror: Mirror, name: PackageName, package_id: int | None, reference: str, tag: TagName | None
    ) -> tuple[int, Digest]:
        """Fetch a manifest and store it, under the tag if there is one. Raises UpstreamError, StorageError."""
        there = self.there(mirror, name)
        got = await self.upstream.manifest(mirror, there, reference)
        if package_id is None:
            is_open = await self.upstream.is_open(mirror, there, reference)
            package_id = await mirror_contents.ensure_package(
                self.db, mirror.owner_id, name.image, "internal" if is_open else "private"
            )
            if package_id is None:
                raise NameUnknown(name)
        await store(self.db, name, package_id, got, [] if tag is None else [tag])
        self.counts["manifests"] += 1
        return package_id, got.digest

    def there(self, mirror: Mirror, name: PackageName) -> str:
        """Return what the upstream calls a package; Docker Hub has its own images in ``library``."""
        is_hub = mirror.url.partition("://")[2].partition("/")[0] in _HUB
        return f"library/{name.image}" if is_hub and "/" not in name.image else name.image

    def _check(self, mirror: Mirror, name: PackageName, reference: str) -> None:
        """Refuse what the mirror does not fetch, and what was missing a moment ago. Raises RegistryError."""
        if mirror.paused or not allows(mirror, name.image):
            raise ManifestUnknown(reference)
        until, failure = self._missing.get((mirror.owner_id, name.image, reference), (0.0, None))
        if failure is not None and until > time.monotonic():
            raise _answer(mirror, reference, failure, until - time.monotonic())

    def _told(self, mirror: Mirror, name: PackageName, reference: str, failure: UpstreamError) -> RegistryError:
        """Return the error for a client who gets nothing, and remember it for a moment."""
        if len(self._missing) >= _SEEN_MAX:
            self._missing.clear()
        rest = failure.retry_after or (mirror.missing_seconds if failure.kind == "missing" else 1)
        self._missing[mirror.owner_id, name.image, reference] = (time.monotonic() + rest, failure)
        return _answer(mirror, reference, failure, rest)

    def _note(self, package_id: int | None, tag: str, seconds: float, stale: Stale | None) -> Stale | None:
        if package_id is not None:
            if len(self._seen) >= _SEEN_MAX:
                self._seen.clear()
            self._seen[package_id, tag] = _Seen(time.monotonic() + seconds, stale)
        return stale

    async def _join(self, key: object, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do ``work`` once for all who want it at the same time; it goes on when they leave."""
        task = self._joined.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(_awaited(work))
            self._joined[key] = task
            task.add_done_callback(lambda done: (self._joined.pop(key, None), done.cancelled() or done.exception()))
        return cast("Result", await asyncio.shield(task))  # one key, one kind of work


async def _awaited(work: Callable[[], Awaitable[object]]) -> object:
    return await work()


def allows(mirror: Mirror, image: str) -> bool:
    """Return whether a mirror fetches an image."""

    def fits(globs: Sequence[str]) -> bool:
        return any(re.fullmatch(pattern_of(glob), image) for glob in globs)

    return (not mirror.allow or fits(mirror.allow)) and not fits(mirror.deny)


def _as_error(error: UpstreamError | TimeoutError | StorageError) -> UpstreamError:
    if isinstance(error, UpstreamError):
        return error
    return UpstreamError("away", "no answer in time" if isinstance(error, TimeoutError) else "cannot be stored now")


def _remembered(failure: str, rests: float) -> UpstreamError:
    return UpstreamError("limited" if failure == "429" else "away", failure, max(1, int(rests)))


def _answer(mirror: Mirror, reference: str, failure: UpstreamError, rest: float) -> RegistryError:
    seconds = max(1, int(rest))
    match failure.kind:
        case "missing":
            return ManifestUnknown(reference)
        case "limited":
            return TooManyRequests(seconds, f"requests to {mirror.shown}, of which this is a mirror")
        case _:
            return UnavailableNow(
                seconds, f"{mirror.shown}, of which this is a mirror, does not give it: {failure.why}"
            )


@asynccontextmanager
async def watching(mirroring: Mirroring) -> AsyncIterator[Mirroring]:
    """Keep the list of mirrors within the block; at its end what is being fetched is left to others."""

    async def watch() -> None:
        while True:
            with suppress(Unavailable):
                await mirroring.look()
            await asyncio.sleep(_LOOK_SECONDS)

    task = asyncio.get_running_loop().create_task(watch())
    try:
        yield mirroring
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await mirroring.blobs.close()
