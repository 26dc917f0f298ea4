"""Events: never changed, in partitions by the month, and recorded with their change or not at all."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from registry.jobs.add_sizes import add_sizes
from registry.jobs.runner import run_once
from tests.api.test_versions import APP, listed, push_index
from tests.support.server import Registry


@pytest.fixture
async def admin(database_url: str) -> Any:
    """A session of the application's own role."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _partitions(admin: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    rows = await admin.fetch("SELECT inhrelid::regclass::text AS name FROM pg_inherits"
                             " WHERE inhparent = 'events'::regclass ORDER BY 1")  # fmt: skip
    return [row["name"] for row in rows]


async def test_no_event_is_changed(registry: Registry, admin: "asyncpg.Connection[asyncpg.Record]") -> None:
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    [part] = [row[0] for row in await admin.fetch("SELECT DISTINCT tableoid::regclass::text FROM events")]
    before = await admin.fetch("SELECT * FROM events ORDER BY id")
    assert [row["action"] for row in before if row["package_id"]] == [
        "packages.package_published", "packages.package_version_published", "packages.tag_created"
    ]  # fmt: skip
    for table in ("events", part):
        for change in (f"UPDATE {table} SET actor_id = 7", f"DELETE FROM {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await admin.execute(change)
    assert await admin.fetch("SELECT * FROM events ORDER BY id") == before


async def test_partitions_come_and_go_by_the_month(
    registry: Registry, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async def turn(year: int, month: int, kept: int = 6) -> int:
        moment = datetime(year, month, 15, tzinfo=UTC)
        return int(await admin.fetchval("SELECT turn_events($1, $2)", moment, kept))

    async def record(year: int, month: int) -> str:
        at = datetime(year, month, 28, 23, 59, tzinfo=UTC)
        return str(await admin.fetchval(
            "INSERT INTO events (at, action, owner_id, via) VALUES ($1, 'x', 1, 'session') RETURNING tableoid::regclass",
            at,
        ))  # fmt: skip

    assert (await run_once(registry.services))["turn_events"] == 0  # the migration has made them
    assert await record(2031, 1) == "events_default"
    assert await turn(2031, 1) == 5  # of two of the three months to come, and those of today are past
    assert await _partitions(admin) == ["events_2031_02", "events_2031_03", "events_default"]
    assert await turn(2031, 1) == 0
    assert (await record(2031, 2), await record(2031, 1)) == ("events_2031_02", "events_default")
    await admin.execute("SET TimeZone = 'Asia/Seoul'")
    assert await turn(2031, 7) == 3
    assert "events_2031_02" in await _partitions(admin)
    assert await turn(2031, 9) == 2 + 1 + 1  # gone is that of February, and the default one is begun anew
    names = await _partitions(admin)
    assert names == [f"events_2031_{month:02}" for month in (3, 7, 8, 9, 10, 11)] + ["events_default"]
    assert await admin.fetchval("SELECT count(*) FROM events") == 0
    assert await record(2031, 1) == "events_default"
    indexes = await admin.fetchval("SELECT count(*) FROM pg_indexes WHERE tablename = 'events_default'")
    assert indexes == 4
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await admin.execute("DELETE FROM events_default")


async def test_two_workers_make_the_partitions_once(registry: Registry, database_url: str) -> None:
    sessions = [await asyncpg.connect(database_url) for _ in range(2)]
    moment = datetime(2031, 1, 1, tzinfo=UTC)
    done = await asyncio.gather(*[s.fetchval("SELECT turn_events($1, 1000)", moment) for s in sessions])
    assert sorted(done) in ([0, 3], [3, 0])
    for session in sessions:
        await session.close()


async def test_sizes_are_added_up_for_what_had_none(registry: Registry) -> None:
    alice = await registry.user("alice")
    image = await registry.push_image("alice/app", "v1", alice, layers=2, size=500)
    index = await push_index(registry, "all", [image, await registry.push_image("alice/app", "v2", alice)], alice)
    artifact = await push_index(registry, "empty", [], alice)
    pushed = {digest: found["size"] for digest, found in (await listed(registry, alice)).items()}
    assert pushed[artifact] == 0
    await registry.services.db.execute("UPDATE manifests SET image_size = NULL")
    assert "size" not in (await listed(registry, alice))[index]
    assert [await add_sizes(registry.services) for _ in range(3)] == [3, 1, 0]
    assert {digest: found["size"] for digest, found in (await listed(registry, alice)).items()} == pushed
    await registry.services.db.execute("UPDATE manifests SET image_size = 9223372036854775807 WHERE digest = $1", image)
    assert await push_index(registry, "all", [image, artifact], alice)
    huge = await push_index(registry, "huge", [image, index], alice)
    assert (await listed(registry, alice))[huge]["size"] == 2**63 - 1


async def test_a_change_without_its_event_is_no_change(
    registry: Registry, admin: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """Where events cannot be written, nothing is; and a process that dies leaves both or neither: one statement does."""
    alice = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", alice)
    version = (await listed(registry, alice))[digest]["id"]
    await registry.push_image("alice/app", "v2", alice)
    body = (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).body
    manifest = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    before = await registry.call("GET", f"{APP}/tags", alice), await registry.call("GET", f"{APP}/versions", alice)
    admin_token = await registry.admin()
    events = await admin.fetchval("SELECT count(*) FROM events")
    kept = "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM tokens), (SELECT count(*) FROM repositories)"
    accounts = await admin.fetchrow(kept)
    await admin.execute("ALTER TABLE events RENAME TO elsewhere")
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "/v2/alice/app/manifests/v3", {"data": body, "headers": manifest}),
        ("PUT", "/v2/alice/app/manifests/v3", {"data": body + b" ", "headers": manifest}),
        ("PUT", "/v2/alice/app/manifests/v3", {"data": body + b" ", "headers": {**manifest, "If-None-Match": "*"}}),
        ("DELETE", "/v2/alice/app/manifests/v1", {}),
        ("DELETE", f"/v2/alice/app/manifests/{digest}", {}),
        ("PUT", f"{APP}/tags/v3", {"json": {"digest": digest}}),
        ("DELETE", f"{APP}/tags/v1", {}),
        ("DELETE", f"{APP}/versions/{version}", {}),
        ("DELETE", APP, {}),
        ("PATCH", APP, {"json": {"visibility": "public"}}),
        ("PUT", f"{APP}/access/users/alice", {"json": {"role": "read"}}),
    ]
    of_accounts: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/v3/user/tokens", {"json": {"scopes": []}}),
        ("POST", "/api/v3/user/repos", {"json": {"name": "code"}}),
        ("POST", "/api/v3/orgs", {"json": {"login": "acme"}}),
        ("POST", "/api/v3/admin/users", {"json": {"login": "eve"}}),
    ]
    for token, several in ((alice, changes), (admin_token, of_accounts)):
        for method, path, more in several:
            answer = await registry.call(method, path, token, **more)
            assert answer.status == 503, (method, path, answer.status, answer.body)
            assert "Retry-After" in answer.headers
    await admin.execute("ALTER TABLE elsewhere RENAME TO events")
    after = await registry.call("GET", f"{APP}/tags", alice), await registry.call("GET", f"{APP}/versions", alice)
    assert [answer.body for answer in after] == [answer.body for answer in before]
    assert await admin.fetchval("SELECT count(*) FROM events") == events
    assert await admin.fetchrow(kept) == accounts
    for method, path, more in changes[:5]:
        assert (await registry.call(method, path, alice, **more)).status < 500
