"""More requests than a process works on at once: the rest is told when to come back, and what was begun goes on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from tests.support.raw import Wire
from tests.support.raw import request as written
from tests.support.server import Registry, basic
from tests.support.uploading import MIB, Session, noise, sha256

_MOST = 20


@asynccontextmanager
async def _no_tag_is_found(database_url: str) -> AsyncIterator[None]:
    """Whoever looks a tag up waits until the block is over."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@pytest.fixture
def crowded(registry: Registry) -> Registry:
    registry.services.crowd.most = _MOST
    return registry


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - nobody would tell
            await asyncio.sleep(0.01)


async def _refused(registry: Registry, method: str, path: str, token: str) -> None:
    answer = await registry.call(method, path, token)
    assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
    assert 1 <= int(answer.headers["Retry-After"]) <= 3


async def test_who_comes_when_it_is_full_is_told_when_to_come_back(crowded: Registry, database_url: str) -> None:
    registry, data = crowded, noise(3 * MIB)
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    session = await Session.begin(registry, "alice/app", alice)
    sending = await session.raw(f"Content-Length: {len(data)}")
    await sending.send(data[:MIB])
    async with asyncio.TaskGroup() as tasks, _no_tag_is_found(database_url), asyncio.timeout(3):
        asked = [tasks.create_task(registry.call("GET", "/v2/alice/app/manifests/v1", alice)) for _ in range(3 * _MOST)]
        await _until(lambda: sum(task.done() for task in asked) == 2 * _MOST)
        for path in ("manifests/v1", f"blobs/{sha256(b'')}", "tags/list"):
            await _refused(registry, "GET", f"/v2/alice/app/{path}", alice)
        await _refused(registry, "POST", "/v2/alice/app/blobs/uploads/", alice)
        assert (await registry.call("GET", "/healthz")).status == 200
        # An upload under way does not notice.
        await sending.send(data[MIB:])
        assert await sending.status_line() == 202
        assert (await session.put(sha256(data))).status == 201
    assert Counter(task.result().status for task in asked) == {200: _MOST, 429: 2 * _MOST}
    await sending.close()


async def test_waiting_for_a_client_is_no_work(crowded: Registry) -> None:
    """As many as are let in send no more than the beginning of a manifest, or of a form."""
    registry = crowded
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    login = f"Authorization: {basic(alice)['Authorization']}"
    put = written("PUT", "/v2/alice/app/manifests/v2", login, "Content-Length: 1000", body=b"{")
    form = "Content-Type: application/x-www-form-urlencoded"
    post = written("POST", "/token", form, "Content-Length: 1000", body=b"grant_type=")
    async with AsyncExitStack() as stack:
        for message in [put, post] * _MOST:
            await (await stack.enter_async_context(Wire.to(registry.url))).send(message)
        await _until(lambda: registry.services.crowd.working == 0)
        for _ in range(_MOST):
            assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).status == 200
    await _until(lambda: registry.services.crowd.working == 0)
