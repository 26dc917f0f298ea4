"""What a server does when four times as much is asked of it as it can do.

    python -m tests.soak.overload [--seconds 10]

Starts `moorage serve` with two processes and all that it needs, and measures for a hot read and a write: the peak (64
clients), a crowd (four times as many clients as two processes let in; who is refused comes again when it was told to),
and a flood (requests at four times the rate of the peak, whatever is answered). 16 uploads go on through the last two.
Needs the program of bench/load (`make overload` builds it). Exits 1 when the crowd is answered less than 90 % of the
peak, when an upload or a request fails, or memory grows by more than 32 KiB a client and 2 MiB an upload.
"""

import argparse
import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from bench.deployment import USER, Deployment, deployed
from registry.crowd import Crowd
from tests.soak.big_layer import memory_mib
from tests.support.server import basic

_PROCESSES: Final = 2
_TIMES: Final = 4
_SCENARIOS: Final = ("manifest-get", "tag-write")
_UPLOADS: Final = 16
_CHUNK: Final = os.urandom(8 * 1024)
_WARM: Final = ("-warmup", "3s")  # until all are connected
_LEAST: Final = 0.9
_CLIENTS: Final = _TIMES * _PROCESSES * Crowd().most
_GROWTH_MIB: Final = _CLIENTS * 32 / 1024 + _UPLOADS * 2


@dataclass(frozen=True)
class Line:
    """What one load got: answers a second, how many were refused and failed; the server's memory, MiB."""

    scenario: str
    load: str
    per_second: float
    refused: int
    errors: int
    p99_ms: float
    memory_mib: float

    def show(self, peak: float) -> None:
        print(
            f"{self.scenario:14}{self.load:8}{self.per_second:9.0f}{self.per_second / peak:9.0%}"
            f"{self.refused:9}{self.errors:8}{self.p99_ms:9.0f}{self.memory_mib:7.0f}",
            flush=True,
        )


async def _measured(server: Deployment, scenario: str, load: str, *arguments: str) -> Line:
    program = shutil.which("moorage-load")
    assert program is not None, "make overload builds the program moorage-load"
    words = ("-url", server.url, "-user", USER, "-password", server.token, "-pid", str(server.pid), "-json")
    child = await asyncio.create_subprocess_exec(program, *words, "-only", scenario, *arguments, stdout=-1)
    output, _ = await child.communicate()
    told: dict[str, Any] = orjson.loads(output.splitlines()[-1])
    return Line(
        scenario,
        load,
        told["per_second"],
        told["refused"],
        told["errors"],
        told["p99_ms"],
        told["server_peak_mib"],
    )


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


async def _overload(server: Deployment, seconds: int) -> tuple[list[Line], int]:
    """The lines, and how many uploads were taken."""
    lines = [await _measured(server, name, "peak", "-c", "64", "-d", f"{seconds}s", *_WARM) for name in _SCENARIOS]
    print(f"{'':14}{'load':8}{'per s':>9}{'of peak':>9}{'refused':>9}{'errors':>8}{'p99 ms':>9}{'MiB':>7}")
    for line in lines:
        line.show(line.per_second)
    peaks = {line.scenario: line.per_second for line in lines}
    over = asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(server.url, headers=basic(server.token), timeout=timeout) as http,
        asyncio.TaskGroup() as tasks,
    ):
        uploads = [tasks.create_task(_upload(http, number, over)) for number in range(_UPLOADS)]
        for load in ("crowd", "flood"):
            for name in _SCENARIOS:
                rate = f"{_TIMES * peaks[name]:.0f}" if load == "flood" else "0"
                line = await _measured(
                    server, name, load, "-rate", rate, "-c", str(_CLIENTS), "-d", f"{seconds}s", *_WARM
                )
                line.show(peaks[name])
                lines.append(line)
        over.set()
    return lines, sum(upload.result() for upload in uploads)


def _good(lines: list[Line], taken: int, idle_mib: float) -> bool:
    peaks = {line.scenario: line.per_second for line in lines if line.load == "peak"}
    print(f"uploads under way that were taken: {taken} of {_UPLOADS}; memory before: {idle_mib:.0f} MiB")
    crowds = [line for line in lines if line.load == "crowd"]
    return (
        taken == _UPLOADS
        and not sum(line.errors for line in lines)
        and min(line.per_second / peaks[line.scenario] for line in crowds) >= _LEAST
        and max(line.memory_mib for line in lines) - idle_mib <= _GROWTH_MIB
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=10)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, deployed(Path(folder), MOORAGE_WORKERS=str(_PROCESSES)) as server:
        idle_mib = memory_mib(server.pid)
        lines, taken = asyncio.run(_overload(server, seconds))
        good = _good(lines, taken, idle_mib)
    print("as it should be" if good else "NOT as it should be")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
