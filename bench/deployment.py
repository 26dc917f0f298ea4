"""A server as operators run it, for measuring: `moorage serve`, over a PostgreSQL and an S3 server started for it.

The S3 server is versitygw where that is on the PATH: SeaweedFS, which comes as a wheel, takes 8 to 10 ms of CPU for a
MiB that is written, and would be what is measured.
"""

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from registry.devservers.certificates import CertificateFiles
from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import Program, free_ports, is_free, wait_until
from registry.devservers.seaweed import EmbeddedS3
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings, S3Store

USER: Final = "octo"
ROOT: Final = Path(__file__).parent.parent
_BUCKET: Final = "bench"
_SCOPES: Final = ("read:packages", "write:packages", "delete:packages")
_START_SECONDS: Final = 30.0


@dataclass(frozen=True)
class ObjectStore:
    """Where S3 is, and the credentials."""

    endpoint: str
    access_key: str
    secret_key: str
    name: str


@dataclass(frozen=True)
class Deployment:
    """``pid``: of the parent of the serving processes; ``token``: of USER; ``env``: what it is run with."""

    url: str
    pid: int
    token: str
    s3: ObjectStore
    env: Mapping[str, str]


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


async def ensure_bucket(s3: ObjectStore, name: str) -> None:
    """Make the bucket ``name``, unless it is there."""
    settings = S3Settings(bucket=name, endpoint=s3.endpoint, credentials=Credentials(s3.access_key, s3.secret_key))
    async with S3Store.open(settings) as store:
        await store.ensure_bucket()


def _prepared(checkout: Path, env: Mapping[str, str]) -> str:
    """A schema, and a user, whose token is returned; by the checkout's own commands, as its schema is its own."""

    def moorage(*words: str) -> str:
        command = (interpreter(checkout), "-m", "registry", *words)
        return subprocess.run(command, cwd=checkout, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout

    moorage("migrate")
    moorage("admin", "user", "create", USER)
    scopes = [word for scope in _SCOPES for word in ("--scope", scope)]
    return moorage("admin", "token", "create", "--user", USER, *scopes).strip()


def interpreter(checkout: Path) -> str:
    """The checkout's own Python; where it has none, this one, which takes the modules of its working directory."""
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


@contextmanager
def deployed(
    place: Path,
    command: Sequence[str] = (),
    *,
    checkout: Path = ROOT,
    certificate: CertificateFiles | None = None,
    **more: str,
) -> Iterator[Deployment]:
    """A server of ``checkout`` that is ready, with ``more`` settings; what it keeps is in ``place``.

    It is run by ``command``, else by `moorage serve`; with a ``certificate`` it speaks TLS.
    """
    with EmbeddedPostgres(place / "postgres") as postgres, object_store(place / "s3") as s3:
        (port,) = free_ports(1)
        env = {
            "PATH": os.defpath,
            "MOORAGE_DATABASE_URL": postgres.dsn(),
            "MOORAGE_LISTEN": f"127.0.0.1:{port}",
            "MOORAGE_REDIRECT": "off",
            "MOORAGE_S3_BUCKET": _BUCKET,
            "MOORAGE_S3_ENDPOINT": s3.endpoint,
            "MOORAGE_SECRET_KEY": "bench-secret-" * 4,
            "MOORAGE_TOKEN_TTL": "3600",
            "AWS_ACCESS_KEY_ID": s3.access_key,
            "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            **more,
        }
        if certificate is not None:
            env |= {"MOORAGE_TLS_CERT": str(certificate.certificate), "MOORAGE_TLS_KEY": str(certificate.key)}
        asyncio.run(ensure_bucket(s3, _BUCKET))
        token = _prepared(checkout, env)
        with (place / "log").open("wb") as log:
            server = subprocess.Popen(
                command or (interpreter(checkout), "-m", "registry", "serve"),
                cwd=checkout,
                env=env,
                stdout=log,
                stderr=log,
            )
        try:
            url = f"{'http' if certificate is None else 'https'}://127.0.0.1:{port}"
            _wait_for(url, server, place / "log", certificate)
            yield Deployment(url, server.pid, token, s3, env)
        finally:
            server.terminate()
            server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path, certificate: CertificateFiles | None) -> None:
    trusted = None if certificate is None else ssl.create_default_context(cafile=str(certificate.certificate))
    end = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5, context=trusted).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the server did not start:\n{log.read_text()}")
