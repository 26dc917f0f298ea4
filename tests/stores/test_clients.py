"""crane and docker push and pull over the S3 servers that people have, and through PgBouncer."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
import pytest

from storage.objects.s3.store import S3Settings
from tests.scenarios.conftest import Person
from tests.stores.conftest import Pool
from tests.support.docker_engine import Engine
from tests.support.images import Size, docker_archive, layout
from tests.support.server import basic, running

pytestmark = [pytest.mark.stores, pytest.mark.timeout(300)]

_SIZE = Size(2, 24 << 20)  # of two parts each


async def _crane(engine: Engine, host: str, token: str, folder: Path) -> tuple[str, str]:
    """Push a layout, and have crane pull and hash every byte of it; the digest that was pushed, and the one pulled."""
    assert engine.socket
    auth = basic(token)["Authorization"].removeprefix("Basic ")
    (folder / "config.json").write_bytes(orjson.dumps({"auths": {host: {"auth": auth}}}))
    image = folder / "image"
    layout(image, _SIZE)
    wanted = orjson.loads((image / "index.json").read_bytes())["manifests"][0]["digest"]
    assert wanted in await _run(folder, "push", str(image), f"{host}/alice/crane:v1")
    assert "PASS" in await _run(folder, "validate", "--remote", f"{host}/alice/crane:v1")
    return wanted, await _run(folder, "digest", f"{host}/alice/crane:v1")


async def _run(folder: Path, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "crane", "--insecure", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.pathsep.join(os.get_exec_path()), "DOCKER_CONFIG": str(folder)},
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode().strip()


async def _docker(engine: Engine, host: str, token: str, folder: Path) -> tuple[str, str]:
    """Push an image, forget it, and pull the same, each layer of which dockerd hashes; the ids before and after."""
    alice, image = Person(engine, host, folder), f"{host}/alice/docker:v1"
    docker_archive(folder / "image.tar", image, _SIZE)
    await alice.docker("load", "--quiet", "--input", str(folder / "image.tar"))
    await alice.login("alice", token)
    identity = await alice.docker("image", "inspect", "--format", "{{.Id}}", image)
    await alice.docker("push", "--quiet", image)
    assert "Downloaded newer image" in await alice.pull("alice/docker:v1")
    again = await alice.docker("image", "inspect", "--format", "{{.Id}}", image)
    await alice.docker("image", "rm", "--force", image)
    return identity, again


Client = Callable[[Engine, str, str, Path], Awaitable[tuple[str, str]]]
clients = pytest.mark.parametrize("client", [_crane, _docker], ids=["crane", "docker"])


@clients
@pytest.mark.parametrize("redirect", ["on", "off"])
async def test_an_image_by_way_of_each_s3_server(
    server: S3Settings, redirect: str, client: Client, env: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    assert server.endpoint is not None
    assert server.credentials is not None
    env |= {
        "MOORAGE_S3_ENDPOINT": server.endpoint,
        "AWS_ACCESS_KEY_ID": server.credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": server.credentials.secret_key,
        "MOORAGE_REDIRECT": redirect,
    }
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        pushed, pulled = await client(engine, registry.url.removeprefix("http://"), token, tmp_path)
    assert pulled == pushed


@clients
async def test_an_image_through_session_pooling(
    client: Client, env: dict[str, str], pool: Pool, engine: Engine, tmp_path: Path
) -> None:
    env["MOORAGE_DATABASE_URL"] = pool(env["MOORAGE_DATABASE_URL"], "session")
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        pushed, pulled = await client(engine, registry.url.removeprefix("http://"), token, tmp_path)
    assert pulled == pushed
