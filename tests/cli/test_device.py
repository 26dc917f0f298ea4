"""`moorage login` in a browser: the device flow, against the registry's own pages."""

import asyncio
import sys

import orjson
import pytest

from storage.metadata import read_only
from tests.cli.commands import Shell
from tests.support.pages import Html, Pages
from tests.support.people import browser, send


async def _asked(shell: Shell, *more: str) -> tuple[asyncio.subprocess.Process, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "login", shell.host, *more, env=shell._environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stderr is not None
    line = (await child.stderr.readline()).decode()
    assert line.startswith(f"Open {shell.registry.url}/login/device and type "), line
    return child, line.split()[-1]


async def _decide(shell: Shell, code: str, decision: str, alice: Pages | None = None) -> None:
    alice = alice or await browser(shell.registry, "alice")
    looked = await send(alice, "/login/device", "/login/device", {"user_code": code}, index=1)
    assert isinstance(looked, Html)
    token = looked.all("input", name="csrf")[1]["value"]
    fields = {"csrf": token, "user_code": looked.field("user_code"), "decision": decision}
    assert (await alice.post("/login/device", fields)).status == 303


async def test_a_browser_approves_and_logout_revokes(shell: Shell) -> None:
    kept = shell.helper("shelf")
    child, code = await _asked(shell)
    await _decide(shell, code, "approve")
    async with asyncio.timeout(30):
        out, err = await child.communicate()
    assert (child.returncode, out, err.decode()) == (0, b"", f"Signed in to {shell.host} as alice.\n")
    token = orjson.loads(kept.read_bytes())[shell.host]["Secret"]
    who = await shell.ok("whoami", "--json")
    assert who.json["token"].startswith("CLI on ")
    assert who.json["scopes"] == ["delete:packages", "read:packages", "user", "write:packages"]
    assert token not in who.out
    done = await shell.ok("logout")
    assert done.err == f"Signed out of {shell.host}. Its token {who.json['token']!r} is revoked.\n"
    assert (await shell.registry.call("GET", "/api/v3/user", token)).status == 401


async def test_a_device_signs_in_while_the_registry_is_read_only(shell: Shell) -> None:
    shell.helper("shelf")
    alice = await browser(shell.registry, "alice")
    await read_only.switch_on(shell.registry.services.db, "we move")
    child, code = await _asked(shell)
    await _decide(shell, code, "approve", alice)
    async with asyncio.timeout(30):
        _out, err = await child.communicate()
    assert (child.returncode, err.decode()) == (0, f"Signed in to {shell.host} as alice.\n")
    assert (await shell.ok("whoami")).out
    await shell.ok("logout")


async def test_a_token_has_the_name_that_was_given(shell: Shell) -> None:
    child, code = await _asked(shell, "--token-name", "the lap")
    await _decide(shell, code, "approve")
    async with asyncio.timeout(30):
        await child.communicate()
    assert (await shell.ok("whoami", "--json")).json["token"] == "CLI on the lap"


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_sign_in_is_denied_or_interrupted(shell: Shell, *, stopped: bool) -> None:
    child, code = await _asked(shell)
    if stopped:
        child.send_signal(2)
    else:
        await _decide(shell, code, "deny")
    async with asyncio.timeout(1 if stopped else 30):
        out, err = await child.communicate()
    told = (130, b"error: interrupted\n") if stopped else (5, b"error: the sign-in was denied\n")
    assert (child.returncode, err, out) == (*told, b"")
    assert not (shell.home / ".config").exists()
