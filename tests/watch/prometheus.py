"""Prometheus itself, with targets and rules of a test: what it answers is what an operator would see."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml  # type: ignore[import-untyped]

from registry.devservers.processes import free_ports

_READY_SECONDS: Final = 30.0

#: The labels of a series, sorted, and its value.
Vector = dict[tuple[str, ...], float]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus at ``url``."""

    url: str
    http: aiohttp.ClientSession

    async def ask(self, query: str) -> Vector:
        """Answer a query as of now: the values of the labels of each series, in the order of their names."""
        data = await self._get("query", query=query)
        if data["resultType"] == "scalar":
            return {(): float(data["result"][1])}
        return {
            tuple(value for name, value in sorted(one["metric"].items()) if name != "__name__"): float(one["value"][1])
            for one in data["result"]
        }

    async def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {one["labels"]["alertname"] for one in (await self._get("alerts"))["alerts"] if one["state"] == "firing"}

    async def scraped(self, targets: int) -> None:
        """Wait until so many targets were read."""

        async def all_read() -> bool:
            return (await self.ask("sum(up)")).get((), 0.0) == targets

        await until(all_read, _READY_SECONDS)

    async def _get(self, what: str, **asked: str) -> Any:
        async with self.http.get(f"{self.url}/api/v1/{what}", params=asked) as response:
            told = await response.json()
        assert told["status"] == "success", told
        return told["data"]


async def until(true: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait for what nobody tells. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.25)


@asynccontextmanager
async def prometheus(
    folder: Path, targets: Mapping[str, Sequence[str]], rules: Path | None = None, every: str = "1s"
) -> AsyncIterator[Prometheus]:
    """Run Prometheus; ``targets``: the addresses of each job; it reads them and judges the rules once in ``every``."""
    folder.mkdir()  # noqa: ASYNC240 - before anything runs
    address = f"127.0.0.1:{free_ports(1)[0]}"
    config = folder / "prometheus.yml"
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": every, "scrape_timeout": "1s", "evaluation_interval": every},
                "rule_files": [str(rules)] if rules else [],
                "scrape_configs": [
                    {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                    for job, addresses in targets.items()
                ],
            }
        )
    )
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}")
    with (folder / "log").open("wb") as output:
        process = await asyncio.create_subprocess_exec("prometheus", *arguments, stdout=output, stderr=output)
    try:
        async with aiohttp.ClientSession() as http:
            await _ready(http, f"http://{address}", process)
            yield Prometheus(f"http://{address}", http)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _ready(http: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            assert process.returncode is None, "Prometheus ended: see its log"
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{url}/-/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)
