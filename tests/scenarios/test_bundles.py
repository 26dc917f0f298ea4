"""What `moorage export` writes, a real docker loads; and the same goes into an account again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import Shell
from tests.scenarios.conftest import Person
from tests.support.server import Registry

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]


async def test_docker_loads_what_was_exported(
    registry: Registry, person: Callable[[str], Person], tmp_path: Path
) -> None:
    token, shell = await registry.user("alice"), Shell(registry, tmp_path)
    alice = person("alice")
    await alice.login("alice", token)
    await alice.push("alice/app")
    image = f"{alice.host}/alice/app:latest"
    before = await alice.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
    await shell.ok("login", shell.host, "--with-token", given=token)
    bundle = tmp_path / "bundle.tar"
    await shell.ok("export", "alice/app:latest", "-o", str(bundle))
    await alice.docker("image", "rm", "--force", image)
    assert image in await alice.docker("load", "--input", str(bundle))
    assert await alice.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image) == before
    await shell.ok("import", str(bundle), "--to", f"{shell.host}/alice")
