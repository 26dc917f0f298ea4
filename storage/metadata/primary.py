"""A connection to a primary: our settings of its session, and that its server is one that writes."""

from typing import Final

import asyncpg

from storage.errors import DatabaseUnavailable
from storage.metadata.connections import STANDBY, Connection

READ_ONLY: Final = "Postgres: read-only"
#: Set after connecting: PgBouncer refuses what it does not know among the parameters of a start.
_SESSION_SETTINGS: Final = {
    "statement_timeout": "10000",
    "lock_timeout": "4000",
    "idle_in_transaction_session_timeout": "15000",
    "jit": "off",  # a plan that is worth compiling has no place in a request
    "plan_cache_mode": "force_generic_plan",  # planning a look-up anew costs five times what running it does
}


_BEGIN: Final = "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean, " + ", ".join(
    f"set_config('{name}', '{value}', false)" for name, value in _SESSION_SETTINGS.items()
)


async def begin_session(connection: Connection) -> None:
    """Apply our settings to a new connection. Raises DatabaseUnavailable for one to a node that does not write.

    What such a node knows may be old. A pooler may tell of a server what was so when it first saw it; so the server
    itself is asked, and made to tell again.
    """
    row = await connection.fetchrow(_BEGIN)
    if row is None or row[0]:
        raise DatabaseUnavailable(STANDBY)
    if row[1]:
        raise DatabaseUnavailable(READ_ONLY)
    if _is_told_read_only(connection.get_settings()):
        await connection.execute("SET default_transaction_read_only = on")
        await connection.execute("RESET default_transaction_read_only")


def _is_told_read_only(told: object) -> bool:
    """Return whether the server has told that it turned read-only; PostgreSQL tells so with the next answer."""
    return getattr(told, "default_transaction_read_only", "off") == "on"


def require_primary(told: object) -> None:
    """Refuse what was just answered by a node that turned read-only: another may be the primary, and know more."""
    if _is_told_read_only(told):
        raise asyncpg.ReadOnlySQLTransactionError("the node turned read-only")
