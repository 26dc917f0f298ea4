"""More requests than a process works on at once: the rest waits, and not for long; what was begun goes on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.support.raw import Wire
from tests.support.raw import request as written
from tests.support.server import Answer, Registry, basic, running, until
from tests.support.uploading import MIB, Session, noise, sha256

_TAG = "/v2/alice/app/manifests/v1"
_MOST = 20
_PATIENCE_SECONDS = 0.5
pytestmark = pytest.mark.alone


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
    registry.admission.most = _MOST
    registry.admission.patience_seconds = _PATIENCE_SECONDS
    return registry


async def _until_full(registry: Registry) -> None:
    await until(lambda: registry.admission.full)


@asynccontextmanager
async def _full(registry: Registry, token: str, database_url: str) -> AsyncIterator[list[asyncio.Task[Answer]]]:
    """As many look a tag up as are let in; they are answered when the block is over."""
    async with asyncio.TaskGroup() as tasks, _no_tag_is_found(database_url), asyncio.timeout(3):
        asked = [tasks.create_task(registry.call("GET", _TAG, token)) for _ in range(_MOST)]
        await _until_full(registry)
        yield asked


async def _refused(registry: Registry, method: str, path: str, token: str) -> None:
    answer = await registry.call(method, path, token)
    assert (answer.status, answer.code if method != "HEAD" else "") == (429, "TOOMANYREQUESTS" if answer.body else "")
    _told_when(answer.headers)


async def _refused_as_github_does(registry: Registry, path: str, token: str, headers: Mapping[str, str]) -> None:
    answer = await registry.call("GET", path, token, headers=headers)
    assert answer.status == 429
    told: Any = answer.json
    assert told == {
        "message": f"too many requests; try again in {answer.headers['Retry-After']} seconds",
        "documentation_url": told["documentation_url"],
        "status": "429",
    }
    _told_when(answer.headers)


async def _refused_as_a_page(registry: Registry, path: str) -> None:
    answer = await registry.call("GET", path, headers={"Accept": "text/html,*/*"})
    assert (answer.status, answer.headers["Content-Type"]) == (429, "text/html; charset=utf-8")
    assert f"Try it again in {answer.headers['Retry-After']} seconds.".encode() in answer.body
    assert b"<h1>" in answer.body
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    _told_when(answer.headers)


def _told_when(headers: Mapping[str, str]) -> None:
    assert 1 <= int(headers["Retry-After"]) <= 3
    assert {"Date", "Server", "X-Moorage-Request-Id", "X-Content-Type-Options"} <= set(headers)


async def test_who_comes_when_it_is_full_waits_for_a_turn(crowded: Registry, database_url: str) -> None:
    registry = crowded
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    async with asyncio.TaskGroup() as tasks, _full(registry, alice, database_url):
        more = [tasks.create_task(registry.call("GET", _TAG, alice)) for _ in range(3 * _MOST)]
        more += [tasks.create_task(registry.call("GET", "/api/v3/user", alice)) for _ in range(_MOST)]
        await asyncio.sleep(_PATIENCE_SECONDS / 2)
        assert not any(task.done() for task in more)
    assert {task.result().status for task in more} == {200}
    assert registry.admission.working == 0
    assert not registry.admission.full


async def test_who_has_waited_long_enough_is_told_when_to_come_back(crowded: Registry, database_url: str) -> None:
    registry, data = crowded, noise(3 * MIB)
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    session = await Session.begin(registry, "alice/app", alice)
    sending = await session.raw(f"Content-Length: {len(data)}")
    await sending.send(data[:MIB])
    paths = [f"/v2/alice/app/{path}" for path in ("manifests/v1", f"blobs/{sha256(b'')}", "tags/list")]
    async with _full(registry, alice, database_url) as asked, asyncio.TaskGroup() as tasks:
        for path in (*paths, "/v2/", "/token?service=moorage"):
            tasks.create_task(_refused(registry, "GET", path, alice))
        tasks.create_task(_refused_as_github_does(registry, "/api/v3/user", alice, {}))
        tasks.create_task(_refused_as_a_page(registry, "/"))
        tasks.create_task(_refused_as_a_page(registry, "/alice/app:v1"))
        tasks.create_task(_refused(registry, "GET", "/metrics", alice))
        tasks.create_task(_refused(registry, "HEAD", paths[0], alice))
        tasks.create_task(_refused(registry, "POST", "/v2/alice/app/blobs/uploads/", alice))
        assert (await registry.call("GET", "/healthz")).status == 200
        assert (await registry.call("GET", "/readyz")).status == 200
        # An upload under way does not notice.
        await sending.send(data[MIB:])
        assert await sending.status_line() == 202
        assert (await session.put(sha256(data))).status == 201
    assert {task.result().status for task in asked} == {200}
    await sending.close()


async def test_the_api_refuses_in_its_own_words(env: dict[str, str], database_url: str) -> None:
    """On its own host too, and however long the head is."""
    async with running({**env, "MOORAGE_API_URL": "http://api.registry.example"}) as registry:
        registry.admission.most, registry.admission.patience_seconds = _MOST, _PATIENCE_SECONDS
        alice = await registry.user("alice")
        await registry.push_image("alice/app", "v1", alice)
        host, long = {"Host": "API.registry.example"}, {f"X-{number}": "x" * 4000 for number in range(5)}
        async with _full(registry, alice, database_url), asyncio.TaskGroup() as tasks:
            tasks.create_task(_refused_as_github_does(registry, "/user", alice, host))
            tasks.create_task(_refused(registry, "GET", "/v2/", alice))
            tasks.create_task(_refused_as_github_does(registry, "/user", alice, {**host, **long}))
            tasks.create_task(_refused_as_github_does(registry, "/api/v3/user", alice, long))


async def test_who_names_no_host_does_not_ask_the_api(crowded: Registry, database_url: str) -> None:
    registry = crowded
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    async with _full(registry, alice, database_url), Wire.to(registry.url) as wire:
        await wire.send(b"GET /v2/ HTTP/1.0\r\n\r\n")
        refused = await wire.answer()
    assert refused.status == 429
    assert b"TOOMANYREQUESTS" in refused.body


async def test_a_refusal_ends_where_the_request_does(crowded: Registry, database_url: str) -> None:
    """Whatever frames the body, and however much of it has come: the next request of the connection is found."""
    registry = crowded
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    login = f"Authorization: {basic(alice)['Authorization']}"
    get, head = (written(method, _TAG, login) for method in ("GET", "HEAD"))
    put = written("PUT", _TAG, login, "Content-Length: 3", body=b"{}\n")
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire.to(registry.url)) for _ in range(5)]
        heads, bodies, halves, pairs, odd = wires
        async with _full(registry, alice, database_url):
            await heads.send(head)
            await bodies.send(put[:-3])
            await halves.send(put[:-1])
            await pairs.send(get + head)
            await odd.send(written("PUT", _TAG, login, "Transfer-Encoding: chunked", body=b"3\r\n{}\n\r\n0\r\n\r\n"))
            await asyncio.sleep(0.1)
            await bodies.send(put[-3:])
            for wire in wires:
                refused = await wire.answer(head=wire is heads)
                assert refused.status == 429
                _told_when(refused.headers)
                assert refused.body == b"" or b"TOOMANYREQUESTS" in refused.body
            assert (await pairs.answer(head=True)).status == 429
        await halves.send(put[-1:])
        for wire in wires:
            await wire.send(get)
            assert (await wire.answer()).status == 200


async def test_what_is_no_http_is_told_so_at_once(crowded: Registry, database_url: str) -> None:
    """A malformed head waits for nobody; and Connection: close is kept when a request is refused."""
    registry = crowded
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    login = f"Authorization: {basic(alice)['Authorization']}"
    async with _full(registry, alice, database_url):
        async with Wire.to(registry.url) as wire, asyncio.timeout(_PATIENCE_SECONDS / 2):
            await wire.send(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n")
            assert (await wire.answer()).status == 400
            assert await wire.closed()
        async with Wire.to(registry.url) as wire:
            await wire.send(written("GET", _TAG, login, "Connection: close"))
            refused = await wire.answer()
            assert (refused.status, refused.headers["Connection"]) == (429, "close")
            assert await wire.closed()


async def test_who_leaves_the_line_keeps_nobody_waiting(crowded: Registry, database_url: str) -> None:
    registry = crowded
    alice = await registry.user("alice")
    await registry.push_image("alice/app", "v1", alice)
    get = written("GET", _TAG, f"Authorization: {basic(alice)['Authorization']}")
    async with asyncio.TaskGroup() as tasks, _full(registry, alice, database_url), AsyncExitStack() as stack:
        for _ in range(_MOST):
            await (await stack.enter_async_context(Wire.to(registry.url))).send(get)
        await asyncio.sleep(0.1)
        last = tasks.create_task(registry.call("GET", _TAG, alice))
    assert (await last).status == 200
    assert registry.admission.working == 0


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
        await until(lambda: registry.admission.working == 0)
        for _ in range(_MOST):
            assert (await registry.call("GET", "/v2/alice/app/manifests/v1", alice)).status == 200
    await until(lambda: registry.admission.working == 0)
