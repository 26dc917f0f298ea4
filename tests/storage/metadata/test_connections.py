"""The URLs of databases as hosters write them: each parameter is taken, mapped, or refused by its name."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from registry.config import SettingsInvalid, database_from_env
from registry.devservers.certificates import write_certificate
from registry.devservers.postgres import EmbeddedPostgres
from storage.errors import Unavailable
from storage.metadata.connections import Unusable, parse_url
from storage.metadata.database import Database, DatabaseSettings, open_database
from storage.metadata.examination import NotExamined, examine
from storage.metadata.migrate import migrate

_URL = "postgresql://ada:hunter2@db.example.org:5433/moorage"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?sslmode=require",
        "?sslmode=require&channel_binding=prefer",
        "?connect_timeout=10&keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3",
        "?tcp_user_timeout=9000&gssencmode=disable&sslsni=1&fallback_application_name=x&client_encoding=utf8",
        "?application_name=mine&options=-c%20search_path%3Dmoorage",
        "?target_session_attrs=any",
        "?target_session_attrs=read-write",
        "?sslmode=",
    ],
)
def test_what_hosters_write_is_taken(query: str) -> None:
    assert database_from_env({"MOORAGE_DATABASE_URL": _URL + query}).url == _URL + query
    left = {pair.partition("=")[0] for pair in parse_url(_URL + query).dsn.partition("?")[2].split("&")} - {""}
    assert left <= {"sslmode", "application_name", "options"}  # nothing that PostgreSQL or a pooler would not know


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?channel_binding=require", "channel_binding=require"),
        ("?pgbouncer=true", "'pgbouncer'"),
        ("?statement_timeout=5", "'statement_timeout'"),
        ("?sslmode=no-verify", "sslmode=no-verify"),
        ("?sslmode=verify-full&sslrootcert=/none/ca.pem", "sslrootcert=/none/ca.pem"),
        ("?sslmode=require&sslrootcert=system", "sslrootcert=system"),
        ("?sslcert=/none/c.pem&sslkey=/none/k.pem", "sslcert=/none/c.pem"),
        ("?connect_timeout=soon", "connect_timeout=soon"),
        ("?target_session_attrs=standby", "target_session_attrs=standby"),
        ("?gssencmode=require", "gssencmode=require"),
        ("?load_balance_hosts=random", "load_balance_hosts=random"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_by_name(query: str, named: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        database_from_env({"MOORAGE_DATABASE_URL": _URL + query})
    (line,) = caught.value.errors
    assert line.startswith("MOORAGE_DATABASE_URL: ")
    assert named in line
    assert "\n" not in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ada:hunter2@db/moorage",
        "postgresql://ada:hunter2/x@db/moorage",
        "postgresql://ada:hunter2#x@db/moorage",
        "postgresql://ada:hunter2@x@db/moorage",
        "postgresql://ada:hunter2?x@db/moorage",
        "postgresql://ada:1234/hunter2@db/moorage",
        "postgresql://ada:hunter2@db:port/moorage",
        "postgresql://ada:hunter2@db:5432:5432/moorage",
        "postgresql://ada:hunter2@[::1/moorage",
    ],
)
def test_a_password_that_is_not_encoded_is_told_without_it(url: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        database_from_env({"MOORAGE_DATABASE_URL": url})
    (line,) = caught.value.errors
    assert line.startswith("MOORAGE_DATABASE_URL: expected postgresql://")
    assert "hunter2" not in line


def test_the_authorities_of_the_system_are_those_of_verify_full_without_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    for query in ("?sslmode=verify-full", "?sslrootcert=system", "?sslmode=verify-full&sslrootcert=system"):
        tls = parse_url(_URL + query).tls
        assert tls is not None
        assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert parse_url(_URL + "?sslmode=require").tls is None
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert parse_url(_URL + "?sslmode=verify-full").tls is None


async def test_several_hosts_are_tried_for_the_primary(database_url: str) -> None:
    """One that is away, then the one that writes."""
    host = database_url.partition("@")[2].partition("/")[0]
    url = database_url.replace(host, f"127.0.0.1:9,{host}") + "?target_session_attrs=read-write&connect_timeout=3"
    async with open_database(DatabaseSettings(url)) as db:
        row = await db.fetchrow("SELECT count(*) FROM accounts")
        assert row is not None


async def test_a_password_that_is_wrong_is_unavailable(database_url: str) -> None:
    with pytest.raises(Unavailable, match="InvalidPassword"):
        async with open_database(DatabaseSettings(database_url.replace(":", ":x", 2).replace(":x//", "://"))):
            pass


async def test_a_statement_without_its_table_says_migrate(postgres_empty: str) -> None:
    async with open_database(DatabaseSettings(postgres_empty)) as db:
        with pytest.raises(Unavailable, match="run moorage migrate"):
            await db.fetchrow("SELECT count(*) FROM accounts")


async def test_a_node_that_turned_read_only_loses_its_connections(database_url: str) -> None:
    """Those that are idle, those at work, and the one that was told."""
    async with open_database(DatabaseSettings(database_url, pool_size=3)) as db:
        process = "SELECT pg_backend_pid() AS pid"
        async with db.transaction() as one, db.transaction() as two:
            before = [(await each.fetch(process))[0]["pid"] for each in (one, two)]
        async with db.transaction() as at_work:
            admin = await asyncpg.connect(database_url)
            name = await admin.fetchval("SELECT current_database()")
            await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            with pytest.raises(Unavailable, match="Postgres: read-only"):
                await db.execute("SELECT set_config('default_transaction_read_only', 'on', false)")
            with pytest.raises(Unavailable, match="Postgres: read-only"):  # of a new connection
                await db.execute("DELETE FROM accounts")
            await admin.execute("SET default_transaction_read_only = off")
            await admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            await admin.close()
            assert await at_work.fetch(process)
        await db.execute("DELETE FROM accounts")
        async with db.transaction() as one, db.transaction() as two:
            after = [(await each.fetch(process))[0]["pid"] for each in (one, two)]
        assert not set(before) & set(after)


async def _alone(db: Database, statement: str) -> None:
    await db.fetchrow(statement)


async def _within_a_transaction(db: Database, statement: str) -> None:
    async with db.transaction() as tx:
        await tx.fetchrow(statement)


@pytest.mark.parametrize("read", [_alone, _within_a_transaction])
async def test_nothing_is_read_of_a_node_that_turned_read_only(
    database_url: str, read: Callable[[Database, str], Awaitable[None]]
) -> None:
    """Another may be the primary by then; whoever only reads would not notice."""
    async with open_database(DatabaseSettings(database_url, pool_size=1)) as db:
        before = await db.fetchrow("SELECT pg_backend_pid() AS pid")
        turns = "SELECT set_config('default_transaction_read_only', 'on', false)"
        with pytest.raises(Unavailable, match="Postgres: read-only"):
            await read(db, turns)
        after = await db.fetchrow("SELECT pg_backend_pid() AS pid")
        assert before != after


_ROLE = "CREATE ROLE failover LOGIN PASSWORD 'same'"


async def _prepare(dsn: str) -> None:
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute(_ROLE)
    await connection.close()


@pytest.fixture(scope="module")
def standby(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server in recovery, of a database that was migrated before."""
    path = tmp_path_factory.mktemp("standby")
    server = EmbeddedPostgres(path).start()
    try:
        asyncio.run(_prepare(server.dsn()))
        server.stop()
        (path / "data" / "standby.signal").touch()
        yield server.start()
    finally:
        server.stop()


