"""Many uploads at once through one server process: its memory above idle, the time, and every digest.

    python -m tests.soak.many_uploads [--uploads 64] [--mib 64] [--budget 128]

Starts PostgreSQL, an S3 server and one server process; exits 1 when memory breaks the budget.
"""

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.seaweed import EmbeddedS3
from registry.jobs.runner import run_once
from storage.metadata.migrate import migrate
from tests.support.server import Registry, basic, running, settings_env
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept
from tests.support.victims import Victims, victims

#: What a process may need beside the budget: a heap with holes.
EXTRA_MIB = 16
_CHUNK = 256 * 1024


@dataclass
class Result:
    idle_mib: float
    peak_mib: float
    seconds: float

    @property
    def above_mib(self) -> float:
        return self.peak_mib - self.idle_mib


async def _body(block: bytes, size: int, hasher: "hashlib._Hash") -> AsyncIterator[bytes]:
    for number in range(size // _CHUNK):
        piece = number.to_bytes(16, "big") + block
        hasher.update(piece)
        yield piece


async def _push(registry: Registry, token: str, number: int, size: int) -> str:
    """The digest."""
    hasher = hashlib.sha256()
    session = await Session.begin(registry, f"alice/{number}", token)
    sent = await session.patch(_body(os.urandom(_CHUNK - 16), size, hasher))
    assert sent.status == 202, sent.body
    digest = f"sha256:{hasher.hexdigest()}"
    assert (await session.put(digest)).status == 201
    return digest


async def _check(registry: Registry, token: str, number: int, digest: str) -> None:
    url = f"{registry.url}/v2/alice/{number}/blobs/{digest}"
    async with registry.http.get(url, headers=basic(token)) as response:
        pulled = hashlib.sha256()
        async for chunk in response.content.iter_any():
            pulled.update(chunk)
    assert f"sha256:{pulled.hexdigest()}" == digest


async def measure(registry: Registry, servers: Victims, token: str, uploads: int, size: int) -> Result:
    """All at once; memory from before the first byte until the last answer. Then each is pulled and hashed."""
    await _push(registry, token, 0, MIB)  # whatever is loaded once
    begun = time.monotonic()
    async with servers.watched(0) as seen, asyncio.TaskGroup() as tasks:
        pushes = [tasks.create_task(_push(registry, token, number, size)) for number in range(uploads)]
    result = Result(seen[0], max(seen), time.monotonic() - begun)
    for number, push in enumerate(pushes):
        await _check(registry, token, number, push.result())
    return result


async def _main(uploads: int, size: int, budget_mib: int, place: Path) -> int:
    with EmbeddedPostgres(place / "postgres") as postgres, EmbeddedS3(place / "s3") as s3:
        await migrate(postgres.dsn())
        env = settings_env(postgres.dsn(), s3, "soak", MOORAGE_BUFFER_BYTES=str(budget_mib * MIB))
        timeout = aiohttp.ClientTimeout(total=None)
        async with (
            running(env) as local,
            victims(env, 1, place / "log") as servers,
            aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as http,
        ):
            registry = Registry(servers.urls, local.replicas, http)
            token = await registry.user("alice")
            result = await measure(registry, servers, token, uploads, size)
            await end_all_sessions(registry)
            await run_once(registry.services)
            left = await kept(registry)
    rate = uploads * size / MIB / result.seconds
    print(f"{uploads} uploads of {size // MIB} MiB at once, budget {budget_mib} MiB, one process")
    print(f"memory: idle {result.idle_mib:.0f} MiB, peak {result.peak_mib:.0f}, above idle {result.above_mib:.0f}")
    print(f"time: {result.seconds:.1f} s, {rate:.0f} MiB/s in; all digests right; left behind: {left}")
    return 0 if result.above_mib <= budget_mib + EXTRA_MIB and left == NOTHING else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--uploads", type=int, default=64)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--budget", type=int, default=128)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        sys.exit(asyncio.run(_main(given.uploads, given.mib * MIB, given.budget, Path(directory))))
