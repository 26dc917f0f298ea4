"""The commands ``mirror``: an organization is made a mirror, looked at, and given up; and the files of clients."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.commands import Shell
from tests.support.api import acme
from tests.support.server import Registry, running


@pytest.fixture
async def mirroring(env: dict[str, str]) -> AsyncIterator[Registry]:
    async with running({**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}) as registry:
        yield registry


async def test_a_mirror_is_made_shown_changed_and_removed(mirroring: Registry, tmp_path: Path) -> None:
    shell, people = Shell(mirroring, tmp_path), await acme(mirroring)
    upstream = f"{mirroring.url.replace('127.0.0.1', 'localhost')}"
    shell.env["MOORAGE_TOKEN"] = people.owner
    assert "try: moorage mirror add acme docker.io" in await shell.fails(3, "mirror", "show", "acme")
    add = ("mirror", "add", "acme", upstream)
    assert (await shell.ok(*add, "--dry-run")).err.startswith("would be done: ")
    done = await shell.ok(*add, "--allow", "library/*", "--idle-days", "7", "--max-bytes", "1GB")
    assert done.err.endswith(f"acme is a mirror of {upstream}\n  undo: moorage mirror remove acme\n")
    name = upstream.removeprefix("http://")
    assert f"an administrator gives it: moorage mirror add acme {name}" in done.err
    shown = (await shell.ok("mirror", "show", "acme")).out
    assert f"upstream\t{upstream}\n" in shown
    assert "allowed\tlibrary/*\n" in shown
    # What is not named stays.
    changed = await shell.ok(*add, "--paused", "--json", "paused,allow,idle_days,max_bytes")
    assert changed.json == {"paused": True, "allow": ["library/*"], "idle_days": 7, "max_bytes": 1_000_000_000}
    assert "failing\t0\n" in (await shell.ok("mirror", "status", "acme")).out
    await shell.ok(*add, "--username", "owner", "--password-stdin", given=f"{people.owner}\n")
    assert "user\towner\n" in (await shell.ok("mirror", "show", "acme")).out
    wrong = await shell.fails(6, *add, "--username", "owner", "--password-stdin", given="wrong\n")
    assert "refuses the user name and password" in wrong
    assert "For 'allow'" in await shell.fails(6, *add, "--allow", "li(b")
    await shell.fails(5, *add, MOORAGE_TOKEN=people.member)
    done = await shell.ok("mirror", "remove", "acme")
    assert done.err.endswith(f"undo: moorage mirror add acme {upstream}\n")
    await shell.fails(3, "mirror", "remove", "acme")


async def test_the_files_of_clients(mirroring: Registry, tmp_path: Path) -> None:
    shell, people = Shell(mirroring, tmp_path), await acme(mirroring)
    upstream = f"{mirroring.url.replace('127.0.0.1', 'localhost')}"
    await people.ok("PUT", "/orgs/acme/memberships/admin", people.owner, {"role": "admin"})
    shell.env["MOORAGE_TOKEN"] = people.admin
    await shell.ok("mirror", "add", "acme", upstream)
    name = upstream.removeprefix("http://")
    assert f"names\t{name}\n" in (await shell.ok("mirror", "show", "acme")).out
    await shell.fails(2, "mirror", "config", "docker", "acme")
    containerd = (await shell.ok("mirror", "config", "containerd", "acme")).out
    assert f"# /etc/containerd/certs.d/{name}/hosts.toml\n" in containerd
    assert f'[host."http://{shell.host}"]\n' in containerd
    assert "authorization" in containerd
    await shell.ok("mirror", "add", "acme", upstream, "--as-host", "hub.example", "--alias", "docker.io")
    assert "as nobody" in await shell.fails(2, "mirror", "config", "docker", "acme")
    await shell.ok("mirror", "add", "acme", upstream, "--fetch-by", "anonymous")
    docker = await shell.ok("mirror", "config", "docker", "acme")
    assert '"registry-mirrors": [\n    "http://hub.example"\n' in docker.out
    podman = (await shell.ok("mirror", "config", "podman", "acme")).out
    assert (
        f'prefix = "docker.io"\nlocation = "docker.io"\n\n[[registry.mirror]]\nlocation = "{shell.host}/acme"' in podman
    )
    assert "login" not in podman
