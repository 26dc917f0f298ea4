"""Retags: moves of tags to manifests that are stored already, batched by package.

A change of a package locks its row until the commit is durable, one change at a time. So the moves that arrive while a
statement runs wait in this process, without a connection each, and then run as one statement. The batch first waits for
pending lookups whose moves would otherwise have to wait for it: a lookup is shorter than a commit.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from storage.metadata import events, tag_rules
from storage.metadata.database import Database
from storage.metadata.events import Actor
from storage.metadata.manifests import TAGGED
from storage.metadata.query import lines, select
from storage.metadata.reads.batching import Batching
from storage.names import Digest, PackageName, TagName

#: Moves in one statement: so many that a few more of them wait no longer than the disk takes.
_MOST: Final = 64


@dataclass(frozen=True, slots=True)
class _Done:
    done: bool


# The package is written before its manifest is, as by all who change either, and a manifest is looked at once more when
# its row is held. Of two moves of one tag the later one counts; the last manifest says what the package says of itself.
# The package's row is written at once and not locked first: one statement that did both was seen to wait in a circle,
# for its own row's older version and those who queue there (PostgreSQL 18.4). A manifest is looked up by its key alone
# and written by its id: with more conditions at hand, and no statistics yet, all manifests of the package were read.
_MOVE: Final = select(
    _Done,
    f"""
    WITH asked AS (
        SELECT * FROM unnest({lines("$2")}, {lines("$3")}, {lines("$4")}, {lines("$5")})
               WITH ORDINALITY AS asked (name, digest, media_type, actor, place)
    ), known AS MATERIALIZED (
        SELECT asked.name, asked.actor, asked.place, manifest.*
          FROM asked
         CROSS JOIN LATERAL (
                SELECT id, digest, media_type, description, licenses, licenses_spdx, source_url, deleted_at
                  FROM manifests WHERE package_id = $1 AND digest = asked.digest LIMIT 1
               ) AS manifest
          JOIN packages package ON package.id = $1
         WHERE manifest.deleted_at IS NULL AND manifest.media_type = asked.media_type
           AND (manifest.source_url IS NULL OR package.repository_id IS NOT NULL)
           AND NOT {tag_rules.is_bound("asked.name", "asked.actor")}
    ), package AS (
        UPDATE packages
           SET updated_at = now(), description = said.description, licenses = said.licenses,
               licenses_spdx = said.licenses_spdx, source_url = said.source_url
          FROM (SELECT * FROM known ORDER BY place DESC LIMIT 1) AS said
         WHERE packages.id = $1 AND packages.deleted_at IS NULL
        RETURNING packages.owner_id, packages.repository_id
    ), manifest AS (
        UPDATE manifests manifest SET updated_at = now()
          FROM package
         WHERE manifest.id IN (SELECT id FROM known) AND manifest.deleted_at IS NULL
           AND (manifest.source_url IS NULL OR package.repository_id IS NOT NULL)
        RETURNING manifest.id, manifest.media_type
    ), found AS (
        SELECT known.id, known.name, known.actor, known.place, known.digest
          FROM known JOIN manifest USING (id, media_type)
    ), last AS MATERIALIZED (
        SELECT found.name, found.digest, found.id AS version_id, actor.*
          FROM (SELECT DISTINCT ON (name) * FROM found ORDER BY name, place DESC) AS found
         CROSS JOIN LATERAL ({events.actor("found.actor")}) AS actor
    ), old AS MATERIALIZED (
        SELECT tag.name, tag.digest
          FROM last
         CROSS JOIN LATERAL (
                SELECT name, digest FROM tags WHERE package_id = $1 AND name = last.name LIMIT 1 FOR NO KEY UPDATE
               ) AS tag
    ), moved AS (
        INSERT INTO tags (package_id, name, digest, pusher_id, pusher_via, pusher_token)
        SELECT $1, last.name, last.digest, last.id, last.via, last.token_name FROM last LEFT JOIN old USING (name)
        ON CONFLICT (package_id, name) DO UPDATE SET {TAGGED}
        RETURNING name
    ), recorded AS ({
        events.record(
            events.event(
                events.WRITTEN,
                "package CROSS JOIN last AS actor JOIN moved USING (name) LEFT JOIN old USING (name)"
                " WHERE old.digest IS DISTINCT FROM actor.digest",
                owner="package.owner_id",
                version="actor.version_id",
                digest="actor.digest",
                before="old.digest",
                tag="name",
            )
        )
    })
    SELECT EXISTS (SELECT 1 FROM found WHERE found.place = asked.place) AS done FROM asked ORDER BY asked.place
    """,
)


class _Looking:
    """Pending lookups of manifests, by package, that a move of a tag may follow."""

    def __init__(self) -> None:
        self._ends: dict[PackageName, set[asyncio.Future[None]]] = {}

    @contextmanager
    def look(self, package: PackageName) -> Iterator[None]:
        ends = self._ends.setdefault(package, set())
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ends.add(end)
        try:
            yield
        finally:
            end.set_result(None)
            ends.discard(end)
            if not ends:
                del self._ends[package]

    async def over(self, package: PackageName) -> None:
        """Wait until the lookups that are now pending for the package have ended."""
        ends = self._ends.get(package)
        if ends:
            await asyncio.wait(tuple(ends))


class _Moving(Batching[_Done]):
    """The batched moves of one package; ``waiting`` moves are not done."""

    def __init__(
        self, db: Database, tasks: asyncio.TaskGroup, package: PackageName, package_id: int, looking: _Looking
    ) -> None:
        super().__init__(db, _MOVE, tasks, package_id, most=_MOST)
        self.waiting = 0
        self._package = package
        self._looking = looking

    async def _complete(self) -> None:
        await self._looking.over(self._package)


class Retags:
    """The batched tag moves of a process."""

    def __init__(self, db: Database, tasks: asyncio.TaskGroup) -> None:
        self._db = db
        self._tasks = tasks
        self._packages: dict[int, _Moving] = {}  # those that have a move on its way
        self._looking = _Looking()

    def expected(self, package: PackageName) -> AbstractContextManager[None]:
        """Register a lookup that a move may follow: moves of the package that have not begun wait for its end."""
        return self._looking.look(package)

    async def move(
        self,
        package: PackageName,
        package_id: int,
        name: TagName,
        digest: Digest,
        media_type: str,
        *,
        pusher: Actor,
    ) -> bool:
        """Move a tag to an image that describes its package, as if the pusher pushed the image again.

        False, without any change: there is no such manifest of this media type, the manifest names a repository that
        the package may have to be linked to, or a rule is about the tag. Raises Unavailable.
        """
        moving = self._packages.get(package_id)
        if moving is None:
            moving = self._packages[package_id] = _Moving(self._db, self._tasks, package, package_id, self._looking)
        moving.waiting += 1
        by = events.by(pusher)
        try:
            return (await moving.one(name, digest, media_type, by)).done
        finally:
            moving.waiting -= 1
            if not moving.waiting:
                del self._packages[package_id]


@asynccontextmanager
async def open_retags(db: Database, group: type[asyncio.TaskGroup] = asyncio.TaskGroup) -> AsyncIterator[Retags]:
    """Open the retags until the block ends; ``group`` runs the batches."""
    async with group() as tasks:
        yield Retags(db, tasks)
