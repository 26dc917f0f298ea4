"""The supervisor of `moorage serve`: forks the workers, restarts a dead one, stops all of them in order.

Invariants: the parent runs no event loop and serves nothing; it holds every listening socket, so that connections wait
in the queue of a worker that died until its successor takes them; no worker outlives the parent.
"""

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final, Self

import structlog

from registry.process.lifeline import die_with_parent

log = structlog.get_logger(__name__)

#: A worker that ends with this status would end so again: wrong settings. The supervisor gives up and says it too.
EXIT_SETTINGS: Final = 2
_BACKLOG: Final = 4096
_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_BACKOFF_FIRST_SECONDS: Final = 0.1
_BACKOFF_MAX_SECONDS: Final = 5.0
_STABLE_SECONDS: Final = 10.0
#: Objects that a worker may have more than at its last collection. With Python's 700 each of a few hundred requests at
#: work has its objects looked at again and again: a quarter of the CPU of a process with 2048 connections.
_YOUNG_OBJECTS: Final = 50_000


class AddressInUse(Exception):
    """The address cannot be listened on; the message is one line for the terminal."""


@dataclass(frozen=True, slots=True)
class Task:
    """The work of one worker process until SIGTERM; only this worker accepts from the sockets ``listeners``."""

    name: str
    run: Callable[[], None]
    listeners: tuple[socket.socket, ...] = ()


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """Open one listening socket per worker, all on the same address; port 0 chooses a free port.

    Linux spreads connections over them (SO_REUSEPORT, socket(7)); elsewhere it is one socket under many names.
    Raises AddressInUse.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With SO_REUSEPORT a second instance of the same user would be let in and take half of the connections.
        with _bound(family, address, shared=False):
            pass
        if sys.platform != "linux":
            first = _bound(family, address, shared=False)
            first.listen(_BACKLOG)
            return [first, *(first.dup() for _ in range(count - 1))]
        sockets = [_bound(family, address, shared=True)]
        sockets += [_bound(family, sockets[0].getsockname(), shared=True) for _ in range(count - 1)]
        for listener in sockets:
            listener.listen(_BACKLOG)
    except OSError as error:
        raise AddressInUse(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return sockets


def _bound(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


class Signals:
    """Signal handlers: SIGTERM, SIGINT and SIGHUP are recorded, SIGCHLD only wakes `wait`. Main thread only."""

    def __init__(self) -> None:
        self.received: list[signal.Signals] = []
        self._reader, self._writer = socket.socketpair()
        self._former: dict[signal.Signals, object] = {}
        self._raised: type[Exception] | None = None

    def __enter__(self) -> Self:
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup(1)
            self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()

    def restore(self) -> None:
        """Restore the former signal handlers; a forked child does so first."""
        signal.set_wakeup_fd(-1)
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # as signal.signal gave it
        self._reader.close()
        self._writer.close()

    @contextmanager
    def raising(self, kind: type[Exception]) -> Iterator[None]:
        """Raise ``kind`` in the block at a signal to stop, also an earlier one; for blocking calls of other modules."""
        if self.received:
            raise kind
        self._raised = kind
        try:
            yield
        finally:
            self._raised = None

    def wait(self, seconds: float) -> None:
        """Wait for a signal, at most ``seconds``."""
        select.select([self._reader], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(4096):
                pass

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self.received.append(signal.Signals(number))
            if self._raised is not None:
                raise self._raised


@dataclass(slots=True)
class _Worker:
    task: Task
    pid: int = 0  # 0: not running
    started: float = 0.0
    due: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Supervisor:
    """Keeps ``tasks`` running, each in a process of its own. Main thread only: see registry.process.lifeline.

    Call it before any event loop or thread exists in this process, with everything imported: workers share the memory.
    """

    tasks: Sequence[Task]
    signals: Signals
    monotonic: Callable[[], float] = time.monotonic
    _workers: list[_Worker] = field(init=False)
    status: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._workers = [_Worker(task) for task in self.tasks]

    def start(self) -> None:
        """Fork every worker."""
        _allow_descriptors()
        gc.collect()
        gc.set_threshold(_YOUNG_OBJECTS)
        gc.freeze()  # the collector would write into pages that are shared with the workers
        for worker in self._workers:
            self._fork(worker)

    def run(self, grace_seconds: float) -> int:
        """Start the workers, keep them running until a signal, stop them; return the exit status."""
        self.start()
        while not self.signals.received and self.status == 0:
            self.keep(1.0)
        return self.stop(grace_seconds)

    def keep(self, seconds: float) -> None:
        """Wait at most ``seconds`` or for a signal; reap dead workers, and restart workers whose backoff is over."""
        now = self.monotonic()
        due = [worker.due - now for worker in self._workers if not worker.pid]
        self.signals.wait(min([seconds, *due]))
        self._reap()
        for worker in self._workers:
            if not worker.pid and worker.due <= self.monotonic() and self.status == 0:
                self._fork(worker)

    def stop(self, grace_seconds: float) -> int:
        """Send SIGTERM to the workers, after ``grace_seconds`` SIGKILL to the rest; return the exit status.

        A second signal ends the grace at once.
        """
        for task in self.tasks:
            for listener in task.listeners:
                listener.close()  # the port closes when the workers let go of it
        self._send(signal.SIGTERM)
        already = len(self.signals.received)
        deadline = self.monotonic() + grace_seconds
        while any(worker.pid for worker in self._workers):
            self._reap(expected=True)
            left = deadline - self.monotonic()
            if left <= 0 or len(self.signals.received) > already:
                log.warning("worker.killed", workers=[worker.task.name for worker in self._workers if worker.pid])
                self.status = self.status or 1
                self._send(signal.SIGKILL)
                break
            if any(worker.pid for worker in self._workers):
                self.signals.wait(min(left, 1.0))
        for worker in self._workers:
            if worker.pid:
                os.waitpid(worker.pid, 0)
                worker.pid = 0
        return self.status

    def _send(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, number)

    def _fork(self, worker: _Worker) -> None:
        worker.started = self.monotonic()
        worker.pid = _fork(worker.task, self.tasks, self.signals)

    def _reap(self, *, expected: bool = False) -> None:
        for worker, status in self._dead():
            worker.pid = 0
            if expected:
                continue
            now = self.monotonic()
            worker.failures = 1 if now - worker.started > _STABLE_SECONDS else worker.failures + 1
            pause = min(_BACKOFF_FIRST_SECONDS * 2 ** (worker.failures - 1), _BACKOFF_MAX_SECONDS)
            worker.due = now + pause
            if status == EXIT_SETTINGS:
                self.status = status
            else:
                log.error("worker.died", worker=worker.task.name, exit_status=status, restart_seconds=pause)

    def _dead(self) -> Iterator[tuple[_Worker, int]]:
        for worker in self._workers:
            if worker.pid:
                pid, status = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    yield worker, os.waitstatus_to_exitcode(status)


def _allow_descriptors() -> None:
    """Raise the limit of open files to the hard limit: the default is 1,024, and a pull needs three descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS says «infinity» and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run_in_child(run: Callable[[], None], signals: Signals) -> int:
    """Run ``run`` in a forked process, which keeps event loops out of this one; return the exit status.

    A signal to stop ends it at once.
    """
    pid = _fork(Task("once", run), (), signals)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if signals.received:
            os.kill(pid, signal.SIGKILL)
        signals.wait(0.1)


