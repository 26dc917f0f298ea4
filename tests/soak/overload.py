"""What a server does when four times as much is asked of it as it can do.

    python -m tests.soak.overload [--seconds 5] [--rounds 3]

Starts `moorage serve` with two processes and all that it needs, and measures for a hot read and a write: the peak (64
or 512 clients, whichever gets more), a crowd (4096 clients; who is refused comes again when it was told to), and a
flood (requests at four times the rate of the peak, whatever is answered, as long as one of 8192 clients is not waiting
for an answer). 16 uploads go on all the time.

Where there is more than one CPU the clients have half of them, and the server the others, with PostgreSQL and the S3
server: eight times as many clients are more work for themselves too, which would be taken from the server.

Needs the program of bench/load (`make overload` builds it). Exits 1 when the best crowd or flood of the rounds is
answered less than 90 % of the best peak, when an upload or a request fails, or when memory grows by more than 16 KiB a
client and 2 MiB an upload.
"""

import argparse
import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from bench.deployment import USER, Deployment, deployed
from tests.soak.big_layer import memory_mib
from tests.support.server import basic

_PROCESSES: Final = 2
_TIMES: Final = 4
_SCENARIOS: Final = ("manifest-get", "tag-write")
_UPLOADS: Final = 16
_CHUNK: Final = os.urandom(8 * 1024)
_LEAST: Final = 0.9
_FEW: Final = 64
_MANY: Final = 512
_CROWD: Final = 4096
_FLOOD: Final = 8192
_GROWTH_MIB: Final = _FLOOD * 16 / 1024 + _UPLOADS * 2


@dataclass(frozen=True)
class Line:
    """What one load got: answers a second, how many were refused and failed; the server's memory, MiB."""

    scenario: str
    load: str
    per_second: float
    of_peak: float
    refused: int
    unsent: int
    errors: int
    p99_ms: float
    memory_mib: float

    def show(self) -> None:
        print(
            f"{self.scenario:14}{self.load:8}{self.per_second:9.0f}{self.of_peak:9.0%}{self.refused:9}"
            f"{self.unsent:9}{self.errors:8}{self.p99_ms:9.0f}{self.memory_mib:7.0f}",
            flush=True,
        )


async def _measured(
    server: Deployment, scenario: str, load: str, clients: int, *arguments: str, peak: float | None = None
) -> Line:
    program = shutil.which("moorage-load")
    assert program is not None, "make overload builds the program moorage-load"
    words = ("-url", server.url, "-user", USER, "-password", server.token, "-pid", str(server.pid), "-json")
    some = ("-only", scenario, "-c", str(clients), *arguments)
    child = await asyncio.create_subprocess_exec(program, *words, *some, stdout=-1)
    output, _ = await child.communicate()
    told: dict[str, Any] = orjson.loads(output.splitlines()[-1])
    line = Line(
        scenario,
        load,
        told["per_second"],
        told["per_second"] / (peak or told["per_second"]),
        told["refused"],
        told["unsent"],
        told["errors"],
        told["p99_ms"],
        told["server_peak_mib"],
    )
    line.show()
    return line


async def _round(server: Deployment, scenario: str, seconds: int) -> list[Line]:
    """The peak, and at once what is compared with it: a machine is not as fast at every time of the day."""
    lasting = ("-d", f"{seconds}s", "-warmup")
    few = await _measured(server, scenario, "few", _FEW, *lasting, "1s")
    many = await _measured(server, scenario, "many", _MANY, *lasting, "1s", peak=few.per_second)
    per_second = max(few.per_second, many.per_second)
    crowd = await _measured(server, scenario, "crowd", _CROWD, *lasting, "3s", peak=per_second)
    rate = ("-rate", f"{_TIMES * per_second:.0f}")
    flood = await _measured(server, scenario, "flood", _FLOOD, *lasting, "4s", *rate, peak=per_second)
    return [few, many, crowd, flood]


async def _upload(http: aiohttp.ClientSession, number: int, over: asyncio.Event) -> bool:
    """One that lasts as long as the overload does; whether all of it was taken."""
    hasher = hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        while not over.is_set():
            piece = time.monotonic_ns().to_bytes(16, "big") + _CHUNK
            hasher.update(piece)
            yield piece
            await asyncio.sleep(0.25)

    async with http.post(f"/v2/{USER}/uploads{number}/blobs/uploads/") as begun:
        location = begun.headers["Location"]
    async with http.patch(location, data=body()) as sent:
        if sent.status != 202:
            return False
    async with http.put(location, params={"digest": f"sha256:{hasher.hexdigest()}"}) as done:
        return done.status == 201


async def _overload(server: Deployment, seconds: int, rounds: int) -> tuple[list[Line], int]:
    """The lines, and how many uploads were taken."""
    print(f"{'':14}{'load':8}{'per s':>9}{'of peak':>9}{'refused':>9}{'unsent':>9}{'errors':>8}{'p99 ms':>9}{'MiB':>7}")
    lines = []
    over = asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(server.url, headers=basic(server.token), timeout=timeout) as http,
        asyncio.TaskGroup() as tasks,
    ):
        uploads = [tasks.create_task(_upload(http, number, over)) for number in range(_UPLOADS)]
        for scenario in _SCENARIOS:
            for _ in range(rounds):
                lines += await _round(server, scenario, seconds)
        over.set()
    return lines, sum(upload.result() for upload in uploads)


def _good(lines: list[Line], taken: int, idle_mib: float) -> bool:
    def best(scenario: str, *loads: str) -> float:
        """What else the machine has to do only ever takes from it."""
        return max(line.per_second for line in lines if line.scenario == scenario and line.load in loads)

    good = taken == _UPLOADS and not sum(line.errors for line in lines)
    for scenario in _SCENARIOS:
        for load in ("crowd", "flood"):
            share = best(scenario, load) / best(scenario, "few", "many")
            print(f"{scenario}, {load}: {share:.0%} of the peak")
            good = good and share >= _LEAST
    most_mib = max(line.memory_mib for line in lines)
    print(f"uploads under way that were taken: {taken} of {_UPLOADS}; memory: {idle_mib:.0f} to {most_mib:.0f} MiB")
    return good and most_mib - idle_mib <= _GROWTH_MIB


@contextmanager
def _pinned_server(folder: Path) -> Iterator[Deployment]:
    """A server on half of the CPUs; the block, and what it starts, has the others."""
    cpus = sorted(os.sched_getaffinity(0))
    half = len(cpus) // 2
    os.sched_setaffinity(0, cpus[half:])
    with deployed(folder, MOORAGE_WORKERS=str(_PROCESSES)) as server:
        os.sched_setaffinity(0, cpus[:half] or cpus)
        yield server


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _pinned_server(Path(folder)) as server:
        idle_mib = memory_mib(server.pid)
        lines, taken = asyncio.run(_overload(server, options.seconds, options.rounds))
        good = _good(lines, taken, idle_mib)
    print("as it should be" if good else "NOT as it should be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
