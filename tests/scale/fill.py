"""Fills an empty database: each table without its indexes, which are made when all of it is there."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from storage.metadata.migrate import migrate
from tests.scale.world import FUNCTIONS, World

_LANES: Final = 2
_SESSION: Final = {"work_mem": "256MB", "maintenance_work_mem": "1GB", "synchronous_commit": "off", "jit": "off"}
_FIRST: Final = ("accounts", "repositories", "packages", "teams")  # the others read these

_OF_TABLES: Final = """
SELECT conrelid::regclass::text AS name, contype::text AS kind,
       format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS off,
       format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS on
  FROM pg_constraint
 WHERE connamespace = 'public'::regnamespace AND contype IN ('p', 'u', 'f') AND conrelid::regclass::text <> 'migrations'
 UNION ALL
SELECT indrelid::regclass::text, 'i', format('DROP INDEX %s', indexrelid::regclass), pg_get_indexdef(indexrelid)
  FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
 WHERE relnamespace = 'public'::regnamespace AND indrelid::regclass::text <> 'migrations'
   AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
"""
_SEQUENCES: Final = """
SELECT pg_get_serial_sequence(attrelid::regclass::text, attname), attrelid::regclass::text
  FROM pg_attribute WHERE attidentity <> ''
"""


@dataclass(frozen=True, slots=True)
class _Part:
    """An index or constraint of a table: p primary, u unique, i index, f foreign key; how it goes and comes."""

    name: str
    kind: str
    off: str
    on: str


async def fill(database_url: str, world: World) -> None:
    """Makes the world in a database without accounts; prints what is done. Raises SystemExit if there are some."""
    await migrate(database_url)
    lanes = asyncio.Semaphore(_LANES)
    async with _session(database_url) as connection:
        if await connection.fetchval("SELECT EXISTS (SELECT 1 FROM accounts)"):
            raise SystemExit("this database is in use: give an empty one")
        parts = [_Part(*row) for row in await connection.fetch(_OF_TABLES)]
        unknown = {part.name for part in parts} - {title.partition(" ")[0] for title in world.statements()}
        assert not unknown, f"nothing fills {unknown}"
        for part in sorted(parts, key=lambda part: "fiup".index(part.kind)):
            await connection.execute(part.off)

    async def in_lane(title: str, *steps: str) -> None:
        async with lanes, _session(database_url) as connection:
            await _run(connection, title, steps)

    texts: dict[str, list[str]] = {}
    for title, text in world.statements().items():
        texts.setdefault(title.partition(" ")[0], []).append(text)
    tables = {name: _steps(name, statements, parts) for name, statements in texts.items()}
    for name in _FIRST:
        await in_lane(name, *tables.pop(name))
    await _together(in_lane, tables)
    foreign = {part.on.partition(" ADD CONSTRAINT ")[2].split()[0]: [part.on] for part in parts if part.kind == "f"}
    await _together(in_lane, foreign)
    # The map of what is visible to all, which VACUUM makes, is what an index-only scan lives on.
    await _together(in_lane, {f"vacuum {name}": [f"VACUUM (ANALYZE) {name}"] for name in texts})
    async with _session(database_url) as connection:
        for sequence, table in await connection.fetch(_SEQUENCES):
            await connection.execute(f"SELECT setval('{sequence}', (SELECT max(id) FROM {table}))")


def _steps(table: str, statements: list[str], parts: list[_Part]) -> list[str]:
    """In one transaction with TRUNCATE: what is new in it need not be in the log (wal_level minimal)."""
    own = [part for part in parts if part.name == table and part.kind != "f"]
    made = [part.on for part in sorted(own, key=lambda part: "pui".index(part.kind))]
    return ["BEGIN", f"TRUNCATE {table}", *statements, *made, "COMMIT"]


async def _together(in_lane: Callable[..., Coroutine[Any, Any, None]], steps: Mapping[str, list[str]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for title, texts in steps.items():
            tasks.create_task(in_lane(title, *texts))


async def _run(connection: "asyncpg.Connection[asyncpg.Record]", title: str, steps: Sequence[str]) -> None:
    begun = time.monotonic()
    rows = 0
    for step in steps:
        done = await connection.execute(step)
        rows += int(done.rpartition(" ")[2]) if done.startswith("INSERT") else 0
    print(f"{title:44} {rows or '':>12} {time.monotonic() - begun:8.1f} s", flush=True)


@asynccontextmanager
async def _session(database_url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(database_url, server_settings=_SESSION, command_timeout=None)
    try:
        await connection.execute(FUNCTIONS)
        yield connection
    finally:
        await connection.close()
