"""The ten questions of docs/operate/watching.md, asked of a real Prometheus, and their answers beside the truth."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from tests.support.server import Registry
from tests.watch.fleet import Clients, fleet
from tests.watch.prometheus import prometheus

pytestmark = [pytest.mark.watch, pytest.mark.timeout(300)]

PAGE = Path(__file__).parent.parent.parent / "docs" / "operate" / "watching.md"
_CLIENTS, _ROUNDS = 8, 12


def questions() -> dict[str, str]:
    """Each heading of the page, and its query."""
    return dict(re.findall(r"^## (.*?)\n\n```promql\n(.*?)\n```", PAGE.read_text(), re.MULTILINE | re.DOTALL))


async def test_all(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    tokens = {owner: await registry.user(owner) for owner in ("alice", "bob", "carol")}
    async with (
        fleet(env, tmp_path) as running,
        prometheus(tmp_path / "prometheus", running.targets) as watching,
        aiohttp.ClientSession() as http,
    ):
        await watching.scraped(4)
        await asyncio.sleep(3)
        clients = Clients(http, running.urls, tokens)

        async def work(number: int) -> None:
            owner = ("alice", "alice", "bob", "carol")[number % 4]
            for turn in range(_ROUNDS):
                layer = await clients.push(owner, f"t{number}-{turn}", 200_000)
                for _ in range(3):
                    await clients.pull(owner, f"t{number}-{turn}", layer)
                await clients.call("manifest_get", "GET", f"/v2/{owner}/app/manifests/none", tokens[owner])

        await asyncio.gather(*map(work, range(_CLIENTS)))
        await asyncio.sleep(4)
        print(clients.truth.answers, clients.truth.received, clients.truth.sent)
        for title, query in questions().items():
            print(title, await watching.ask(query.replace("[5m]", "[60s]")))
        print(await watching.ask("sum by (route, status) (moorage_http_requests_total)"))
        print(await watching.ask("sum by (route, status) (increase(moorage_http_requests_total[60s]))"))
