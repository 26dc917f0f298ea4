"""The servers that people have between us and PostgreSQL, started here."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import Program, free_ports, wait_until
from storage.objects.s3.store import S3Settings
from tests.scenarios.conftest import engine as engine  # noqa: PLC0414 - the fixture
from tests.stores.servers import DIFFERENCES, answers, installed, started

_CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={postgres_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = trust
auth_file = {users}
unix_socket_dir =
pool_mode = {mode}
{more}
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a server is known to do otherwise."""
    left_out = [item for item in items if isinstance(item, pytest.Function) and _is_otherwise(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_otherwise(item: pytest.Function) -> bool:
    server = item.callspec.params.get("server") if hasattr(item, "callspec") else None
    return item.originalname in DIFFERENCES.get(str(server), {})


@pytest.fixture(scope="module", params=installed())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    """Each S3 server that is installed here."""
    with started(request.param, tmp_path_factory.mktemp(request.param)) as settings:
        yield settings


@contextmanager
def pgbouncer(dsn: str, mode: str, folder: Path, more: str = "") -> Iterator[str]:
    """PgBouncer before the server of ``dsn``; the URL through it."""
    program = shutil.which("pgbouncer", path=os.defpath + ":/usr/sbin")
    assert program is not None, "install PgBouncer (the package pgbouncer of Debian and Ubuntu)"
    parts, (port,) = urlsplit(dsn), free_ports(1)
    users, configuration = folder / f"users-{port}", folder / f"pgbouncer-{port}.ini"
    users.write_text(f'"{parts.username}" "{parts.password}"\n')
    text = _CONFIGURATION.format(postgres_port=parts.port, port=port, users=users, mode=mode, more=more)
    configuration.write_text(text)
    argv = [program, *(["-u", "nobody"] if os.getuid() == 0 else []), str(configuration)]
    for path in (users, configuration, folder, *folder.parents):  # PgBouncer is no more than nobody
        if path.owner() == "root" and path.is_relative_to(folder.parents[2]):
            path.chmod(0o755)
    bouncer = Program(argv, env={"PATH": os.defpath}, log=folder / "pgbouncer.log", death=signal.SIGKILL)
    try:
        assert wait_until(lambda: answers(port) or not bouncer.alive(), 10), bouncer.output()
        assert bouncer.alive(), bouncer.output()
        yield f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    finally:
        bouncer.stop((signal.SIGTERM, 3.0))


Pool = Callable[..., str]


@pytest.fixture
def pool(postgres: EmbeddedPostgres, tmp_path: Path) -> Iterator[Pool]:
    """Start PgBouncer with ``pool(dsn, mode)``, and get the URL through it."""
    assert postgres.alive()
    with ExitStack() as stack:
        yield lambda dsn, mode, more="": stack.enter_context(pgbouncer(dsn, mode, tmp_path, more))
