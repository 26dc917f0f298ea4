"""The standby of a PostgreSQL pair is promoted while images are pushed and pulled (F27).

``make failover`` prints what clients saw. Nothing that was acknowledged may be lost, and no pull may tell what was so
before a push that was acknowledged.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import pytest

from registry.accounts.accounts import create_token, create_user
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import DatabaseSettings, open_database
from storage.metadata.migrate import migrate
from tests.conftest import Table
from tests.failover.pair import Pair, pair
from tests.support.images import Size, layout
from tests.support.processes import serving
from tests.support.server import PACKAGES, basic, settings_env
from tests.support.tcp import TcpProxy

pytestmark = [pytest.mark.failover, pytest.mark.timeout(240)]

_PUSHERS, _PULLERS = 3, 3
_BEFORE_SECONDS, _AFTER_SECONDS, _AWAY_SECONDS = 4.0, 5.0, 90.0
_DETECTION_SECONDS = 2.0
_LARGE = 100_000  # an object of its own
#: What clients saw of a failover; «away» is the longest time between two that went well.
_HEAD = (
    f"{'hosts':15}{'old primary':17}{'pushes':>7}{'refused':>9}{'away':>8}{'pulls':>8}{'refused':>9}{'away':>8}"
    f"  {'with':10}crane"
)

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Seen:
    """The answers of one kind of request: when they were as wanted, and what else there was."""

    good: list[float] = field(default_factory=list)
    refused: list[tuple[float, int]] = field(default_factory=list)

    def note(self, status: int, wanted: int) -> bool:
        if status == wanted:
            self.good.append(time.monotonic())
        else:
            self.refused.append((time.monotonic(), status))
        return status == wanted

    @property
    def away_seconds(self) -> float:
        return max(after - before for before, after in zip(self.good, self.good[1:], strict=False))


@dataclass
class Traffic:
    """Pushes to packages of their own, each moving `latest` on, and pulls of it.

    Those go to the first replica and these to the last: who only reads is told last that a node is no primary any more.
    """

    urls: list[str]
    http: aiohttp.ClientSession
    header: dict[str, str]
    pushes: Seen = field(default_factory=Seen)
    pulls: Seen = field(default_factory=Seen)
    acknowledged: dict[int, dict[int, bytes]] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    crane: list[bool] = field(default_factory=list)
    over: bool = False

    async def push(self, package: int) -> None:
        mine, number = self.acknowledged.setdefault(package, {}), 0
        while not self.over:
            number += 1
            manifest = await self._push(package, number, self.urls[0])
            if manifest is None:
                await asyncio.sleep(0.2)
            else:
                mine[number] = manifest

    async def _push(self, package: int, number: int, url: str) -> bytes | None:
        """The manifest, once it is acknowledged under both tags."""
        layer, config = os.urandom(_LARGE if number % 2 else 1000), b"{}"
        parts = [await self._blob(package, url, data) for data in (config, layer)]
        if None in parts:
            return None
        manifest = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **(parts[0] or {})},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **(parts[1] or {})}],
                "annotations": {"number": str(number)},
            }
        )
        for tag in (str(number), "latest"):
            path = f"{url}/v2/alice/app{package}/manifests/{tag}"
            if not await self._put(path, manifest, {"Content-Type": _MANIFEST}):
                return None
        return manifest

    async def _blob(self, package: int, url: str, data: bytes) -> dict[str, object] | None:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        there = await self._put(f"{url}/v2/alice/app{package}/blobs/uploads/?digest={digest}", data, {}, "POST")
        return {"digest": digest, "size": len(data)} if there else None

    async def _put(self, url: str, data: bytes, more: dict[str, str], method: str = "PUT") -> bool:
        async with self.http.request(method, url, data=data, headers={**self.header, **more}) as answer:
            await answer.read()
            return self.pushes.note(answer.status, 201)

    async def pull(self, number: int) -> None:
        turn = number
        while not self.over:
            turn += 1
            package = turn % _PUSHERS
            known = max(self.acknowledged.get(package, {}), default=0)
            if not known:
                await asyncio.sleep(0.1)
                continue
            url = f"{self.urls[-1]}/v2/alice/app{package}/manifests/latest"
            async with self.http.get(url, headers=self.header) as answer:
                body = await answer.read()
            good = self.pulls.note(answer.status, 200)
            if good and (found := int(orjson.loads(body)["annotations"]["number"])) < known:
                self.stale.append(f"{url}: {found} after {known}")
            if answer.status == 404:
                self.stale.append(f"{url}: nothing after {known}")
            await asyncio.sleep(0.02 if good else 0.2)

    async def crane_pushes(self, folder: Path, token: str) -> None:
        """Pushes and pulls of the real client, one after the other."""
        number = 0
        while not self.over:
            number += 1
            image = folder / f"image{number}"
            layout(image, Size(2, 200_000))
            host = self.urls[0].removeprefix("http://")
            name = f"{host}/alice/crane:{number}"
            self.crane.append(
                await _crane(folder, host, token, "push", str(image), name)
                and await _crane(folder, host, token, "pull", "--format=oci", name, str(folder / f"pulled{number}"))
            )

    async def lost(self) -> list[str]:
        """What was acknowledged, and is not there now."""
        missing = []
        for package, manifests in self.acknowledged.items():
            base = f"/v2/alice/app{package}"
            for number, manifest in manifests.items():
                paths = [(f"/manifests/{number}", manifest), (f"/blobs/{_layer(manifest)}", None)]
                for path, wanted in paths:
                    async with self.http.get(self.urls[0] + base + path, headers=self.header) as answer:
                        body = await answer.read()
                    if wanted is None:
                        right = "sha256:" + hashlib.sha256(body).hexdigest() == _layer(manifest)
                    else:
                        right = body == wanted
                    if answer.status != 200 or not right:
                        missing.append(f"{base}{path}: {answer.status}")
        return missing


def _layer(manifest: bytes) -> str:
    return str(orjson.loads(manifest)["layers"][0]["digest"])


async def _crane(folder: Path, host: str, token: str, *words: str) -> bool:
    auth = basic(token)["Authorization"].removeprefix("Basic ")
    home = folder / host.replace(":", "-")
    home.mkdir(exist_ok=True)
    (home / "config.json").write_bytes(orjson.dumps({"auths": {host: {"auth": auth}}}))
    process = await asyncio.create_subprocess_exec(
        "crane", "--insecure", *words, env={"PATH": os.pathsep.join(os.get_exec_path()), "DOCKER_CONFIG": str(home)},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    return await process.wait() == 0


Event = Callable[[Pair, TcpProxy], Awaitable[None]]


async def _killed(servers: Pair, name: TcpProxy) -> None:
    await servers.kill_primary()
    await asyncio.sleep(_DETECTION_SECONDS)
    await servers.promote()
    name.move(servers.standby.dsn())


async def _demoted(servers: Pair, name: TcpProxy) -> None:
    await servers.demote_primary()
    name.move(servers.standby.dsn())


async def _read_only(servers: Pair, name: TcpProxy) -> None:
    """The former primary lives on with its connections."""
    await servers.forbid_writing()
    await servers.promote()
    name.move(servers.standby.dsn())


async def _eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(_AWAY_SECONDS):
        while not true():  # noqa: ASYNC110 - what nobody tells
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _served(
    named: str, servers: Pair, s3: EmbeddedS3, log: Path
) -> AsyncIterator[tuple[list[str], TcpProxy, str]]:
    """Two replicas, the name of the database, and alice's token."""
    url = servers.primary.dsn()
    await migrate(url)
    async with open_database(DatabaseSettings(url)) as db:
        await create_user(db, "alice")
        token, _ = await create_token(db, "alice", PACKAGES)
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(TcpProxy(url))
        reached = servers.url() if named == "several hosts" else name.through(url)
        env = {**settings_env(reached, s3, s3.bucket), "MOORAGE_WORKERS": "1"}
        replicas = [await stack.enter_async_context(serving(env, log)) for _ in range(2)]
        await servers.synchronous()
        yield [url for _, url in replicas], name, token.reveal()


