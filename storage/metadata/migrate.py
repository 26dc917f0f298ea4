"""Applies ``migrations/NNNN_name.sql``, each once, in order, under an advisory lock.

Files are forward-only and must suit the release that is still running (expand, then contract).
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Final

import asyncpg

from storage.errors import StorageError, Unavailable
from storage.metadata.connections import Connection, connect, parse_url, require_sessions

_LOCK: Final = 0x6D6F6F72  # «moor»
_LOCK_POLL_SECONDS: Final = 0.5
_HOLDER: Final = """
SELECT format('process %s of PostgreSQL, from %s, since %s UTC (to end it: SELECT pg_terminate_backend(%s))',
              pid, coalesce(host(client_addr), 'this machine'),
              to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'), pid)
  FROM pg_locks JOIN pg_stat_activity USING (pid)
 WHERE locktype = 'advisory' AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND classid = 0 AND objid = $1::bigint::oid AND objsubid = 1 AND granted
"""
_BOOK: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    name       text        PRIMARY KEY,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationChanged(StorageError):
    """An applied migration file has changed since, or the database has others than this release."""


def files() -> dict[str, str]:
    """Every migration, name to text, in the order of application."""
    folder = resources.files("storage").joinpath("migrations")
    found = [f for f in folder.iterdir() if f.name.endswith(".sql")]
    return {f.name.removesuffix(".sql"): f.read_text("utf-8") for f in sorted(found, key=lambda f: f.name)}


async def migrate(
    database_url: str, texts: Mapping[str, str] | None = None, tell: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Bring the schema up to date; returns the migrations applied now. Raises Unavailable, Unusable, MigrationChanged.

    Requests queue behind a migration that waits for a table's lock: so it gives up soon. ``texts``: as of ``files``.
    ``tell`` gets lines for the operator.
    """
    address = parse_url(database_url)
    try:
        await require_sessions(address)
        connection = await connect(address, statement_cache_size=0)  # names would stay in a pooler's session
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise Unavailable(f"Postgres: {str(error) or type(error).__name__}") from error
    try:
        await _lock(connection, tell)
        try:
            # Half of what requests wait for a lock: those that queue behind a migration outwait it.
            await connection.execute("SET lock_timeout = '2s'")
            return await _apply(connection, files() if texts is None else texts, tell)
        finally:
            if not connection.is_closed():  # a pooler may keep the session that we leave, and the lock with it
                await connection.execute(f"SELECT pg_advisory_unlock({_LOCK}); RESET lock_timeout")
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable(
            "Postgres: a transaction holds what a migration changes; try again when it is over"
        ) from error
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
        raise Unavailable(f"Postgres: {str(error) or type(error).__name__}") from error
    finally:
        await connection.close()


async def _lock(connection: Connection, tell: Callable[[str], None]) -> None:
    """Take the lock that one ``migrate`` at a time has, and tell whom this has to wait for."""
    told = ""
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
        holder = await connection.fetchval(_HOLDER, _LOCK)
        if holder is not None and holder != told:
            tell(f"waiting for another migrate: {holder}")
            told = holder
        await asyncio.sleep(_LOCK_POLL_SECONDS)


async def _apply(connection: Connection, texts: Mapping[str, str], tell: Callable[[str], None]) -> list[str]:
    await connection.execute(_BOOK)
    known = {r["name"]: r["checksum"] for r in await connection.fetch("SELECT name, checksum FROM migrations")}
    if (ahead := sorted(known.keys() - texts.keys())) and texts.keys() <= known.keys():
        tell(f"the schema is of a newer release, and suits this one: it has {', '.join(ahead)}")
    elif ahead:
        raise MigrationChanged(f"the database is of another release: it has {', '.join(ahead)}")
    applied: list[str] = []
    for name, text in texts.items():
        checksum = hashlib.sha256(text.encode()).hexdigest()
        if name in known:
            if known[name] != checksum:
                raise MigrationChanged(f"migration {name} is not the one that was applied")
            continue
        async with connection.transaction():
            await connection.execute(text)
            await connection.execute("INSERT INTO migrations (name, checksum) VALUES ($1, $2)", name, checksum)
        applied.append(name)
    await _continue(connection, tell)
    return applied


async def _continue(connection: Connection, tell: Callable[[str], None]) -> None:
    """Have events go on behind those that another cluster has recorded: in this one a dump was restored."""
    known = await connection.fetchval("SELECT to_regproc('continue_events') IS NOT NULL")
    if known and await connection.fetchval("SELECT continue_events()"):
        tell("a dump was restored: the audit log goes on behind what is in it")
