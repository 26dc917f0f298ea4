"""Applies ``migrations/NNNN_name.sql``, each once, in order, under an advisory lock.

Files are forward-only and must suit the release that is still running (expand, then contract).
"""

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Final

import asyncpg

from storage.errors import StorageError, Unavailable

_LOCK: Final = 0x6D6F6F72  # «moor»
_BOOK: Final = """
CREATE TABLE IF NOT EXISTS migrations (
    name       text        PRIMARY KEY,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationChanged(StorageError):
    """An applied migration file has changed since, or the database is newer than this release."""


def files() -> dict[str, str]:
    """Every migration, name to text, in the order of application."""
    folder = resources.files("storage").joinpath("migrations")
    found = [f for f in folder.iterdir() if f.name.endswith(".sql")]
    return {f.name.removesuffix(".sql"): f.read_text("utf-8") for f in sorted(found, key=lambda f: f.name)}


async def migrate(database_url: str, texts: Mapping[str, str] | None = None) -> list[str]:
    """Bring the schema up to date; returns the migrations applied now. Raises Unavailable, MigrationChanged.

    Requests queue behind a migration that waits for a table's lock: so it gives up soon. ``texts``: as of ``files``.
    """
    try:
        connection = await asyncpg.connect(database_url, timeout=10, server_settings={"lock_timeout": "4000"})
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise Unavailable(f"Postgres: {error}") from error
    try:
        await connection.execute("SET lock_timeout = 0")
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        # Half of what requests wait for a lock: those that queue behind a migration outwait it.
        await connection.execute("SET lock_timeout = '2s'")
        return await _apply(connection, files() if texts is None else texts)
    except asyncpg.LockNotAvailableError as error:
        raise Unavailable(
            "Postgres: a transaction holds what a migration changes; try again when it is over"
        ) from error
    finally:
        await connection.close()


async def _apply(connection: "asyncpg.Connection[asyncpg.Record]", texts: Mapping[str, str]) -> list[str]:
    await connection.execute(_BOOK)
    known = {r["name"]: r["checksum"] for r in await connection.fetch("SELECT name, checksum FROM migrations")}
    if ahead := sorted(known.keys() - texts.keys()):
        raise MigrationChanged(f"the database is of a newer release: it has {', '.join(ahead)}")
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
    return applied
