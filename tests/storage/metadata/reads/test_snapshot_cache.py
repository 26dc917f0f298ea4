"""What is remembered is what Postgres would say: it goes with the next write, wherever that was made, and with time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import msgspec
import pytest

from storage.metadata.database import Database, DatabaseSettings, open_database
from storage.metadata.query import Query, lines
from storage.metadata.reads.snapshot_cache import SnapshotCache
from tests.support.server import until

_TRIES: Final = 500


class Account(msgspec.Struct, frozen=True):
    """``suspended``: from a moment on."""

    login: str
    name: str | None
    suspended: bool | None


_FIND: Final = Query(
    Account,
    f"""
    SELECT asked.login, account.name, account.suspended_at <= now() AS suspended
      FROM unnest({lines("$1")}) WITH ORDINALITY AS asked (login, place)
      LEFT JOIN accounts account ON account.login = asked.login
     ORDER BY asked.place
    """,
)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url)) as opened:
        await opened.execute(
            "INSERT INTO accounts (login, kind) SELECT 'u' || n, 'User' FROM generate_series(1, 3000) n"
        )
        yield opened


@pytest.fixture
async def writer(database_url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """As another process has it."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@asynccontextmanager
async def _finding(db: Database) -> AsyncIterator[SnapshotCache[Account]]:
    async with asyncio.TaskGroup() as tasks:
        yield SnapshotCache(db, _FIND, tasks)


async def _remembered(find: SnapshotCache[Account], login: str) -> Account:
    """The row of ``login``, once it was not read again; a row that is read is another object."""
    for _ in range(_TRIES):
        row = await find.one(login)
        if row is await find.one(login):
            return row
    raise AssertionError("it is always read again")


async def test_what_was_written_is_seen_by_the_next_look_up(
    db: Database, writer: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with _finding(db) as find:
        for number in range(50):
            await _remembered(find, "u1")
            await writer.execute("UPDATE accounts SET name = $1 WHERE login = 'u1'", str(number))
            assert (await find.one("u1")).name == str(number)


async def test_what_is_written_is_seen_when_it_is_committed(
    db: Database, writer: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Also where its transaction began before all that is remembered."""
    async with _finding(db) as find:
        writing = writer.transaction()
        await writing.start()
        await writer.execute("UPDATE accounts SET name = 'new' WHERE login = 'u1'")
        assert (await _remembered(find, "u1")).name is None
        async with writer.transaction():  # a savepoint: an id of its own
            await writer.execute("UPDATE accounts SET name = 'newer' WHERE login = 'u2'")
        assert (await _remembered(find, "u2")).name is None
        await writing.commit()
        assert (await find.one("u1")).name == "new"
        assert (await find.one("u2")).name == "newer"


async def test_nothing_is_remembered_past_the_second(
    db: Database, writer: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await writer.execute(
        "UPDATE accounts SET suspended_at = date_trunc('second', now()) + interval '2 seconds' WHERE login = 'u1'"
    )
    async with _finding(db) as find:
        assert not (await _remembered(find, "u1")).suspended
        late = False
        while not late:
            late = await writer.fetchval("SELECT suspended_at <= now() FROM accounts WHERE login = 'u1'")
            found = await find.one("u1")
            assert found.suspended or not late


async def test_readers_beside_a_writer(db: Database, writer: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Sixteen who ask for one of eight all the time; each is written now and then."""
    logins = [f"u{number}" for number in range(1, 9)]
    written = dict.fromkeys(logins, 0)
    await writer.execute("UPDATE accounts SET name = '0'")
    over = asyncio.Event()
    objects: dict[int, Account] = {}
    reads = 0

    async def read(find: SnapshotCache[Account], number: int) -> None:
        nonlocal reads
        while not over.is_set():
            login = logins[number % len(logins)]
            least = written[login]
            row = await find.one(login)
            assert int(row.name or "") >= least
            objects[id(row)] = row
            number, reads = number + 3, reads + 1

    async def write() -> None:
        for number in range(1, 61):
            login = logins[number % len(logins)]
            await writer.execute("UPDATE accounts SET name = $1 WHERE login = $2", str(number), login)
            written[login] = number
            # Counted, not timed: it is about what is read between two writes, and a busy machine reads less in a time.
            await until(lambda enough=reads + 250: reads >= enough)  # type: ignore[misc]
        over.set()

    async with _finding(db) as find, asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        for number in range(16):
            tasks.create_task(read(find, number))
    assert len(objects) < reads / 2  # most were not read again


async def test_so_much_is_remembered_and_no_more(db: Database) -> None:
    async with _finding(db) as find:
        for _ in range(3):
            for first in range(1, 3001, 100):
                logins = [f"u{number}" for number in range(first, first + 100)]
                rows = await asyncio.gather(*(find.one(login) for login in logins))
                assert [row.login for row in rows] == logins
                assert len(find._known) <= 1024


async def test_a_row_too_few_fails_all_that_asked(db: Database) -> None:
    async with _finding(db) as find:
        answers = await asyncio.gather(find.one("u1"), find.one("u2\nu3"), return_exceptions=True)
        assert [type(answer) for answer in answers] == [ValueError, ValueError]
        assert (await find.one("u1")).login == "u1"
