"""`moorage serve` as its operator runs it: processes of their own, told everything by the environment."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from registry.devservers.processes import free_ports
from tests.support.raw import ask, request

ROOT = Path(__file__).parent.parent.parent
_READY_SECONDS = 30.0
_STOP_SECONDS = 30.0


@asynccontextmanager
async def served(env: Mapping[str, str], count: int, log: Path) -> AsyncIterator[list[str]]:
    """``count`` instances over the same stores, each of two workers; their addresses, once all are ready."""
    urls = [f"http://127.0.0.1:{port}" for port in free_ports(count)]
    async with AsyncExitStack() as stack:
        for url in urls:
            await stack.enter_async_context(_instance({"MOORAGE_WORKERS": "2", **env}, url, log))
        for url in urls:
            await ready(url)
        yield urls


@asynccontextmanager
async def _instance(env: Mapping[str, str], url: str, log: Path) -> AsyncIterator[None]:
    process = await started(env, url, log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(_STOP_SECONDS):
            status = await process.wait()
    assert status == 0, f"it stopped with {status}: see {log}"


@asynccontextmanager
async def serving(
    env: Mapping[str, str], log: Path, descriptors: int | None = None
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """One `moorage serve`, ready; killed at the end, if it still runs. It may have so many ``descriptors``."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    limited = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
    process = await started(env, url, log, *limited)
    try:
        await ready(url)
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def worker(env: Mapping[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """One `moorage worker`, told to stop at the end."""
    process = await _moorage("worker", env, log)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


async def started(env: Mapping[str, str], url: str, log: Path, *by: str) -> asyncio.subprocess.Process:
    """Start `moorage serve` at ``url``; whoever asks ends it."""
    return await _moorage("serve", {**env, "MOORAGE_LISTEN": url.partition("://")[2]}, log, *by)


async def _moorage(command: str, env: Mapping[str, str], log: Path, *by: str) -> asyncio.subprocess.Process:
    told = {"PATH": os.defpath, **measured(), **env}
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *by, sys.executable, "-m", "registry", command, cwd=ROOT, env=told, stdout=output, stderr=output
        )


def measured() -> dict[str, str]:
    """What has the coverage of a child measured, if ours is."""
    environ = os.environ  # noqa: TID251 - coverage's, not ours
    return {name: value for name, value in environ.items() if name.startswith("COVERAGE_")}


def children_of(pid: int) -> list[int]:
    """The processes that a process has started itself."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def waited_for_processor(pid: int) -> float:
    """How long the threads of a process could have run and had no processor, in seconds; 0 where nobody counts that."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):  # the thread has ended
            total += int(path.read_text().split()[1])
    return total / 1e9


async def ready(url: str) -> None:
    """Come back when the instance at ``url`` says that it is ready."""
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            with contextlib.suppress(OSError):
                if (await ask(url, request("GET", "/readyz"))).status == 200:
                    return
            await asyncio.sleep(0.05)
