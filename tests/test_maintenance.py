"""`moorage gc`, `moorage purge` and `moorage --version`, over the real stores."""

import asyncio
import os
import sys
from typing import Any

import orjson
import pytest

from registry.jobs.runner import run_once
from registry.version import VERSION
from storage.metadata import job_runs
from tests.support.processes import measured
from tests.support.server import Registry
from tests.support.uploading import NOTHING, end_all_sessions, kept

_NONE = "No deleted package alice/app waits for its purge. Delete it first; or it is purged already."


async def _moorage(env: dict[str, str], *arguments: str, sent: str = "") -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", *arguments, env={"PATH": os.defpath, **measured(), **env},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await child.communicate(sent.encode())
    return child.returncode or 0, output.decode().strip()


async def _status(env: dict[str, str]) -> dict[str, tuple[int, int]]:
    code, said = await _moorage(env, "gc", "status", "--json")
    assert code == 0, said
    found: list[dict[str, Any]] = orjson.loads(said)["queues"]
    return {one["what"]: (one["items"], one["due"]) for one in found}


@pytest.fixture
async def token(registry: Registry) -> str:
    """The token of a user with a package of one version, which has a layer in the store."""
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token, size=100_000)
    await end_all_sessions(registry)
    await run_once(registry.services)
    return token


async def _deleted(registry: Registry, token: str) -> None:
    answer = await registry.call("DELETE", "/api/v3/user/packages/container/app", token)
    assert answer.status == 204, answer.body


async def test_the_version() -> None:
    assert await _moorage({}, "--version") == (0, f"moorage {VERSION}")


async def test_queues_are_told_and_worked_off(env: dict[str, str], registry: Registry, token: str) -> None:
    assert {due for _, due in (await _status(env)).values()} == {0}
    await _deleted(registry, token)
    await registry.push_blob("alice/other", bytes(100_000), token)
    queues = await _status(env)
    assert queues["deleted packages"] == (1, 0)
    assert queues["upload sessions"][0] >= 1
    assert queues["blobs to look at"][0] >= 1
    assert queues["blobs to look at"][1] == 0
    db = registry.services.db
    await db.execute("UPDATE packages SET deleted_at = now() - interval '31 days' WHERE deleted_at IS NOT NULL")
    code, said = await _moorage(env, "gc", "status")
    assert code == 0
    assert "deleted packages\t1\t1 due\tthe first at 20" in said
    assert "does a moorage worker run?" in said
    assert "purge_deleted\tnever ran" in said
    await job_runs.ran(db, "purge_deleted", 60.0, 1)
    assert "purge_deleted\tran at 20" in (await _moorage(env, "gc", "status"))[1]
    code, said = await _moorage(env, "gc", "now")
    assert code == 0
    assert [line.split("\t")[0] for line in said.splitlines()] == [
        "expire_uploads", "purge_deleted", "collect_garbage", "delete_objects",
    ]  # fmt: skip
    assert (await _status(env))["deleted packages"] == (0, 0)
    (row,) = await db.fetch("SELECT count(*) FROM packages WHERE name = 'app'")
    assert row[0] == 0
    assert (await _moorage(env, "gc", "now", "--json"))[1].count(": 0") >= 3


async def test_the_collector_runs_beside_others(env: dict[str, str], registry: Registry, token: str) -> None:
    for n in range(5):
        await registry.push_image(f"alice/app{n}", "v1", token, size=70_000)
        assert (await registry.call("DELETE", f"/api/v3/user/packages/container/app{n}", token)).status == 204
    await end_all_sessions(registry)
    await registry.services.db.execute(
        "UPDATE packages SET deleted_at = now() - interval '31 days' WHERE name <> 'app'"
    )
    results = await asyncio.gather(*(_moorage(env, "gc", "now") for _ in range(3)), run_once(registry.services))
    assert all(result[0] == 0 for result in results[:3])  # type: ignore[index]
    await run_once(registry.services)
    await registry.services.db.execute("UPDATE dead_objects SET not_before = now()")
    await run_once(registry.services)
    left = await kept(registry)
    assert (left.objects, left.missing) == ([], [])
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200


async def test_a_deleted_package_is_purged_at_once(env: dict[str, str], registry: Registry, token: str) -> None:
    code, said = await _moorage(env, "purge", "alice/app", "--yes")
    assert (code, said) == (1, f"moorage: {_NONE}")
    await _deleted(registry, token)
    code, said = await _moorage(env, "purge", "alice/app", sent="n\n")
    assert code == 1
    assert "Purge alice/app with 1 versions, for ever?" in said
    code, said = await _moorage(env, "purge", "alice/app", "--yes")
    assert code == 0
    assert said.startswith("purged alice/app with 1 versions")
    restored = await registry.call("POST", "/api/v3/user/packages/container/app/restore", token)
    assert restored.status == 404
    assert (await _moorage(env, "purge", "alice/app", "--yes"))[0] == 1
    await registry.services.db.execute("UPDATE dead_objects SET not_before = now()")
    assert (await _moorage(env, "gc", "now"))[0] == 0
    assert await kept(registry) == NOTHING
    assert (await _moorage(env, "purge", "Alice App"))[0] == 2


async def test_a_live_package_of_the_same_name_stays(env: dict[str, str], registry: Registry, token: str) -> None:
    await _deleted(registry, token)
    await registry.push_image("alice/app", "v2", token)
    assert (await _moorage(env, "purge", "alice/app", "--yes"))[0] == 0
    assert (await registry.call("GET", "/v2/alice/app/manifests/v2", token)).status == 200
