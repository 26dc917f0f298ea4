"""Three replicas behind a proxy, stopped by SIGTERM and started again one after the other, while a client pushes.

``make rolling`` runs the clients and proxies that are installed here, and prints what became of the pushes.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from registry.accounts.accounts import create_token, create_user
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import Database
from tests.conftest import Table
from tests.rolling.clients import Pusher
from tests.rolling.replicas import deployed
from tests.support.docker_engine import Engine
from tests.support.images import Size
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
    async with deployed(program, env, tmp_path) as (replicas, line, host):
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
