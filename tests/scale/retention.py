"""Plans the retention of one large package beside pulls: how long it takes, in how much memory, and what pulls notice.

    python -m tests.scale.retention [--tags 500000] [--rate 100]

A server and a worker are processes of their own. The package has a version for each tag, one in a hundred an index of
three others. Pulls come at a steady rate, before and meanwhile.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.migrate import migrate
from tests.support.processes import serving, worker
from tests.support.server import PACKAGES, basic, running, settings_env

_POLICY: Final = {
    "packages": ["large"],
    "rules": [
        {"keep": {"tags": ["build-*7"]}},
        {"keep": {"tags": ["build-*"], "newest": 1000}},
        {"keep": {"pulled_within": "30d"}},
        {"delete": {"tags": ["build-*", "pr-{a,b}-*"], "older_than": "14d"}},
        {"delete": {"untagged": True, "older_than": "7d"}},
    ],
}
_SECONDS: Final = 10.0
_FILL: Final = (
    "UPDATE migrations SET applied_at = applied_at - interval '1 year'",  # pulls have been noted for long
    """INSERT INTO packages (owner_id, name, published_at)
       SELECT id, 'large', now() FROM accounts WHERE login = 'alice'""",
    """INSERT INTO manifests (package_id, digest, media_type, size, body, created_at, updated_at)
       SELECT (SELECT id FROM packages WHERE name = 'large'), 'sha256:' || encode(sha256(n::text::bytea), 'hex'),
              'application/vnd.oci.image.manifest.v1+json', 2, '{}'::bytea,
              now() - interval '90 days' + n * interval '10 seconds', now() - interval '90 days'
         FROM generate_series(1, $1) n""",
    """INSERT INTO tags (package_id, name, digest, updated_at)
       SELECT (SELECT id FROM packages WHERE name = 'large'), 'build-' || n,
              'sha256:' || encode(sha256(n::text::bytea), 'hex'), now() - interval '90 days' + n * interval '10 seconds'
         FROM generate_series(1, $1) n""",
    """INSERT INTO manifest_children (package_id, parent, child)
       SELECT (SELECT id FROM packages WHERE name = 'large'), 'sha256:' || encode(sha256(n::text::bytea), 'hex'),
              'sha256:' || encode(sha256((n + k)::text::bytea), 'hex')
         FROM generate_series(1, $1 - 3, 100) n, generate_series(1, 3) k""",
)


async def _pulls(url: str, token: str, rate: float, going_on: Callable[[], bool]) -> list[float]:
    """The seconds that each pull took, of as many a second, as long as it goes on."""
    took: list[float] = []

    async def pull(session: aiohttp.ClientSession) -> None:
        begun = time.perf_counter()
        async with session.get(f"{url}/v2/alice/small/manifests/v1", headers=basic(token)) as answer:
            await answer.read()
            assert answer.status == 200, answer.status
        took.append(time.perf_counter() - begun)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        begun, sent = time.perf_counter(), 0
        while going_on():
            tasks.create_task(pull(session))
            sent += 1
            await asyncio.sleep(max(0.0, begun + sent / rate - time.perf_counter()))
    return took


def _peak(pid: int) -> float:
    """The most memory that a process has had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def _cpu(pid: int) -> float:
    """The seconds of a processor that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _measure(env: dict[str, str], dsn: str, tags: int, rate: float, log: Path) -> None:
    async with running(env) as registry:
        token = await registry.user("alice", (*PACKAGES, "delete:packages"))
        await registry.push_image("alice/small", "v1", token)
    connection = await asyncpg.connect(dsn)
    for statement in _FILL:
        await connection.execute(statement, *([tags] if "$1" in statement else []))
    await connection.execute("VACUUM ANALYZE")
    async with serving(env, log) as (_, url):
        until = time.perf_counter() + _SECONDS
        alone = await _pulls(url, token, rate, lambda: time.perf_counter() < until)
        async with worker(env, log) as process, aiohttp.ClientSession(headers=basic(token)) as session:
            await asyncio.sleep(5)  # it starts
            idle, used, plan = _peak(process.pid), _cpu(process.pid), dict[str, Any]()
            path = f"{url}/api/v3/user/retention/plans"
            async with session.post(path, json={"policy": _POLICY}) as answer:
                made = await answer.json()
            waiting = True

            async def wait() -> None:
                nonlocal waiting, plan
                while waiting:
                    await asyncio.sleep(0.2)
                    async with session.get(f"{path}/{made['id']}") as answer:
                        plan = await answer.json()
                    waiting = plan["state"] == "queued"

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(wait())
                begun = time.perf_counter()
                meanwhile = await _pulls(url, token, rate, lambda: waiting)
                seconds = time.perf_counter() - begun
            print(f"{tags:,} tags: planned in {seconds:.1f} s; {plan['delete']:,} versions would go")
            print(f"the worker had {_cpu(process.pid) - used:.1f} s of a processor; load {os.getloadavg()[0]:.1f}")
            print(f"memory of the worker: {_peak(process.pid):.0f} MiB at most, {idle:.0f} MiB idle")
    await connection.close()
    for name, took in (("alone", alone), ("meanwhile", meanwhile)):
        ordered = sorted(took)
        p99 = ordered[len(ordered) * 99 // 100]
        print(f"pulls {name}: {len(took)}, median {statistics.median(took) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms")
    done = len(meanwhile) / seconds / (len(alone) / _SECONDS)
    print(f"pulls meanwhile: {done:.1%} of those alone, at {rate:g} a second")


def main(arguments: list[str]) -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tags", type=int, default=500_000)
    parser.add_argument("--rate", type=float, default=100.0)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place, EmbeddedPostgres(Path(place, "postgres")) as postgres:
        Path(place).chmod(0o711)
        with EmbeddedS3(Path(place, "s3")) as s3:
            asyncio.run(migrate(postgres.dsn()))
            env = settings_env(postgres.dsn(), s3, "retention")
            asyncio.run(_measure(env, postgres.dsn(), asked.tags, asked.rate, Path(place, "log")))


if __name__ == "__main__":
    main(sys.argv[1:])
