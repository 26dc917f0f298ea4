"""A crowd that waits for its turn and has begun to send: what came of it is bounded."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from tests.support.raw import Wire, request
from tests.support.server import Registry, basic, running
from tests.support.uploading import KIB, MIB
from tests.support.victims import victims

_CROWD = 2000
_SENT = 32 * KIB
pytestmark = pytest.mark.alone


@pytest.mark.parametrize("announced", [_SENT + 1, 2 * MIB, None], ids=["short", "long", "chunks"])
async def test_two_thousand_beginnings_of_bodies(env: dict[str, str], tmp_path: Path, announced: int | None) -> None:
    """No more is kept of each than it sent, and what is still in its socket is not read."""
    async with running(env) as local, victims(env, 1, tmp_path / "log") as servers, AsyncExitStack() as stack:
        token = await local.user("alice")
        await local.push_image("alice/app", "v1", token)
        registry = Registry(servers.urls, local.replicas, local.http)
        login = f"Authorization: {basic(token)['Authorization']}"
        tag = "/v2/alice/app/tags/list"
        assert (await registry.call("GET", tag, token)).status == 200
        framing = "Transfer-Encoding: chunked" if announced is None else f"Content-Length: {announced}"
        body = b" " * _SENT if announced is not None else b"%x\r\n%b" % (MIB, b" " * _SENT)
        put = request("PUT", "/v2/alice/app/manifests/v2", login, framing, body=body)
        wires = [await stack.enter_async_context(Wire.to(registry.url)) for _ in range(_CROWD)]
        blocker = await asyncpg.connect(env["MOORAGE_DATABASE_URL"])
        stack.push_async_callback(blocker.close)
        async with blocker.transaction():
            await blocker.execute("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE")
            busy = [await stack.enter_async_context(Wire.to(registry.url)) for _ in range(128)]
            for wire in busy:
                await wire.send(request("GET", tag, login))
            await asyncio.sleep(0.3)
            before = servers.memory_mib(0)
            async with servers.watched(0) as seen:
                for wire in wires:
                    await wire.send(put)
                refused = [await wire.answer(seconds=20) for wire in wires]
        assert {answer.status for answer in refused} == {429}
        assert max(seen) - before < _CROWD * 56 * KIB / MIB
        assert (await registry.call("GET", tag, token)).status == 200
    assert "Traceback" not in (tmp_path / "log").read_text()
