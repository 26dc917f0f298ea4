"""`moorage run`: the whole registry from one command, with a PostgreSQL and an S3 server (or a directory) of its own.

Everything is kept in one directory, DATA, which one instance at a time holds by a lock. It is served by the same
workers under the same supervisor as `moorage serve`; only the environment they read is made up here.

DATA: lock, version, admin-token and secret-key (0600), postgres/, and s3/ or local/, whichever it began with.
"""

import asyncio
import errno
import fcntl
import http.client
import os
import secrets
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from auth.tokens import SCOPES
from registry.accounts.accounts import create_token, create_user
from registry.accounts.names import LoginTaken
from registry.app import run_worker, serving_tasks
from registry.config import Settings
from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import CannotStart, is_gone, write_private
from registry.devservers.seaweed import EmbeddedS3
from registry.process.lifeline import die_with_parent
from registry.process.supervisor import Signals, Supervisor, Task, listen, run_in_child
from storage.errors import StorageError
from storage.metadata.database import open_database
from storage.metadata.migrate import migrate

ADMIN: Final = "admin"
_VERSION: Final = "1"
_FREE_BYTES: Final = 200 * 1000 * 1000
_READY_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 5.0
_HANDOVER_SECONDS: Final = 20.0
_STOPPING: Final = "stopping"


class Stopped(Exception):
    """A signal to stop arrived during the start."""


