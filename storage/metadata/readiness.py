"""Readiness of a database to answer requests: a primary, with a schema that this release can work on."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from storage.errors import DatabaseUnavailable
from storage.metadata.database import NO_SCHEMA, Database
from storage.metadata.migrate import files
from storage.metadata.primary import READ_ONLY
from storage.metadata.query import select


@dataclass(frozen=True, slots=True)
class _State:
    read_only: bool
    applied: str


_STATE: Final = select(
    _State,
    """
    SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
           (SELECT coalesce(string_agg(name, ','), '') FROM migrations) AS applied
    """,
)


@cache
def _ours() -> frozenset[str]:
    return frozenset(files())


async def require_ready(db: Database) -> str:
    """Return what an operator is told of a database that is ready; "" where there is nothing to tell.

    A newer schema suits this release: a migration is applied while the former release serves. Raises Unavailable.
    """
    state = await _STATE.one(db)
    if state.read_only:
        await db.renew()
        raise DatabaseUnavailable(READ_ONLY)
    applied = frozenset(state.applied.split(","))
    if not _ours() <= applied:
        raise DatabaseUnavailable(NO_SCHEMA)
    return "the schema is of a newer release" if applied > _ours() else ""


@dataclass(frozen=True, slots=True)
class _Server:
    version: str
    bytes: int
    read_only: bool
    applied: str


_SERVER: Final = select(
    _Server,
    """
    SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS bytes,
           pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only,
           (SELECT coalesce(string_agg(name, ','), '') FROM migrations) AS applied
    """,
)


@dataclass(frozen=True, slots=True)
class DatabaseHealth:
    """The state of a database. ``schema``: its last migration, ``expected``: that of this release; ``missing`` and
    ``newer``: the migrations that only one of both has.
    """

    version: str
    bytes: int
    read_only: bool
    schema: str
    expected: str
    missing: tuple[str, ...]
    newer: tuple[str, ...]


async def health(db: Database) -> DatabaseHealth:
    """Return the state of the database that this process works with. Raises Unavailable."""
    found, ours = await _SERVER.one(db), _ours()
    applied = frozenset(filter(None, found.applied.split(",")))
    return DatabaseHealth(
        version=found.version,
        bytes=found.bytes,
        read_only=found.read_only,
        schema=max(applied, default=""),
        expected=max(ours),
        missing=tuple(sorted(ours - applied)),
        newer=tuple(sorted(applied - ours)),
    )
