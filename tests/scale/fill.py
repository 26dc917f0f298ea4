"""Fills an empty database: each table without its indexes, which are made when all of it is there."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import asyncpg

from storage.metadata.migrate import migrate
from tests.scale.world import FUNCTIONS, World

_Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_LANES: Final = 2
#: Between the session that reads and the one that writes, each of what a socket gives at once.
_CHUNKS: Final = 16
#: Without triggers: the tables that they keep are filled like all others.
_SESSION: Final = {
    "work_mem": "256MB",
    "maintenance_work_mem": "1GB",
    "synchronous_commit": "off",
    "jit": "off",
    "session_replication_role": "replica",
}
_FIRST: Final = ("accounts", "repositories", "packages", "teams")  # the others read these

_OF_TABLES: Final = """
SELECT conrelid::regclass::text AS name, contype::text AS kind,
       format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS off,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS on
  FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f') AND conrelid::regclass::text <> 'migrations'
 UNION ALL
SELECT indrelid::regclass::text, 'i', format('DROP INDEX %s', indexrelid::regclass),
       replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ')  -- what goes from and comes to every partition
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
 WHERE NOT relispartition AND relnamespace = 'public'::regnamespace AND indrelid::regclass::text <> 'migrations'
   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
"""
_SEQUENCES: Final = """
SELECT pg_get_serial_sequence(attrelid::regclass::text, attname), attrelid::regclass::text
  FROM pg_attribute WHERE attidentity <> ''
"""
_KINDS: Final = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0
"""


@dataclass(frozen=True, slots=True)
class _Select:
    """What some rows of a table are made by."""

    columns: list[str]
    query: str


@dataclass(frozen=True, slots=True)
class _Part:
    """An index or constraint of a table: p primary, u unique, i index, f foreign key; how it goes and comes."""

    name: str
    kind: str
    off: str
    on: str


async def fill(database_url: str, world: World) -> None:
    """Makes the world in a database without accounts; prints what is done. Raises SystemExit if there are some."""
    begun = time.monotonic()
    await migrate(database_url)
    selects: dict[str, list[_Select]] = {}
    for title, query in world.statements().items():
        table, _, columns = title.partition(" ")
        selects.setdefault(table, []).append(_Select(columns.strip("()").split(", "), query))
    async with _session(database_url) as connection:
        parts = await _bare(connection)
    unknown = {part.name for part in parts} - selects.keys()
    assert not unknown, f"nothing fills {unknown}"
    lanes = asyncio.Semaphore(_LANES)

    async def make(table: str) -> None:
        own = [part for part in parts if part.name == table and part.kind != "f"]
        made = [part.on for part in sorted(own, key=lambda part: "pui".index(part.kind))]
        async with lanes, _session(database_url) as reading, _session(database_url) as writing:
            await _make(reading, writing, table, selects.pop(table), made)

    for table in _FIRST:
        await make(table)
    async with asyncio.TaskGroup() as tasks:
        for table in list(selects):
            tasks.create_task(make(table))
    async with _session(database_url) as connection:
        await _finish(connection, [part.on for part in parts if part.kind == "f"])
    print(f"filled in {time.monotonic() - begun:.0f} s", flush=True)


async def _bare(connection: _Session) -> list[_Part]:
    """Takes indexes and constraints from the tables. Raises SystemExit when somebody has an account."""
    if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM accounts)"):
        raise SystemExit("this database is in use: give an empty one")
    parts = [_Part(*row) for row in await connection.fetch(_OF_TABLES)]
    for part in sorted(parts, key=lambda part: "fiup".index(part.kind)):
        await connection.execute(part.off)
    return parts


async def _finish(connection: _Session, foreign_keys: Sequence[str]) -> None:
    # Whether each refers to what is there is asked of a small world, by a test: here it would take as long again.
    for key in foreign_keys:
        await connection.execute(f"{key} NOT VALID")
    for sequence, table in await connection.fetch(_SEQUENCES):
        await connection.execute(f"SELECT setval('{sequence}', (SELECT max(id) FROM {table}))")


async def _make(
    reading: _Session, writing: _Session, table: str, selects: Sequence[_Select], parts: Sequence[str]
) -> None:
    """In one transaction with TRUNCATE: what is new in it need not be in the log (wal_level minimal)."""
    begun = time.monotonic()
    async with writing.transaction():
        await writing.execute(f"TRUNCATE {table}")
        rows = sum([await _copy(reading, writing, table, select) for select in selects])
        for part in parts:
            await writing.execute(part)
        await writing.execute(f"ANALYZE {table}")
    print(f"{table:24} {rows:>12,} {time.monotonic() - begun:8.1f} s", flush=True)


async def _copy(reading: _Session, writing: _Session, table: str, select: _Select) -> int:
    """Out of one session and into the other, frozen: neither a reader nor VACUUM writes the pages anew; how many rows."""
    kinds = dict(map(tuple, await reading.fetch(_KINDS, table)))
    frozen = table not in {"events", "pulls"}  # COPY does not freeze in partitions
    cast = ", ".join(f"{column}::{kinds[column]}" for column in select.columns)  # COPY takes no integer for a bigint
    chunks = asyncio.Queue[bytes](_CHUNKS)

    async def source() -> AsyncIterator[bytes]:
        while chunk := await chunks.get():
            yield chunk

    async with asyncio.TaskGroup() as tasks:
        done = tasks.create_task(
            writing.copy_to_table(table, source=source(), columns=select.columns, format="binary", freeze=frozen)
        )
        named = f"({select.query}) AS made ({', '.join(select.columns)})"
        await reading.copy_from_query(f"SELECT {cast} FROM {named}", output=chunks.put, format="binary")
        await chunks.put(b"")
    return int(done.result().rpartition(" ")[2])


@asynccontextmanager
async def _session(database_url: str) -> AsyncIterator[_Session]:
    connection = await asyncpg.connect(database_url, server_settings=_SESSION, command_timeout=None)
    try:
        await connection.execute(FUNCTIONS)
        yield connection
    finally:
        await connection.close()
