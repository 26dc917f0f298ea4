"""Examination of a deployment's PostgreSQL for the doctor, over one connection of its own, which reads only."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import asyncpg

from storage.errors import StorageError, Unavailable
from storage.metadata.connections import STANDBY, Unusable, connect, parse_url, require_sessions
from storage.metadata.migrate import files
from storage.metadata.query import Executor, select

Why = Literal[
    "address", "certificate", "credentials", "database", "encryption", "full", "pooler", "settings", "standby", "other"
]

_ERRORS: Final[tuple[tuple[type[Exception], Why], ...]] = (
    (asyncpg.InvalidPasswordError, "credentials"),
    (asyncpg.InvalidAuthorizationSpecificationError, "credentials"),
    (asyncpg.InvalidCatalogNameError, "database"),
    (asyncpg.TooManyConnectionsError, "full"),
    (asyncpg.PostgresError, "other"),
    (asyncpg.InterfaceError, "other"),
    (ConnectionError, "address"),
    (OSError, "address"),
    (TimeoutError, "address"),
)


class NotExamined(StorageError):
    """The database cannot be examined; ``why`` names the kind of the fault."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why: Final = why


@dataclass(frozen=True, slots=True)
class Facts:
    """A server, our role, and our schema. ``tables``: how many there are in the schema.

    ``closed``: tables and sequences that the role may not read and write; ``foreign``: those that another role owns.
    ``connections``: what the role may have in this database at once; ``taken``: connections to the server now.
    """

    version: str
    number: int
    database: str
    role: str
    schema: str | None
    read_only: bool
    may_create: bool
    encoding: str
    tables: int
    closed: list[str]
    foreign: list[str]
    has_migrations: bool
    connections: int
    taken: int
    now: datetime


_FACTS: Final = select(
    Facts,
    """
    WITH ours AS (
        SELECT class.oid, class.relname, class.relkind, pg_has_role(class.relowner, 'USAGE') AS owned
          FROM pg_class class
         WHERE class.relnamespace = to_regnamespace(current_schema()) AND class.relkind IN ('r', 'p', 'S')
    ), limits AS (
        SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
               - coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0) AS server,
               (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS role,
               (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database
    )
    SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
           current_setting('server_version_num')::int AS number,
           current_database()::text AS database, current_user::text AS role, current_schema()::text AS schema,
           pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
           coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
           current_setting('server_encoding') AS encoding,
           (SELECT count(*) FROM ours WHERE relkind <> 'S')::int AS tables,
           ARRAY(SELECT relname::text FROM ours
                  WHERE NOT CASE relkind
                        WHEN 'S' THEN has_sequence_privilege(oid, 'USAGE')
                        ELSE has_table_privilege(oid, 'SELECT')
                             AND (relname = 'migrations'
                                  OR has_table_privilege(oid, 'INSERT') AND has_table_privilege(oid, 'UPDATE')
                                     AND has_table_privilege(oid, 'DELETE'))
                        END
                  ORDER BY relname) AS closed,
           ARRAY(SELECT relname::text FROM ours WHERE NOT owned AND relkind <> 'S' ORDER BY relname) AS foreign,
           to_regclass('migrations') IS NOT NULL AS has_migrations,
           least(limits.server, limits.role, limits.database) AS connections,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS taken,
           clock_timestamp() AS now
      FROM limits
    """,
)


@dataclass(frozen=True, slots=True)
class _Applied:
    name: str


_APPLIED: Final = select(_Applied, "SELECT name FROM migrations ORDER BY name")


@dataclass(frozen=True, slots=True)
class Examined:
    """The facts of a database, its clock against the clock here, and its migrations against those of this release."""

    facts: Facts
    ahead_seconds: float
    missing: list[str]
    newer: list[str]


async def examine(url: str, now: Callable[[], float] = time.time) -> Examined:
    """Look at the database at ``url``, and change nothing; ``now`` is Unix seconds. Raises NotExamined, ValueError."""
    address = parse_url(url)
    try:
        await require_sessions(address)
        connection = await connect(address, statement_cache_size=0, command_timeout=10.0)
        try:
            return await _examine(connection, now)
        finally:
            await connection.close(timeout=2)
    except Unusable as error:
        raise NotExamined("pooler" if "pooler" in str(error) else "settings", str(error)) from error
    except Unavailable as error:
        raise NotExamined("standby" if str(error) == STANDBY else "certificate", str(error)) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise _not_examined(error) from error


def _not_examined(error: Exception) -> NotExamined:
    why = next(why for kind, why in _ERRORS if isinstance(error, kind))
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        text = os.strerror(error.errno)  # asyncio's own repeats the address
    if "no encryption" in text or "rejected SSL" in text:
        why = "encryption"
    return NotExamined(why, text)


async def _examine(connection: Executor, now: Callable[[], float]) -> Examined:
    before = now()
    facts = await _FACTS.one(connection)
    after = now()
    theirs = facts.now.timestamp()
    ahead = theirs - after if theirs > after else min(0.0, theirs - before)
    applied: set[str] = set()
    if facts.has_migrations and "migrations" not in facts.closed:
        applied = {row.name for row in await _APPLIED.all(connection)}
    ours = files().keys()
    return Examined(facts, ahead, sorted(ours - applied), sorted(applied - ours))
