"""The schema is brought up to date while requests are answered (F43)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import asyncpg
import pytest

from registry.devservers.postgres import EmbeddedPostgres
from storage.errors import Unavailable
from storage.metadata.migrate import files, migrate
from tests.faults.routes import ROUTES, Image, image
from tests.support.server import Registry, running

#: What came later than this is not needed to answer the requests below, so that the server of today can be the former one.
_FORMER: Final = "0006_versions"
#: But for these, which stand on what the former one has.
_NEEDED: Final = (
    "0014_suspect_blobs",
    "0017_events",
    "0024_audit",
    "0026_event_seals",
    "0027_read_only",
    "0028_tag_rules",
    "0031_usage",
    "0033_emergencies_seals_pulls",
    "0038_adoption",
)
#: Counted as downloads, for which there is a later table.
_COUNTED: Final = ("get manifest",)
_CLIENTS: Final = 6
_API: Final = "/api/v3/user/packages/container/app"


def _is_former(name: str) -> bool:
    return name <= _FORMER or name in _NEEDED


@pytest.fixture
async def former_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database with the schema of a former release."""
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        await admin.execute("CREATE DATABASE former")
        await migrate(postgres.dsn("former"), {name: text for name, text in files().items() if _is_former(name)})
        yield postgres.dsn("former")
        await admin.execute("DROP DATABASE former WITH (FORCE)")
    finally:
        await admin.close()


async def _ask(registry: Registry, token: str, things: Image, over: asyncio.Event, number: int) -> None:
    """Requests until it is over, each answered well."""
    while not over.is_set():
        for route in ROUTES:
            if route.name not in _COUNTED and route.name != "large chunk":
                answer = await route.ask(registry, token, things)
                assert answer.status in route.fine, (route, answer.status, answer.body)
        await registry.push_image(f"alice/{number}", "v1", token)
        changed = await registry.call("PATCH", _API, token, json={"visibility": ("public", "private")[number % 2]})
        assert changed.status == 200, changed.body


async def test_f43_migrations_under_load(env: dict[str, str], former_url: str) -> None:
    env["MOORAGE_DATABASE_URL"] = former_url
    async with running(env) as registry:
        token, over = await registry.user("alice"), asyncio.Event()
        things = await image(registry, "alice/app", token)
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for number in range(_CLIENTS):
                tasks.create_task(_ask(registry, token, things, over, number))
            await asyncio.sleep(1)
            applied = await migrate(former_url)
            await asyncio.sleep(1)
            over.set()
        assert applied == [name for name in files() if not _is_former(name)]
        assert await migrate(former_url) == []


async def test_f43_a_migration_does_not_queue_behind_a_long_transaction(registry: Registry, database_url: str) -> None:
    """Who asks for the table waits behind it for a moment, and is answered; nothing of the migration is left."""
    token, over = await registry.user("alice"), asyncio.Event()
    things = await image(registry, "alice/app", token)
    later = {
        **files(),
        "9998_first": "CREATE TABLE first (id int)",
        "9999_then": "ALTER TABLE tags ADD COLUMN more text",
    }
    async with asyncio.timeout(40), asyncio.TaskGroup() as tasks:
        async with registry.services.db.transaction() as report:
            await report.fetch("SELECT count(*) FROM tags")
            for number in range(_CLIENTS):
                tasks.create_task(_ask(registry, token, things, over, number))
            with pytest.raises(Unavailable):
                await migrate(database_url, later)
        assert await migrate(database_url, later) == ["9999_then"]
        over.set()
