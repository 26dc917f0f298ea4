"""Clients that push faster than S3 takes it: TCP holds them back, memory stays what it was given (F21)."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp

from registry.jobs.runner import run_once
from tests.soak.many_uploads import EXTRA_MIB
from tests.support.server import Registry, running
from tests.support.tcp import TcpProxy
from tests.support.uploading import KIB, MIB, NOTHING, Session, end_all_sessions, kept, noise
from tests.support.victims import victims

_CLIENTS: Final = 8
_SIZE: Final = 24 * MIB
_BUDGET: Final = 48 * MIB
_SECONDS: Final = 5


class Pushed:
    """A body, as fast as it is taken; the same block again and again, and so no memory of this process."""

    def __init__(self, number: int) -> None:
        self.sent = 0
        self._number = number
        self._block = noise(256 * KIB - 16)
        self._hasher = hashlib.sha256()

    @property
    def digest(self) -> str:
        return "sha256:" + self._hasher.hexdigest()

    async def body(self) -> AsyncIterator[bytes]:
        for piece in range(_SIZE // (256 * KIB)):
            data = (self._number << 32 | piece).to_bytes(16, "big") + self._block
            self._hasher.update(data)
            yield data
            self.sent += len(data)

    async def push(self, registry: Registry, token: str) -> None:
        """Every other one tells its length."""
        session = await Session.begin(registry, f"alice/{self._number}", token)
        told = {"Content-Length": str(_SIZE)} if self._number % 2 else {}
        sent = await registry.call("PATCH", session.location, token, data=self.body(), headers=told)
        assert sent.status == 202, sent.body
        done = await session.put(self.digest)
        assert done.status == 201, done.body


async def test_f21_clients_are_held_back_to_what_s3_takes(env: dict[str, str], tmp_path: Path) -> None:
    env["MOORAGE_BUFFER_BYTES"] = str(_BUDGET)
    async with AsyncExitStack() as stack:
        between = await stack.enter_async_context(TcpProxy(env["MOORAGE_S3_ENDPOINT"]))
        local = await stack.enter_async_context(running(env))
        through = {**env, "MOORAGE_S3_ENDPOINT": between.through(env["MOORAGE_S3_ENDPOINT"])}
        servers = await stack.enter_async_context(victims(through, 1, tmp_path / "log"))
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        registry = replace(local, urls=servers.urls, http=http)
        token = await registry.user("alice")
        await registry.push_blob("alice/app", noise(MIB), token)  # whatever is loaded once

        between.narrow(MIB)
        pushes = [Pushed(number) for number in range(_CLIENTS)]
        async with asyncio.timeout(30), servers.watched(0) as seen, asyncio.TaskGroup() as tasks:
            for push in pushes:
                tasks.create_task(push.push(registry, token))
            await asyncio.sleep(_SECONDS)
            assert (await registry.call("GET", "/v2/", token)).status == 200
            # Beside the budget there is what the kernel holds of each connection, some MiB at both ends.
            assert sum(push.sent for push in pushes) < _CLIENTS * _SIZE * 2 / 3
            await between.heal()
        assert max(seen) - seen[0] <= _BUDGET / MIB + EXTRA_MIB
        await end_all_sessions(local)
        await run_once(local.services)
        assert await kept(local) == NOTHING
    assert "Traceback" not in (tmp_path / "log").read_text()
