"""What real clients print when a rule keeps a tag, and that they say it once: none of them tries again."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scenarios.conftest import Person, Refused
from tests.support.server import PACKAGES, Registry

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]

_SAID = (
    "tag v1.0.0 of alice/app is immutable (rule releases; it is {}): push another tag, or have an owner lift the rule"
)


async def _kept(registry: Registry) -> tuple[str, str, str]:
    """A release that a rule keeps: its owner's token, its digest and that of another image."""
    alice = await registry.user("alice", (*PACKAGES, "user"))
    first = await registry.push_image("alice/app", "v1.0.0", alice)
    second = await registry.push_image("alice/app", "main", alice, layers=0)
    rule = {"tags": ["v*.*.*"], "forbid": ["move", "delete"]}
    assert (await registry.call("PUT", "/api/v3/user/tag-rules/releases", alice, json=rule)).status == 201
    return alice, first, second


async def _digest(registry: Registry, token: str) -> str | None:
    answer = await registry.call("HEAD", "/v2/alice/app/manifests/v1.0.0", token)
    return answer.headers.get("Docker-Content-Digest")


async def test_docker(registry: Registry, person: Callable[[str], Person]) -> None:
    token, first, _ = await _kept(registry)
    alice = person("alice")
    await alice.login("alice", token)
    with pytest.raises(Refused) as refused:
        await alice.push("alice/app:v1.0.0")
    assert f"denied: {_SAID.format(first[:19])}" in str(refused.value)
    assert registry.services.db.refused_changes == {"move": 1}
    assert await _digest(registry, token) == first
    await alice.push("alice/app:v1.0.1")


async def _run(*words: str, home: Path) -> tuple[int, str]:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    process = await asyncio.create_subprocess_exec(
        program,
        *words[1:],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(home)},
    )
    printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode()


def _skopeo(host: str, token: str, digest: str) -> list[str]:
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false", f"--src-creds=alice:{token}",
             f"--dest-creds=alice:{token}"]  # fmt: skip
    return ["skopeo", "copy", *plain, f"docker://{host}/alice/app@{digest}", f"docker://{host}/alice/app:v1.0.0"]


async def test_skopeo(registry: Registry, tmp_path: Path) -> None:
    token, first, second = await _kept(registry)
    status, said = await _run(*_skopeo(registry.url.removeprefix("http://"), token, second), home=tmp_path)
    assert status
    assert f"denied: {_SAID.format(first[:19])}" in said
    assert registry.services.db.refused_changes == {"move": 1}


async def test_podman(registry: Registry) -> None:
    token, first, second = await _kept(registry)
    host = registry.url.removeprefix("http://")
    with tempfile.TemporaryDirectory() as short:  # podman takes no long path
        home = Path(short)
        podman = ("podman", "--root", f"{home}/root", "--runroot", f"{home}/run", "--storage-driver", "vfs")
        creds = ("--tls-verify=false", f"--creds=alice:{token}")
        status, said = await _run(*podman, "pull", "--quiet", *creds, f"{host}/alice/app@{second}", home=home)
        assert not status, said
        await _run(*podman, "tag", said.strip(), f"{host}/alice/app:v1.0.0", home=home)
        status, said = await _run(*podman, "push", *creds, f"{host}/alice/app:v1.0.0", home=home)
    assert status
    assert f"denied: {_SAID.format(first[:19])}" in said
    assert await _digest(registry, token) == first
    assert registry.services.db.refused_changes == {"move": 1}


async def test_crane(registry: Registry, tmp_path: Path) -> None:
    token, first, second = await _kept(registry)
    host = registry.url.removeprefix("http://")
    await _run("crane", "auth", "login", host, "-u", "alice", "-p", token, home=tmp_path)
    status, said = await _run("crane", "tag", f"{host}/alice/app@{second}", "v1.0.0", home=tmp_path)
    assert status
    assert f"DENIED: {_SAID.format(first[:19])}" in said
    assert registry.services.db.refused_changes == {"move": 1}
