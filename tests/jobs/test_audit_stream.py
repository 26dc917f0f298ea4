"""The stream of the audit log to a file or a server: nothing is missing and nothing of what was rolled back, whoever dies."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, cast

import asyncpg
import orjson
import pytest
from aiohttp import web

from registry.accounts.audit_sinks import Batch, FileSink, HttpSink
from registry.egress.client import Egress
from registry.jobs.stream_audit import READER, stream_audit
from registry.services import Services
from storage.errors import Unavailable
from storage.metadata import audit
from storage.metadata.database import Database
from tests.faults.test_killed_jobs import Death, Killed, _Statements
from tests.support.server import Registry, running, until

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_INSERT = "INSERT INTO events (action, via) VALUES ($1, 'operator')"


def _lines(path: Path) -> list[Any]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _ours(entries: Sequence[Any]) -> list[str]:
    return [one["action"] for one in entries if one["action"].startswith("test.")]


async def _write(session: Connection, names: Sequence[str], *, kept: bool) -> None:
    transaction = session.transaction()
    await transaction.start()
    for name in names:
        await session.execute(_INSERT, name)
    await (transaction.commit() if kept else transaction.rollback())


async def test_a_file_gets_the_log(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with running({**env, "MOORAGE_AUDIT_SINK": str(path)}) as registry:
        alice = await registry.user("alice")
        await registry.push_image("alice/app", "v1", alice)
        assert await stream_audit(registry.services) == 5
        assert await stream_audit(registry.services) == 0
        assert path.stat().st_mode & 0o777 == 0o640
        actions = [one["action"] for one in _lines(path)]
        assert actions[:2] == ["user.create", "personal_access_token.create"]
        assert actions[-1] == "packages.tag_created"
        assert alice.encode() not in path.read_bytes()
        place = await audit.place_of(registry.services.db, READER)
        assert _lines(path)[-1]["_document_id"] == f"{place.xid}-{place.id}"


async def test_without_a_sink_or_news_nothing_is_committed(registry: Registry) -> None:
    before = await registry.services.db.fetchrow("SELECT pg_current_snapshot()::text")
    assert await stream_audit(registry.services) == 0
    assert await registry.services.db.fetchrow("SELECT pg_current_snapshot()::text") == before


@pytest.mark.timeout(300)
async def test_a_file_whose_writer_is_killed_at_each_step(
    env: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    session = await asyncpg.connect(database_url)
    async with running(env) as registry:
        written: list[str] = []
        for at in itertools.count(1):
            death, kept = Death(at), [f"test.k{at}_{number}" for number in range(3)]

            def torn(file: int, data: bytes, death: Death = death) -> int:
                death.step("write")
                done = os.write(file, data[: len(data) // 2])
                death.step("half of it is written")
                return done + os.write(file, data[done:])

            await _write(session, [f"test.r{at}"], kept=False)
            await _write(session, kept, kept=True)
            written += kept
            services = replace(
                registry.services,
                db=cast("Database", _Statements(registry.services.db, death)),
                audit_sink=FileSink(path, torn),
            )
            with suppress(Killed):
                await stream_audit(services)
            await _over(session)
            whole = replace(registry.services, audit_sink=FileSink(path))
            while await stream_audit(whole):
                pass
            assert _ours(_lines(path)) == written, (at, death.steps[-2:])
            if death.seen < at:
                break
        assert at > 6
    await session.close()


async def _over(session: Connection) -> None:
    """As if the worker that died had held its place for long enough."""
    await session.execute("UPDATE event_readers SET held_until = now() - interval '1 second'")


@dataclass
class _Server:
    """A sink over HTTP; it may refuse, or die after it has taken a batch."""

    status: int = 204
    batches: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        if self.status < 300:
            self.batches.append(await request.read())
            self.headers.append(dict(request.headers))
        return web.Response(status=self.status)

    @asynccontextmanager
    async def serving(self) -> Any:
        app = web.Application()
        app.router.add_post("/audit", self.take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/audit"
        finally:
            await runner.cleanup()

    @property
    def entries(self) -> list[Any]:
        return [orjson.loads(line) for batch in self.batches for line in batch.splitlines()]


async def test_a_server_gets_the_log_at_least_once(env: dict[str, str], database_url: str) -> None:
    server, session = _Server(), await asyncpg.connect(database_url)
    async with server.serving() as url:
        more = {"MOORAGE_AUDIT_SINK": url, "MOORAGE_AUDIT_TOKEN": "a-secret-of-the-sink"}
        async with running({**env, **more}) as registry:
            services: Services = registry.services
            written: list[str] = []
            for at in itertools.count(1):
                death, kept = Death(at), [f"test.k{at}_{number}" for number in range(3)]
                await _write(session, [f"test.r{at}"], kept=False)
                await _write(session, kept, kept=True)
                written += kept

                async def post(there: str, body: bytes, headers: Any, death: Death = death) -> int:
                    death.step("before the request")
                    status = await Egress().send(there, body, headers)
                    death.step("after the answer")
                    return status

                mortal = replace(
                    services,
                    db=cast("Database", _Statements(services.db, death)),
                    audit_sink=HttpSink(url, None, post),
                )
                with suppress(Killed):
                    await stream_audit(mortal)
                await _over(session)
                for refusal in (500, 302, 401):
                    server.status = refusal
                    if await audit.read(services.db, await audit.place_of(services.db, READER)):
                        with pytest.raises(Unavailable):
                            await stream_audit(services)
                server.status = 204
                while await stream_audit(services):
                    pass
                got = _ours(server.entries)
                assert list(dict.fromkeys(got)) == written, (at, death.steps[-2:])
                if death.seen < at:
                    break
            assert at > 6
            assert {one.get("Authorization") for one in server.headers} == {None, "Bearer a-secret-of-the-sink"}
            assert server.headers[-1]["Content-Type"] == "application/x-ndjson"
    await session.close()


async def test_one_worker_at_a_time_sends(registry: Registry, tmp_path: Path) -> None:
    await registry.user("alice")
    began, go = asyncio.Event(), asyncio.Event()

    class Slow(FileSink):
        async def send(self, batch: Batch) -> None:
            began.set()
            await go.wait()
            await super().send(batch)

    slow, fast = Slow(tmp_path / "a.jsonl"), FileSink(tmp_path / "b.jsonl")
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(stream_audit(replace(registry.services, audit_sink=slow)))
        await began.wait()
        assert await stream_audit(replace(registry.services, audit_sink=fast)) == 0
        go.set()
    assert first.result() == 2


async def _change(number: int, session: Connection, kept: list[str], over: asyncio.Event) -> None:
    for turn in itertools.count():
        if over.is_set():
            return
        name, keep = f"test.w{number}_{turn}", (number + turn) % 3 != 0
        await _write(session, [name], kept=keep)
        kept.extend([name] if keep else [])
        await asyncio.sleep(0.01)


async def _kill_four(env: dict[str, str], path: Path, session: Connection, over: asyncio.Event) -> None:
    """Ends four workers, each once it has begun to write."""
    for _ in range(4):
        size = _size(path)
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "registry", "worker",
            env={"PATH": os.defpath, **env, "MOORAGE_AUDIT_SINK": str(path)}, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await until(lambda size=size: _size(path) > size)  # type: ignore[misc]
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        await _over(session)
    over.set()


@pytest.mark.timeout(200)
async def test_workers_are_killed_while_there_are_changes(
    env: dict[str, str], database_url: str, tmp_path: Path
) -> None:
    """Whole processes, ended by SIGKILL at whatever they are about."""
    path, over, kept = tmp_path / "audit.jsonl", asyncio.Event(), list[str]()
    sessions = [await asyncpg.connect(database_url) for _ in range(4)]
    async with running(env) as registry:
        changes = [_change(number, session, kept, over) for number, session in enumerate(sessions[1:])]
        await asyncio.gather(*changes, _kill_four(env, path, sessions[0], over))
        while await stream_audit(replace(registry.services, audit_sink=FileSink(path))):
            pass
    assert sorted(_ours(_lines(path))) == sorted(kept)
    assert len(kept) > 20
    for session in sessions:
        await session.close()
