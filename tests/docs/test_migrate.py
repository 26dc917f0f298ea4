"""What docs/migrate tells, with a real distribution. `make operate` builds it, and crane.

Harbor and Docker Hub are played by distribution, GitHub by another registry of ours, which has GitHub's API.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from registry.accounts.organizations import create as create_organization
from registry.devservers.processes import free_ports
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.migrate import migrate
from tests.docs.operated import distribution, run, section
from tests.support.server import Registry, running, settings_env

pytestmark = [pytest.mark.operate, pytest.mark.timeout(240)]
_PAGE: Final = "migrate/from-distribution.md"
_NAMES: Final = ("ubuntu", "team/app", "team/deep/er")
_CONFIG: Final = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@asynccontextmanager
async def _distribution(folder: Path) -> AsyncIterator[str]:
    """A distribution over an empty folder; its host."""
    (port,) = free_ports(1)
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder / "data", port=port))
    async with distribution(config, port) as host:
        yield host


async def _fill(here: Registry, host: str, env: dict[str, str], folder: Path) -> None:
    """Push images to the old registry: ours makes them, and crane takes them there."""
    token = await here.user("maker")
    for name in _NAMES:
        for tag in ("v1", "latest"):
            await here.push_image(f"maker/{name}", tag, token, layers=2, size=100_000)
    (folder / "maker-token").write_text(token)
    source = here.url.removeprefix("http://")
    commands = [f"crane auth login {source} --username maker --password-stdin < maker-token"]
    commands += [
        f"crane copy {source}/maker/{name}:{tag} {host}/{name}:{tag}" for name in _NAMES for tag in ("v1", "latest")
    ]
    commands += [
        f"crane index append --manifest {host}/ubuntu:v1 --manifest {host}/ubuntu:latest --tag {host}/ubuntu:both",
        "echo {} > sbom.json",
        f"oras attach --plain-http --artifact-type application/spdx+json {host}/team/app:v1 sbom.json",
    ]  # fmt: skip
    await run(commands, env, folder)


async def test_everything_moves_and_comes_back(registry: Registry, env: dict[str, str], tmp_path: Path) -> None:
    async with _distribution(tmp_path) as old:
        await _fill(registry, old, env, tmp_path)
        told = {**env, "OLD": old, "NEW": registry.url.removeprefix("http://")}
        for title in ("Names", "Sign in", "Copy"):
            await run(section(_PAGE, title), told, tmp_path)
        assert await run(section(_PAGE, "Check"), told, tmp_path) == ""
        assert set((tmp_path / "names").read_text().split()) == set(_NAMES)
        assert "SPDX" in await run([f"moorage tree {told['NEW']}/acme/team/app:v1"], told, tmp_path)
        await run([f"crane copy {old}/team/app:v1 {old}/team/app:latest"], told, tmp_path)
        assert await run(section(_PAGE, "Check"), told, tmp_path) == "team/app:latest differs\n"
        await run(section(_PAGE, "Copy"), told, tmp_path)
        assert await run(section(_PAGE, "Check"), told, tmp_path) == ""
        new = told["NEW"]
        await run([f"crane tag {new}/acme/team/app:v1 later"], told, tmp_path)
        await run(section(_PAGE, "Go back"), told, tmp_path)
        digests = await run(
            [f"crane digest {host}:later" for host in (f"{old}/team/app", f"{new}/acme/team/app")], told, tmp_path
        )
        assert len(set(digests.split())) == 1


@pytest.mark.parametrize(
    ("page", "namespace"), [("migrate/from-harbor.md", ""), ("migrate/from-docker-hub.md", "team")]
)
async def test_what_is_the_same_for_any_registry(
    page: str, namespace: str, registry: Registry, env: dict[str, str], tmp_path: Path
) -> None:
    async with _distribution(tmp_path) as old:
        await _fill(registry, old, env, tmp_path)
        told = {**env, "OLD": old, "NEW": registry.url.removeprefix("http://"), "NAMESPACE": namespace}
        names = ["app", "deep/er"] if namespace else ["team/app", "team/deep/er"]
        (tmp_path / "names").write_text("\n".join(names) + "\n")
        await run(section(page, "Sign in")[1:] if namespace else section(page, "Names"), told, tmp_path)
        await run(section(page, "Copy")[: 2 if namespace else 1], told, tmp_path)
        assert await run(section(page, "Check"), told, tmp_path) == ""
        new = f"{told['NEW']}/{'acme/app' if namespace else 'team/app'}"
        await run([f"crane tag {new}:v1 later"], told, tmp_path)
        await run(section(page, "Go back"), told, tmp_path)
        digests = await run([f"crane digest {old}/team/app:later", f"crane digest {new}:later"], told, tmp_path)
        assert len(set(digests.split())) == 1


async def test_from_ghcr(
    registry: Registry, env: dict[str, str], postgres_empty: str, s3: EmbeddedS3, tmp_path: Path
) -> None:
    page = "migrate/from-ghcr.md"
    await migrate(postgres_empty)
    async with running(settings_env(postgres_empty, s3, f"{env['MOORAGE_S3_BUCKET']}-ghcr")) as github:
        mover = await github.user("mover")
        await create_organization(github.services.db, "octo-org", "mover")
        (tmp_path / "github-token").write_text(mover)
        for name in ("app", "team/tool"):
            await github.push_image(f"octo-org/{name}", "v1", mover)
        seen = await github.call(
            "PATCH", "/api/v3/orgs/octo-org/packages/container/app", mover, json={"visibility": "public"}
        )
        assert seen.status == 200, seen.body
        old, new = (one.url.removeprefix("http://") for one in (github, registry))
        told = {**env, "OLD": old, "NEW": new, "ORG": "octo-org", "API": f"{github.url}/api/v3"}
        for title in ("Names", "Sign in", "List", "Copy"):
            await run(section(page, title), told, tmp_path)
        assert await run(section(page, "Check"), told, tmp_path) == ""
        listed = await run([f"moorage packages --host {new} acme"], told, tmp_path)
        seen_as = {line.split("\t")[0]: "public" in line for line in listed.splitlines()}
        assert seen_as == {"acme/app": True, "acme/team/tool": False}
        await run([f"crane tag {new}/acme/app:v1 later", *section(page, "Go back")], told, tmp_path)
        assert await run([f"crane digest {old}/octo-org/app:later"], told, tmp_path)
