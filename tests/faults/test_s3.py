"""S3 that refuses, resets, keeps silent, lies, or dies midway (F16-F20, F22), and what clients are told."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from registry.config import Settings
from registry.jobs.runner import run_once
from storage.objects.base import MultipartId, ObjectKey
from storage.objects.s3.store import S3Settings
from tests.faults.routes import ROUTES, image
from tests.support.faults import Fault, FaultProxy
from tests.support.server import Answer, Registry, basic, running
from tests.support.tcp import TcpProxy
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept, noise, sha256, streamed

_WRITES = ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "HeadObject", "GetObject")


@pytest.fixture
async def proxy(env: dict[str, str]) -> AsyncIterator[FaultProxy]:
    with FaultProxy(env["MOORAGE_S3_ENDPOINT"], chance=random.Random(16).random) as proxy:
        env["MOORAGE_S3_ENDPOINT"] = proxy.url
        yield proxy


def impatient(settings: Settings) -> Settings:
    """With deadlines that a test can wait for."""
    assert isinstance(settings.store, S3Settings)
    quick = replace(settings.store, silence_seconds=0.5, call_seconds=2.0, transfer_seconds=1.5, attempts=2)
    return replace(settings, store=quick)


async def _until_done(session: Session, data: bytes, *, least: int = 200_000) -> set[int]:
    """Pushes as a stubborn client: asks where it is, sends on, finishes; the statuses it saw."""
    seen: set[int] = set()
    async with asyncio.timeout(60):
        while True:
            offset = await session.offset()
            for start, stop in ((offset, min(offset + least, len(data))), (offset + least, len(data))):
                if start < stop:
                    sent = await session.patch(streamed(data[start:stop]), at=start, size=stop - start)
                    seen.add(sent.status)
            if await session.offset() == len(data):
                done = await session.put(sha256(data))
                seen.add(done.status)
                if done.status == 201:
                    return seen


async def _nothing_is_left(registry: Registry) -> None:
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_f16_every_operation_fails_at_times(env: dict[str, str], proxy: FaultProxy) -> None:
    async with running(env) as registry:
        token = await registry.user("alice")
        proxy.inject(Fault.UNAVAILABLE, times=None, probability=0.2)
        proxy.inject(Fault.INTERNAL_ERROR, times=None, probability=0.1)
        proxy.inject(Fault.RESET, times=None, probability=0.1)
        proxy.inject(Fault.DROP_RESPONSE, times=None, probability=0.1)
        for number, size in enumerate([300_000, 6 * MIB, 18 * MIB, 300_000, 6 * MIB]):
            session = await Session.begin(registry, "alice/app", token)
            seen = await _until_done(session, noise(size, number))
            assert seen <= {201, 202, 416, 503}
        proxy.heal()
        await _nothing_is_left(registry)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.BLACKHOLE])
async def test_f17_each_operation_fails_for_a_while(env: dict[str, str], proxy: FaultProxy, fault: Fault) -> None:
    async with running(env, change=impatient) as registry:
        token = await registry.user("alice")
        for number, op in enumerate(_WRITES):
            data = noise(6 * MIB, number)
            session = await Session.begin(registry, "alice/app", token)
            proxy.inject(fault, op=op, times=None)
            async with asyncio.timeout(15):
                answers = [
                    await session.patch(streamed(data[:200_000]), at=0, size=200_000),  # a segment
                    await session.patch(streamed(data[200_000:]), at=200_000, size=len(data) - 200_000),
                    await session.put(sha256(data)),
                ]
            assert [answer.status for answer in answers if answer.status >= 500] != [], op
            for answer in answers:
                assert answer.status in (202, 400, 416, 503), (op, answer.body)
                assert answer.status != 503 or "Retry-After" in answer.headers
            proxy.heal()
            if answers[-1].status == 400:  # a digest of what had not all come: that session is over
                session = await Session.begin(registry, "alice/app", token)
            await _until_done(session, data)
            assert await session.pulled(sha256(data)) == data
        await _nothing_is_left(registry)


async def test_f18_an_upload_is_completed_and_nobody_hears_of_it(env: dict[str, str], proxy: FaultProxy) -> None:
    async with running(env) as registry:
        token = await registry.user("alice")
        for fault in (Fault.DROP_RESPONSE, Fault.ERROR_IN_200):
            data = noise(18 * MIB, fault.value)
            session = await Session.begin(registry, "alice/app", token)
            assert (await session.patch(streamed(data))).status == 202
            proxy.inject(fault, op="CompleteMultipartUpload", times=1)
            assert (await session.put(sha256(data))).status == 201
            assert await session.pulled(sha256(data)) == data
        # Nor can it be asked whether it was: that is told, and the next PUT finds it done.
        data = noise(18 * MIB, 3)
        session = await Session.begin(registry, "alice/app", token)
        assert (await session.patch(streamed(data))).status == 202
        proxy.inject(Fault.UNAVAILABLE, op="HeadObject", times=None)
        assert (await session.put(sha256(data))).status == 503
        proxy.heal()
        assert (await session.put(sha256(data))).status == 201
        await _nothing_is_left(registry)


async def test_f19_an_object_that_is_not_what_came_is_not_published(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(18 * MIB)
    session = await Session.begin(registry, "alice/app", token)
    assert (await session.patch(streamed(data))).status == 202
    await registry.services.db.execute("DELETE FROM upload_parts WHERE number = 1")
    done = await session.put(sha256(data))
    assert (done.status, done.code) == (503, "UNAVAILABLE")
    assert (await registry.call("HEAD", f"/v2/alice/app/blobs/{sha256(data)}", token)).status == 404
    await _nothing_is_left(registry)


async def test_a_multipart_upload_that_the_store_dropped_ends_the_session(registry: Registry) -> None:
    """As a lifecycle rule does."""
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    assert (await session.patch(streamed(noise(18 * MIB)))).status == 202
    (row,) = await registry.services.db.fetch("SELECT object_key, multipart_id FROM uploads")
    await registry.services.stores.abort(ObjectKey(row["object_key"]), MultipartId(row["multipart_id"]))
    for answer in (await session.patch(streamed(noise(6 * MIB))), await session.status()):
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    await _nothing_is_left(registry)


async def test_f20_every_route_without_s3(env: dict[str, str]) -> None:
    async with TcpProxy(env["MOORAGE_S3_ENDPOINT"]) as away:
        env["MOORAGE_S3_ENDPOINT"] = away.through(env["MOORAGE_S3_ENDPOINT"])
        async with running(env) as registry:
            token = await registry.user("alice")
            things = await image(registry, "alice/app", token)
            await away.refuse()
            for route in ROUTES:
                answer = await route.ask(registry, token, things)
                if route.s3:
                    assert (answer.status, answer.code) == (503, "UNAVAILABLE"), route
                    assert int(answer.headers["Retry-After"]) > 0
                else:
                    assert answer.status in route.fine, (route, answer.status, answer.body)
            await away.heal()
            for route in ROUTES:
                answer = await route.ask(registry, token, things)
                assert answer.status in route.fine, (route, answer.status, answer.body)
            await _nothing_is_left(registry)


async def _cut_short(registry: Registry, path: str, token: str) -> int:
    """How many bytes came; fails if the answer looked whole."""
    got = 0
    async with registry.http.get(registry.url + path, headers=basic(token)) as response:
        assert response.status == 200
        try:
            async for chunk in response.content.iter_any():
                got += len(chunk)
        except (aiohttp.ClientPayloadError, ConnectionError):
            return got
    raise AssertionError("it looked whole")


async def test_f22_a_pull_that_is_cut_midway_is_seen_to_be(env: dict[str, str], proxy: FaultProxy) -> None:
    async with running(env, change=impatient) as registry:
        token, data = await registry.user("alice"), noise(2 * MIB)
        path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
        for fault in (Fault.RESET_MIDWAY, Fault.TRUNCATE):
            proxy.inject(fault, op="GetObject", times=None)
            async with asyncio.timeout(5):
                got = await _cut_short(registry, path, token)
            assert got < len(data)
            proxy.heal()
            rest = await registry.call("GET", path, token, headers={"Range": f"bytes={got}-"})
            assert rest.status == 206
            assert rest.body == data[got:]


@pytest.mark.parametrize("fault", [Fault.RESET_MIDWAY, Fault.TRUNCATE, Fault.SILENCE_MIDWAY])
async def test_f51_a_pull_goes_on_when_s3_ends_a_connection_midway(
    env: dict[str, str], proxy: FaultProxy, fault: Fault
) -> None:
    async with running(env, change=impatient) as registry:
        token, data = await registry.user("alice"), noise(8 * MIB)
        path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
        for asked, expected in ((None, data), ("bytes=17-", data[17:])):
            proxy.heal()
            proxy.inject(fault, op="GetObject", times=2)
            got = await registry.call("GET", path, token, headers={} if asked is None else {"Range": asked})
            assert got.body == expected
            assert proxy.count("GetObject") == 3


async def test_f20_pushes_and_pulls_while_s3_is_away(env: dict[str, str]) -> None:
    async with TcpProxy(env["MOORAGE_S3_ENDPOINT"]) as away:
        env["MOORAGE_S3_ENDPOINT"] = away.through(env["MOORAGE_S3_ENDPOINT"])
        async with running(env) as registry:
            token = await registry.user("alice")
            there = noise(100_000, 99)
            path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', there, token)}"
            healthy = asyncio.Event()

            async def pull() -> Answer:
                return await registry.call("GET", path, token)

            async def push(number: int) -> None:
                session = await Session.begin(registry, "alice/app", token)
                data = noise(6 * MIB, number)
                first = await session.patch(streamed(data))
                assert first.status == 503, first.body
                await healthy.wait()
                assert 201 in await _until_done(session, data)

            await away.refuse()
            async with asyncio.TaskGroup() as tasks:
                for number in range(4):
                    tasks.create_task(push(number))
                pulls = [tasks.create_task(pull()) for _ in range(4)]
                assert {(await pulled).status for pulled in pulls} == {503}
                await asyncio.sleep(1.5)
                await away.heal()
                healthy.set()
            assert (await pull()).body == there
            await _nothing_is_left(registry)
