"""PgBouncer as it comes: by session all is as without it, by transaction or statement we do not start."""

import asyncio
import os
import sys

import asyncpg
import pytest

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import free_ports
from storage.errors import Unavailable
from tests.stores.conftest import Pool
from tests.support.doctor import doctor, lines
from tests.support.server import running

pytestmark = pytest.mark.stores


async def _moorage(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    told = {"PATH": os.defpath, "MOORAGE_LISTEN": "127.0.0.1:0", **env}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", *arguments,
        env=told, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            output, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()
    return child.returncode or 0, output.decode().strip()


async def test_session_pooling_as_it_comes(env: dict[str, str], pool: Pool) -> None:
    env["MOORAGE_DATABASE_URL"] = pool(env["MOORAGE_DATABASE_URL"], "session")
    assert await _moorage(env, "migrate") == (0, "nothing to do")
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        await registry.push_image("alice/app", "v1", token)
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token, replica=1)).status == 200
        assert (await registry.call("GET", "/readyz")).status == 200
        for name, value in {"statement_timeout": "10s", "lock_timeout": "4s", "jit": "off"}.items():
            row = await registry.services.db.fetchrow("SELECT current_setting($1)", name)
            assert row is not None
            assert row[0] == value, name


async def test_a_pool_that_began_while_the_database_was_read_only(env: dict[str, str], pool: Pool) -> None:
    """PgBouncer tells of a server for ever what was so when it first saw it."""
    direct = env["MOORAGE_DATABASE_URL"]
    env["MOORAGE_DATABASE_URL"] = pooled = pool(direct, "session")
    admin = await asyncpg.connect(direct, server_settings={"default_transaction_read_only": "off"})
    name = await admin.fetchval("SELECT current_database()")
    await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    first = await asyncpg.connect(pooled)
    assert await first.fetchval("SHOW default_transaction_read_only") == "on"
    await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await admin.close()
    async with running(env) as registry:
        token = await registry.user("alice")
        await registry.push_image("alice/app", "v1", token)
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200
        with pytest.raises(Unavailable, match="read-only"):  # what is told in the middle of a session comes through
            await registry.services.db.fetchrow("SELECT set_config('default_transaction_read_only', 'on', false)")
    await first.close()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize(
    "command", [("serve",), ("worker",), ("migrate",), ("admin", "user", "create", "ada")], ids=lambda words: words[0]
)
async def test_other_pooling_is_refused_in_one_line(
    env: dict[str, str], pool: Pool, mode: str, command: tuple[str, ...]
) -> None:
    env["MOORAGE_DATABASE_URL"] = pool(env["MOORAGE_DATABASE_URL"], mode)
    status, said = await _moorage(
        env | {"MOORAGE_LISTEN": f"127.0.0.1:{free_ports(1)[0]}", "MOORAGE_WORKERS": "2"}, *command
    )
    assert status != 0
    assert "\n" not in said
    assert "pool_mode = session" in said


@pytest.mark.parametrize("mode", ["transaction", "statement", "session"])
async def test_the_doctor_names_the_mode_of_the_pool(env: dict[str, str], pool: Pool, mode: str) -> None:
    pooled = {**env, "MOORAGE_DATABASE_URL": pool(env["MOORAGE_DATABASE_URL"], mode)}
    async with running(env) as registry:
        status, said = await doctor(pooled, registry.url)
    if mode == "session":
        assert (status, lines(said, "✗")) == (0, [])
    else:
        (only,) = lines(said, "✗")
        assert status == 1
        assert "connections are lent by transaction → PgBouncer: pool_mode = session" in only


async def test_transaction_pooling_is_told_while_others_use_it(env: dict[str, str], pool: Pool) -> None:
    env["MOORAGE_DATABASE_URL"] = url = pool(env["MOORAGE_DATABASE_URL"], "transaction", "server_round_robin = 1")
    over = asyncio.Event()

    async def use() -> None:
        connection = await asyncpg.connect(url, statement_cache_size=0)
        while not over.is_set():
            async with connection.transaction():
                await connection.fetchval("SELECT pg_sleep(0.002)")
        await connection.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(6):
            tasks.create_task(use())
        await asyncio.sleep(0.2)
        answers = [await _moorage(env, "migrate") for _ in range(3)]
        over.set()
    assert all(status == 1 and "pool_mode = session" in said for status, said in answers), answers


async def test_migrate_gives_its_lock_back_also_where_the_pool_does_not(
    env: dict[str, str], postgres: EmbeddedPostgres, pool: Pool
) -> None:
    env["MOORAGE_DATABASE_URL"] = pool(env["MOORAGE_DATABASE_URL"], "session", "server_reset_query =")
    for _ in range(2):
        assert await _moorage(env, "migrate") == (0, "nothing to do")
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    held = await admin.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1", 0x6D6F6F72)
    await admin.close()
    assert held == 0