@pytest.mark.parametrize(
    ("named", "event"),
    [
        ("several hosts", _killed),
        ("several hosts", _demoted),
        ("one name", _killed),
        ("one name", _demoted),
        ("one name", _read_only),
    ],
)
async def test_f27_nothing_is_lost_and_nothing_old_is_read(
    named: str, event: Event, s3: EmbeddedS3, tmp_path: Path, table: Table
) -> None:
    with pair(tmp_path / "postgres") as servers:
        async with (
            _served(named, servers, s3, tmp_path / "log") as (urls, name, token),
            aiohttp.ClientSession() as http,
        ):
            traffic = Traffic(urls, http, basic(token))
            async with asyncio.TaskGroup() as tasks:
                for number in range(_PUSHERS):
                    tasks.create_task(traffic.push(number))
                for number in range(_PULLERS):
                    tasks.create_task(traffic.pull(number))
                tasks.create_task(traffic.crane_pushes(tmp_path, token))
                await asyncio.sleep(_BEFORE_SECONDS)
                before = len(traffic.pushes.good)
                assert before
                await event(servers, name)
                happened = time.monotonic()
                await _eventually(lambda: traffic.pushes.good[-1] > happened)
                await asyncio.sleep(_AFTER_SECONDS)
                traffic.over = True
            lost = await traffic.lost()
    refused = traffic.pushes.refused + traffic.pulls.refused
    statuses = ",".join(sorted({str(status) for _, status in refused})) or "-"
    crane = f"{sum(traffic.crane)} of {len(traffic.crane)}"
    pushes, pulls = traffic.pushes, traffic.pulls
    told = event.__name__.strip("_").replace("_", "-")
    table(
        _HEAD,
        f"{named:15}{told:17}{len(pushes.good):7}{len(pushes.refused):9}{pushes.away_seconds:6.1f} s{len(pulls.good):8}"
        f"{len(pulls.refused):9}{pulls.away_seconds:6.1f} s  {statuses:10}{crane}",
    )
    assert not lost
    assert not traffic.stale
    assert {status for _, status in refused} <= {503}
    assert '"level":"error"' not in (tmp_path / "log").read_text()
