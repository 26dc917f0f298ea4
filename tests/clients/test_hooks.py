"""Unchanged libraries of GitHub's webhooks: each makes hooks, verifies and parses what they are sent, and has it sent again."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from auth.tokens import SCOPES
from registry.jobs.runner import run_once
from tests.support.receiver import ALLOWED
from tests.support.server import Registry, running

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

_HERE = Path(__file__).parent


@pytest.fixture
async def registry(env: dict[str, str]) -> AsyncIterator[Registry]:
    """alice owns acme; acme/linked is a package of the repository acme/code, and inherits its access."""
    async with running({**env, **ALLOWED}) as served:
        admin = await served.admin()
        alice = served.tokens["alice"] = await served.user("alice", sorted(SCOPES - {"site_admin"}))
        org = {"login": "acme", "admin": "alice"}
        assert (await served.call("POST", "/api/v3/admin/organizations", admin, json=org)).status == 201
        assert (await served.call("POST", "/api/v3/orgs/acme/repos", alice, json={"name": "code"})).status == 201
        await served.push_image("acme/linked", "first", alice)
        path = "/api/v3/orgs/acme/packages/container/linked"
        assert (await served.call("PUT", f"{path}/repository", alice, json={"repository": "acme/code"})).status == 200
        assert (await served.call("PATCH", path, alice, json={"inherit_access": True})).status == 200
        yield served


async def _run(registry: Registry, *command: str, cwd: Path) -> None:
    """Runs a program beside the jobs of hooks, and pushes what it says. Fails with what it says."""
    env = {**os.environ, "MOORAGE_URL": registry.url, "MOORAGE_TOKEN": registry.tokens["alice"]}  # noqa: TID251 - as there
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = []
    async with asyncio.TaskGroup() as tasks:
        jobs = tasks.create_task(_work(registry))
        assert process.stdout is not None
        async for line in process.stdout:
            said.append(line.decode())
            if line.startswith(b"push "):
                name, _, tag = line.decode().removeprefix("push ").strip().partition(":")
                await registry.push_image(name, tag, registry.tokens["alice"])
        await process.wait()
        jobs.cancel()
    assert said[-1:] == ["all is well\n"], "".join(said)


async def _work(registry: Registry) -> None:
    while True:
        await run_once(registry.services, ("tell_hooks", "deliver_hooks"))
        await asyncio.sleep(0.05)


async def test_go_github(registry: Registry) -> None:
    await _run(registry, "go", "run", "./hooks", cwd=_HERE / "go")


async def test_octokit(registry: Registry) -> None:
    await _run(registry, "node", "hooks.mjs", cwd=_HERE / "js")
