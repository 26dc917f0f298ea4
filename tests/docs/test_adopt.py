"""What docs/migrate/in-place.md tells, with a real distribution on S3. `make operate` builds it, crane and oras."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from registry.devservers.processes import free_ports
from storage.objects.base import ObjectKey
from tests.conftest import Table
from tests.docs.operated import distribution, run, section
from tests.support.server import Registry
from tests.support.shelved import collect

pytestmark = [pytest.mark.operate, pytest.mark.timeout(240)]
_PAGE: Final = "migrate/in-place.md"
_NAMES: Final = ("ubuntu", "team/app", "team/deep/er")
_LAYER: Final = 5_000_000
_CONFIG: Final = """
version: 0.1
log: {{level: error}}
storage:
  s3: {{regionendpoint: "{endpoint}", region: us-east-1, bucket: {bucket}, accesskey: {key}, secretkey: {secret}, forcepathstyle: true, secure: false}}
  delete: {{enabled: true}}
  redirect: {{disable: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


class _Noting:
    """Forwards to an S3 server, and notes the request lines and the bytes that come back."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self.requests: list[str] = []
        self.received = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        with closing(writer), closing(up_writer):
            await asyncio.gather(self._sent(reader, up_writer), self._came(up_reader, writer))

    async def _sent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.requests += re.findall(r"^((?:GET|PUT|POST|HEAD|DELETE) \S+)", data.decode("latin-1"), re.MULTILINE)
            writer.write(data)
        writer.close()

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.received += len(data)
            writer.write(data)
        writer.close()


@asynccontextmanager
async def _noted(endpoint: str) -> AsyncIterator[tuple[_Noting, str]]:
    host, _, port = endpoint.removeprefix("http://").partition(":")
    proxy = _Noting(host, int(port))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    yield proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


@asynccontextmanager
async def _distribution(env: dict[str, str], folder: Path) -> AsyncIterator[str]:
    """A distribution over the bucket of these settings; its host."""
    (port,) = free_ports(1)
    config = folder / "config.yml"
    config.write_text(
        _CONFIG.format(
            endpoint=env["MOORAGE_S3_ENDPOINT"], bucket=env["MOORAGE_S3_BUCKET"],
            key=env["AWS_ACCESS_KEY_ID"], secret=env["AWS_SECRET_ACCESS_KEY"], port=port,
        )
    )  # fmt: skip
    async with distribution(config, port) as host:
        yield host


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
    async with _distribution(env, tmp_path) as old, _noted(env["MOORAGE_S3_ENDPOINT"]) as (proxy, endpoint):
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
