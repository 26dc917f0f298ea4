"""Server processes that a test kills, and that are back within moments: forked, as importing takes most of a start.

One process for all tests, the nursery, has imported everything. For a test it forks a parent, which has the test's
environment and a connection to the test: it tells its ports, and answers «start 1» with the pid of a new server.
The parent holds the listening sockets: a connection to a dead server waits for the next one.
"""

import asyncio
import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import orjson

from registry.app import serve_worker
from registry.config import Settings
from registry.process.lifeline import die_with_parent
from tests.support.processes import measured

_ROOT = Path(__file__).parent.parent.parent


@dataclass
class Victims:
    """The servers, by number; each is alive unless it was killed and not started again."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    urls: list[str]
    pids: list[int] = field(default_factory=list)

    async def start(self, number: int) -> None:
        """Starts server ``number`` (again); it answers as soon as it is ready."""
        self.writer.write(f"start {number}\n".encode())
        self.pids[number] = int(await self._line())

    def kill(self, number: int) -> None:
        os.kill(self.pids[number], signal.SIGKILL)

    def stop(self, number: int) -> None:
        """It stands still, as on an overloaded machine."""
        os.kill(self.pids[number], signal.SIGSTOP)

    def go_on(self, number: int) -> None:
        os.kill(self.pids[number], signal.SIGCONT)

    def memory_mib(self, number: int) -> float:
        """Resident memory of a server."""
        pid = str(self.pids[number])
        told = subprocess.run(["ps", "-o", "rss=", "-p", pid], capture_output=True, check=True, text=True)
        return int(told.stdout) / 1024

    @asynccontextmanager
    async def watched(self, number: int, pause_seconds: float = 0.05) -> AsyncIterator[list[float]]:
        """Its memory, MiB, again and again while the block runs."""
        seen = [self.memory_mib(number)]

        async def watch() -> None:
            while True:
                seen.append(await asyncio.to_thread(self.memory_mib, number))
                await asyncio.sleep(pause_seconds)

        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch())
            yield seen
            watching.cancel()

    async def _line(self) -> bytes:
        line = await self.reader.readline()
        assert line, "the parent of the servers has died"
        return line


@asynccontextmanager
async def victims(env: Mapping[str, str], count: int, log: Path) -> AsyncIterator[Victims]:
    """``count`` servers; what they log is in ``log``."""
    ours, theirs = socket.socketpair()
    with log.open("ab") as output, theirs:
        wanted = orjson.dumps({"env": {"PATH": os.defpath, **measured(), **env}, "count": count})
        socket.send_fds(_nursery()[0], [wanted], [theirs.fileno(), output.fileno()])
    found = Victims(*await asyncio.open_connection(sock=ours), [], [0] * count)
    try:
        found.urls += [f"http://127.0.0.1:{int(await found._line())}" for _ in range(count)]
        for number in range(count):
            await found.start(number)
        yield found
    finally:
        for pid in filter(None, found.pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        found.writer.write_eof()
        await found.reader.read()  # to the end: nobody has the connection any more
        found.writer.close()
        await found.writer.wait_closed()


@functools.cache
def _nursery() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The connection to the nursery, which ends with ours, and its process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.support.victims", str(theirs.fileno())]
        environ = {"PATH": os.defpath, **measured()}
        return ours, subprocess.Popen(
            command, cwd=_ROOT, env=environ, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )


def _child(settings: Settings, number: int, listener: socket.socket, parent: int) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(parent, signal.SIGKILL)
        serve_worker(settings, number, listener)
        status = 0
    finally:
        os._exit(status)


def _parent(count: int, talk: TextIO) -> None:
    settings = Settings.from_env()
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(count)]
    for listener in listeners:
        print(listener.getsockname()[1], file=talk, flush=True)
    for line in talk:
        number = int(line.split()[1])
        parent, pid = os.getpid(), os.fork()
        if not pid:
            _child(settings, number, listeners[number], parent)
        print(pid, file=talk, flush=True)


def _fork_parents(tests: socket.socket) -> None:
    """Fork a parent for each message, until the tests are gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to wait for the dead
    while True:
        message, descriptors, _, _ = socket.recv_fds(tests, 1 << 16, 2)
        if not message:
            return
        if not os.fork():
            status = 1
            try:
                tests.close()
                wanted = orjson.loads(message)
                environ = os.environ  # noqa: TID251 - what a new process would be given
                environ.clear()
                environ.update(wanted["env"])
                os.dup2(descriptors[1], 1)
                os.dup2(descriptors[1], 2)
                with socket.socket(fileno=descriptors[0]) as connection, connection.makefile("rw") as talk:
                    _parent(wanted["count"], talk)
                status = 0
            finally:
                os._exit(status)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as tests:
        _fork_parents(tests)
