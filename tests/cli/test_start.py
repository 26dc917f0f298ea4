"""A command starts at once: it imports nothing of the server, and little else."""

import asyncio
import resource
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from registry.cli.client.commands import OPERATOR, TABLE
from tests.cli.commands import Shell

#: What belongs to the server, or costs more than a command may take.
_FOREIGN = (
    "aiohttp", "aiobotocore", "asyncpg", "asyncio", "click", "cryptography", "email.mime", "httptools", "jinja2", "jwt",
    "msgspec", "orjson", "rich", "structlog", "typer", "urllib.request", "uvloop", "auth", "storage", "registry.app",
    "registry.http", "registry.config", "registry.cli.operator",
)  # fmt: skip
_BUDGET_SECONDS = 0.150
#: What a command imports, Python's own 60 with them: time, told without a clock. `python -m bench.startup` prints all.
_MODULES_MAX = 180
_LOADED = (
    "import sys; from registry.cli.client.main import run; run({0!r}, {1!r}, (sys.stdin, sys.stdout, sys.stderr)); "
    "print(*sys.modules, sep='\\n', file=sys.stderr)"
)
_ENV = {"HOME": "/nonexistent", "MOORAGE_HOST": "127.0.0.1:1"}
_COMMANDS = (
    ["--help"], ["packages", "--help"], ["packages"], ["tags", "a/b"], ["delete", "a/b"], ["access", "a/b"], ["tokens"],
    ["login", "--help"], ["copy", "--help"], ["tree", "a/b:v1"], ["inspect", "a/b:v1"], ["diff", "a/b:v1", "a/b:v2"], ["api", "/user"], ["org", "list"], ["repo", "list"],
)  # fmt: skip


@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_nothing_of_the_server_is_imported(command: list[str]) -> None:
    code = _LOADED.format(command, _ENV)
    if "--help" in command[1:]:
        code = f"import sys, atexit; atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr)); {code}"
    env = {"PYTHONPATH": str(Path.cwd())}  # of a run under coverage more is loaded
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    loaded = done.stderr.split("\n")
    assert "registry.cli.client.main" in loaded
    assert len(loaded) < _MODULES_MAX
    assert not [one for one in loaded for foreign in _FOREIGN if one == foreign or one.startswith(f"{foreign}.")]


def _alone(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command where no package is installed."""
    env = {"PYTHONPATH": str(Path.cwd()), **_ENV}
    command = [sys.executable, "-S", "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env, stdin=subprocess.DEVNULL)


def test_python_alone_is_enough() -> None:
    for name in TABLE:
        done = _alone("registry", *name.split(), "--help")
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.startswith(f"usage: moorage {name}")
    told = _alone("registry", "packages")
    assert (told.returncode, told.stderr) == (7, "error: cannot reach 127.0.0.1:1\n  why: connection refused\n")
    assert _alone("registry.cli.client.docker_credential", "list").stdout == "{}\n"


def test_the_wheel_requires_nothing() -> None:
    with Path("pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["dependencies"] == []


def test_serving_says_in_one_line_what_it_needs() -> None:
    for name in OPERATOR:
        told = _alone("registry", name)
        assert told.returncode == 1
        assert told.stderr.startswith(f"moorage: `{name}` needs the server, which is not installed here (")
        assert told.stderr.endswith("): pip install 'moorage[server]'\n")
        assert told.stderr.count("\n") == 1


def _seconds(*arguments: str) -> float:
    """The processor's time that a start takes, the least of several: what else the machine does is not counted."""
    found = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], capture_output=True, check=False, env=_ENV, cwd=Path.cwd())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


@pytest.mark.alone
@pytest.mark.parametrize("command", _COMMANDS, ids=" ".join)
def test_a_command_starts_at_once(command: list[str]) -> None:
    assert _seconds("-m", "registry", *command) - _seconds("-c", "pass") < _BUDGET_SECONDS


@pytest.mark.alone
def test_the_helper_starts_at_once() -> None:
    took = _seconds("-m", "registry.cli.client.docker_credential", "list")
    assert took - _seconds("-c", "pass") < _BUDGET_SECONDS / 2


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
    child = await asyncio.create_subprocess_exec(
        "bash", "-c", check, env=shell._environment, stdout=asyncio.subprocess.PIPE
    )
    assert (await child.communicate())[0] == b"grant\n"
    for other in ("zsh", "fish"):
        assert "moorage __complete" in (await shell.ok("completion", other)).out
