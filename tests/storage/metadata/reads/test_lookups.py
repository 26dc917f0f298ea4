"""What a look-up costs beside its statement."""

import asyncpg
import pytest

from storage.metadata import blobs, manifests, packages, sessions, tokens
from storage.metadata.query import Query


@pytest.mark.parametrize(
    "query",
    [
        manifests.BY_TAG,
        manifests.BY_TAG_FAST,
        manifests.BY_DIGEST,
        manifests.BY_DIGEST_FAST,
        blobs.LOCATE,
        blobs.LOCATE_FAST,
        packages.ACCESS_FACTS,
        packages.ACCESS_FACTS_FAST,
        sessions.FIND,
        sessions.FIND_FAST,
        tokens.BY_HASH,
    ],
)
async def test_a_new_connection_asks_for_no_types(database_url: str, query: Query[object]) -> None:
    """asyncpg looks into the catalogs for arrays of most types, once on each connection: 8 ms of the first answer."""
    connection = await asyncpg.connect(database_url)
    asked: list[str] = []
    try:
        connection.add_query_logger(lambda record: asked.append(record.query))
        await connection.fetch(query.sql, *([""] * (1 if query is tokens.BY_HASH else 4)))
    finally:
        await connection.close()
    assert asked == [query.sql]
