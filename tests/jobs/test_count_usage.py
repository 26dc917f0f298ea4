"""The bytes that packages and owners use: exact after the fold, whatever was pushed and removed at the same time."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import asyncpg
import orjson

from registry.jobs.runner import run_once
from storage.metadata import usage_counts
from storage.metadata.database import Transaction
from tests.support.api import acme
from tests.support.server import PACKAGES, Registry
from tests.support.uploading import Session, end_all_sessions, noise, sha256

_JOBS = ("fold_usage", "recount_usage")
_KIND = "application/vnd.oci.image.manifest.v1+json"
_TRUTH = """
    SELECT package.owner_id, sum(size)::bigint AS bytes
      FROM (SELECT DISTINCT owner_id, digest, size
              FROM package_blobs link JOIN blobs USING (digest) JOIN packages ON packages.id = link.package_id
             UNION ALL
            SELECT owner_id, packages.id::text || manifests.digest, size
              FROM manifests JOIN packages ON packages.id = package_id) AS package
     GROUP BY owner_id
"""
_TRUTH_OF_PACKAGES = """
    SELECT package_id, sum(size)::bigint AS bytes
      FROM (SELECT package_id, size FROM package_blobs JOIN blobs USING (digest)
             UNION ALL SELECT package_id, size FROM manifests) AS parts
     GROUP BY package_id
"""


async def _assert_exact(registry: Registry) -> dict[int, int]:
    """Each sum is what is there; returns the owners' sums."""
    db = registry.services.db
    owners = {row["owner_id"]: row["bytes"] for row in await db.fetch(_TRUTH)}
    assert {r["owner_id"]: r["bytes"] for r in await db.fetch("SELECT * FROM owner_usage WHERE bytes <> 0")} == owners
    assert {row["package_id"]: row["bytes"] for row in await db.fetch("SELECT * FROM package_usage")} == {
        row["package_id"]: row["bytes"] for row in await db.fetch(_TRUTH_OF_PACKAGES)
    }
    assert not await db.fetch("SELECT 1 FROM package_usage JOIN packages ON id = package_id"
                              " WHERE package_usage.owner_id <> packages.owner_id")  # fmt: skip
    return owners


async def _assert_exact_after_fold(registry: Registry) -> dict[int, int]:
    """After the fold alone: no recount may be needed."""
    await run_once(registry.services, ("fold_usage",))
    return await _assert_exact(registry)


async def _push(registry: Registry, name: str, tag: str, token: str, *layers: bytes) -> None:
    """An image of these layers, those of more than 64 KiB by way of a session; the first is its config as well."""
    for layer in layers:
        if len(layer) > 65536:
            session = await Session.begin(registry, name, token)
            assert (await session.patch(layer)).status == 202
            assert (await session.put(sha256(layer))).status == 201
        else:
            await registry.push_blob(name, layer, token)
    parts = [{"mediaType": "application/octet-stream", "digest": sha256(one), "size": len(one)} for one in layers]
    body = orjson.dumps({"schemaVersion": 2, "mediaType": _KIND, "config": parts[0], "layers": parts, "tag": tag})
    put = await registry.call("PUT", f"/v2/{name}/manifests/{tag}", token, data=body, headers={"Content-Type": _KIND})
    assert put.status == 201, put.body


#: How long statements have been waiting for rows; without what changes a package, which waits for others.
_WAITING = """
    SELECT extract(epoch FROM clock_timestamp() - waitstart)::float8 * 1000 AS milliseconds, query
      FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE NOT granted AND locktype IN ('tuple', 'transactionid') AND waitstart IS NOT NULL
       AND query !~ '(INSERT INTO|UPDATE) (packages|manifests)'
"""


@dataclass
class _Waits:
    """How long statements waited for rows, in milliseconds, looked at every few of them."""

    longest: float = 0.0
    samples: int = 0

    async def watch(self, url: str, over: asyncio.Event) -> None:
        connection = await asyncpg.connect(url)
        try:
            while not over.is_set():
                self.samples += 1
                found = await connection.fetch(_WAITING)
                self.longest = max([self.longest, *(row["milliseconds"] for row in found)])
                await asyncio.sleep(0.005)
        finally:
            await connection.close()


async def test_two_hundred_pushes_at_once(
    registry: Registry, database_url: str, table: Callable[[str, str], None]
) -> None:
    """20 packages of an owner, each pushed ten times at once: a layer of all, one of the package, one of the push."""
    people = await acme(registry)
    shared, waits, over = noise(70_000, 1), _Waits(), asyncio.Event()
    rounds = 0

    async def push(number: int) -> None:
        package, own = number % 20, noise(2000 + number, 1000 + number)
        await _push(registry, f"acme/app-{package}", f"v{number}", people.owner, own, noise(3000, package), shared)

    async def fold() -> None:
        nonlocal rounds
        while not over.is_set():
            done = await run_once(registry.services, _JOBS)
            rounds += done["fold_usage"] > 0
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as jobs:
        jobs.create_task(waits.watch(database_url, over))
        for _ in range(2):  # as two workers would
            jobs.create_task(fold())
        async with asyncio.TaskGroup() as pushes:
            for number in range(200):
                pushes.create_task(push(number))
        over.set()
    assert rounds > 1, "nothing was folded while there were pushes"
    assert waits.samples > 20
    assert waits.longest < 50
    (total,) = (await _assert_exact_after_fold(registry)).values()
    (manifests,) = await registry.services.db.fetch("SELECT sum(size)::int AS bytes FROM manifests")
    assert total == 70_000 + 20 * 3000 + sum(2000 + number for number in range(200)) + manifests["bytes"]
    row = f"{total} bytes, exact; {rounds} folds meanwhile; longest wait for a row: {waits.longest:.1f} ms"
    table("200 pushes at once to 20 packages of an owner:", f"{row} in {waits.samples} looks")


