"""The seals of the audit log show what was changed, added and taken away, and forget nothing that is kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from auth.seals import Keys, believed_keys, signing_key
from registry.accounts.audit import verify
from registry.jobs.seal_events import seal_events
from storage.metadata import event_seals
from tests.support.server import Registry

_INSERT = "INSERT INTO events (action, via, at) VALUES ($1, 'operator', coalesce($2, now()))"


async def sealed(registry: Registry, batches: int = 3) -> None:
    for batch in range(batches):
        for number in range(4):
            await registry.services.db.execute(_INSERT, f"test.b{batch}_{number}", None)
        assert await seal_events(registry.services) == 1
    assert await seal_events(registry.services) == 0


def keys(registry: Registry, *public: str) -> Keys:
    return believed_keys(registry.services.settings.secrets, public)


async def tamper(database_url: str, change: str) -> None:
    """As somebody does who owns the tables."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET session_replication_role = replica")
    assert (await connection.execute(change)).endswith(" 1"), change
    await connection.close()


async def test_what_is_whole_is_intact(registry: Registry) -> None:
    await registry.user("alice")
    await sealed(registry)
    found = await verify(registry.services.db, keys(registry))
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
    found = await verify(registry.services.db, keys(registry))
    assert (found.intact, [(one.number, one.found) for one in found.broken]) == (2, [(2, count)])


async def test_a_seal_that_was_made_anew_breaks_the_next(registry: Registry, database_url: str) -> None:
    await sealed(registry)
    await tamper(database_url, "UPDATE event_seals SET hash = sha256('forged') WHERE number = 1")
    found = await verify(registry.services.db, keys(registry))
    assert ([one.number for one in found.foreign], [one.number for one in found.broken]) == ([1], [2])
    await tamper(database_url, "DELETE FROM event_seals WHERE number = 1")
    found = await verify(registry.services.db, keys(registry))
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
    assert (await verify(registry.services.db, keys(registry))).events == 2


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
    found = await verify(registry.services.db, keys(registry))
    assert (found.intact, found.expired, found.broken) == (1, 1, [])


async def _reseal(registry: Registry, database_url: str, secrets: Sequence[bytes]) -> None:
    """Delete an event, and make all seals anew, as does who may write to the database, with what keys they have."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET session_replication_role = replica")
    assert await connection.execute("DELETE FROM events WHERE action = 'test.b1_2'") == "DELETE 1"
    await connection.execute("DELETE FROM event_seals")
    await connection.close()
    db = registry.services.db
    while (seal := await event_seals.next_seal(db)) is not None:
        assert await event_seals.insert(db, seal, signing_key(secrets).sign(seal.signed_bytes()))


async def test_who_has_no_key_cannot_seal_anew(registry: Registry, database_url: str) -> None:
    await sealed(registry)
    await _reseal(registry, database_url, [b"of somebody else" * 4])
    found = await verify(registry.services.db, keys(registry))
    assert (found.whole, [seal.number for seal in found.foreign], found.intact) == (False, [1], 0)
    await tamper(database_url, "UPDATE event_seals SET signature = NULL")
    assert [seal.signature for seal in (await verify(registry.services.db, keys(registry))).foreign] == [None]


@pytest.mark.parametrize(
    "change", ["at = at - interval '1 day'", "first_at = first_at - interval '1 year'", "count = 5", "id = id + 1"]
)
async def test_a_signature_is_of_the_whole_seal(registry: Registry, database_url: str, change: str) -> None:
    """Such as of its first time: a seal of a month that is dropped is not compared."""
    await sealed(registry)
    await tamper(database_url, f"UPDATE event_seals SET {change} WHERE number = 2")
    found = await verify(registry.services.db, keys(registry))
    assert (found.whole, [seal.number for seal in found.foreign]) == (False, [2])


async def test_a_key_that_was_changed_is_believed_by_its_public_half(registry: Registry) -> None:
    await sealed(registry, 1)
    (former,) = (await verify(registry.services.db, keys(registry))).signers
    new = [b"another secret " * 4]
    changed = replace(registry.services, settings=replace(registry.services.settings, secrets=tuple(new)))
    await registry.services.db.execute(_INSERT, "test.after", None)
    assert await seal_events(changed) == 1
    assert [seal.number for seal in (await verify(registry.services.db, believed_keys(new, ()))).foreign] == [1]
    found = await verify(registry.services.db, believed_keys(new, [former]))
    assert (found.whole, found.intact, found.signers[former], found.signers.total()) == (True, 2, 1, 2)


async def test_a_seal_that_was_made_late_is_told(registry: Registry, database_url: str) -> None:
    """As one is whose former was deleted, with what was under it: the worker seals what is left, with its key."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(_INSERT, "test.before", datetime.now(UTC) - timedelta(hours=3))
    await connection.close()
    assert await seal_events(registry.services) == 1
    found = await verify(registry.services.db, keys(registry))
    assert (found.whole, [seal.number for seal in found.late]) == (True, [1])
