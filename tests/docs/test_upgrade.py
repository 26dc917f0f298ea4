"""What docs/operate/upgrade.md promises, with the code of the release before: the newest commit without the newest migration.

`make operate` runs it: the history of the repository is needed.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from registry.devservers.processes import free_ports
from storage.metadata.migrate import files
from tests.support.former import former_release, operator
from tests.support.processes import ROOT, ready, started
from tests.support.server import Registry

pytestmark = [pytest.mark.operate, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release before."""
    folder = former_release(tmp_path_factory.mktemp("former"))
    if folder is None:
        pytest.skip("the history of the repository is not here")
    return folder


@asynccontextmanager
async def _serving(checkout: Path, env: Mapping[str, str], log: Path) -> AsyncIterator[Registry]:
    """`moorage serve` by the code of a checkout."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    process = await started({**env, "PYTHONPATH": str(checkout)}, url, log, "env", "-C", str(checkout))
    try:
        await ready(url)
        async with aiohttp.ClientSession(auto_decompress=False) as client:
            yield Registry([url], [], client)
    finally:
        process.terminate()
        assert await process.wait() == 0


async def _pulls(registry: Registry, token: str, digests: Mapping[str, str]) -> None:
    for reference, digest in digests.items():
        name, _, tag = reference.partition(":")
        manifest = await registry.call("GET", f"/v2/{name}/manifests/{tag}", token)
        assert (manifest.status, manifest.headers["Docker-Content-Digest"]) == (200, digest)
        for layer in manifest.json["layers"]:  # type: ignore[index]
            assert (await registry.call("GET", f"/v2/{name}/blobs/{layer['digest']}", token)).status == 200


async def test_there_and_back(
    former: Path, env: dict[str, str], postgres_empty: str, registry: Registry, tmp_path: Path
) -> None:
    assert registry.url  # made the bucket
    env |= {"MOORAGE_DATABASE_URL": postgres_empty, "MOORAGE_WORKERS": "1"}
    log, pushed = tmp_path / "log", dict[str, str]()
    await operator(former, env, "migrate")
    await operator(former, env, "admin", "user", "create", "alice")
    scopes = ("--scope", "write:packages", "--scope", "delete:packages")
    token = (await operator(former, env, "admin", "token", "create", "--user", "alice", *scopes)).strip()
    async with _serving(former, env, log) as before:
        pushed["alice/app:v1"] = await before.push_image("alice/app", "v1", token, size=100_000)
        assert max(files()) in await operator(ROOT, env, "migrate")
        pushed["alice/app:v2"] = await before.push_image("alice/app", "v2", token, size=100_000)
        async with _serving(ROOT, env, log) as after:  # beside each other, as in a rolling restart
            pushed["alice/app:v3"] = await after.push_image("alice/app", "v3", token, size=100_000)
            for one in (before, after):
                await _pulls(one, token, pushed)
    assert await operator(former, env, "migrate")  # which leaves the newer schema alone
    async with _serving(former, env, log) as back:
        pushed["alice/app:v4"] = await back.push_image("alice/app", "v4", token, size=100_000)
        await _pulls(back, token, pushed)
    async with _serving(ROOT, env, log) as again:
        await _pulls(again, token, pushed)
