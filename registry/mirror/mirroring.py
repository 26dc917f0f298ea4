"""The rules of mirrors: what is fetched, when it is asked for again, and what is served meanwhile.

Each process knows all mirrors, so that a pull costs no statement more for being of none, and remembers for a while what
it was told of tags.
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

from registry.errors import ManifestUnknown, NameUnknown
from registry.mirror.asking import Told, ask_once
from registry.mirror.blobs import MirrorBlobs
from registry.mirror.failures import told
from registry.mirror.mirrors import Mirror, Mirrors
from registry.mirror.storing import store
from registry.mirror.upstream import Upstream, UpstreamError
from registry.packages.globs import pattern_of
from storage.errors import StorageError, Unavailable
from storage.metadata import manifests, mirror_contents
from storage.metadata.database import Database
from storage.names import Digest, PackageName, TagName

log = structlog.get_logger()

#: How often a process looks which mirrors there are.
_LOOK_SECONDS: Final = 5.0
_START_SECONDS: Final = 1.0
#: How long an upstream may take to tell of a tag that is here, and to give a manifest.
_PATIENCE_SECONDS: Final = 2.0
_FIRST_SECONDS: Final = 10.0
_SEEN_MAX: Final = 20_000
_REFERRERS_MAX: Final = 100
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
    """Knowledge of a tag, which a process has until ``until`` (time.monotonic)."""

    until: float
    stale: Stale | None


@dataclass(slots=True)
class Mirroring:
    """The mirrors of a process. ``known``: those that there are, by their owners; others by their names."""

    db: Database
    mirrors: Mirrors
    upstream: Upstream
    blobs: MirrorBlobs
    known: dict[int, Mirror] = field(default_factory=dict)
    aliases: dict[str, Mirror] = field(default_factory=dict)
    hosts: dict[str, Mirror] = field(default_factory=dict)
    #: ``stale``: answers with what may be old; ``moved``: tags that were moved; ``manifests`` that were stored.
    counts: Counter[str] = field(default_factory=Counter)
    _seen: dict[tuple[int, str], _Seen] = field(default_factory=dict)
    _joined: dict[object, "asyncio.Task[object]"] = field(default_factory=dict)

    async def look(self) -> None:
        """Look which mirrors there are; new settings begin with no memory of what was told under the old ones."""
        known = {mirror.owner_id: mirror for mirror in await self.mirrors.every()}
        if known == self.known:
            return
        for mirror in known.values():
            if mirror.is_locked:
                log.error(
                    "mirror.locked", mirror=mirror.login, problem="the settings have lost the key of its password"
                )
        self.known = known
        self.aliases = {name: mirror for mirror in known.values() for name in mirror.aliases}
        self.hosts = {name: mirror for mirror in known.values() for name in mirror.hosts}
        self._seen.clear()

    async def close(self) -> None:
        """End what is being asked and fetched."""
        tasks = list(self._joined.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.blobs.close()

    def of(self, owner_id: int | None) -> Mirror | None:
        """Return the mirror that an account is."""
        return self.known.get(owner_id) if owner_id is not None else None

    def is_due(self, package_id: int, tag: str) -> bool:
        """Return whether there is more to do for a tag of a mirror than to serve what is here."""
        seen = self._seen.get((package_id, tag))
        return seen is None or seen.stale is not None or seen.until <= time.monotonic()

    async def first(
        self, mirror: Mirror, name: PackageName, package_id: int | None, digest: Digest | None, tag: TagName | None
    ) -> None:
        """Fetch a manifest that is not here. Raises ManifestUnknown, TooManyRequests, UnavailableNow."""
        reference = str(digest or tag)
        if not allows(mirror, name.image):
            raise ManifestUnknown(reference)

        async def work() -> None:
            async with asyncio.timeout(_FIRST_SECONDS):
                await self._take(mirror, name, package_id, reference, tag)

        heard = await self._heard(mirror, name, reference, work)
        if heard.failure is not None:
            raise told(mirror, ManifestUnknown(reference), heard.failure)

    async def refresh(
        self, mirror: Mirror, name: PackageName, package_id: int, tag: TagName, have: Digest
    ) -> Stale | None:
        """Ask the upstream what a tag is, if it is time; return why what is here may be old.

        Raises TooManyRequests, UnavailableNow where it is older than the mirror may serve.
        """
        seen = self._seen.get((package_id, tag))
        if seen is not None and seen.until > time.monotonic():
            self.counts["stale"] += seen.stale is not None
            return seen.stale
        if not allows(mirror, name.image):
            return None

        async def work() -> None:
            there = self.there(mirror, name)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                digest = await self.upstream.resolve(mirror, there, tag)
            if digest != have:
                async with asyncio.timeout(_FIRST_SECONDS):
                    await self._take(mirror, name, package_id, str(digest or tag), tag)
                self.counts["moved"] += 1

        good_for, patience = float(mirror.tag_seconds), _PATIENCE_SECONDS
        try:
            heard = await self._heard(mirror, name, tag, work, good_for, patience)
        except StorageError:
            heard = Told(UpstreamError("away", "it cannot be stored now"), None, 1.0)
        if heard.failure is None:
            return self._note(package_id, tag, heard.rests or good_for, None)
        stale = _stale(mirror, heard.failure, heard.age)
        too_old = mirror.stale_seconds is not None and (heard.age is None or heard.age > mirror.stale_seconds)
        if too_old and heard.failure.kind != "missing":
            raise told(mirror, ManifestUnknown(tag), heard.failure)
        self.counts["stale"] += 1
        return self._note(package_id, tag, heard.rests, stale)

    async def referrers(self, mirror: Mirror, name: PackageName, package_id: int, subject: Digest) -> Stale | None:
        """Fetch what refers to a manifest, if it is time; return why what is here may be old."""

        async def work() -> None:
            async with asyncio.timeout(_FIRST_SECONDS):
                found = await self.upstream.referrers(mirror, self.there(mirror, name), subject)
                absent = await manifests.missing(self.db, package_id, [], found[:_REFERRERS_MAX])
                for digest in absent:
                    await self._take(mirror, name, package_id, str(digest), None)

        heard = await self._heard(mirror, name, f"referrers:{subject}", work, float(mirror.tag_seconds))
        return None if heard.failure is None else _stale(mirror, heard.failure, heard.age)

    async def _heard(
        self,
        mirror: Mirror,
        name: PackageName,
        reference: str,
        work: Callable[[], Awaitable[None]],
        good_for: float | None = None,
        patience: float = _FIRST_SECONDS,
    ) -> Told:
        """Ask once for all: callers of this process share a task, which goes on when they leave."""
        return await self._join(
            (mirror.owner_id, mirror.changed_at, name.image, reference, good_for is None),
            lambda: ask_once(self.db, mirror, name.image, reference, work, good_for=good_for, patience=patience),
        )

    async def _take(
        self, mirror: Mirror, name: PackageName, package_id: int | None, reference: str, tag: TagName | None
    ) -> None:
        """Fetch a manifest and store it, under the tag if there is one. Raises UpstreamError, StorageError."""
        there = self.there(mirror, name)
        got = await self.upstream.manifest(mirror, there, reference)
        if package_id is None:
            is_open = await self.upstream.is_open(mirror, there, reference)
            package_id = await mirror_contents.ensure_package(
                self.db, mirror.owner_id, name.image, made_as(mirror) if is_open else "private"
            )
            if package_id is None:
                raise NameUnknown(name)
        await store(self.db, name, package_id, got, [] if tag is None else [tag])
        self.counts["manifests"] += 1

    def there(self, mirror: Mirror, name: PackageName) -> str:
        """Return what the upstream calls a package; Docker Hub has its own images in ``library``."""
        is_hub = mirror.url.partition("://")[2].partition("/")[0] in _HUB
        return f"library/{name.image}" if is_hub and "/" not in name.image else name.image

    def _note(self, package_id: int, tag: str, seconds: float, stale: Stale | None) -> Stale | None:
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


def made_as(mirror: Mirror) -> str:
    """Return the visibility of a package that a fetch makes; what the upstream shows to nobody is private instead."""
    return "public" if mirror.fetch_by == "anonymous" else "internal"


def _stale(mirror: Mirror, failure: UpstreamError, age: float | None) -> Stale:
    seen = "" if age is None else f", last seen {int(age)} s ago"
    code, why = (110, "gone there") if failure.kind == "missing" else (111, failure.why)
    return Stale(code, f"{mirror.shown}: {why}{seen}".replace('"', "'"), None if age is None else int(age))


@asynccontextmanager
async def watching(mirroring: Mirroring) -> AsyncIterator[Mirroring]:
    """Keep the list of mirrors within the block; at its end what is being fetched is left to others."""
    looked = asyncio.Event()

    async def watch() -> None:
        while True:
            with suppress(Unavailable):
                await mirroring.look()
            looked.set()
            await asyncio.sleep(_LOOK_SECONDS)

    task = asyncio.get_running_loop().create_task(watch())
    try:
        with suppress(TimeoutError):  # a process that has just started knows its mirrors, if PostgreSQL is there
            await asyncio.wait_for(looked.wait(), _START_SECONDS)
        yield mirroring
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await mirroring.close()