async def test_what_goes_is_taken_off(registry: Registry) -> None:
    token, base, first = await registry.user("alice", (*PACKAGES, "user")), noise(5000, 1), noise(3000, 2)
    await _push(registry, "alice/app", "v1", token, base, first)
    await _push(registry, "alice/other", "v1", token, base)
    await registry.push_blob("alice/app", noise(100, 3), token)
    (before,) = (await _assert_exact_after_fold(registry)).values()
    # Once more of what is there adds nothing, nor does a tag that moves.
    await _push(registry, "alice/app", "v1", token, base, first)
    assert list((await _assert_exact_after_fold(registry)).values()) == [before]
    assert (await registry.call("DELETE", "/api/v3/user/packages/container/app", token)).status == 204
    assert list((await _assert_exact_after_fold(registry)).values()) == [before]  # it may be restored
    await registry.services.db.execute("UPDATE packages SET published_at = NULL WHERE deleted_at IS NOT NULL")
    await registry.services.db.execute("UPDATE package_blobs SET linked_at = linked_at - interval '2 days'")
    await end_all_sessions(registry)
    await run_once(registry.services)
    (after,) = (await _assert_exact_after_fold(registry)).values()
    assert after == len(base) + await _manifest_bytes(registry)


async def _manifest_bytes(registry: Registry) -> int:
    (row,) = await registry.services.db.fetch("SELECT sum(size)::int AS n FROM manifests")
    return int(row["n"])


async def test_a_recount_finds_what_no_statement_told(registry: Registry) -> None:
    """As after an upgrade, and after pushes that a former release took."""
    token, layers, db = await registry.user("alice"), [noise(1000 + n, n) for n in range(6)], registry.services.db
    for number in range(3):
        await _push(registry, f"alice/app-{number}", "v1", token, layers[number], layers[5])
    await db.execute("DELETE FROM usage_deltas")
    await db.execute("INSERT INTO owner_usage (owner_id) SELECT DISTINCT owner_id FROM packages")
    await _push(registry, "alice/app-0", "v2", token, layers[3], layers[5])  # not folded when the recount comes
    await run_once(registry.services, ("recount_usage",))
    await _assert_exact_after_fold(registry)
    await db.execute("UPDATE owner_usage SET bytes = 7, counted_at = counted_at - interval '25 hours'")
    await db.execute("UPDATE package_usage SET bytes = bytes + 3")
    await db.execute("INSERT INTO package_usage SELECT 99999, owner_id, 5 FROM owner_usage")
    await _push(registry, "alice/app-1", "v2", token, layers[4], layers[5])
    await run_once(registry.services, ("recount_usage",))
    await _assert_exact_after_fold(registry)


async def test_a_recount_in_parts_finds_the_same(registry: Registry) -> None:
    """As of an owner with a thousand packages; deltas that are not folded yet are left out in each part."""
    token, db = await registry.user("alice"), registry.services.db
    for number in range(40):
        await _push(registry, f"alice/app-{number % 3}", f"v{number}", token, noise(100 + number % 25, number % 25))
        if number == 20:
            await run_once(registry.services, ("fold_usage",))
            await db.execute("UPDATE owner_usage SET bytes = 7")
            await db.execute("UPDATE package_usage SET bytes = bytes + 3")
    (owner,) = await usage_counts.due(db, 0, 10)

    async def count(tx: Transaction) -> None:
        await usage_counts.recount(tx, replace(owner, packages=1000))

    await db.repeat(count)
    await _assert_exact_after_fold(registry)


async def test_of_a_transferred_package(registry: Registry) -> None:
    people = await acme(registry)
    token = people.owner
    await _push(registry, "acme/app", "v1", token, noise(4000, 1), noise(3000, 2))
    await _push(registry, "acme/other", "v1", token, noise(4000, 1))
    await _assert_exact_after_fold(registry)
    path = "/orgs/acme/packages/container/app/transfer"
    await people.ok("POST", path, people.admin, {"new_owner": "stranger"}, 202)
    await run_once(registry.services, _JOBS)
    assert len(await _assert_exact(registry)) == 2


async def test_random_histories(registry: Registry) -> None:
    """Links come and go by chance, folded and recounted at any point."""
    token, rng, layers = await registry.user("alice"), random.Random(7), [noise(300 + n, n) for n in range(4)]
    for number in range(40):
        name = f"alice/app-{rng.randrange(3)}"
        match rng.randrange(5):
            case 0 | 1:
                await registry.push_blob(name, rng.choice(layers), token)
            case 2:
                await registry.call("DELETE", f"/v2/{name}/blobs/{sha256(rng.choice(layers))}", token)
                await run_once(registry.services, ("collect_garbage",))
            case 3:
                await _push(registry, name, f"v{number}", token, rng.choice(layers))
            case _:
                await registry.services.db.execute("UPDATE owner_usage SET counted_at = NULL")
                await run_once(registry.services, rng.choice((_JOBS, ("recount_usage",))))
    await _assert_exact_after_fold(registry)


async def test_an_hour_is_noted(registry: Registry) -> None:
    token, db = await registry.user("alice"), registry.services.db
    await registry.push_blob("alice/app", noise(6000), token)
    await run_once(registry.services, _JOBS)
    assert (await run_once(registry.services, ("note_usage",)))["note_usage"] == 0
    for hours in (2, 1):
        await db.execute("UPDATE owner_usage SET noted_at = noted_at - make_interval(hours => $1)", hours)
        assert (await run_once(registry.services, ("note_usage",)))["note_usage"] == 1
    (row,) = await db.fetch("SELECT byte_hours FROM usage_days")
    assert 18_000 <= row["byte_hours"] < 18_100
