"""Batched and cached lookups: manifests, blobs, upload sessions, access facts, tokens and the bodies of manifests."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from storage.metadata import blobs, manifests, packages, sessions, tokens
from storage.metadata.access_facts import NEEDS_FULL_QUERY, AccessFacts, Row
from storage.metadata.blobs import LocatedBlob
from storage.metadata.database import Database
from storage.metadata.manifests import ResolvedManifest
from storage.metadata.query import Query
from storage.metadata.reads.batching import Answer, Key
from storage.metadata.reads.snapshot_cache import KNOWN_ROWS, SnapshotCache
from storage.metadata.sessions import Known, Session
from storage.metadata.tokens import StoredToken
from storage.names import Digest, PackageName, TagName, UploadId

#: What a process keeps of manifests' bodies, and of which: both in bytes. A body can never change under its digest.
_BODIES_BYTES: Final = 16 * 1024 * 1024
_BODY_BYTES: Final = 256 * 1024
_UNSETTLED_MAX: Final = 4096  # of three short texts
_BLOBS_KNOWN: Final = 64  # of 64 KiB each, where they are so small that they are in their row


def caller(token_id: int | None) -> str:
    """Return the part of a lookup's key that names the caller."""
    return "" if token_id is None else str(token_id)


def key(token_id: int | None, package: PackageName, reference: str) -> tuple[str, str, str, str]:
    """The key of a lookup with the caller's access facts."""
    return caller(token_id), package.owner, package.image, reference


class _FastThenFull(SnapshotCache[Row]):
    """Answer with the fast query, and with the full one where the fast query leaves the role open, or did before.

    Of a service account, whom the fast query does not know, the third one tells all. The memory of such callers is a
    hint: a caller missing from it costs one more query, never a wrong answer.
    """

    def __init__(
        self,
        db: Database,
        fast: Query[Row],
        full: Query[Row],
        keyless: Query[Row] | None,
        tasks: asyncio.TaskGroup,
        known: int = KNOWN_ROWS,
    ) -> None:
        super().__init__(db, fast, tasks, known)
        self._full = SnapshotCache(db, full, tasks, known)
        self._keyless = None if keyless is None else SnapshotCache(db, keyless, tasks, known)
        self._unsettled: dict[Key, SnapshotCache[Row]] = {}

    @property
    def counts(self) -> tuple[int, int]:
        (asked, read), (again, read_again) = super().counts, self._full.counts
        keyless, read_keyless = (0, 0) if self._keyless is None else self._keyless.counts
        return asked + again + keyless, read + read_again + read_keyless

    def ask(self, key: Key, answer: Answer[Row]) -> None:
        after = self._unsettled.get(key[:3])
        if after is not None:
            after.ask(key, answer)
        else:
            super().ask(key, answer)

    def _found(self, key: Key, row: Row, answers: list[Answer[Row]]) -> None:
        after: SnapshotCache[Row] | None = None
        if row.role == NEEDS_FULL_QUERY:
            after = self._full
        elif not row.token_usable and key[0].startswith("-"):
            after = self._keyless
        if after is None:
            super()._found(key, row, answers)
            return
        if len(self._unsettled) >= _UNSETTLED_MAX:
            self._unsettled.clear()
        self._unsettled[key[:3]] = after
        for answer in answers:
            after.ask(key, answer)


class Lookups:
    """The lookups of a process; a lookup in a package returns the caller's current access facts as well."""

    def __init__(self, db: Database, tasks: asyncio.TaskGroup) -> None:
        self._db = db
        self.tags: Final = _FastThenFull(db, manifests.BY_TAG_FAST, manifests.BY_TAG, manifests.BY_TAG_KEYLESS, tasks)
        self.digests: Final = _FastThenFull(
            db, manifests.BY_DIGEST_FAST, manifests.BY_DIGEST, manifests.BY_DIGEST_KEYLESS, tasks
        )
        self.blobs: Final = _FastThenFull(
            db, blobs.LOCATE_FAST, blobs.LOCATE, blobs.LOCATE_KEYLESS, tasks, _BLOBS_KNOWN
        )
        self.known: Final = Known()
        self._sessions = _FastThenFull(db, sessions.FIND_FAST, sessions.FIND, None, tasks)
        self._standings = _FastThenFull(
            db, packages.ACCESS_FACTS_FAST, packages.ACCESS_FACTS, packages.ACCESS_FACTS_KEYLESS, tasks
        )
        self._tokens = SnapshotCache(db, tokens.BY_HASH, tasks)
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._bodies_bytes = 0

    @property
    def counts(self) -> tuple[int, int]:
        """The rows that were asked for, and those of them that were read in PostgreSQL."""
        caches = (self.tags, self.digests, self.blobs, self._sessions, self._standings, self._tokens)
        asked, read = zip(*(cache.counts for cache in caches), strict=True)
        return sum(asked), sum(read)

    async def token(self, digest: bytes) -> StoredToken | None:
        """The usable token with this SHA-256 (32 bytes)."""
        found = await self._tokens.one(digest.hex())
        return found if found.id else None

    async def standing(self, token_id: int | None, package: PackageName) -> AccessFacts:
        """The caller's access facts for a package, which may not exist."""
        return await self._standings.one(*key(token_id, package, ""))

    async def by_tag(self, token_id: int | None, package: PackageName, tag: TagName) -> ResolvedManifest:
        """The manifest under a tag."""
        return await self.tags.one(*key(token_id, package, tag))

    async def by_digest(self, token_id: int | None, package: PackageName, digest: Digest) -> ResolvedManifest:
        """The manifest of a digest."""
        return await self.digests.one(*key(token_id, package, digest))

    async def blob(self, token_id: int | None, package: PackageName, digest: Digest) -> LocatedBlob:
        """The location of a blob's bytes."""
        return await self.blobs.one(*key(token_id, package, digest))

    async def session(self, token_id: int | None, package: PackageName, upload: UploadId) -> Session:
        """The caller's upload session of that id; from memory, if this process wrote the session last."""
        if upload in self.known:
            known = self.known.of(upload, await self.standing(token_id, package))
            if known is not None:
                return known
        return await self._sessions.one(*key(token_id, package, str(upload)))

    def known_body(self, digest: str) -> bytes | None:
        """The cached bytes of a manifest that was looked up and may be read; None: not cached."""
        known = self._bodies.get(digest)
        if known is not None:
            self._bodies.move_to_end(digest)
        return known

    async def body(self, package_id: int, digest: Digest) -> bytes | None:
        """The bytes of a manifest that was looked up and may be read; None: the manifest has just been purged."""
        known = self.known_body(digest)
        if known is not None:
            return known
        body = await manifests.body_of(self._db, package_id, digest)
        if body is not None and len(body) <= _BODY_BYTES and digest not in self._bodies:
            self._bodies[digest] = body
            self._bodies_bytes += len(body)
            while self._bodies_bytes > _BODIES_BYTES:
                _, dropped = self._bodies.popitem(last=False)
                self._bodies_bytes -= len(dropped)
        return body


@asynccontextmanager
async def open_lookups(db: Database, group: type[asyncio.TaskGroup] = asyncio.TaskGroup) -> AsyncIterator[Lookups]:
    """Open the lookups until the block ends; ``group`` runs the batches."""
    async with group() as tasks:
        yield Lookups(db, tasks)
