"""A job that is killed at any of its steps leaves nothing that the next round does not find (C12, C13, C15, F14)."""

import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from asyncpg import Record

from registry.jobs.collect_garbage import collect_garbage
from registry.jobs.purge_deleted import purge_deleted
from registry.jobs.runner import run_once
from registry.services import Services
from storage.metadata.database import Database, Transaction
from storage.objects.base import ObjectKey, Stores
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import NOTHING, Session, end_all_sessions, kept, noise, sha256

T = TypeVar("T")


class Killed(BaseException):
    """The process is no more: nothing after this runs, and an open transaction is rolled back."""


@dataclass
class Death:
    """Comes at the beginning of step ``at``; the steps are statements, ends of transactions, and calls of the store."""

    at: int
    seen: int = 0
    steps: list[str] = field(default_factory=list)

    def step(self, what: str) -> None:
        self.seen += 1
        self.steps.append(what)
        if self.seen == self.at:
            raise Killed(what)


@dataclass
class _Statements:
    inner: Any
    death: Death

    async def fetch(self, query: str, *args: object) -> list[Record]:
        self.death.step(query)
        return cast("list[Record]", await self.inner.fetch(query, *args))

    async def fetchrow(self, query: str, *args: object) -> Record | None:
        self.death.step(query)
        return cast("Record | None", await self.inner.fetchrow(query, *args))

    async def execute(self, query: str, *args: object) -> str:
        self.death.step(query)
        return cast("str", await self.inner.execute(query, *args))

    async def repeat(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async def run(tx: Transaction) -> T:
            done = await work(cast("Transaction", _Statements(tx, self.death)))
            self.death.step("before the commit")
            return done

        done = await cast("Database", self.inner).repeat(run)
        self.death.step("after the commit")
        return done


@dataclass
class _Store:
    inner: Stores
    death: Death

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)

        def call(*args: Any, **named: Any) -> Any:
            self.death.step(name)
            return found(*args, **named)

        return call


def _mortal(services: Services, death: Death) -> Services:
    return replace(
        services,
        db=cast("Database", _Statements(services.db, death)),
        stores=cast("Stores", _Store(services.stores, death)),
    )


async def _run_until(services: Services, death: Death) -> None:
    """Run the jobs, unless they were killed before."""
    if death.seen >= death.at:
        return
    try:
        await run_once(_mortal(services, death))
    except* Killed:
        pass


