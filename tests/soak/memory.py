"""The memory of a server over time, while 1, 16, 64 and 200 uploads run.

    python -m tests.soak.memory [--seconds 15] [--into docs]

Starts `moorage serve` with two processes and all that it needs. Each upload brings as much as is taken from it until its
time is over. Writes memory.csv, memory.svg and memory.md; exits 1 when an upload fails.
"""

import argparse
import asyncio
import csv
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from bench.deployment import USER, Deployment, deployed
from tests.soak.big_layer import tree
from tests.soak.plot import plot
from tests.support.server import basic

_COUNTS: Final = (1, 16, 64, 200)
_PROCESSES: Final = 2
_IDLE_SECONDS: Final = 7.0  # a slot that nobody wants is given back after 5
_SAMPLE_SECONDS: Final = 0.25
_MIB: Final = 1024 * 1024
_BLOCK: Final = os.urandom(256 * 1024)


@dataclass(frozen=True)
class Sample:
    """``uploads`` are under way; MiB of all processes: shared pages count once in ``pss``, in each process in ``rss``."""

    seconds: float
    uploads: int
    rss: float
    pss: float


@dataclass(frozen=True)
class Figures:
    """What so many uploads took."""

    uploads: int
    before: float
    peak: float
    peak_rss: float
    mib_per_second: float


def sampled(pid: int) -> tuple[float, float]:
    """RSS and PSS of a process and its descendants, MiB."""
    kib = {"Rss:": 0, "Pss:": 0}
    for member in tree(pid):
        for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
            name, *rest = line.split()
            if name in kib:
                kib[name] += int(rest[0])
    return kib["Rss:"] / 1024, kib["Pss:"] / 1024


class Watch:
    """Samples in the background; ``uploads`` is what is under way."""

    def __init__(self, pid: int) -> None:
        self.samples: list[Sample] = []
        self.uploads = 0
        self._pid = pid
        self._begun = time.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._run())
            yield
            task.cancel()

    async def _run(self) -> None:
        while True:
            rss, pss = await asyncio.to_thread(sampled, self._pid)
            self.samples.append(Sample(time.monotonic() - self._begun, self.uploads, rss, pss))
            await asyncio.sleep(_SAMPLE_SECONDS)


async def _upload(http: aiohttp.ClientSession, number: int, end: float) -> int:
    """One that lasts until ``end``; its bytes. AssertionError when it is not taken."""
    hasher, sent_bytes = hashlib.sha256(), 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent_bytes
        while time.monotonic() < end:
            piece = os.urandom(16) + _BLOCK
            hasher.update(piece)
            sent_bytes += len(piece)
            yield piece

    async with http.post(f"/v2/{USER}/memory{number}/blobs/uploads/") as begun:
        location = begun.headers["Location"]
    async with http.patch(location, data=body()) as sent:
        assert sent.status == 202, await sent.text()
    async with http.put(location, params={"digest": f"sha256:{hasher.hexdigest()}"}) as done:
        assert done.status == 201, await done.text()
    return sent_bytes


async def _phase(http: aiohttp.ClientSession, watch: Watch, count: int, seconds: float) -> Figures:
    await asyncio.sleep(_IDLE_SECONDS)
    before, first = watch.samples[-1].pss, len(watch.samples)
    watch.uploads, begun = count, time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        uploads = [tasks.create_task(_upload(http, number, begun + seconds)) for number in range(count)]
    watch.uploads = 0
    size = sum(upload.result() for upload in uploads)
    seen = watch.samples[first:]
    peak, peak_rss = max(sample.pss for sample in seen), max(sample.rss for sample in seen)
    figures = Figures(count, before, peak, peak_rss, size / _MIB / (time.monotonic() - begun))
    print(figures, flush=True)
    return figures


async def _measured(server: Deployment, seconds: float) -> tuple[list[Sample], list[Figures]]:
    watch = Watch(server.pid)
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(server.url, headers=basic(server.token), timeout=timeout, connector=connector) as http,
        watch.running(),
    ):
        figures = [await _phase(http, watch, count, seconds) for count in _COUNTS]
        await asyncio.sleep(_IDLE_SECONDS)
    return watch.samples, figures


_TEXT: Final = """# Memory

What `moorage serve` with {processes} processes takes while uploads run, with its default settings, each upload as
fast as it is taken, for {seconds:g} s; written by `make memory`, every sample in [memory.csv](memory.csv).

![memory over time](memory.svg)

| uploads at once | before, MiB | peak, MiB | peak above before | peak RSS, MiB | taken, MiB/s |
|---|---|---|---|---|---|
{rows}

Memory is the proportional set size of all its processes: what they share counts once. RSS counts it in each of them.
How much uploads may hold is `MOORAGE_BUFFER_BYTES`, for each process: beyond it they wait, and TCP holds their clients
back. The S3 server was {s3}, on the same machine.
"""


def _write(into: Path, samples: Sequence[Sample], figures: Sequence[Figures], seconds: float, s3: str) -> None:
    with (into / "memory.csv").open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["seconds", "uploads", "rss_mib", "pss_mib"])
        rows.writerows([f"{s.seconds:.2f}", s.uploads, f"{s.rss:.1f}", f"{s.pss:.1f}"] for s in samples)
    lines = {"PSS": [(s.seconds, s.pss) for s in samples], "RSS": [(s.seconds, s.rss) for s in samples]}
    phases = [(s.seconds, str(s.uploads) if s.uploads else "") for s in samples]
    (into / "memory.svg").write_text(plot(lines, phases, "at once", "MiB", "s"))
    table = "\n".join(
        f"| {f.uploads} | {f.before:.0f} | {f.peak:.0f} | {f.peak - f.before:.0f} | {f.peak_rss:.0f} |"
        f" {f.mib_per_second:.0f} |"
        for f in figures
    )
    text = _TEXT.format(rows=table, processes=_PROCESSES, seconds=seconds, s3=s3)
    (into / "memory.md").write_text(text)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--into", type=Path, default=Path("docs"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, deployed(Path(folder), MOORAGE_WORKERS=str(_PROCESSES)) as server:
        samples, figures = asyncio.run(_measured(server, given.seconds))
    given.into.mkdir(exist_ok=True)
    _write(given.into, samples, figures, given.seconds, server.s3.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
