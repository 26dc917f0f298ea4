"""A server that is gone, busy, silent or no registry: what a command does, says, and ends with."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from tests.cli.commands import Shell
from tests.support.server import until

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
_MANY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
_EMPTY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
_PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
_CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n["


class Faulty:
    """Answers with these bytes in turn, then with the last of them; no bytes: it hangs up. ``None``: it never answers."""

    def __init__(self, *answers: bytes | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.host = ""
        self._stopped = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head.split(b" ")[0].decode())
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer is None:
                    await self._stopped.wait()
                if not answer or answer == _CUT:
                    writer.write(answer or b"")
                    break
                writer.write(answer)
        writer.close()

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Faulty"]:
        server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self._stopped.set()
            server.close()


@pytest.mark.parametrize("first", [_BUSY, _MANY, b"", _CUT], ids=["busy", "many", "gone", "cut"])
async def test_what_reads_is_tried_thrice(shell: Shell, first: bytes) -> None:
    async with Faulty(first, first, _EMPTY).served() as server:
        assert (await shell.ok("packages", "--host", server.host)).err == "No packages.\n"
        assert server.asked == ["GET"] * 3
    async with Faulty(first).served() as server:
        told = await shell.fails(7, "packages", "--host", server.host)
        assert told.startswith("error: ")
        assert server.asked == ["GET"] * 3


@pytest.mark.parametrize("answer", [_BUSY, b"", _CUT], ids=["busy", "gone", "cut"])
async def test_what_changes_is_tried_once(shell: Shell, answer: bytes) -> None:
    async with Faulty(answer).served() as server:
        await shell.fails(7, "api", "POST", "/user/repos", "-f", "name=x", "--host", server.host)
        assert server.asked == ["POST"]


async def test_what_is_no_registry_is_told(shell: Shell) -> None:
    async with Faulty(_PAGE).served() as server:
        for command in (
            ["packages"],
            ["whoami"],
            ["tags", "a/b"],
            ["inspect", "a/b:c"],
            ["org", "show", "a"],
            ["du"],
            ["copy", "a/b", "a/c", "--all-tags"],
        ):
            done = await shell.run(*command, "--host", server.host, MOORAGE_TOKEN="mrp_x", MOORAGE_HOST="")
            assert (done.status, done.out) == (1, ""), (command, done.err)
            assert done.err.startswith("error: "), (command, done.err)
    async with Faulty(b"SSH-2.0-OpenSSH_9.2\r\n").served() as server:
        assert "the response is no HTTP" in await shell.fails(7, "packages", "--host", server.host)
    assert "it does not speak TLS on this port" in await shell.fails(7, "packages", "--host", f"https://{shell.host}")


@pytest.mark.parametrize(
    "command", [["packages"], ["copy", "a/b:c", "a/d"], ["delete", "a/b:c", "-y"], ["api", "/user"]], ids=" ".join
)
async def test_ctrl_c_ends_what_waits(shell: Shell, command: list[str]) -> None:
    async with Faulty(None).served() as server:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", *command, env={**shell._environment, "MOORAGE_HOST": server.host},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        asked: Callable[[], bool] = lambda: bool(server.asked)  # noqa: E731
        await until(asked)
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            out, err = await child.communicate()
        assert (child.returncode, out, err.decode().splitlines()[-1]) == (130, b"", "error: interrupted")
        assert time.monotonic() - began < 1
