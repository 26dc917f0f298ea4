"""What docs/operate/backup.md tells: a copy that is made under pushes and deletions, restored elsewhere, pulls whole."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import pytest

from registry.devservers.postgres import EmbeddedPostgres
from registry.jobs.runner import run_once
from tests.docs.operated import run, section
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import MIB, Session, noise, sha256

_PAGE: Final = "operate/backup.md"
_DATABASE: Final = "moorage_restored"
_SIZE: Final = 100_000  # of a layer: above what the database keeps itself
_PUSHERS: Final = 3
_BEGUN: Final = noise(40 * MIB)  # of an upload that is under way, in parts


async def _push_and_delete(registry: Registry, token: str, number: int, over: asyncio.Event) -> None:
    """Push to packages of one's own, move a tag, and delete each second version."""
    count = 0
    while not over.is_set():
        name = f"alice/busy{number}-{count % 3}"
        await registry.push_image(name, "latest", token, size=_SIZE)
        digest = await registry.push_image(name, f"v{count}", token, size=_SIZE)
        if count % 2:
            deleted = await registry.call("DELETE", f"/v2/{name}/manifests/{digest}", token)
            assert deleted.status == 202, deleted.body
        count += 1


async def _pull_everything(registry: Registry, token: str) -> dict[str, str]:
    """Pull every version of every package, with its layers; the tags, and what they point to."""
    found: dict[str, str] = {}
    packages: Any = (
        await registry.call("GET", "/api/v3/user/packages?package_type=container&per_page=100", token)
    ).json
    for package in packages:
        name = f"alice/{package['name']}"
        path = f"/api/v3/user/packages/container/{package['name']}/versions?per_page=100"
        versions: Any = (await registry.call("GET", path, token)).json
        for version in versions:
            manifest = await registry.call("GET", f"/v2/{name}/manifests/{version['name']}", token)
            assert manifest.status == 200, manifest.body
            assert version["name"] == "sha256:" + hashlib.sha256(manifest.body).hexdigest()
            parsed: Any = manifest.json
            for blob in (parsed["config"], *parsed["layers"]):
                pulled = await registry.call("GET", f"/v2/{name}/blobs/{blob['digest']}", token)
                assert blob["digest"] == "sha256:" + hashlib.sha256(pulled.body).hexdigest(), pulled.status
            found |= {f"{name}:{tag}": version["name"] for tag in version["metadata"]["container"]["tags"]}
    return found


@asynccontextmanager
async def _place(postgres: EmbeddedPostgres) -> AsyncIterator[dict[str, str]]:
    """Where the database is restored to; it is dropped at the end."""
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        yield {"ADMIN_URL": postgres.dsn("postgres"), "MOORAGE_DATABASE_URL": postgres.dsn(_DATABASE)}
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await admin.close()


def _remote(env: Mapping[str, str]) -> dict[str, str]:
    """The remote of rclone that is named registry, by its environment."""
    told = {
        "TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": env["MOORAGE_S3_ENDPOINT"], "REGION": "us-east-1",
        "ACCESS_KEY_ID": env["AWS_ACCESS_KEY_ID"], "SECRET_ACCESS_KEY": env["AWS_SECRET_ACCESS_KEY"],
    }  # fmt: skip
    return {f"RCLONE_CONFIG_REGISTRY_{name}": value for name, value in told.items()}


async def _back_up(env: Mapping[str, str], folder: Path, heading: str) -> tuple[dict[str, str], str, Session]:
    """Copy a registry while it works; what was pushed before, a token, and an upload that was begun before."""
    async with running(env) as registry:
        token = await registry.user("alice", ("read:packages", "write:packages", "delete:packages"))
        before = {
            f"alice/calm{number}:v1": await registry.push_image(
                f"alice/calm{number}", "v1", token, layers=2, size=_SIZE
            )
            for number in range(3)
        }
        upload = await Session.begin(registry, "alice/calm0", token)
        assert (await upload.patch(_BEGUN)).status == 202
        over = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for number in range(_PUSHERS):
                tasks.create_task(_push_and_delete(registry, token, number, over))
            await asyncio.sleep(1)
            for title in ("Copy the database", f"Copy the {heading}"):
                await run(section(_PAGE, title), env, folder)
                await asyncio.sleep(0.5)  # a push that the copy of the database does not have
            over.set()
        return before, token, upload


async def _restored(env: Mapping[str, str], before: Mapping[str, str], token: str, upload: Session) -> None:
    """Serve what was restored, and pull all of it."""
    async with running(env) as registry:
        found = await _pull_everything(registry, token)
        assert before.items() <= found.items()
        assert len(found) > len(before)
        digest = sha256(_BEGUN)
        ended = await registry.call("PUT", f"{urlsplit(upload.location).path}?digest={digest}", token)
        assert (ended.status, ended.code) == (404, "BLOB_UPLOAD_UNKNOWN"), ended.body  # never: that it is all there
        assert (await registry.call("HEAD", f"/v2/alice/calm0/blobs/{digest}", token)).status == 404
        await run_once(registry.services)
        assert await _pull_everything(registry, token) == found
        await registry.push_image("alice/calm0", "v2", token, size=_SIZE)


async def test_a_directory(env: dict[str, str], postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    source, target, backup = tmp_path / "source", tmp_path / "target", tmp_path / "backup"
    for folder in (source, target, backup):
        folder.mkdir()
    before, token, upload = await _back_up(on_disk(env, source) | {"BACKUP": str(backup)}, tmp_path, "directory")
    async with _place(postgres) as place:
        told = on_disk(env, target) | place | {"BACKUP": str(backup)}
        for title in ("Restore the database", "Restore the directory", "Check"):
            commands = [line for line in section(_PAGE, title) if "rclone" not in line]
            await run(commands, told, tmp_path)
        objects = target / "objects"
        there = {str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file()}
        named = set((tmp_path / "named").read_text().split())
        assert named
        assert named <= there
        await _restored(told, before, token, upload)


@pytest.mark.operate
async def test_a_directory_becomes_a_bucket(env: dict[str, str], postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    source, backup = tmp_path / "source", tmp_path / "backup"
    source.mkdir()
    backup.mkdir()
    before, token, upload = await _back_up(on_disk(env, source) | {"BACKUP": str(backup)}, tmp_path, "directory")
    async with _place(postgres) as place:
        told = env | place | {"BACKUP": str(backup), **_remote(env)}
        for title in ("Restore the database", "Restore the bucket", "Check"):
            await run(section(_PAGE, title), told, tmp_path)
        assert await run(["comm -23 named there"], told, tmp_path) == ""
        await _restored(told, before, token, upload)


@pytest.mark.operate
async def test_a_bucket(env: dict[str, str], postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    assert shutil.which("rclone"), "there is no rclone: make leaves it out"
    backup = tmp_path / "backup"
    backup.mkdir()
    env |= {"BACKUP": str(backup), **_remote(env)}
    before, token, upload = await _back_up(env, tmp_path, "bucket")
    async with _place(postgres) as place:
        told = env | place | {"MOORAGE_S3_BUCKET": env["MOORAGE_S3_BUCKET"] + "-restored"}
        for title in ("Restore the database", "Restore the bucket", "Check"):
            await run(section(_PAGE, title), told, tmp_path)
        assert await run(["comm -23 named there"], told, tmp_path) == ""
        assert (tmp_path / "named").read_text()
        await _restored(told, before, token, upload)
