"""A command starts at once: it imports nothing of the server, and little else."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.commands import Shell

#: What belongs to the server, or costs more than a command may take.
_FOREIGN = (
    "aiohttp", "aiobotocore", "asyncpg", "asyncio", "click", "cryptography", "email.mime", "httptools", "jinja2", "jwt",
    "msgspec", "orjson", "rich", "structlog", "typer", "urllib.request", "uvloop", "auth", "storage", "registry.app",
    "registry.http", "registry.config", "registry.cli.operator",
)  # fmt: skip
_BUDGET_SECONDS = 0.150
_LOADED = (
    "import sys; from registry.cli.client.main import run; run({0!r}, {1!r}, (sys.stdin, sys.stdout, sys.stderr)); "
    "print(*sys.modules, sep='\\n', file=sys.stderr)"
)
_ENV = {"HOME": "/nonexistent", "MOORAGE_HOST": "127.0.0.1:1"}
_COMMANDS = (
    ["--help"], ["packages", "--help"], ["packages"], ["tags", "a/b"], ["delete", "a/b"], ["access", "a/b"], ["tokens"],
    ["login", "--help"], ["copy", "--help"], ["tree", "a/b:v1"],
)  # fmt: skip


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_nothing_of_the_server_is_imported(command: list[str]) -> None:
    code = _LOADED.format(command, _ENV)
    if "--help" in command[1:]:
        code = f"import sys, atexit; atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr)); {code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stderr.split("\n")
    assert "registry.cli.client.main" in loaded
    assert not [one for one in loaded for foreign in _FOREIGN if one == foreign or one.startswith(f"{foreign}.")]


def _seconds(*arguments: str) -> float:
    """The least time of several starts: what the machine has to do besides is not counted."""
    found = []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=False, env=_ENV, cwd=Path.cwd())
        found.append(time.perf_counter() - started)
    return min(found)


@pytest.mark.alone
@pytest.mark.parametrize("command", [["packages", "--help"], ["packages"], ["tags", "a/b", "-q"]], ids=" ".join)
def test_a_command_starts_at_once(command: list[str]) -> None:
    bare = _seconds("-c", "pass")
    if "--help" in command:
        assert _seconds("-m", "registry", *command) - bare < _BUDGET_SECONDS
        return
    # Nobody listens there; GET is tried three times with 0.6 s between, which the import does not cost.
    assert _seconds("-m", "registry", *command) - bare < _BUDGET_SECONDS + 0.6


@pytest.mark.alone
def test_the_helper_starts_at_once() -> None:
    bare = _seconds("-c", "pass")
    assert _seconds("-m", "registry.cli.client.docker_credential", "list") - bare < _BUDGET_SECONDS


async def test_completion(shell: Shell) -> None:
    token = await shell.registry.user("alice")
    for name in ("app", "web"):
        await shell.registry.push_image(f"alice/{name}", "v1", token)
    shell.env["MOORAGE_TOKEN"] = token

    async def words(*typed: str) -> list[str]:
        return (await shell.ok("__complete", *typed)).out.split()

    assert await words("vers") == ["version", "versions"]
    assert await words("serv") == ["serve"]
    assert await words("delete", "--older") == ["--older-than"]
    assert await words("tags", "hist") == ["history"]
    assert await words("tags", "ali") == ["alice/app", "alice/web"]
    await shell.registry.push_image("alice/late", "v1", token)
    assert await words("versions", "alice/") == ["alice/app", "alice/web"], "for a minute"
    assert await words(
        "versions",
        "ali",
    ) == ["alice/app", "alice/web"]
    assert (await shell.run("__complete", "tags", "a", MOORAGE_HOST="127.0.0.1:1")).out == ""
    script = (await shell.ok("completion", "bash")).out
    check = (
        f'moorage() {{ {sys.executable} -m registry "$@"; }}\n{script}\n'
        "COMP_WORDS=(moorage access gr); COMP_CWORD=2; _moorage; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    import asyncio

    child = await asyncio.create_subprocess_exec(
        "bash", "-c", check, env=shell._environment, stdout=asyncio.subprocess.PIPE
    )
    assert (await child.communicate())[0] == b"grant\n"
    for other in ("zsh", "fish"):
        assert "moorage __complete" in (await shell.ok("completion", other)).out
