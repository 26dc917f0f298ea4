"""What the images are, and what they do as containers that may do nothing. Run by `make shipping`."""

import asyncio
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from registry.devservers.processes import free_ports
from tests.helm.test_chart import CHART
from tests.shipping.conftest import Engine, Images
from tests.support.raw import ask, request

pytestmark = [pytest.mark.shipping, pytest.mark.timeout(900)]

_MB = 1000 * 1000
#: One that OpenShift might give.
_ANY = "1000670000:0"


def test_the_image_is_small_and_has_what_serves_alone(engine: Engine, images: Images) -> None:
    size = int(engine.podman("image", "inspect", "--format={{.Size}}", images.server))
    assert size < 150 * _MB
    config = engine.inspected(images.server)["OCIv1"]["config"]  # type: ignore[index]
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("10001:10001", ["moorage"], ["serve"])
    assert {"title", "version", "revision", "licenses"} <= {name.rpartition(".")[2] for name in config["Labels"]}
    for program in ("sh", "/bin/sh", "pip", "apt-get"):
        engine.container(images.server, more=(f"--entrypoint={program}",), fails=True)
    scanned = "print([l.split()[1] for l in open('/var/lib/dpkg/status') if l.startswith('Package: ')])"
    packages = engine.container(images.server, "-c", scanned, more=("--entrypoint=python",))
    assert "'libssl3t64'" in packages
    assert "'apt'" not in packages
    assert "'bash'" not in packages


def test_any_user_may_run_it(engine: Engine, images: Images) -> None:
    assert "A container registry of your own." in engine.container(images.server, "--help", more=(f"--user={_ANY}",))
    loaded = (
        "import registry.app, uvloop, asyncpg, cryptography, aiobotocore.session, msgspec, rehashes\n"
        "from storage.metadata.migrate import files\n"
        "import botocore.session, os, ssl\n"
        "botocore.session.get_session().create_client('s3', region_name='eu-west-1')\n"
        "botocore.session.get_session().create_client('sts', region_name='eu-west-1')\n"
        "folder = ssl.get_default_verify_paths().openssl_capath\n"
        "print(len(list(files())), sum(open(f'{folder}/{n}').read().count('BEGIN') for n in os.listdir(folder)) > 100)"
    )
    said = engine.container(images.server, "-c", loaded, more=("--entrypoint=python", f"--user={_ANY}"))
    assert said.split()[1] == "True"
    missing = engine.container(images.server, more=(f"--user={_ANY}",), fails=True)
    assert "MOORAGE_SECRET_KEY" in missing


async def test_it_migrates_and_serves(
    engine: Engine, images: Images, env: dict[str, str], registry: object, postgres_empty: str
) -> None:
    assert registry  # made the bucket
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    told = {
        **env,
        "MOORAGE_DATABASE_URL": postgres_empty,
        "MOORAGE_LISTEN": urlsplit(url).netloc,
        "MOORAGE_WORKERS": "1",
    }
    more = (f"--user={_ANY}", *(f"--env={name}={value}" for name, value in told.items() if name.isupper()))
    said = await asyncio.to_thread(engine.container, images.server, "migrate", more=more)
    assert "applied 0001_registry" in said
    await asyncio.to_thread(engine.container, images.server, more=(*more, "--detach", "--name=serves"))
    try:
        await _ready(url)
        asked = ("-c", (CHART / "files" / "ready.py").read_text())
        probe = ("--entrypoint=python", f"--user={_ANY}", f"--env=SERVICE={url}")
        said = await asyncio.to_thread(engine.container, images.server, *asked, more=probe)
        assert said.startswith("/readyz 200 ready\n")
        said = await asyncio.to_thread(engine.podman, "exec", "serves", "moorage", "admin", "user", "create", "admin")
        assert said == "created admin\n"
    finally:
        await asyncio.to_thread(engine.podman, "stop", "--time=30", "serves")


def test_somebody_tries_it(engine: Engine, images: Images, tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("hello\n")
    (tmp_path / "Containerfile").write_text("FROM scratch\nCOPY hello /hello\n")
    engine.run("buildah", "build", "--quiet", "--tag=localhost/hello", str(tmp_path))
    port = free_ports(1)[0]
    url, name = f"http://127.0.0.1:{port}", f"127.0.0.1:{port}/admin/hello:v1"
    volume = ("--detach", "--volume=tried:/data", "--tmpfs=/tmp")
    began = time.monotonic()
    engine.container(images.try_out, f"--port={port}", more=(*volume, "--name=tries"))
    try:
        asyncio.run(_ready(url))
        token = engine.podman("exec", "tries", "cat", "/data/admin-token").strip()
        engine.podman("push", "--tls-verify=false", f"--creds=admin:{token}", "localhost/hello", name)
        assert time.monotonic() - began < 60
    finally:
        engine.podman("stop", "--time=30", "tries")
    # The volume has all of it.
    engine.container(images.try_out, f"--port={port}", more=(*volume, "--name=tries-again"))
    try:
        asyncio.run(_ready(url))
        engine.podman("pull", "--tls-verify=false", f"--creds=admin:{token}", name)
    finally:
        engine.podman("stop", "--time=30", "tries-again")


async def _ready(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if (await ask(url, request("GET", "/readyz"))).status == 200:
                    return
            except OSError:
                pass
            await asyncio.sleep(0.2)
