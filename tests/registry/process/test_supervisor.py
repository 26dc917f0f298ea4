"""Real processes: a parent of its own runs in each test, for a forked pytest would be none."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from registry.devservers.processes import is_gone
from registry.process.supervisor import AddressInUse, listen

_PARENT = """
import os, signal, socket, sys, time
from functools import partial
from registry.process.supervisor import Signals, Supervisor, Task, listen

def answer(index, listener):
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    listener.settimeout(0.05)
    while not stopping:
        try:
            client, _ = listener.accept()
        except TimeoutError:
            continue
        with client:
            order = client.recv(100)
            if order == b"die":
                os._exit(9)
            client.sendall(f"{index} {os.getpid()}".encode())

def stubborn(index, listener):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"ready\\n")  # in one piece: two of them write
    time.sleep(600)

def misconfigured(index, listener):
    sys.exit(2)

sockets = listen("127.0.0.1", 0, 2)
print(sockets[0].getsockname()[1], flush=True)
run = globals()[sys.argv[1]]
tasks = [Task(f"server-{i}", partial(run, i, s), (s,)) for i, s in enumerate(sockets)]
with Signals() as signals:
    sys.exit(Supervisor(tasks, signals).run(float(sys.argv[2])))
"""


class Parent:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.port = int(self.read_line())

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, order: str = "who") -> tuple[int, int] | None:
        """Index and pid of the worker that answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            client.sendall(order.encode())
            answer = client.recv(100).split()
            return (int(answer[0]), int(answer[1])) if answer else None

    def workers(self) -> dict[int, int]:
        """Index → pid, once both have answered."""
        seen: dict[int, int] = {}
        wait_for(lambda: len(seen) == 2 or bool(seen.update(filter(None, [self.ask()]))))
        return seen


def wait_for(done: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def parent(worker: str, grace_seconds: float = 5) -> Iterator[Parent]:
    argv = [sys.executable, "-c", _PARENT, worker, str(grace_seconds)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Parent(process)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_worker_serves_and_a_signal_stops_all(number: signal.Signals) -> None:
    with parent("answer") as running:
        pids = running.workers().values()
        running.process.send_signal(number)
        assert running.process.wait(5) == 0
        assert all(map(is_gone, pids))
        with pytest.raises(ConnectionRefusedError):
            running.ask()


def test_a_dead_worker_is_started_again_and_no_connection_is_refused() -> None:
    with parent("answer") as running:
        before = running.workers()
        os.kill(before[0], signal.SIGKILL)
        for _ in range(40):  # some of them wait in the queue of the worker that is not there
            assert running.ask() is not None
        after = running.workers()
        assert after[0] != before[0]
        assert after[1] == before[1]


def test_a_worker_that_keeps_dying_is_started_less_and_less_often() -> None:
    with parent("answer") as running:
        started = time.monotonic()
        for _ in range(6):
            with suppress(OSError):
                running.ask("die")
        running.workers()
        assert time.monotonic() - started < 10
        assert running.process.poll() is None


def test_workers_die_with_a_parent_that_is_killed() -> None:
    with parent("answer") as running:
        pids = running.workers().values()
        running.process.kill()
        wait_for(lambda: all(map(is_gone, pids)), 3)


def test_a_worker_that_does_not_stop_is_killed_after_the_grace() -> None:
    with parent("stubborn", 0.3) as running:
        assert [running.read_line(), running.read_line()] == ["ready", "ready"]
        running.process.terminate()
        assert running.process.wait(5) == 1


def test_a_second_signal_ends_the_grace() -> None:
    with parent("stubborn", 60) as running:
        assert [running.read_line(), running.read_line()] == ["ready", "ready"]
        running.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(0.5)
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(5) == 1


def test_wrong_settings_end_everything() -> None:
    with parent("misconfigured") as running:
        assert running.process.wait(5) == 2


def test_a_busy_port_is_one_line_even_where_it_could_be_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AddressInUse, match=rf"^cannot listen on 127.0.0.1:{port}: Address already in use$"):
            listen("127.0.0.1", port, 2)


def test_an_unknown_host_is_one_line() -> None:
    with pytest.raises(AddressInUse, match=r"^cannot listen on no\.such\.host\.invalid:0: [^\n]+$"):
        listen("no.such.host.invalid", 0, 1)


def test_a_host_may_be_ipv6() -> None:
    for listener in listen("::1", 0, 2):
        assert listener.getsockname()[0] == "::1"
        listener.close()
