"""One PostgreSQL and one S3 server a run; a database and a bucket of its own for each test that asks."""

import asyncio
import gc
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from blockbuster import blockbuster_ctx
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import Database, DatabaseSettings, open_database
from storage.metadata.migrate import migrate
from tests.support.scratch import in_memory, scratch
from tests.support.server import Registry, running, settings_env

_numbers = itertools.count(1)

# How long an example takes tells how busy the machine is.
hypothesis_settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("any machine")

# As `moorage serve` has it: rich, which is installed with typer, looks for sources on the disk while the loop waits.
structlog.configure(
    [
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, object, object]:
    """Report a test without a finalizer of others in between: within ast.parse, CPython 3.11 makes a SystemError of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


Table = Callable[[str, str], None]
_TABLES: pytest.StashKey[dict[str, list[str]]] = pytest.StashKey()


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Table:
    """Prints a table at the end of the run, a row a call: ``table(head, row)``."""
    tables = request.config.stash.setdefault(_TABLES, {})
    return lambda head, row: tables.setdefault(head, []).append(row)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the tables of a worker of xdist to the process that prints."""
    if (sent := getattr(session.config, "workeroutput", None)) is not None:
        sent["tables"] = session.config.stash.get(_TABLES, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the tables that a worker of xdist has sent; one that was killed has sent none."""
    tables = node.config.stash.setdefault(_TABLES, {})
    for head, rows in getattr(node, "workeroutput", {}).get("tables", {}).items():
        tables.setdefault(head, []).extend(rows)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the tables."""
    for head, rows in config.stash.get(_TABLES, {}).items():
        for line in ("", head, *rows):
            terminalreporter.write_line(line)


#: For a cluster that is thrown away: nothing here outlives a crash of the machine, and no test is about one. What is
#: about a PostgreSQL that is killed (tests/registry/devservers, tests/test_run.py) starts its own, with the real settings.
_UNSAFE = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "64MB",  # which may be in memory
    "min_wal_size": "32MB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",  # it would go round hundreds of databases, none of which lives for a minute
}

#: Calls below these may block the event loop: most are what a process does once, when it starts and when it ends.
_MAY_BLOCK = (
    ("asyncpg/connect_utils.py", "_parse_connect_arguments"),  # looks for a client certificate of the user's
    ("storage/metadata/connections.py", "parse_url"),  # looks for the files that it names
    ("storage/metadata/migrate.py", "files"),  # lists the migrations
    ("storage/objects/s3/store.py", "_trust"),  # botocore reads its files for credentials
    ("storage/objects/local/store.py", "open"),  # waits for the threads that write
    ("registry/redirects/signing.py", "_read"),  # a key, at the start
    ("registry/http/server/tls.py", "_stamps"),  # two stats in five minutes
    ("registry/http/server/sending.py", "_from_file"),  # sendfile of what the page cache holds
)


async def _template(server: EmbeddedPostgres) -> None:
    await _execute(server, "CREATE DATABASE template_moorage")
    await migrate(server.dsn("template_moorage"))


@pytest.fixture(scope="session", autouse=True)
def nothing_blocks() -> Iterator[None]:
    """What our code does on an event loop may not block it: the call raises BlockingError, and the test fails.

    The embedded servers are started and stopped where no loop runs; the tests ask them for their addresses.
    """
    with blockbuster_ctx(["registry", "auth", "storage"], excluded_modules=["registry.devservers"]) as watched:
        for path, function in _MAY_BLOCK:
            for call in watched.functions.values():
                call.can_block_in(path, function)
        yield


#: More than tests take: a bucket each, of a volume or two.
_BUCKETS = 10_000


@pytest.fixture(scope="session")
def postgres_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with scratch(tmp_path_factory.mktemp("postgres")) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres(postgres_folder: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(postgres_folder, _UNSAFE) as server:
        asyncio.run(_template(server))
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedS3]:
    path = tmp_path_factory.mktemp("s3")
    server = EmbeddedS3(path, volumes=_BUCKETS)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(path)


@asynccontextmanager
async def _database(server: EmbeddedPostgres, name: str, folder: Path, how: str = "") -> AsyncIterator[str]:
    """The URL of a new database. It is dropped at the end if it is in memory; or else it goes with the server.

    Dropped one by one from a disk, they would slow down each other's making: ext4 goes through the inodes that were
    freed within five seconds when it makes a file, and a database has three hundred.
    """
    await _execute(server, f"CREATE DATABASE {name} {how}")
    yield server.dsn(name)
    if in_memory(folder):
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(server: EmbeddedPostgres, statement: str) -> None:
    admin = await asyncpg.connect(server.dsn("postgres"))
    try:
        await admin.execute(statement)
    finally:
        await admin.close()


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres, postgres_folder: Path) -> AsyncIterator[str]:
    """A migrated database, cloned from the template."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    async with _database(postgres, name, postgres_folder, "TEMPLATE template_moorage STRATEGY FILE_COPY") as url:
        yield url


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with open_database(DatabaseSettings(database_url, pool_size=10)) as opened:
        yield opened


@pytest.fixture
def env(database_url: str, s3: EmbeddedS3) -> dict[str, str]:
    """The environment of a server with a database and a bucket of its own; a test may change it before it serves."""
    return settings_env(database_url, s3, f"test-{os.getpid()}-{next(_numbers)}")


@pytest.fixture
async def registry(env: dict[str, str]) -> AsyncIterator[Registry]:
    """A registry of one replica."""
    async with running(env) as served:
        yield served


@pytest.fixture
async def postgres_empty(postgres: EmbeddedPostgres, postgres_folder: Path) -> AsyncIterator[str]:
    """A database without a schema."""
    async with _database(postgres, f"empty_{os.getpid()}_{next(_numbers)}", postgres_folder) as url:
        yield url
