"""`moorage run`: the whole registry from one command, with a PostgreSQL and an S3 server (or a directory) of its own.

Everything is kept in one directory, DATA, which one instance at a time holds by a lock. It is served by the same
workers under the same supervisor as `moorage serve`; only the environment they read is made up here.

DATA: lock, version, admin-token and secret-key (0600), postgres/, and s3/ or local/, whichever it began with.
"""

import asyncio
import errno
import http.client
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from auth.tokens import SCOPES
from registry.accounts.accounts import create_token, create_user, find
from registry.accounts.names import LoginTaken
from registry.accounts.sign_in import issue_first_code
from registry.app import node_tasks
from registry.cli.data import check_store, hold, room_of
from registry.cli.door import Door
from registry.config import Settings
from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import CannotStart, write_private
from registry.devservers.seaweed import EmbeddedS3
from registry.errors import AccountError, AccountUnknown
from registry.process.lifeline import die_with_parent
from registry.process.room import Room
from registry.process.supervisor import Signals, Supervisor, listen, run_in_child
from storage.errors import StorageError
from storage.metadata import tokens
from storage.metadata.database import Database, open_database
from storage.metadata.migrate import migrate

ADMIN: Final = "admin"
_FULL: Final = "pushes are refused until packages are deleted or there is more room"
_NOTE: Final = "made by the first start"
_READY_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 5.0


class Stopped(Exception):
    """A signal to stop arrived during the start."""