@pytest.fixture(params=["s3", "local"])
def env(env: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    if request.param == "s3":
        return env
    (tmp_path / "store").mkdir()
    return on_disk(env, tmp_path / "store")


async def _pass(registry: Registry) -> None:
    """As if two days had gone by."""
    await end_all_sessions(registry)
    for statement in (
        "UPDATE package_blobs SET linked_at = linked_at - interval '2 days'",
        "UPDATE link_reviews SET due_at = due_at - interval '2 days'",
        "UPDATE dead_objects SET not_before = not_before - interval '2 days'",
    ):
        await registry.services.db.execute(statement)


async def _litter(registry: Registry, token: str, seed: int) -> None:
    """Blobs that no manifest needs, one of them in two packages, and a session that nobody goes on with."""
    for size, names in ((300, ["one"]), (100_000, ["one", "two"]), (70_000, ["two"])):
        for name in names:
            await registry.push_blob(f"alice/{name}", noise(size, seed), token)
    session = await Session.begin(registry, "alice/one", token)
    assert (await session.patch(noise(80_000, seed), at=0)).status == 202


@pytest.mark.timeout(300)
async def test_the_jobs_are_killed_at_each_step(env: dict[str, str]) -> None:
    async with running(env) as registry:
        token, db = await registry.user("alice"), registry.services.db
        for at in itertools.count(1):
            await _litter(registry, token, at)
            death = Death(at)
            for _ in range(2):
                await _pass(registry)
                await _run_until(registry.services, death)
            for _ in range(3):
                await _pass(registry)
                await run_once(registry.services)
            assert await db.fetch("SELECT digest FROM blobs") == [], (at, death.steps[-3:])
            assert await kept(registry) == NOTHING, (at, death.steps[-3:])
            assert await db.fetch("SELECT 1 FROM link_reviews") == [], (at, death.steps[-3:])
            assert await db.fetch("SELECT 1 FROM uploads") == [], (at, death.steps[-3:])
            if death.seen < at:
                break
        assert at > 40, at


async def _bury(registry: Registry, token: str, tag: str) -> None:
    """A package of two versions is deleted, and one of two versions of another; the window of both is over."""
    for name in ("gone", "stays"):
        for which in ("one", "two"):
            await registry.push_image(f"alice/{name}", f"{which}-{tag}", token, size=70_000)
    assert (await registry.call("DELETE", "/api/v3/user/packages/container/gone", token)).status == 204
    versions = "/api/v3/user/packages/container/stays/versions"
    for version in cast("list[dict[str, Any]]", (await registry.call("GET", versions, token)).json):
        if version["metadata"]["container"]["tags"] == [f"one-{tag}"]:
            assert (await registry.call("DELETE", f"{versions}/{version['id']}", token)).status == 204
    for table in ("packages", "manifests"):
        await registry.services.db.execute(f"UPDATE {table} SET deleted_at = deleted_at - interval '40 days'")


@pytest.mark.timeout(300)
async def test_c15_a_purge_is_killed_at_each_step(env: dict[str, str]) -> None:
    async with running(env) as registry:
        token, db = (
            await registry.user("alice", ("read:packages", "write:packages", "delete:packages")),
            registry.services.db,
        )
        for at in itertools.count(1):
            await _bury(registry, token, f"{at}")
            death = Death(at)
            with contextlib.suppress(Killed):
                await purge_deleted(_mortal(registry.services, death))
            for _ in range(3):
                await _pass(registry)
                await run_once(registry.services)
            for table in ("packages", "manifests"):
                assert await db.fetch(f"SELECT 1 FROM {table} WHERE deleted_at IS NOT NULL") == [], (
                    at,
                    death.steps[-3:],
                )
            assert await db.fetch("SELECT 1 FROM link_reviews") == [], (at, death.steps[-3:])
            assert await kept(registry) == NOTHING, (at, death.steps[-3:])
            # One config, and a layer of each version that stays.
            assert len(await db.fetch("SELECT digest FROM blobs")) == 1 + at, (at, death.steps[-3:])
            assert (await registry.call("GET", f"/v2/alice/stays/manifests/two-{at}", token)).status == 200
            if death.seen < at:
                break
        assert at > 10, at


async def test_a_blob_that_somebody_has_locked_is_collected_later(env: dict[str, str]) -> None:
    async with running(env) as registry:
        token, db = await registry.user("alice"), registry.services.db
        await registry.push_blob("alice/app", noise(100_000), token)
        await _pass(registry)
        async with db.transaction() as holder:
            await holder.fetch("SELECT 1 FROM blobs FOR KEY SHARE")
            await collect_garbage(registry.services)
            assert await collect_garbage(registry.services) == 0  # does not wait, and has a rest
        assert len(await db.fetch("SELECT 1 FROM blobs")) == 1
        await run_once(registry.services)
        assert await db.fetch("SELECT 1 FROM blobs") == []


async def test_f14_what_the_store_finishes_after_the_sweep_is_swept(env: dict[str, str]) -> None:
    """The writer is gone, and so is its lease; the store has not said yet whether it has the object."""
    async with running(env) as registry:
        token, services = await registry.user("alice"), registry.services
        sessions = [await Session.begin(registry, "alice/app", token) for _ in range(3)]
        for session in sessions:
            assert (await session.patch(noise(100_000), at=0)).status == 202
        assert (await sessions[0].cancel()).status == 204
        assert (await sessions[1].put(sha256(b"wrong"))).status == 400
        keys = [row["object_key"] for row in await services.db.fetch("SELECT object_key FROM uploads")]
        await end_all_sessions(registry)
        await run_once(services)
        assert (await kept(registry)).objects == []
        for key in keys:
            await services.stores.put(ObjectKey(f"{key}.1.2"), [b"late"])
            await services.stores.create(ObjectKey(key))
        assert [(await session.status()).status for session in sessions] == [404] * 3
        await run_once(services)  # too early
        await end_all_sessions(registry)
        await run_once(services)
        assert await kept(registry) == NOTHING
        assert await services.db.fetch("SELECT 1 FROM uploads") == []


async def test_f14_a_package_that_is_deleted_leaves_the_lease_to_who_writes(env: dict[str, str]) -> None:
    async with running(env) as registry:
        token, db = await registry.user("alice"), registry.services.db
        await registry.push_image("alice/app", "v1", token)
        session = await Session.begin(registry, "alice/app", token)
        raw = await session.raw("Content-Length: 200000", b"a" * 100_000)
        while not await db.fetch("SELECT 1 FROM uploads WHERE lease_until > now()"):
            pass
        deleted = await registry.call("DELETE", "/api/v3/user/packages/container/app", token)
        assert deleted.status == 204, deleted.body
        states = await db.fetch("SELECT lease_until > now() AS leased FROM uploads WHERE state = 'aborted'")
        assert [row["leased"] for row in states] == [True]
        await raw.close()
