"""The schema changes under a running server: the plans that it has prepared, and what they return, fit no longer (F30)."""

import asyncio
from collections import Counter
from typing import Final

import asyncpg

from tests.faults.routes import ROUTES, image
from tests.support.server import Registry

_SECONDS: Final = 5.0
_CLIENTS: Final = 8
_TABLES: Final = ("accounts", "tokens", "packages", "manifests", "tags", "package_blobs", "blobs", "uploads")
#: What statements return: of another type, a prepared one fails, in a transaction with all that was done in it.
_TYPES: Final = (
    (
        "packages",
        "visibility",
        "text",
        "varchar(20)",
    ),  # returned by the lock that every change of a package begins with
    ("manifests", "size", "integer", "bigint"),
    ("tags", "digest", "text", "varchar(200)"),
    ("uploads", "received", "bigint", "integer"),
)
_API: Final = "/api/v3/user/packages/container/app"
_CALLS: Final = (
    ("GET", _API, None),
    ("GET", f"{_API}/versions", None),
    ("PATCH", _API, {"visibility": "public"}),
    ("PATCH", _API, {"visibility": "private"}),
    ("GET", "/api/v3/user/packages?package_type=container", None),
    ("GET", "/api/v3/user", None),
)


async def _executed(connection: asyncpg.Connection, statement: str) -> None:
    """Runs a statement until PostgreSQL does not choose it to end a deadlock, as whoever migrates would."""
    while True:
        try:
            await connection.execute(statement)
        except asyncpg.DeadlockDetectedError:
            if statement.startswith("CREATE INDEX"):
                await connection.execute("DROP INDEX IF EXISTS remarked")  # an invalid one is left
        else:
            return


async def _change(database_url: str, ends: float) -> None:
    """What migrations may do, to every table, again and again."""
    connection = await asyncpg.connect(database_url)
    done = 0
    try:
        while asyncio.get_running_loop().time() < ends or done < len(_TABLES):
            table = _TABLES[done % len(_TABLES)]
            for statement in (
                f"ALTER TABLE {table} ADD COLUMN remark text, ADD COLUMN weight int DEFAULT 7",
                *(f"ALTER TABLE {typed} ALTER COLUMN {column} TYPE {new}" for typed, column, _, new in _TYPES),
                f"CREATE INDEX CONCURRENTLY remarked ON {table} (remark)",
                f"ANALYZE {table}",
                "DROP INDEX CONCURRENTLY remarked",
                f"ALTER TABLE {table} DROP COLUMN remark, DROP COLUMN weight",
                *(f"ALTER TABLE {typed} ALTER COLUMN {column} TYPE {old}" for typed, column, old, _ in _TYPES),
            ):
                await _executed(connection, statement)
                await asyncio.sleep(0.02)
            done += 1
    finally:
        await connection.close()


async def test_f30_the_schema_changes_under_load(registry: Registry, database_url: str) -> None:
    token = await registry.user("alice")
    things = await image(registry, "alice/app", token)
    ends = asyncio.get_running_loop().time() + _SECONDS
    wrong = Counter[tuple[str, int]]()

    async def traffic(number: int) -> None:
        while asyncio.get_running_loop().time() < ends:
            for route in ROUTES:
                if route.name != "large chunk":
                    answer = await route.ask(registry, token, things)
                    wrong[route.name, answer.status] += answer.status not in route.fine
            await registry.push_image(f"alice/{number}", "v1", token)
            for method, path, json in _CALLS:
                answer = await registry.call(method, path, token, json=json)
                wrong[f"{method} {path}", answer.status] += answer.status >= 300

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(_change(database_url, ends))
        for number in range(_CLIENTS):
            tasks.create_task(traffic(number))
    assert not +wrong
