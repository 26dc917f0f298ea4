"""Three replicas behind a proxy, under pulls and pushes: the release before is replaced by this one, and one is killed."""

import asyncio
import signal
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.migrate import files
from tests.conftest import Table
from tests.rolling.replicas import Replicas, deployed
from tests.rolling.traffic import Traffic
from tests.support.former import former_release, operator
from tests.support.processes import ROOT
from tests.support.server import Registry

pytestmark = [pytest.mark.rolling, pytest.mark.timeout(900)]

_HEAD: Final = (
    f"{'what':26}{'proxy':9}{'requests':>10}{'cut':>6}{'failed':>8}{'pulls':>7}{'pushes':>8}{'layers':>8}"
    f"{'resumed':>9}{'sent twice':>12}"
)


async def _begun(checkout: Path, env: Mapping[str, str]) -> str:
    """Make the schema and a user by the code of a checkout; the user's token."""
    await operator(checkout, env, "migrate")
    await operator(checkout, env, "admin", "user", "create", "alice")
    scopes = ("--scope", "write:packages", "--scope", "delete:packages")
    return (await operator(checkout, env, "admin", "token", "create", "--user", "alice", *scopes)).strip()


@asynccontextmanager
async def _under_traffic(
    program: str, env: Mapping[str, str], folder: Path, checkout: Path, token: str, tries: int
) -> AsyncIterator[tuple[Replicas, Traffic]]:
    """Replicas that are asked for things all the time; at the end all that was pushed is there."""
    async with deployed(program, env, folder, checkout) as (replicas, _, host):
        tls = ssl.create_default_context(cafile=folder / "tls.crt")
        connector = aiohttp.TCPConnector(ssl=tls)
        async with aiohttp.ClientSession(auto_decompress=False, connector=connector) as client:
            traffic = Traffic(Registry([f"https://{host}"], [], client), token, tries)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(traffic.run())
                await asyncio.sleep(3)
                yield replicas, traffic
                await asyncio.sleep(3)
                traffic.over = True
            await traffic.check()


def _row(what: str, program: str, traffic: Traffic) -> str:
    counts = traffic.counts
    return (
        f"{what:26}{program:9}{counts['requests']:10}{counts['cut']:6}{len(traffic.failures):8}{counts['pulls']:7}"
        f"{counts['pushes']:8}{counts['layers']:8}{traffic.resumed:9}{traffic.twice_bytes / (1 << 20):8.1f} MiB"
    )


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
async def test_an_upgrade_and_the_way_back_fail_nobody(
    program: str, env: dict[str, str], s3: EmbeddedS3, postgres_empty: str, tmp_path: Path, table: Table
) -> None:
    former = former_release(tmp_path / "former")
    if former is None:
        pytest.skip("the history of the repository is not here")
    env |= {"MOORAGE_DATABASE_URL": postgres_empty, "MOORAGE_S3_BUCKET": s3.bucket, "MOORAGE_STOP_SECONDS": "60"}
    token = await _begun(former, env)
    async with _under_traffic(program, env, tmp_path, former, token, tries=1) as (replicas, traffic):
        for checkout in (ROOT, former):
            said = await operator(checkout, env, "migrate")
            assert checkout is former or max(files()) in said
            replicas.checkout = checkout
            for number in range(3):
                await replicas.restart(number)
                await asyncio.sleep(4)  # until health checks have found it
    table(_HEAD, _row("upgrade, and back", program, traffic))
    assert not traffic.failures, traffic.failures[:5]
    assert "Traceback" not in replicas.log.read_text()


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
async def test_who_tries_again_does_not_see_that_replicas_are_killed(
    program: str, env: dict[str, str], s3: EmbeddedS3, postgres_empty: str, tmp_path: Path, table: Table
) -> None:
    env |= {"MOORAGE_DATABASE_URL": postgres_empty, "MOORAGE_S3_BUCKET": s3.bucket}
    token = await _begun(ROOT, env)
    async with _under_traffic(program, env, tmp_path, ROOT, token, tries=6) as (replicas, traffic):
        for number in range(3):
            await replicas.restart(number, signal.SIGKILL)
            await asyncio.sleep(5)
    table(_HEAD, _row("each replica killed once", program, traffic))
    assert not traffic.failures, traffic.failures[:5]
    assert traffic.resumed, "no upload was under way when they were killed"
