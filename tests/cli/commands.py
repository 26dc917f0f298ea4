"""The user's commands as they are run: a child process, its two streams, and its exit status."""

import asyncio
import os
import pty
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from tests.support.server import Registry


@dataclass
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


@dataclass
class Shell:
    """A user's shell: a home, an environment, a registry, and a folder that is the current one."""

    registry: Registry
    home: Path
    env: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def host(self) -> str:
        return self.registry.url.removeprefix("http://")

    async def run(self, *arguments: str, given: str = "", program: str = "registry", **env: str) -> Done:
        """Runs ``moorage`` with these arguments."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", program, *arguments, env={**self._environment, **env},
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await child.communicate(given.encode())
        return Done(child.returncode or 0, out.decode(), err.decode())

    async def ok(self, *arguments: str, given: str = "", **env: str) -> Done:
        """Runs a command that must succeed."""
        done = await self.run(*arguments, given=given, **env)
        assert done.status == 0, done
        assert "\x1b" not in done.out + done.err
        return done

    async def fails(self, status: int, *arguments: str, given: str = "", **env: str) -> str:
        """Runs a command that must end with this status and print nothing on stdout; its stderr."""
        done = await self.run(*arguments, given=given, **env)
        assert (done.status, done.out) == (status, ""), done
        assert done.err.startswith(("error:", "{")) or "\nerror:" in done.err, done.err
        assert "Traceback" not in done.err
        return done.err

    async def on_terminal(self, *arguments: str, typed: str = "", **env: str) -> str:
        """Runs a command on a terminal, on which this is typed; what the terminal shows."""
        ours, theirs = pty.openpty()
        os.write(ours, typed.encode())
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "registry", *arguments, env={"TERM": "xterm", **self._environment, **env},
                stdin=theirs, stdout=theirs, stderr=theirs,
            )  # fmt: skip
            async with asyncio.timeout(60):
                await child.wait()
            return os.read(ours, 65536).decode().removeprefix(typed.replace("\n", "\r\n"))
        finally:
            os.close(ours)
            os.close(theirs)

    @property
    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.home / "bin"), str(Path(sys.executable).parent), os.defpath])
        return {
            "PATH": path,
            "HOME": str(self.home),
            "PYTHONPATH": str(Path.cwd()),
            "MOORAGE_HOST": self.host,
            **self.env,
        }

    def helper(self, name: str, *, named_in: str = "credsStore") -> Path:
        """Puts a credential helper of docker's protocol on the PATH, and its name in docker's configuration."""
        kept, program = self.home / f"{name}.json", self.home / "bin" / f"docker-credential-{name}"
        program.parent.mkdir(exist_ok=True)
        program.write_text(_HELPER.format(python=sys.executable, kept=str(kept)))
        program.chmod(0o755)
        (self.home / ".docker").mkdir(exist_ok=True)
        config = {named_in: name if named_in == "credsStore" else {self.host: name}}
        (self.home / ".docker" / "config.json").write_bytes(orjson.dumps(config))
        return kept


_HELPER = """#!{python}
import json, os, sys
kept = {kept!r}
found = json.load(open(kept)) if os.path.exists(kept) else {{}}
given, action = sys.stdin.read().strip(), sys.argv[1]
if action == "store":
    one = json.loads(given); found[one["ServerURL"]] = one
elif action == "get":
    if given not in found:
        print("credentials not found in native keychain"); sys.exit(1)
    print(json.dumps(found[given]))
elif action == "erase":
    found.pop(given, None)
json.dump(found, open(kept, "w"))
"""
