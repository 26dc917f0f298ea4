"""Programs that run below ours and never outlive us: spawn, watch, stop.

Start them from the main thread only: Linux sends the death signal when the *thread* that forked ends (prctl(2)).
"""

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from registry.process.lifeline import die_with_parent
from storage.errors import StorageError

_POLL_SECONDS: Final = 0.01
_LOG_MAX_BYTES: Final = 8 * 1024 * 1024
#: The ports of outgoing connections, on Linux, and what they are unless somebody has changed it (ip(7)).
_OUTGOING: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL: Final = (32_768, 65_535)  # elsewhere from 49,152 on (RFC 6335 §6)
_PORTS_FROM: Final = 20_000
_PORTS_MIN: Final = 1000


class CannotStart(StorageError):
    """A local server cannot start; the message is one line for the terminal."""


class Program:
    """A running child in a session of its own: a Ctrl-C at the terminal reaches us, and we stop it in order."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        death: signal.Signals,
        before_exec: Callable[[], None] | None = None,
    ) -> None:
        """Start ``argv``, its output going to the end of ``log``. Raises CannotStart."""
        self._log = log
        parent = os.getpid()

        def prepare() -> None:
            if before_exec is not None:
                before_exec()
            die_with_parent(parent, death)

        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > _LOG_MAX_BYTES:
                log.replace(log.with_name(log.name + ".1"))
        self._log_start = log.stat().st_size if log.exists() else 0
        try:
            descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                self._process = subprocess.Popen(  # noqa: S603  -- a program that we found, arguments that we made
                    argv,
                    env=dict(env),
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=descriptor,
                    stderr=descriptor,
                    start_new_session=True,
                    preexec_fn=prepare,  # noqa: PLW1509  -- no threads yet: see the top of this module
                )
            finally:
                os.close(descriptor)
        except (OSError, subprocess.SubprocessError) as error:
            raise CannotStart(f"cannot run {argv[0]}: {error}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        """Return the last 64 KiB of the program's output since its start."""
        with self._log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._log_start, end - 65536))
            return file.read().decode(errors="replace")

    def wait(self, seconds: float) -> int | None:
        """Wait for the exit status; None if the program still runs after ``seconds``."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal and wait its seconds, until the program is gone; then SIGKILL."""
        for number, seconds in steps:
            if not self.alive():
                return
            self._process.send_signal(number)
            if self.wait(seconds) is not None:
                return
        self._process.kill()
        self._process.wait()


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Poll ``done`` and return whether the condition held within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def command_of(pid: int) -> str:
    """The command line of a living process; empty when there is none, or only a zombie that nobody reaps."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    ps = shutil.which("ps") or "/bin/ps"
    argv = [ps, "-ww", "-p", str(pid), "-o", "command="]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603  -- a number
    return answer.stdout.strip()


def is_gone(pid: int) -> bool:
    """Return whether the process has ended and closed its files and ports, as an unreaped zombie has (proc(5))."""
    if sys.platform != "linux":
        return not command_of(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    state, threads = fields[0], int(fields[17])
    return state == "X" or (state == "Z" and threads <= 1)


def end_process(pid: int, *steps: tuple[signal.Signals, float]) -> bool:
    """End a process (no child of this one) by signals, at last SIGKILL; return whether the process is gone."""
    for number, seconds in (*steps, (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if wait_until(lambda: is_gone(pid), seconds):
            return True
    return False


def server_ports(system: Path = _OUTGOING) -> tuple[range, range]:
    """Return the ports below and above those of outgoing connections, of which a busy machine makes thousands.

    The kernel would choose among the latter, and give a port that we keep to somebody while our server is stopped.
    """
    try:
        low, high = (int(text) for text in system.read_text().split())
    except (OSError, ValueError):
        low, high = _USUAL
    for first in (_PORTS_FROM, 1024):
        below, above = range(first, max(low, first)), range(max(high + 1, first), 65_536)
        if len(below) + len(above) > _PORTS_MIN:
            return below, above
    return range(_PORTS_FROM, _USUAL[0]), range(0)  # outgoing connections have nearly all


def free_ports(count: int) -> list[int]:
    """Ports that nobody had a moment ago at any address, all different, and none of outgoing connections.

    Another that chooses here is met by starting again.
    """
    ports = list(itertools.chain(*server_ports()))
    candidates = iter(secrets.SystemRandom().sample(ports, len(ports)))
    return list(itertools.islice(filter(is_free, candidates), count))


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now, at every address of the machine.

    Ours listen on 127.0.0.1 only, but some of them look at all addresses before.
    """
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104  -- a look
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
                probe.listen()
        except OSError as error:
            if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:  # a machine without IPv6
                return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 atomically and durably: a crash leaves the old file or the new one."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
