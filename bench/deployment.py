"""A server as operators run it, for measuring: `moorage serve`, over a PostgreSQL and an S3 server started for it.

The S3 server is versitygw where that is on the PATH: SeaweedFS, which comes as a wheel, takes 8 to 10 ms of CPU for a
MiB that is written, and would be what is measured.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.accounts.accounts import create_token, create_user
from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import Program, free_ports, is_free, wait_until
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import DatabaseSettings, open_database
from storage.metadata.migrate import migrate
from storage.objects.s3.store import S3Settings, S3Store
from tests.support.server import PACKAGES, settings_env

USER: Final = "octo"
SERVE: Final = (sys.executable, "-m", "registry", "serve")
_BUCKET: Final = "bench"
_START_SECONDS: Final = 30.0
_ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True)
class ObjectStore:
    """Where S3 is, and the credentials."""

    endpoint: str
    access_key: str
    secret_key: str
    name: str


@dataclass(frozen=True)
class Deployment:
    """``pid``: of the parent of the serving processes; ``token``: of USER."""

    url: str
    pid: int
    token: str
    s3: ObjectStore


@contextmanager
def object_store(place: Path) -> Iterator[ObjectStore]:
    """An S3 server that keeps its objects in ``place``."""
    program = shutil.which("versitygw")
    if program is None:
        with EmbeddedS3(place) as s3:
            yield ObjectStore(s3.endpoint, s3.access_key, s3.secret_key, "SeaweedFS")
        return
    (place / "objects").mkdir(parents=True)
    (port,) = free_ports(1)
    gateway = Program(
        [program, "--quiet", "--port", f"127.0.0.1:{port}", "--region", "us-east-1", "posix", str(place / "objects")],
        env={"PATH": os.defpath, "ROOT_ACCESS_KEY": "bench", "ROOT_SECRET_KEY": "bench-secret"},
        log=place / "log",
        death=signal.SIGKILL,
    )
    try:
        if not wait_until(lambda: not is_free(port), _START_SECONDS):
            raise SystemExit(f"versitygw did not start: {gateway.output()}")
        yield ObjectStore(f"http://127.0.0.1:{port}", "bench", "bench-secret", "versitygw")
    finally:
        gateway.stop((signal.SIGTERM, 5.0))


async def _prepared(database_url: str, endpoint: str) -> str:
    """A schema, a bucket, and a user, whose token is returned."""
    await migrate(database_url)
    async with S3Store.open(S3Settings(bucket=_BUCKET, endpoint=endpoint)) as store:
        await store.ensure_bucket()
    async with open_database(DatabaseSettings(database_url)) as db:
        await create_user(db, USER)
        plain, _ = await create_token(db, USER, PACKAGES)
        return plain.reveal()


@contextmanager
def deployed(place: Path, command: Sequence[str] = SERVE, **more: str) -> Iterator[Deployment]:
    """A server that is ready, run by ``command``, with ``more`` settings; what it keeps is in ``place``."""
    with EmbeddedPostgres(place / "postgres") as postgres, object_store(place / "s3") as s3:
        (port,) = free_ports(1)
        env = settings_env(postgres.dsn(), s3, _BUCKET, MOORAGE_LISTEN=f"127.0.0.1:{port}", MOORAGE_TOKEN_TTL="3600")
        os.environ.update({k: v for k, v in env.items() if k.startswith("AWS_")})  # noqa: TID251 - boto's chain reads it
        token = asyncio.run(_prepared(postgres.dsn(), s3.endpoint))
        with (place / "log").open("wb") as log:
            server = subprocess.Popen(
                command,
                cwd=_ROOT,
                env={"PATH": os.defpath, **env, **more},
                stdout=log,
                stderr=log,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(url, server, place / "log")
            yield Deployment(url, server.pid, token, s3)
        finally:
            server.terminate()
            server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the server did not start:\n{log.read_text()}")
