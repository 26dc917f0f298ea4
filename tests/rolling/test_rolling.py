"""Three replicas behind a proxy, stopped by SIGTERM and started again one after the other, while a client pushes.

``make rolling`` runs the clients and proxies that are installed here, and prints what became of the pushes.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from registry.accounts.accounts import create_token, create_user
from registry.devservers.certificates import write_certificate
from registry.devservers.processes import free_ports
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import Database
from tests.conftest import Table
from tests.proxies.programs import proxy
from tests.rolling.clients import Pusher
from tests.support.docker_engine import Engine
from tests.support.images import Size
from tests.support.processes import ready, started
from tests.support.server import PACKAGES
from tests.support.tcp import TcpProxy

pytestmark = [pytest.mark.rolling, pytest.mark.timeout(900)]

_LAYERS: Final = 4
_MIB: Final = 1 << 20
#: What became of a client's pushes; «sent twice» is all that was sent for pushes that failed, and again.
_HEAD: Final = (
    f"{'client':8}{'proxy':9}{'image':>8}{'pushed':>8}{'failed':>8}{'alone':>9}{'slowest':>9}{'sent twice':>13}"
)
#: As docs/operate/proxies.md has it: three intervals of the health check.
_SETTINGS: Final = {"MOORAGE_DRAIN_SECONDS": "3", "MOORAGE_WORKERS": "1"}


@dataclass
class Replicas:
    """Three times `moorage serve`, each at an address of its own."""

    env: Mapping[str, str]
    log: Path
    urls: list[str] = field(default_factory=lambda: [f"http://127.0.0.1:{port}" for port in free_ports(3)])
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> None:
        self.processes = [await started(self.env, url, self.log) for url in self.urls]
        for url in self.urls:
            await ready(url)

    async def restart(self, number: int) -> None:
        """Stop one by SIGTERM, wait for its end, and start it again."""
        self.processes[number].send_signal(signal.SIGTERM)
        assert await self.processes[number].wait() == 0
        self.processes[number] = await started(self.env, self.urls[number], self.log)
        await ready(self.urls[number])

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def _deployed(program: str, env: dict[str, str], folder: Path) -> AsyncIterator[tuple[Replicas, TcpProxy, str]]:
    """Replicas, the line that clients come by, and its address."""
    write_certificate(folder, datetime.now(UTC) + timedelta(days=1))
    (port,) = free_ports(1)
    async with TcpProxy(f"https://127.0.0.1:{port}") as line:
        public = line.through(f"https://127.0.0.1:{port}")
        told = {"MOORAGE_PUBLIC_URL": public, "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}
        replicas = Replicas({**env, **_SETTINGS, **told}, folder / "replicas.log")
        try:
            await replicas.start()
            async with proxy(program, port, [urlsplit(url).netloc for url in replicas.urls], folder):
                await asyncio.sleep(4)  # until health checks have found all of them
                yield replicas, line, urlsplit(public).netloc
        finally:
            await replicas.stop()


@pytest.mark.parametrize("program", ["nginx", "haproxy", "caddy", "traefik", "envoy"])
@pytest.mark.parametrize("client", ["oras", "skopeo", "crane", "docker", "helm", "jib"])
async def test_no_push_fails(
    client: str,
    program: str,
    env: dict[str, str],
    s3: EmbeddedS3,
    db: Database,
    engine: Engine,
    tmp_path: Path,
    table: Table,
    request: pytest.FixtureRequest,
) -> None:
    await create_user(db, "alice")
    token, _ = await create_token(db, "alice", PACKAGES)
    size = Size(_LAYERS, request.config.getoption("--layer-mib") * _MIB)
    rate = request.config.getoption("--link-mib") * _MIB
    env |= {"MOORAGE_S3_BUCKET": s3.bucket, "MOORAGE_STOP_SECONDS": request.config.getoption("--stop-seconds")}
    async with _deployed(program, env, tmp_path) as (replicas, line, host):
        jib = request.config.getoption("--jib") or tmp_path
        pusher = Pusher(client, host, token.reveal(), tmp_path / "tls.crt", tmp_path / "home", engine, jib)
        pusher.prepare()
        alone = await _push(pusher, "1.0.0", size, line, rate)
        assert alone.status == 0, alone.printed
        under, over = asyncio.Event(), False
        pushes: list[Push] = []

        async def push() -> None:
            while not over:
                pushes.append(await _push(pusher, f"1.0.{len(pushes) + 1}", size, line, rate, under))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(push())
            for number in range(len(replicas.urls)):
                await under.wait()
                await replicas.restart(number)
            over = True
    failed = [each for each in pushes if each.status]
    twice = sum(each.sent_bytes for each in pushes) - (len(pushes) - len(failed)) * alone.sent_bytes
    slowest = max(each.seconds for each in pushes)
    table(
        _HEAD,
        f"{client:8}{program:9}{alone.image_bytes / _MIB:4.0f} MiB{len(pushes):8}{len(failed):8}{alone.seconds:7.1f} s"
        f"{slowest:7.1f} s{twice / _MIB:9.1f} MiB",
    )
    assert not failed, failed[0].printed[-3000:]
    assert "Traceback" not in (tmp_path / "replicas.log").read_text()


@dataclass(frozen=True)
class Push:
    """One push; ``sent_bytes`` with what TLS and HTTP add."""

    status: int
    printed: str
    seconds: float
    image_bytes: int
    sent_bytes: int


async def _push(
    pusher: Pusher, tag: str, size: Size, line: TcpProxy, rate: float, under: asyncio.Event | None = None
) -> Push:
    """Push an image that is made for it; ``under`` is set while its layers are on the way."""
    image_bytes = await pusher.make(tag, size)
    line.narrow(rate)
    before, begun = line.sent_bytes, time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        pushing = tasks.create_task(pusher.push(tag))
        while not pushing.done():
            if under is not None and line.sent_bytes - before > image_bytes / 10:
                under.set()
            await asyncio.wait([pushing], timeout=0.1)
    if under is not None:
        under.clear()
    status, printed = pushing.result()
    return Push(status, printed, time.monotonic() - begun, image_bytes, line.sent_bytes - before)
