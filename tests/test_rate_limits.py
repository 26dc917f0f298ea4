"""Rate limits of a node: its processes count together, and go on when one of them is killed."""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path

from registry.devservers.processes import free_ports
from tests.support.processes import children_of, serving
from tests.support.raw import ask, request
from tests.support.server import Registry, until
from tests.test_metrics import Node

_LIMIT = 100


async def _pulled(url: str, times: int) -> Counter[int]:
    """Pull so often, each time over a connection of its own; what was answered, how often."""
    turns = asyncio.Semaphore(50)

    async def pull() -> int:
        async with turns:
            return (await ask(url, request("GET", "/v2/alice/app/manifests/v1", "Connection: close"))).status

    return Counter(await asyncio.gather(*(pull() for _ in range(times))))


async def _public(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    await registry.services.db.execute("UPDATE packages SET visibility = 'public'")


async def test_four_processes_let_through_what_one_would(
    env: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    await _public(registry)
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    limits = {"MOORAGE_LIMITS": f"anonymous-pulls={_LIMIT}/1m", "MOORAGE_ADMIN_LISTEN": admin}
    async with serving({**env, "MOORAGE_WORKERS": "4", **limits}, tmp_path / "log") as (process, url):
        began = time.monotonic()
        found = await _pulled(url, 2 * _LIMIT)
        came_back = (time.monotonic() - began) * _LIMIT / 60
        assert _LIMIT - 1 <= found[200] <= _LIMIT + came_back + 1, (found, came_back)
        assert found[200] + found[429] == 2 * _LIMIT
        node = Node(process, url, f"http://{admin}")
        await node.settled(found[429], "moorage_http_requests_total", route="manifest_get", status="429")
        async with asyncio.timeout(5):
            while await node.value("moorage_rate_limited_total", policy="anonymous-pulls") < found[429]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_who_is_killed_while_it_counts_takes_nothing_along(
    env: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    await _public(registry)
    limits = {"MOORAGE_LIMITS": f"anonymous-pulls={_LIMIT}/1d"}
    async with serving({**env, "MOORAGE_WORKERS": "4", **limits}, tmp_path / "log") as (process, url):
        assert (await _pulled(url, _LIMIT // 2))[200] == _LIMIT // 2
        pulling = asyncio.gather(*(_tried(url) for _ in range(40)))
        for child in children_of(process.pid)[:2]:
            os.kill(child, signal.SIGKILL)
        answered = Counter(await pulling)
        await until(lambda: len(children_of(process.pid)) == 4)
        rest = await _pulled(url, _LIMIT)
        lost = 40 - answered[200]
        assert _LIMIT - lost <= _LIMIT // 2 + answered[200] + rest[200] <= _LIMIT + 1, (answered, rest)


async def _tried(url: str) -> int:
    try:
        return next(iter(await _pulled(url, 1)))
    except (OSError, asyncio.IncompleteReadError):
        return 0
