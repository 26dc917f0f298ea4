"""A person's shell: bash on a terminal, in a home of its own."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).parent.parent.parent
_SECONDS: Final = 60.0
_PROGRAMS: Final = {
    "moorage": "-m registry",
    "docker-credential-moorage": "-m registry.cli.client.docker_credential",
    "push-image": "-m tests.docs.push",
}
#: Progress that these draw on a terminal, over and over, is nothing to read later.
_BEGIN: Final = r"""
for program in docker oras; do
    eval "$program() { command $program \"\$@\" 2>&1 | cat; return \"\${PIPESTATUS[0]}\"; }"
done
"""


class Shell:
    """A bash that runs one command after the other."""

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.home = home
        programs = home / ".bin"
        programs.mkdir(parents=True)
        run = home / ".run"  # where podman and skopeo keep what they were told at a login
        run.mkdir(mode=0o700)
        for name, arguments in _PROGRAMS.items():
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
            (programs / name).chmod(0o755)
        path = f"{programs}:{os.environ['PATH']}:/usr/sbin:/sbin"  # noqa: TID251 - of the tests
        own = {
            "PATH": path,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(run),
            "TERM": "dumb",
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
        }
        self._terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 50, 120, 0, 0))
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, cwd=home, env={**env, **own}, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._status = 0
        self.run(_BEGIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bash.kill()
        self._bash.wait()
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        os.close(self._terminal)

    def run(self, command: str) -> tuple[int, str]:
        """Runs a command; its status, and what it printed."""
        mark = uuid.uuid4().hex
        quoted = command.replace("'", "'\\''")
        assert self._bash.stdin is not None
        self._bash.stdin.write(
            f"(exit {self._status}); eval '{quoted}' </dev/null; printf '\\n{mark} %s\\n' $?\n".encode()
        )
        self._bash.stdin.flush()
        printed, deadline = b"", time.monotonic() + _SECONDS
        end = re.compile(rb"\r\n" + mark.encode() + rb" (\d+)\r?\n")
        while not (found := end.search(printed)):
            left = deadline - time.monotonic()
            assert left > 0, f"{command!r} does not end: {printed.decode()}"
            if select.select([self._terminal], [], [], left)[0]:
                printed += os.read(self._terminal, 65536)
        text = printed[: found.start()].decode().replace("\r\n", "\n").replace("\x1b[K", "")
        lines = [line.rpartition("\r")[2] for line in text.split("\n")]
        self._status = int(found[1])
        return self._status, "\n".join(lines).strip("\n")