def _fork(task: Task, tasks: Sequence[Task], signals: Signals) -> int:
    """Fork a process that runs ``task`` and return its id. In the child the call never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # A signal to the child before it has put its handlers back would only be noted, and lost.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    pid = os.fork()
    if pid == 0:
        os._exit(_live(task, tasks, signals, parent, blocked))
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pid


def _live(task: Task, tasks: Sequence[Task], signals: Signals, parent: int, mask: set[int | signal.Signals]) -> int:
    """Run a forked process to its end; return the exit status. No exception may reach the parent's stack."""
    status = 0
    try:
        signals.restore()
        os.setpgid(0, 0)  # a Ctrl-C at the terminal is the parent's to hand on
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _die_with(parent)
        for other in tasks:
            for listener in () if other is task else other.listeners:
                listener.close()
        task.run()
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if leaving.code is not None and leaving.code != status:
            sys.stderr.write(f"{leaving.code}\n")  # as the interpreter would, which this process does not come back to
    except BaseException:  # noqa: BLE001  -- the last frame of this process
        traceback.print_exc()
        status = 1
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    return status


def _die_with(parent: int) -> None:
    """SIGKILL this process when the parent dies: a survivor would keep the port; acknowledged work is safe."""
    if sys.platform == "linux":
        die_with_parent(parent, signal.SIGKILL)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
