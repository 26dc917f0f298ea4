"""Tags that move together: who is just looking its manifest up is waited for, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from typing import Final

import pytest

from storage.metadata.database import Database, DatabaseSettings, open_database
from storage.metadata.events import Actor
from storage.metadata.retags import open_retags
from storage.names import Digest, PackageName, TagName

_APP: Final = PackageName("alice", "app")
_OTHER: Final = PackageName("alice", "other")
_DIGEST: Final = Digest.of(b"manifest", "sha256")
_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
#: Longer than a move takes.
_SECONDS: Final = 0.3


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url)) as opened:
        await opened.execute(
            """
            WITH owner AS (
                INSERT INTO accounts (login, kind) VALUES ('alice', 'User') RETURNING id
            ), package AS (
                INSERT INTO packages (owner_id, name, creator_id) SELECT id, 'app', id FROM owner RETURNING id
            )
            INSERT INTO manifests (package_id, digest, media_type, size, body) SELECT id, $1, $2, 2, '{}' FROM package
            """,
            _DIGEST,
            _TYPE,
        )
        yield opened


@pytest.fixture
async def package_id(db: Database) -> int:
    row = await db.fetchrow("SELECT id FROM packages")
    assert row is not None
    return int(row["id"])


async def _statements(db: Database) -> list[list[str]]:
    """The tags, those together that were written by one."""
    rows = await db.fetch("SELECT array_agg(name ORDER BY name) AS names FROM tags GROUP BY xmin::text ORDER BY 1")
    return [row["names"] for row in rows]


async def test_a_move_waits_for_those_who_look(db: Database, package_id: int) -> None:
    async with open_retags(db) as moves, asyncio.TaskGroup() as tasks:
        with moves.expected(_APP):
            tasks.create_task(moves.move(_APP, package_id, TagName("a"), _DIGEST, _TYPE, pusher=Actor(None, None)))
            await asyncio.sleep(_SECONDS)
            tasks.create_task(moves.move(_APP, package_id, TagName("b"), _DIGEST, _TYPE, pusher=Actor(None, None)))
            assert await _statements(db) == []
    assert await _statements(db) == [["a", "b"]]


async def test_who_begins_to_look_later_is_not_waited_for(db: Database, package_id: int) -> None:
    async with open_retags(db) as moves, asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        with ExitStack() as later:
            with moves.expected(_APP):
                move = tasks.create_task(
                    moves.move(_APP, package_id, TagName("a"), _DIGEST, _TYPE, pusher=Actor(None, None))
                )
                await asyncio.sleep(_SECONDS)
                later.enter_context(moves.expected(_APP))
            assert await move


async def test_a_move_does_not_wait_for_another_package(db: Database, package_id: int) -> None:
    async with open_retags(db) as moves, asyncio.timeout(10):
        with moves.expected(_OTHER):
            assert await moves.move(_APP, package_id, TagName("a"), _DIGEST, _TYPE, pusher=Actor(None, None))


async def test_a_look_that_fails_is_over(db: Database, package_id: int) -> None:
    async with open_retags(db) as moves, asyncio.timeout(10):
        with suppress(LookupError), moves.expected(_APP):
            raise LookupError
        assert await moves.move(_APP, package_id, TagName("a"), _DIGEST, _TYPE, pusher=Actor(None, None))
