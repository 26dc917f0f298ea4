"""What docs/migrate/in-place.md tells, with a real distribution on S3. `make operate` builds it, crane and oras."""

from pathlib import Path
from typing import Final

import aiohttp
import pytest

from storage.objects.base import ObjectKey
from tests.conftest import Table
from tests.docs.operated import over_bucket, run, section
from tests.support.noting import noted
from tests.support.server import Registry
from tests.support.shelved import collect

pytestmark = [pytest.mark.operate, pytest.mark.timeout(240)]
_PAGE: Final = "migrate/in-place.md"
_NAMES: Final = ("ubuntu", "team/app", "team/deep/er")
_LAYER: Final = 5_000_000


async def _fill(here: Registry, host: str, env: dict[str, str], folder: Path) -> None:
    """Push images to the old registry: ours makes them, and crane takes them there."""
    token = await here.user("maker")
    for name in _NAMES:
        for tag in ("v1", "latest", "gone", "lost"):
            await here.push_image(f"maker/{name}", tag, token, layers=2, size=_LAYER)
    (folder / "maker-token").write_text(token)
    source = here.url.removeprefix("http://")
    await run(
        [
            f"crane auth login {source} --username maker --password-stdin < maker-token",
            *(
                f"crane copy {source}/maker/{n}:{t} {host}/{n}:{t}"
                for n in _NAMES
                for t in ("v1", "latest", "gone", "lost")
            ),
            f"crane index append --manifest {host}/ubuntu:v1 --manifest {host}/ubuntu:latest --tag {host}/ubuntu:both",
            "echo {} > sbom.json",
            f"oras attach --plain-http --artifact-type application/spdx+json {host}/team/app:v1 sbom.json",
            f"crane delete {host}/team/app@$(crane digest {host}/team/app:lost)",
            f"crane delete {host}/team/app:gone",
        ],
        env,
        folder,
    )
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"http://{host}/v2/team/app/blobs/uploads/") as begun,
        client.patch(begun.headers["Location"], data=b"half") as sent,
    ):
        assert sent.status == 202


_DIGESTS: Final = (
    'for name in ubuntu team/app team/deep/er; do for tag in $(crane ls "$OLD/$name"); '
    'do echo "$name:$tag $(crane digest "$OLD/$name:$tag")"; done; done'
)


async def _pulls(new: str, line: str, told: dict[str, str], folder: Path) -> None:
    """Pull what the old registry has under a tag from the new one, by tag and by digest."""
    tagged, digest = line.split()
    name, _, tag = tagged.partition(":")
    mine = f"{new}/{name if '/' in name else f'library/{name}'}"
    assert await run([f"crane digest {mine}:{tag}"], told, folder) == f"{digest}\n", line
    if not tag.startswith("sha256-"):
        await run([f"crane pull --format oci {mine}@{digest} pulled", "rm -r pulled"], told, folder)


async def test_a_bucket_is_taken_over(registry: Registry, env: dict[str, str], tmp_path: Path, table: Table) -> None:
    new, store = registry.url.removeprefix("http://"), registry.services.stores
    async with over_bucket(env, tmp_path) as old, noted(env["MOORAGE_S3_ENDPOINT"]) as (proxy, endpoint):
        await _fill(registry, old, env, tmp_path)
        told = {**env, "OLD": old, "NEW": new}
        sizes = {found.key: found.size async for found in store.scan("docker/")}
        digests = await run([_DIGESTS], told, tmp_path)
        through = {**told, "MOORAGE_S3_ENDPOINT": endpoint}
        await run(section(_PAGE, "Try it"), through, tmp_path)
        await run(section(_PAGE, "Take it"), through, tmp_path)
        paths = [line.partition("docker/registry/v2/blobs/")[2] for line in proxy.requests if "/data" in line]
        read = [sizes[ObjectKey(f"docker/registry/v2/blobs/{path}")] for path in paths]
        row = f"{len(sizes)} objects of {sum(sizes.values())} bytes, {len(proxy.requests)} requests, {proxy.received} bytes"
        table("The adoption of a bucket of distribution, a dry run before", row)
        assert read
        assert max(read) < _LAYER
        assert not [line for line in proxy.requests if not line.startswith("GET ")]
        (tmp_path / "mover-token").write_text(await registry.token("mover"))
        await run(
            [f"crane auth login {new} --username mover --password-stdin < mover-token",
             f"moorage login {new} --with-token < mover-token"], told, tmp_path
        )  # fmt: skip
        for line in digests.splitlines():
            await _pulls(new, line, told, tmp_path)
        assert "SPDX" in await run([f"moorage tree {new}/team/app:v1"], told, tmp_path)
        gone = await registry.call("DELETE", "/api/v3/orgs/team/packages/container/app", await registry.token("mover"))
        assert gone.status == 204
        await collect(registry)
        assert {found.key async for found in store.scan("docker/")} == sizes.keys()
        assert await run([_DIGESTS], told, tmp_path) == digests
        assert await run(section(_PAGE, "Seal"), told, tmp_path) == "sealed docker/registry/v2\n"
        await collect(registry)
        assert {found.key async for found in store.scan("docker/")} < sizes.keys()
