"""Server processes that a test kills, and that are back within moments: forked from one that has imported everything.

    python -m tests.support.victims 3       # prints 3 ports; «start 1» on standard input prints the pid of a new server

The parent holds the listening sockets: a connection to a dead server waits for the next one.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from registry.app import serve_worker
from registry.config import Settings
from registry.process.lifeline import die_with_parent
from tests.support.processes import measured

_ROOT = Path(__file__).parent.parent.parent


@dataclass
class Victims:
    """The servers, by number; each is alive unless it was killed and not started again."""

    parent: asyncio.subprocess.Process
    urls: list[str]
    pids: list[int] = field(default_factory=list)

    async def start(self, number: int) -> None:
        """Starts server ``number`` (again); it answers as soon as it is ready."""
        assert self.parent.stdin is not None
        self.parent.stdin.write(f"start {number}\n".encode())
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
        assert self.parent.stdout is not None
        line = await self.parent.stdout.readline()
        assert line, "the parent of the servers has died"
        return line


@asynccontextmanager
async def victims(env: Mapping[str, str], count: int, log: Path) -> AsyncIterator[Victims]:
    """``count`` servers; what they log is in ``log``."""
    command = (sys.executable, "-m", "tests.support.victims", str(count))
    with log.open("ab") as output:
        parent = await asyncio.create_subprocess_exec(
            *command, cwd=_ROOT, env={"PATH": os.defpath, **measured(), **env}, stdin=-1, stdout=-1, stderr=output
        )
    found = Victims(parent, [], [0] * count)
    try:
        found.urls += [f"http://127.0.0.1:{int(await found._line())}" for _ in range(count)]
        for number in range(count):
            await found.start(number)
        yield found
    finally:
        for pid in filter(None, found.pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert parent.stdin is not None
        parent.stdin.close()
        await parent.wait()


def _child(settings: Settings, number: int, listener: socket.socket, parent: int) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(parent, signal.SIGKILL)
        os.dup2(2, 1)  # the log goes where errors go: standard output is the parent's
        serve_worker(settings, number, listener)
        status = 0
    finally:
        os._exit(status)


def _parent(count: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody has to wait for the dead
    settings = Settings.from_env()
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(count)]
    for listener in listeners:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - read by the test
    for line in sys.stdin:
        number = int(line.split()[1])
        parent, pid = os.getpid(), os.fork()
        if not pid:
            _child(settings, number, listeners[number], parent)
        print(pid, flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    _parent(int(sys.argv[1]))