@dataclass(slots=True)
class Standalone:
    """One run of the registry; `data` is DATA, `workers` the number of serving processes. Main thread only.

    `local`: objects are kept in a directory of DATA, and there is no S3 server.
    """

    host: str
    port: int
    data: Path
    workers: int
    local: bool
    signals: Signals
    out: TextIO = field(default_factory=lambda: sys.stdout)
    monotonic: Callable[[], float] = time.monotonic

    def run(self, started: float) -> int:
        """Serve until a signal and return the exit status. Raises CannotStart, AddressInUse, SettingsInvalid.

        ``started``: when the person began to wait, on the clock `monotonic`.
        """
        try:
            with hold(self.data, self._note) as release:
                for probe in listen(self.host, self.port, 1):
                    probe.close()  # a busy port is told at once; until there is an answer, connections are refused
                with self._servers() as (postgres, s3):
                    first = self._prepare(self._settings(postgres, s3))  # the S3 server takes longer to start
                    if s3 is not None:
                        with self.signals.raising(Stopped):
                            s3.wait_ready()
                    settings = self._settings(postgres, s3)
                    listeners = listen(self.host, self.port, self.workers)
                    tasks = [*serving_tasks(settings, listeners), Task("worker", partial(run_worker, settings))]
                    supervisor = Supervisor(tasks, self.signals)
                    supervisor.start()
                    try:
                        self._wait_ready(supervisor)
                        self._greet(self.monotonic() - started, first=first)
                        self._keep(supervisor, postgres, s3)
                    except Stopped:
                        pass
                    finally:
                        release()
                        self._note("Stopping ...")
                        status = supervisor.stop(settings.drain_seconds + settings.stop_seconds + _GRACE_SECONDS)
                return status
        except Stopped:
            return 0
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise CannotStart(f"no space left on the disk that holds {self.data}") from error
            raise

    def _note(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    @contextmanager
    def _servers(self) -> Iterator[tuple[EmbeddedPostgres, EmbeddedS3 | None]]:
        """Start PostgreSQL, yield it ready with S3 still starting, and always stop both servers at the end."""
        _check_store(self.data, local=self.local)
        postgres, s3 = EmbeddedPostgres(self.data / "postgres"), None if self.local else EmbeddedS3(self.data / "s3")
        fresh = "" if (self.data / "postgres" / "data").exists() else " for the first time"
        self._note(f"Starting PostgreSQL{'' if s3 is None else ' and S3'}{fresh} in {self.data} ...")
        try:
            with self.signals.raising(Stopped):
                if s3 is not None:
                    s3.launch()
                postgres.start()
            yield postgres, s3
        finally:
            if s3 is not None:
                s3.stop()
            postgres.stop()

    def _settings(self, postgres: EmbeddedPostgres, s3: EmbeddedS3 | None) -> Settings:
        """Return the settings, as `moorage serve` would read them from its environment."""
        key = self.data / "secret-key"
        if not key.exists():
            write_private(key, secrets.token_urlsafe(48) + "\n")
        environ = os.environ  # noqa: TID251  -- what config would read, but for the stores
        # A line a request is for a log file; here somebody reads the terminal, who may ask for it, and waits for us.
        given = {"MOORAGE_ACCESS_LOG": "off", "MOORAGE_STOP_SECONDS": "0"}
        given |= {name: value for name, value in environ.items() if name.startswith("MOORAGE_")}
        settings = Settings.from_env(
            given
            | {
                "MOORAGE_DATABASE_URL": postgres.dsn(),
                "MOORAGE_SECRET_KEY": key.read_text().strip(),
                "MOORAGE_LISTEN": f"[{self.host}]:{self.port}",
                "MOORAGE_WORKERS": str(self.workers),
                "MOORAGE_TLS_CERT": "",
                "MOORAGE_TLS_KEY": "",
                "MOORAGE_REDIRECT": "off",  # clients elsewhere cannot reach the store
                "MOORAGE_S3_BUCKET": "" if s3 is None else s3.bucket,
                "MOORAGE_S3_ENDPOINT": "" if s3 is None else s3.endpoint,
                "MOORAGE_S3_REGION": "" if s3 is None else s3.region,
                "MOORAGE_STORE_PATH": str(self.data / "local") if s3 is None else "",
                "AWS_ACCESS_KEY_ID": "" if s3 is None else s3.access_key,
                "AWS_SECRET_ACCESS_KEY": "" if s3 is None else s3.secret_key,
            }
        )
        if s3 is None:
            (self.data / "local").mkdir(mode=0o700, exist_ok=True)
        else:
            _spare_proxies()
        return settings

    def _prepare(self, settings: Settings) -> bool:
        """Migrate the schema and ensure the admin account; True if its token is new. Raises CannotStart."""
        token = self.data / "admin-token"
        first = not token.exists()
        status = run_in_child(partial(_prepare_database, settings, token), self.signals)
        if self.signals.received:
            raise Stopped
        if status != 0:
            raise CannotStart(f"cannot prepare the database in {self.data}: see above")
        return first

    def _wait_ready(self, supervisor: Supervisor) -> None:
        """Wait until a worker answers GET /v2/ (end-1) with a challenge. Raises CannotStart."""
        deadline = self.monotonic() + _READY_SECONDS
        while _status_of(self.host, self.port) != http.client.UNAUTHORIZED:
            supervisor.keep(0.05)
            if self.signals.received:
                raise Stopped
            if supervisor.status:
                raise CannotStart("the workers do not start: see above")
            if self.monotonic() > deadline:
                raise CannotStart(f"the registry does not answer on port {self.port}: see above")

    def _keep(self, supervisor: Supervisor, postgres: EmbeddedPostgres, s3: EmbeddedS3 | None) -> None:
        """Restart dead workers and servers until a signal."""
        while not self.signals.received and not supervisor.status:
            supervisor.keep(1.0)
            for name, server in (("PostgreSQL", postgres), ("S3", s3)):
                if server is not None and not server.alive():
                    self._note(f"{name} ended; starting it again ...")
                    former = _address_of(server)
                    server.start()
                    if _address_of(server) != former:
                        raise CannotStart(f"{name} ended, and its port was taken meanwhile: start again")

    def _greet(self, seconds: float, *, first: bool) -> None:
        host = "localhost" if self.host in _ANY | {"127.0.0.1"} else self.host
        place = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        token = self.data / "admin-token"
        made = f"The account «{ADMIN}» was made; its token is in {token}\n" if first else ""
        self._note(
            f"{made}Ready in {seconds:.1f} s: http://{place}\n\n"
            f"  docker login {place} --username {ADMIN} --password-stdin < {shlex.quote(str(token))}\n"
            f"  docker tag hello-world {place}/{ADMIN}/hello-world\n"
            f"  docker push {place}/{ADMIN}/hello-world\n\n"
            "Ctrl-C stops it; the data is kept."
        )


_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  -- compared, not listened on


def _address_of(server: EmbeddedPostgres | EmbeddedS3) -> str:
    return server.endpoint if isinstance(server, EmbeddedS3) else server.dsn()


def _spare_proxies() -> None:
    """Exclude 127.0.0.1 from the proxies of the environment, so that the local servers are reached directly."""
    environ = os.environ  # noqa: TID251  -- the workers inherit it
    for name in ("NO_PROXY", "no_proxy"):
        environ[name] = ",".join(sorted({*environ.get(name, "").split(","), "127.0.0.1"} - {""}))


def _prepare_database(settings: Settings, file: Path) -> None:
    try:
        asyncio.run(migrate(settings.database.url))
        if not file.exists():
            asyncio.run(_admit(settings, file))
    except StorageError as error:
        sys.exit(f"moorage: {error}")


async def _admit(settings: Settings, file: Path) -> None:
    """Create the admin account and a token with every scope, and write the token to the file."""
    async with open_database(settings.database) as db:
        with suppress(LoginTaken):  # the file was taken away, or never written: a new token then
            await create_user(db, ADMIN, site_admin=True)
        token, _ = await create_token(db, ADMIN, sorted(SCOPES), note="made by the first start")
        write_private(file, token.reveal() + "\n")


def _status_of(host: str, port: int) -> int:
    """Return the status of GET /v2/, or 0 while the server does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1" if host in _ANY else host, port, timeout=1)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@contextmanager
def hold(data: Path, note: Callable[[str], None], free_bytes: int = _FREE_BYTES) -> Iterator[Callable[[], None]]:
    """Create and lock DATA for this process and its forks; yield the callback that marks the lock as stopping.

    Raises CannotStart when it is another instance's, of another release, somebody else's files, or on a full disk.
    """
    try:
        # Closed to lists, not to passing: PostgreSQL may run as another user. What is secret is closed by itself.
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot use {data} for data: {error.strerror}") from error
    with os.fdopen(descriptor, "r+") as lock:
        _lock(lock, data, note)
        _write(lock, str(os.getpid()))
        _check_version(data)
        free = shutil.disk_usage(data).free
        if free < free_bytes:
            raise CannotStart(f"{data} is on a disk with {free // 10**6} MB free; {free_bytes // 10**6} MB are needed")
        yield lambda: _write(lock, f"{os.getpid()} {_STOPPING}")


def _lock(lock: TextIO, data: Path, note: Callable[[str], None]) -> None:
    """Acquire the lock; if its holder is dead or stopping, wait until its last process is gone."""
    deadline = time.monotonic() + _HANDOVER_SECONDS
    noted = False
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        lock.seek(0)
        holder = lock.read().split()
        leaving = holder[1:] == [_STOPPING] or (holder[:1] and holder[0].isdigit() and is_gone(int(holder[0])))
        if not leaving or time.monotonic() > deadline:
            who = f" (process {holder[0]})" if holder else ""
            raise CannotStart(f"another instance runs with the data in {data}{who}: stop it, or choose another DATA")
        if not noted:
            note("Waiting for the former instance to stop ...")
            noted = True
        time.sleep(0.05)


def _write(lock: TextIO, text: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()


def _check_version(data: Path) -> None:
    file = data / "version"
    if not file.exists():
        if foreign := sorted(path.name for path in data.iterdir() if path.name not in {"lock", "version.new"}):
            raise CannotStart(f"{data} holds something else ({foreign[0]}): choose an empty directory for the data")
        write_private(file, _VERSION + "\n")
    if file.stat().st_uid != os.geteuid():
        raise CannotStart(f"{data} is the data of another user (uid {file.stat().st_uid}): run as that user")
    found = file.read_text().strip()
    if found != _VERSION:
        raise CannotStart(
            f"{data} was made by another release (data version {found[:20]!r}, this one reads {_VERSION}): "
            "run that release, or move the directory away to start anew"
        )


def _check_store(data: Path, *, local: bool) -> None:
    other = data / ("s3" if local else "local")
    if other.exists():
        kept = "s3" if local else "local"
        raise CannotStart(
            f"{data} keeps its bytes in {other.name}/: run it with --store {kept} (make: STORE={kept}), "
            "or choose another DATA"
        )


def follow_parent() -> None:
    """Stop this process when its parent (make) is killed (Linux only)."""
    die_with_parent(os.getppid(), signal.SIGTERM)
