"""What docs/operate/disk-full.md tells, on disks that are really full: small file systems in memory (F24)."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from registry.devservers.postgres import EmbeddedPostgres
from storage.metadata.migrate import migrate
from tests.conftest import Table
from tests.docs.operated import run, section
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import MIB, Session, noise, sha256

_PAGE: Final = "operate/disk-full.md"
_ROOM: Final = 4096
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a file system")


@contextmanager
def _disk(folder: Path, mib: int) -> Iterator[None]:
    """A file system of this size at ``folder``."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0711", "tmpfs", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    """Nothing is left of the disk but a page."""
    ballast = folder / "ballast"
    disk = os.statvfs(folder)
    with ballast.open("wb") as file, suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - _ROOM)
    try:
        yield
    finally:
        ballast.unlink()


async def test_f24_the_disk_of_the_store(env: dict[str, str], tmp_path: Path) -> None:
    store = tmp_path / "store"
    with _disk(store, 128):
        async with running(on_disk(env, store)) as registry:
            token = await registry.user("alice")
            digest = await registry.push_image("alice/app", "v1", token, size=2 * MIB)
            await registry.push_image("alice/other", "v1", token)
            data = noise(40 * MIB)
            session = await Session.begin(registry, "alice/app", token)
            with _full(store):
                refused = await session.patch(data)
                assert (refused.status, int(refused.headers["Retry-After"]) > 0) == (503, True), refused.body
                assert (await registry.call("GET", "/readyz")).status == 200
                await _pulls(registry, token, digest)
                gone = await registry.call("DELETE", "/api/v3/user/packages/container/other", token)
                assert gone.status == 204, gone.body
                assert (
                    await registry.call("POST", "/api/v3/user/packages/container/other/restore", token)
                ).status == 204
            offset = await session.offset()
            assert (await session.patch(data[offset:], at=offset)).status == 202
            assert (await session.put(sha256(data))).status == 201


async def _pulls(registry: Registry, token: str, digest: str) -> None:
    manifest = await registry.call("GET", f"/v2/alice/app/manifests/{digest}", token)
    assert manifest.status == 200, manifest.body
    for layer in manifest.json["layers"]:  # type: ignore[index]
        pulled = await registry.call("GET", f"/v2/alice/app/blobs/{layer['digest']}", token)
        assert (pulled.status, sha256(pulled.body)) == (200, layer["digest"])


#: As production has them, but for the size of the WAL.
_WAL: Final = {"max_wal_size": "32MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}


@pytest.mark.timeout(120)
async def test_f24_the_disk_of_postgres(env: dict[str, str], tmp_path: Path, table: Table) -> None:
    """Tags go on until it is full; what was acknowledged is there when there is room again."""
    place = tmp_path / "disk"
    with _disk(place, 256), EmbeddedPostgres(place / "postgres", _WAL) as server:
        await migrate(server.dsn())
        async with running(env | {"MOORAGE_DATABASE_URL": server.dsn()}) as registry:
            token = await registry.user("alice")
            digest = await registry.push_image("alice/app", "v1", token)
            manifest = await registry.call("GET", f"/v2/alice/app/manifests/{digest}", token)
            kind = {"Content-Type": manifest.headers["Content-Type"]}
            acknowledged, refused, number = set[str](), 0, 0
            with _full(place):
                while refused < 20:
                    number += 1
                    tag = f"t{number}-{'x' * 100}"
                    path = f"/v2/alice/app/manifests/{tag}"
                    answer = await registry.call("PUT", path, token, data=manifest.body, headers=kind)
                    assert answer.status in {201, 503}, answer.body
                    if answer.status == 201:
                        acknowledged.add(tag)
                    else:
                        refused += 1
                        assert int(answer.headers["Retry-After"]) > 0
                ready = (await registry.call("GET", "/readyz")).status
                assert (ready == 200) is server.alive()
                table("The disk of PostgreSQL is full", f"{len(acknowledged)} tags, then 503; readyz: {ready}")
            if not server.alive():
                server.stop()
                server.start()
            async with asyncio.timeout(30):
                while (await registry.call("GET", "/readyz")).status != 200:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.2)
            for tag in acknowledged:
                head = await registry.call("HEAD", f"/v2/alice/app/manifests/{tag}", token)
                assert head.headers["Docker-Content-Digest"] == digest
            await registry.push_image("alice/app", "v2", token)
        told = env | {"MOORAGE_DATABASE_URL": server.dsn()}
        large = await run(section(_PAGE, "PostgreSQL's disk")[2:], told, tmp_path)
        assert len(large.splitlines()) == 5
        assert "packages|" in large
        assert "delete_objects" in await run(section(_PAGE, "The store"), told, tmp_path)
