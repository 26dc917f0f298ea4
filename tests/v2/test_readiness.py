"""/readyz says what is wrong with the database, and who is told so can mend it."""

import asyncio
import os
import sys

import asyncpg

from storage.metadata.migrate import files, migrate
from tests.support.server import Registry, running

_LAST = list(files())[-1]


async def _moorage(url: str, *arguments: str) -> tuple[int, str]:
    """With the settings of the database alone."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", *arguments,
        env={"PATH": os.defpath, "MOORAGE_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await child.communicate()
    return child.returncode or 0, output.decode().strip()


async def _ready(registry: Registry) -> tuple[int, str]:
    answer = await registry.call("GET", "/readyz")
    return answer.status, answer.body.decode().strip()


async def test_a_schema_that_is_not_there_older_or_newer(env: dict[str, str], postgres_empty: str) -> None:
    env["MOORAGE_DATABASE_URL"] = postgres_empty
    missing = "Postgres: the schema is not there, or older than this release: run moorage migrate"
    async with running(env) as registry:
        assert await _ready(registry) == (503, missing)
        assert (await registry.call("GET", "/v2/alice/app/tags/list")).status == 503
        await migrate(postgres_empty, {name: text for name, text in files().items() if name != _LAST})
        assert await _ready(registry) == (503, missing)
        await migrate(postgres_empty)
        assert await _ready(registry) == (200, "ready")
        await migrate(postgres_empty, {**files(), "9999_later": "CREATE TABLE later (id int)"})
        assert await _ready(registry) == (200, "ready; the schema is of a newer release")


async def test_the_commands_need_the_database_alone_and_say_migrate(postgres_empty: str) -> None:
    made = ("admin", "user", "create", "ada")
    status, said = await _moorage(postgres_empty, *made)
    assert (status, said.count("\n")) == (1, 0)
    assert said.endswith("run moorage migrate")
    status, said = await _moorage(postgres_empty, "migrate")
    assert (status, said.splitlines()[0]) == (0, "applied 0001_registry")
    assert await _moorage(postgres_empty, *made) == (0, "created ada")
    assert await _moorage("", *made) == (
        2, "MOORAGE_DATABASE_URL is not set: expected postgresql://user:password@host/database"
    )  # fmt: skip


async def test_an_older_migrate_on_a_newer_schema_ends_well(database_url: str) -> None:
    await migrate(database_url, {**files(), "9999_later": "CREATE TABLE later (id int)"})
    status, said = await _moorage(database_url, "migrate")
    assert status == 0
    assert said.splitlines() == [
        "the schema is of a newer release, and suits this one: it has 9999_later", "nothing to do"
    ]  # fmt: skip


async def test_migrate_says_whom_it_waits_for(database_url: str) -> None:
    holder = await asyncpg.connect(database_url)
    process = await holder.fetchval("SELECT pg_backend_pid()")
    await holder.fetchval("SELECT pg_advisory_lock($1)", 0x6D6F6F72)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "migrate",
        env={"PATH": os.defpath, "MOORAGE_DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stderr is not None
    async with asyncio.timeout(20):
        said = (await child.stderr.readline()).decode()
        assert said.startswith(f"waiting for another migrate: process {process} of PostgreSQL, from 127.0.0.1, since ")
        assert f"pg_terminate_backend({process})" in said
        await holder.close()
        output, errors = await child.communicate()
    assert (child.returncode, output, errors) == (0, b"nothing to do\n", b"")


async def test_a_database_that_turned_read_only(registry: Registry, database_url: str) -> None:
    token = await registry.user("alice")
    assert await _ready(registry) == (200, "ready")
    name = database_url.rpartition("/")[2]
    admin = await asyncpg.connect(database_url)
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    while (said := await _ready(registry)) != (503, "Postgres: read-only"):
        assert said[0] == 503
    pushed = await registry.call("POST", "/v2/alice/app/blobs/uploads/", token)
    assert (pushed.status, pushed.code) == (503, "UNAVAILABLE")
    await admin.execute("SET default_transaction_read_only = off")
    await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await admin.close()
    async with asyncio.timeout(5):  # new connections, not those that still believe the old
        while (await _ready(registry))[0] != 200:  # noqa: ASYNC110 - of a server that is asked
            await asyncio.sleep(0.1)
    assert (await registry.call("POST", "/v2/alice/app/blobs/uploads/", token)).status == 202
