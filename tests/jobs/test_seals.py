"""The seals of the audit log show what was changed, added and taken away, and forget nothing that is kept."""

import asyncpg
import pytest

from registry.accounts.audit import verify
from registry.jobs.seal_events import seal_events
from tests.support.server import Registry

_INSERT = "INSERT INTO events (action, via, at) VALUES ($1, 'operator', coalesce($2, now()))"


async def sealed(registry: Registry, batches: int = 3) -> None:
    for batch in range(batches):
        for number in range(4):
            await registry.services.db.execute(_INSERT, f"test.b{batch}_{number}", None)
        assert await seal_events(registry.services) == 1
    assert await seal_events(registry.services) == 0


async def tamper(database_url: str, change: str) -> None:
    """As somebody does who owns the tables."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET session_replication_role = replica")
    assert (await connection.execute(change)).endswith(" 1"), change
    await connection.close()


async def test_what_is_whole_is_intact(registry: Registry) -> None:
    await registry.user("alice")
    await sealed(registry)
    found = await verify(registry.services.db)
    assert (found.intact, found.events, found.broken, found.missing) == (3, 14, [], [])


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ("DELETE FROM events WHERE action = 'test.b1_2'", 3),
        ("UPDATE events SET actor_id = 7 WHERE action = 'test.b1_2'", 4),
        ("UPDATE events SET at = at + interval '1 second' WHERE action = 'test.b1_2'", 4),
        (
            "INSERT INTO events (xid, id, action, via) SELECT xid, id, 'x', via FROM events WHERE action = 'test.b1_2'",
            5,
        ),
    ],
)
async def test_a_row_that_was_changed_shows(registry: Registry, database_url: str, change: str, count: int) -> None:
    await sealed(registry)
    await tamper(database_url, change)
    found = await verify(registry.services.db)
    assert (found.intact, [(one.number, one.found) for one in found.broken]) == (2, [(2, count)])


async def test_a_seal_that_was_made_anew_breaks_the_next(registry: Registry, database_url: str) -> None:
    await sealed(registry)
    await tamper(database_url, "UPDATE event_seals SET hash = sha256('forged') WHERE number = 1")
    assert [one.number for one in (await verify(registry.services.db)).broken] == [1, 2]
    await tamper(database_url, "DELETE FROM event_seals WHERE number = 1")
    found = await verify(registry.services.db)
    assert (found.missing, [one.number for one in found.broken]) == ([1], [2])


async def test_what_is_open_is_sealed_later(registry: Registry, database_url: str) -> None:
    held = await asyncpg.connect(database_url)
    transaction = held.transaction()
    await transaction.start()
    await held.execute(_INSERT, "test.held", None)
    await registry.services.db.execute(_INSERT, "test.later", None)
    assert await seal_events(registry.services) == 0
    await transaction.commit()
    await held.close()
    assert await seal_events(registry.services) == 1
    assert (await verify(registry.services.db)).events == 2


async def test_months_that_are_dropped_are_no_fault(registry: Registry, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("SELECT turn_events(now() - interval '9 months', 1000)")
    await connection.execute(
        "INSERT INTO events (action, via, at) VALUES ('test.old', 'operator', now() - interval '8 months')"
    )
    assert await seal_events(registry.services) == 1
    await sealed(registry, 1)
    await connection.execute("SELECT turn_events(now(), 6)")
    await connection.close()
    found = await verify(registry.services.db)
    assert (found.intact, found.expired, found.broken) == (1, 1, [])
