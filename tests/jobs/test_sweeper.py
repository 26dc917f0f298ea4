"""Nothing is left of uploads that came to nothing (F14)."""

import asyncio
import random

from registry.jobs.runner import run_once
from storage.objects.base import ObjectKey
from tests.support.server import Registry
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept, noise, sha256, streamed

_SIZES = (0, 10, 100_000, 300_000, 6 * MIB, 18 * MIB)
_WEIGHTS = (2, 5, 5, 3, 2, 1)


async def _abandoned(registry: Registry, token: str, rng: random.Random) -> None:
    """Begun, perhaps sent to, perhaps cut in the middle, perhaps cancelled; never finished."""
    session = await Session.begin(registry, f"alice/{rng.randrange(5)}", token)
    for _ in range(rng.randrange(3)):
        size = rng.choices(_SIZES, _WEIGHTS)[0]
        assert (await session.patch(streamed(noise(size, rng.randrange(100))))).status == 202
    if rng.random() < 0.3:
        raw = await session.raw(f"Content-Length: {30 * MIB}", noise(rng.choices(_SIZES, _WEIGHTS)[0]))
        await raw.close(reset=rng.random() < 0.5)
    if rng.random() < 0.2:
        assert (await session.cancel()).status == 204


async def _wrong(registry: Registry, token: str, rng: random.Random) -> None:
    session = await Session.begin(registry, f"alice/{rng.randrange(5)}", token)
    data = noise(rng.choices(_SIZES, _WEIGHTS)[0], rng.randrange(100))
    cut = rng.randrange(len(data) + 1)
    assert (await session.patch(streamed(data[:cut]))).status == 202
    done = await session.put(sha256(b"not it"), streamed(data[cut:]))
    assert (done.status, done.code) == (400, "DIGEST_INVALID")


async def test_a_hundred_abandoned_and_a_hundred_wrong_uploads_leave_nothing(registry: Registry) -> None:
    token, rng, at_once = await registry.user("alice"), random.Random(7), asyncio.Semaphore(10)

    async def one(number: int) -> None:
        async with at_once:
            await (_wrong if number % 2 else _abandoned)(registry, token, random.Random(rng.random()))

    async with asyncio.TaskGroup() as tasks:
        for number in range(200):
            tasks.create_task(one(number))
    before = await kept(registry)
    assert before.uploads == 200
    assert before.multiparts
    assert before.objects
    await end_all_sessions(registry)
    done = await run_once(registry.services)
    assert done["expire_uploads"] == 200
    assert await kept(registry) == NOTHING


async def test_what_a_crash_left_without_a_row_of_its_own_goes_with_its_session(registry: Registry) -> None:
    """A multipart upload whose id was never noted, and a segment that was never recorded (C3, C4)."""
    token, stores = await registry.user("alice"), registry.services.stores
    session = await Session.begin(registry, "alice/app", token)
    assert (await session.patch(noise(6 * MIB))).status == 202
    (row,) = await registry.services.db.fetch("SELECT object_key FROM uploads")
    key = ObjectKey(row["object_key"])
    lost = await stores.create(key)
    await stores.put_part(key, lost, 1, [b"lost"])
    await stores.put(ObjectKey(f"{key}.9.9"), [b"lost too"])
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_the_blob_of_a_finished_session_outlives_it(registry: Registry) -> None:
    token = await registry.user("alice")
    blobs = [noise(size, size) for size in (10, 100_000, 6 * MIB, 20 * MIB)]
    for data in blobs:
        session = await Session.begin(registry, "alice/app", token)
        assert (await session.patch(data)).status == 202
        assert (await session.put(sha256(data))).status == 201
    await run_once(registry.services)
    assert (await kept(registry)).uploads == len(blobs)  # a PUT that is sent again is still answered
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING
    for data in blobs:
        pulled = await registry.call("GET", f"/v2/alice/app/blobs/{sha256(data)}", token)
        assert pulled.body == data


async def test_a_session_that_is_receiving_is_not_swept(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    raw = await session.raw("Content-Length: 100", b"a" * 50)
    await asyncio.sleep(0.1)
    await registry.services.db.execute("UPDATE uploads SET expires_at = now()")
    assert (await run_once(registry.services))["expire_uploads"] == 0
    await raw.close()
