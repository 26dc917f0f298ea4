"""Fewer connections to PostgreSQL than there are who want one: answered in time, told to come back, none lost (F28)."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, TypeAlias

import asyncpg
import orjson

from storage.metadata.database import Database
from tests.faults.routes import MANIFEST, ROUTES, Image, Route, image, path_of
from tests.support.raw import Wire, request
from tests.support.server import Answer, Registry, basic, running
from tests.support.tcp import TcpProxy
from tests.support.uploading import MIB, Session, noise

_POOL: Final = 3
_MORE: Final = 4 * _POOL
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_API: Final = "/api/v3/user/packages/container/app"

_Asking: TypeAlias = Callable[[], Coroutine[Any, Any, Answer]]


async def assert_all_free(db: Database) -> None:
    """Each connection of the pool can be had, all at once."""
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        for _ in range(_POOL):
            tx = await stack.enter_async_context(db.transaction())
            await tx.fetch("SELECT 1")


def assert_answered(answer: Answer) -> None:
    """Success, or when to come back."""
    if answer.status in (429, 503):
        assert int(answer.headers["Retry-After"]) > 0
    else:
        assert answer.status < 300 or answer.status in (404, 409, 416), (answer.status, answer.body)


async def test_f28_ten_times_as_many_clients_as_connections(env: dict[str, str]) -> None:
    """A statement takes so long that some in the queue are told to come back, and nobody waits for ever."""
    env["MOORAGE_DATABASE_POOL"] = str(_POOL)
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy:
        env["MOORAGE_DATABASE_URL"] = proxy.through(env["MOORAGE_DATABASE_URL"])
        async with running(env) as registry:
            token = await registry.user("alice")
            things = await image(registry, "alice/app", token)

            calls = [
                partial(registry.call, "PATCH", _API, token, json={"visibility": "public"}),
                partial(registry.call, "PATCH", _API, token, json={"visibility": "private"}),
                # What is refused in the middle of a transaction gives its connection back too.
                partial(registry.call, "PUT", f"{_API}/access/users/nobody", token, json={"role": "read"}),
                *(partial(route.ask, registry, token, things) for route in ROUTES),
            ]
            proxy.slow(0.25)
            async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(call()) for call in [*calls[:3] * 5, *calls]]
            for task in asked:
                assert_answered(task.result())
            assert {200, 404, 503} <= {task.result().status for task in asked}
            await proxy.heal()
            await assert_all_free(registry.services.db)
            await _assert_fine(registry, token, things, ROUTES)


async def _assert_fine(registry: Registry, token: str, things: Image, routes: Iterable[Route]) -> None:
    for route in routes:
        answer = await route.ask(registry, token, things)
        assert answer.status in route.fine, (route, answer.status, answer.body)


async def test_f28_bytes_on_their_way_hold_no_connection(env: dict[str, str]) -> None:
    """Pulls that are not read, uploads that do not come, an S3 that does not answer: of each more than connections."""
    env["MOORAGE_DATABASE_POOL"] = str(_POOL)
    async with TcpProxy(env["MOORAGE_S3_ENDPOINT"]) as s3:
        env["MOORAGE_S3_ENDPOINT"] = s3.through(env["MOORAGE_S3_ENDPOINT"])
        async with running(env) as registry, AsyncExitStack() as stack, asyncio.timeout(30):
            token = await registry.user("alice")
            things = await image(registry, "alice/app", token)
            large = await registry.push_blob("alice/app", noise(24 * MIB), token)
            stuck = [*await _to_wait_for_s3(registry, token)] * _MORE
            for _ in range(_MORE):
                await _unread(stack, registry, token, large)
                await _unsent(stack, registry, token)
            s3.silence()
            async with asyncio.TaskGroup() as tasks:
                waiting = [tasks.create_task(ask()) for ask in stuck]
                await asyncio.sleep(0.5)
                async with asyncio.timeout(10):
                    await assert_all_free(registry.services.db)
                    await _assert_fine(registry, token, things, [route for route in ROUTES if not route.s3])
                assert not any(task.done() for task in waiting)
                await s3.heal()


async def _to_wait_for_s3(registry: Registry, token: str) -> tuple[_Asking, _Asking]:
    """A pull from there, and a manifest whose config is there and has to be read."""
    config = orjson.dumps({"os": "linux", "architecture": "amd64", "author": "a" * 100_000})
    digest = await registry.push_blob("alice/app", config, token)
    described = {"mediaType": _CONFIG, "size": len(config), "digest": digest}
    body = orjson.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []})
    put = partial(registry.call, "PUT", path_of("alice/app", "manifests/v2"), token)
    return (
        partial(registry.call, "GET", path_of("alice/app", f"blobs/{digest}"), token),
        partial(put, data=body, headers={"Content-Type": MANIFEST}),
    )


async def _unread(stack: AsyncExitStack, registry: Registry, token: str, large: str) -> None:
    """A pull that has begun to come, and is not read."""
    wire = await stack.enter_async_context(Wire.to(registry.url))
    login = f"Authorization: {basic(token)['Authorization']}"
    await wire.send(request("GET", path_of("alice/app", f"blobs/{large}"), login))
    assert not await wire.silent(10)


async def _unsent(stack: AsyncExitStack, registry: Registry, token: str) -> None:
    """An upload of which a part has come, and the rest does not."""
    session = await Session.begin(registry, "alice/app", token)
    raw = await session.raw(f"Content-Length: {MIB}", noise(300_000))
    stack.push_async_callback(raw.close)


async def test_f28_a_package_whose_row_is_held_keeps_nobody_else_waiting(env: dict[str, str]) -> None:
    """Sixty pushes and changes of one package wait for its row: whoever reads or pushes another does not."""
    env["MOORAGE_DATABASE_POOL"] = str(2 * _POOL)
    async with running(env) as registry, AsyncExitStack() as stack:
        alice, bob = await registry.user("alice"), await registry.user("bob")
        things = await image(registry, "alice/app", alice)
        await image(registry, "bob/app", bob)
        blocker = await asyncpg.connect(env["MOORAGE_DATABASE_URL"])
        stack.push_async_callback(blocker.close)
        held = blocker.transaction()
        await held.start()
        await blocker.execute("SELECT FROM packages WHERE name = 'app' ORDER BY id LIMIT 1 FOR UPDATE")
        took: list[float] = []
        async with asyncio.TaskGroup() as tasks:
            put = partial(registry.call, "PUT", headers={"Content-Type": MANIFEST})
            waiting = [
                tasks.create_task(
                    put(path_of("alice/app", f"manifests/w{n}"), alice, data=_another(things.manifest, n))
                )
                for n in range(60)
            ]
            waiting += [
                tasks.create_task(registry.call("PATCH", _API, alice, json={"visibility": "public"})) for _ in range(20)
            ]
            await asyncio.sleep(0.5)
            for number in range(10):
                began = asyncio.get_running_loop().time()
                tag = path_of("bob/app", f"manifests/n{number}")
                assert (await put(tag, bob, data=_another(things.manifest, number))).status in (201, 400)
                assert (await registry.call("GET", path_of("bob/app", "tags/list"), bob)).status == 200
                assert (await registry.call("GET", _API, bob)).status == 200
                took.append(asyncio.get_running_loop().time() - began)
            assert max(took) < 2
            await held.rollback()
        for task in waiting:
            assert_answered(task.result())


def _another(manifest: bytes, number: int) -> bytes:
    """The same image, but for an annotation."""
    return orjson.dumps({**orjson.loads(manifest), "annotations": {"number": str(number)}})
