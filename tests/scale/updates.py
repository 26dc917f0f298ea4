"""How many updates stay on their page and touch no index (HOT), by how full pages are made."""

from typing import Final

import asyncpg

#: Table to what the registry updates in it again and again.
_UPDATES: Final = {
    "downloads": "count = count + 1",
    "download_totals": "count = count + 1",
    "tokens": "last_used_at = clock_timestamp()",
    "packages": "updated_at = clock_timestamp()",
    "manifests": "updated_at = clock_timestamp()",
    "package_blobs": "linked_at = clock_timestamp()",
    "tags": "digest = reverse(digest)",
}
FILLFACTORS: Final = (100, 90, 80)
_ROWS: Final = 50_000
_ROUNDS: Final = 5
_COUNTS: Final = """
SELECT pg_stat_get_xact_tuples_updated('copied'::regclass), pg_stat_get_xact_tuples_hot_updated('copied'::regclass)
"""


async def hot(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, list[int]]:
    """Table to the share of such updates, in %, for each of FILLFACTORS; a tenth of the rows in each of the rounds."""
    return {
        table: [await _share(connection, table, change, fillfactor) for fillfactor in FILLFACTORS]
        for table, change in _UPDATES.items()
    }


async def _share(connection: "asyncpg.Connection[asyncpg.Record]", table: str, change: str, fillfactor: int) -> int:
    await connection.execute(f"CREATE TEMP TABLE copied (LIKE {table} INCLUDING ALL) WITH (fillfactor = {fillfactor})")
    await connection.execute(f"INSERT INTO copied OVERRIDING SYSTEM VALUE SELECT * FROM {table} LIMIT {_ROWS}")
    updated = stayed = 0
    for _ in range(_ROUNDS):
        async with connection.transaction():
            await connection.execute(f"UPDATE copied SET {change} WHERE random() < 0.1")
            counts = await connection.fetchrow(_COUNTS)
            assert counts is not None
            updated, stayed = updated + counts[0], stayed + counts[1]
    await connection.execute("DROP TABLE copied")
    return round(100 * stayed / updated)