async def test_a_certificate_is_believed_as_the_url_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that signs itself: for require, for who names its file, and for nobody else. (The wheel's server has no TLS.)"""
    monkeypatch.setenv("HOME", str(tmp_path))
    files = write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=1))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    shaken: list[bool] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # SSLRequest
        writer.write(b"S")
        with suppress(OSError):
            await writer.start_tls(context)
            shaken.append(bool(await reader.read(1)))
        writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"postgresql://ada:x@127.0.0.1:{server.sockets[0].getsockname()[1]}/moorage?"
    for query in ("sslmode=require", f"sslmode=verify-full&sslrootcert={files.certificate}"):
        with pytest.raises(Unavailable, match=r"^Postgres: connection was closed"):
            await migrate(url + query)
    assert shaken == [True, True]
    for query in ("sslmode=verify-full", "sslrootcert=system"):
        with pytest.raises(Unavailable, match="its certificate is not believed: self-signed certificate"):
            await migrate(url + query)
    with pytest.raises(Unusable, match="MOORAGE_DATABASE_URL: root certificate file"):
        await migrate(url + "sslmode=verify-ca")
    server.close()


async def test_a_standby_is_passed_over_and_never_read(standby: EmbeddedPostgres, postgres: EmbeddedPostgres) -> None:
    """Until it is promoted."""
    alone = standby.dsn()
    for url in (alone, alone + "?target_session_attrs=read-write"):
        with pytest.raises(Unavailable, match="a standby and not the primary"):
            async with open_database(DatabaseSettings(url)):
                pass
    with pytest.raises(Unavailable, match="a standby and not the primary"):
        await migrate(alone)
    with pytest.raises(NotExamined) as caught:
        await examine(alone)
    assert caught.value.why == "standby"
    admin = await asyncpg.connect(alone)
    try:
        hosts = [url.partition("@")[2].partition("/")[0] for url in (alone, postgres.dsn())]
        there = await asyncpg.connect(postgres.dsn("postgres"))
        await there.execute(_ROLE)
        await there.close()
        for order in (hosts, hosts[::-1]):
            url = f"postgresql://failover:same@{','.join(order)}/postgres"
            async with open_database(DatabaseSettings(url)) as db:
                row = await db.fetchrow("SELECT inet_server_port() AS port")
                assert row is not None
                assert row["port"] == urlsplit(postgres.dsn()).port
        assert await admin.fetchval("SELECT pg_promote()")
    finally:
        await admin.close()
    async with open_database(DatabaseSettings(alone)) as db:
        await db.execute("DELETE FROM accounts")