@dataclass(slots=True)
class Standalone:
    """One run of the registry; `data` is DATA, `workers` the number of serving processes. Main thread only.

    `local`: objects are kept in a directory of DATA, and there is no S3 server.
    """

    door: Door
    data: Path
    workers: int
    local: bool
    signals: Signals
    room: Callable[[Path], Room] = room_of
    out: TextIO = field(default_factory=lambda: sys.stdout)
    monotonic: Callable[[], float] = time.monotonic

    def run(self, started: float) -> int:
        """Serve until a signal and return the exit status. Raises CannotStart, AddressInUse, SettingsInvalid.

        ``started``: when the person began to wait, on the clock `monotonic`.
        """
        try:
            with hold(self.data, self._note) as release:
                room = self.room(self.data)
                if (free := room.free_bytes()) < room.reserve_bytes:
                    self._note(f"{free // 10**6} MB are free on the disk that holds {self.data}: {_FULL}")
                for probe in listen(self.door.host, self.door.port, 1):
                    probe.close()  # a busy port is told at once; until there is an answer, connections are refused
                with self._servers() as (postgres, s3):
                    first, code = self._prepare(self._settings(postgres, s3))  # the S3 server takes longer to start
                    if s3 is not None:
                        with self.signals.raising(Stopped):
                            s3.wait_ready()
                    settings = self._settings(postgres, s3)
                    supervisor = Supervisor(node_tasks(settings, worker=True), self.signals)
                    supervisor.start()
                    try:
                        self._wait_ready(supervisor)
                        self._greet(self.monotonic() - started, code, first=first)
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
                raise CannotStart(
                    f"no space left on the disk that holds {self.data}: free some, or choose another DATA"
                ) from error
            raise

    def _note(self, text: str) -> None:
        print(text, file=self.out, flush=True)

    @contextmanager
    def _servers(self) -> Iterator[tuple[EmbeddedPostgres, EmbeddedS3 | None]]:
        """Start PostgreSQL, yield it ready with S3 still starting, and always stop both servers at the end."""
        check_store(self.data, local=self.local)
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
        given |= {name: value for name, value in environ.items() if name.startswith(("MOORAGE_", "OTEL_"))}
        settings = Settings.from_env(
            given
            | {
                "MOORAGE_DATABASE_URL": postgres.dsn(),
                "MOORAGE_SECRET_KEY": key.read_text().strip(),
                "MOORAGE_LISTEN": f"[{self.door.host}]:{self.door.port}",
                "MOORAGE_WORKERS": str(self.workers),
                **self.door.environment(self.data),
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
        return replace(settings, room=self.room(self.data))

    def _prepare(self, settings: Settings) -> tuple[bool, str]:
        """Migrate the schema and ensure the admin account. Raises CannotStart.

        True if its token is new; and its code to sign in to the pages, "" where it has a password.
        """
        token = self.data / "admin-token"
        first = not token.exists()
        reading, writing = os.pipe()
        with open(reading) as told:
            with open(writing, "w") as telling:
                prepare = partial(_prepare_database, settings, token if first else None, telling)
                status = run_in_child(prepare, self.signals)
            code = told.read()
        if self.signals.received:
            raise Stopped
        if status != 0:
            why = "see above" if status > 0 else f"killed by {signal.Signals(-status).name}"
            raise CannotStart(f"cannot prepare the database in {self.data}: {why}")
        return first, code

    def _wait_ready(self, supervisor: Supervisor) -> None:
        """Wait until a worker answers GET /v2/ (end-1) with a challenge. Raises CannotStart."""
        deadline = self.monotonic() + _READY_SECONDS
        while self.door.status() != http.client.UNAUTHORIZED:
            supervisor.keep(0.05)
            if self.signals.received:
                raise Stopped
            if supervisor.status:
                raise CannotStart("the workers do not start: see above")
            if self.monotonic() > deadline:
                raise CannotStart(f"the registry does not answer on port {self.door.port}: see above")

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

    def _greet(self, seconds: float, code: str, *, first: bool) -> None:
        token = self.data / "admin-token"
        made = f"A token of the account «{ADMIN}» was made: it is in {token}\n" if first else ""
        scheme = "https" if self.door.secure else "http"
        url = f"{scheme}://{self.door.place}"
        # Behind the hash no browser sends it, and so no log has it.
        sign_in = (
            f"  {url}/login/code#{code} signs «{ADMIN}» in to the pages, once, within half an hour\n" if code else ""
        )
        self._note(
            f"{made}Ready in {seconds:.1f} s: {url}\n\n{sign_in}"
            f"{self.door.greeting(ADMIN, token, self.data)}"
            "Ctrl-C stops it; the data is kept."
        )


def _address_of(server: EmbeddedPostgres | EmbeddedS3) -> str:
    return server.endpoint if isinstance(server, EmbeddedS3) else server.dsn()


def _spare_proxies() -> None:
    """Exclude 127.0.0.1 from the proxies of the environment, so that the local servers are reached directly."""
    environ = os.environ  # noqa: TID251  -- the workers inherit it
    for name in ("NO_PROXY", "no_proxy"):
        environ[name] = ",".join(sorted({*environ.get(name, "").split(","), "127.0.0.1"} - {""}))


def _prepare_database(settings: Settings, file: Path | None, telling: TextIO) -> None:
    """Prepare the database; ``telling`` gets the administrator's code to sign in, unless there is a password.

    ``file`` gets a token of the administrator; None: there is one.
    """
    try:
        asyncio.run(migrate(settings.database.url))
        telling.write(asyncio.run(_admit(settings, file)))
        telling.flush()
    except (StorageError, AccountError, OSError) as error:
        sys.exit(f"moorage: {error}")


async def _admit(settings: Settings, file: Path | None) -> str:
    """Give the administrator a token, if ``file`` is given for it; return a code to sign in, or ""."""
    async with open_database(settings.database) as db:
        if file is not None:
            await _give_token(db, file)
        with suppress(AccountUnknown):  # renamed, or deleted
            code = await issue_first_code(db, ADMIN)
            return "" if code is None else code.reveal()
    return ""


async def _give_token(db: Database, file: Path) -> None:
    """Create the admin account and a token with every scope, and write the token to the file.

    Where the file was taken away the account is there: its former token ends, for somebody may have it.
    """
    with suppress(LoginTaken):
        await create_user(db, ADMIN, site_admin=True)
    admin = (await find(db, ADMIN)).id
    for former in await tokens.page(db, admin, await tokens.count(db, admin), 0):
        if former.note == _NOTE:
            await tokens.revoke(db, admin, former.id)
    token, _ = await create_token(db, ADMIN, sorted(SCOPES), note=_NOTE)
    write_private(file, token.reveal() + "\n")


def follow_parent() -> None:
    """Stop this process when its parent (make) is killed (Linux only)."""
    die_with_parent(os.getppid(), signal.SIGTERM)
