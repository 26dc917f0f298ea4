"""A commit that stands still for longer than a lease, and the same client's next request meanwhile: no wrong byte (F49).

A statement that waits for a row goes on with the row as it then is, and reads all else as it was before it waited.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from registry.jobs.expire_uploads import expire_uploads
from registry.jobs.runner import run_once
from storage.names import UploadId
from storage.objects.base import ObjectKey
from tests.support.server import Answer, Registry, running
from tests.support.stalling import Commit, stalled
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept, noise, sha256

_LEASE_SECONDS = 0.3
#: From when a commit stands still to the next request, and from there to when the commit goes on.
_WAIT_SECONDS = 0.5

_RECEIVED = "new.received > old.received AND new.fence"
_SAME = "new.received = old.received AND new.state = old.state AND new.next_part = old.next_part"

_SHORT, _OBJECT, _PARTS = 1000, 200_000, 24 * MIB


async def _slowly(data: bytes) -> AsyncIterator[bytes]:
    """In two pieces, so that the body is not at hand with the head of its request."""
    half = len(data) // 2
    yield data[:half]
    await asyncio.sleep(0.2)
    yield data[half:]


@dataclass(frozen=True)
class Push:
    """One upload of ``data``."""

    session: Session
    data: bytes

    async def patch(self) -> Answer:
        return await self.session.patch(self.data, at=0)

    async def patch_slowly(self) -> Answer:
        return await self.session.patch(_slowly(self.data), at=0, size=len(self.data))

    async def patch_half(self) -> Answer:
        return await self.session.patch(self.data[: len(self.data) // 2], at=0)

    async def put(self) -> Answer:
        return await self.session.put(sha256(self.data))

    async def put_all(self) -> Answer:
        return await self.session.put(sha256(self.data), self.data)

    async def put_wrong(self) -> Answer:
        return await self.session.put(sha256(b"other"))

    async def cancel(self) -> Answer:
        return await self.session.cancel()

    async def status(self) -> Answer:
        return await self.session.status()

    async def sweep(self) -> Answer | None:
        registry = self.session.registry
        await expire_uploads(registry.services)
        return None

    async def expire(self) -> None:
        await end_all_sessions(self.session.registry)


Step = Callable[[Push], Coroutine[Any, Any, Answer | None]]


@dataclass(frozen=True)
class Case:
    """``first`` is the request whose commit stands still."""

    name: str
    size: int
    when: str
    first: Step
    before: tuple[Callable[[Push], Awaitable[object]], ...] = ()
    event: str = "UPDATE"


_CASES = [
    Case("append", _SHORT, f"{_RECEIVED} > old.fence", Push.patch),
    Case("append half", _SHORT, f"{_RECEIVED} > old.fence", Push.patch_half),
    Case("record a tail", _SHORT, f"{_RECEIVED} = old.fence", Push.patch_slowly),
    Case("record a segment", _OBJECT, f"{_RECEIVED} = old.fence", Push.patch_slowly),
    Case("record a part", _PARTS, f"{_RECEIVED} = old.fence", Push.patch_slowly),
    Case("number a part", _PARTS, "new.next_part > old.next_part", Push.patch_slowly),
    Case("claim", _OBJECT, "new.fence > old.fence AND new.lease_until IS NOT NULL", Push.patch_slowly),
    Case(
        "renew", _OBJECT, f"{_SAME} AND new.fence = old.fence AND new.lease_until > old.lease_until", Push.patch_slowly
    ),
    Case("release", _PARTS, f"{_SAME} AND old.lease_until IS NOT NULL AND new.lease_until IS NULL", Push.patch_slowly),
    Case("finish", _SHORT, "new.state = 'done'", Push.put_all),
    Case("finish half", _SHORT, "new.state = 'done'", Push.put, (Push.patch,)),
    Case("publish an object", _OBJECT, "new.state = 'done'", Push.put, (Push.patch,)),
    Case("publish parts", _PARTS, "new.state = 'done'", Push.put, (Push.patch,)),
    Case("fail", _OBJECT, "new.state = 'aborted'", Push.put_wrong, (Push.patch,)),
    Case("abort", _OBJECT, "new.state = 'aborted'", Push.cancel, (Push.patch,)),
    Case("take expired", _OBJECT, "new.fence > old.fence", Push.sweep, (Push.patch, Push.expire)),
    Case("sweep again", _OBJECT, "new.swept", Push.sweep, (Push.patch, Push.expire)),
    Case("forget", _OBJECT, "true", Push.sweep, (Push.patch, Push.put, Push.expire), "DELETE"),
]
_RETRIES: dict[str, Step] = {
    "patch": Push.patch,
    "patch slowly": Push.patch_slowly,
    "put": Push.put,
    "put all": Push.put_all,
    "status": Push.status,
    "cancel": Push.cancel,
}
_numbers = itertools.count()


@pytest.mark.parametrize("again", _RETRIES.values(), ids=_RETRIES)
@pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)
async def test_f49_an_upload(env: dict[str, str], case: Case, again: Step) -> None:
    env["MOORAGE_UPLOAD_LEASE_SECONDS"] = str(_LEASE_SECONDS)
    async with running(env) as registry:
        token = await registry.user("alice")
        data = noise(case.size, next(_numbers))
        push = Push(await Session.begin(registry, "alice/app", token), data)
        for prepare in case.before:
            await prepare(push)
        async with stalled(registry, Commit("uploads", case.event, case.when)) as stall, asyncio.TaskGroup() as tasks:
            first = tasks.create_task(case.first(push))
            await stall.reached()
            await asyncio.sleep(_WAIT_SECONDS)
            retry = tasks.create_task(again(push))
            await asyncio.sleep(_WAIT_SECONDS)
            stall.let_go()
        told = [answer for answer in (first.result(), retry.result()) if answer is not None]
        assert all(answer.status in (201, 202, 204, 400, 404, 409, 416) for answer in told), told
        await _goes_on(push)
        assert await push.session.pulled(sha256(data)) == data
        assert (await kept(registry)).missing == []
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def _goes_on(push: Push) -> None:
    """As a client does that sends what is missing, and begins anew where the session is over."""
    session, data = push.session, push.data
    if (await session.status()).status == 204 and (offset := await session.offset()) < len(data):
        sent = await session.patch(data[offset:], at=offset)
        assert sent.status == 202, (offset, sent.body)
    done = await push.put()
    if done.status == 404:
        fresh = Push(await Session.begin(session.registry, session.name, session.token), data)
        assert (await fresh.patch()).status == 202
        done = await fresh.put()
    assert done.status == 201, done.body


@pytest.mark.parametrize(
    ("statement", "size"),
    [
        ("DELETE FROM upload_segments", _OBJECT),
        ("DELETE FROM upload_parts WHERE number = 2", _PARTS),
        ("UPDATE uploads SET tail = ''", _SHORT),
        ("UPDATE uploads SET tail = tail || tail", _SHORT),
        ("UPDATE uploads SET received = received + 1", _OBJECT),
    ],
)
async def test_bytes_that_are_not_as_many_as_were_received_are_not_published(
    registry: Registry, statement: str, size: int
) -> None:
    """An alarm, for what no other rule foresees: 503, a line in the log, and no blob."""
    push = Push(await Session.begin(registry, "alice/app", await registry.user("alice")), noise(size))
    assert (await push.patch()).status == 202
    services = registry.services
    services.lookups.known.drop(UploadId(UUID(push.session.location.rpartition("/")[2])))
    await services.db.execute(statement)
    done = await push.put()
    assert (done.status, done.code) == (503, "UNAVAILABLE")
    assert await services.db.fetch("SELECT 1 FROM blobs") == []
    await end_all_sessions(registry)
    await run_once(services)
    assert await kept(registry) == NOTHING


async def test_a_stored_object_of_another_size_is_not_joined(registry: Registry) -> None:
    push = Push(await Session.begin(registry, "alice/app", await registry.user("alice")), noise(2 * _OBJECT))
    for at in (0, _OBJECT):
        assert (await push.session.patch(push.data[at : at + _OBJECT], at=at)).status == 202
    services = registry.services
    (row, _) = await services.db.fetch("SELECT object_key FROM upload_segments")
    await services.stores.put(ObjectKey(row["object_key"]), [noise(_OBJECT - 1)])
    assert (await push.put()).status == 503
    assert await services.db.fetch("SELECT 1 FROM blobs") == []


@pytest.mark.parametrize(
    "case",
    [case for case in _CASES if case.name.startswith(("record a tail", "record a segment", "release", "publish"))],
    ids=lambda case: case.name,
)
async def test_f49_a_lease_that_was_let_go_is_not_renewed(env: dict[str, str], case: Case) -> None:
    """The renewal waits for the commit that lets the lease go, or ends the session, and comes after it."""
    env["MOORAGE_UPLOAD_LEASE_SECONDS"] = "3"
    async with running(env) as registry:
        token = await registry.user("alice")
        push = Push(await Session.begin(registry, "alice/app", token), noise(case.size))
        for prepare in case.before:
            await prepare(push)
        async with stalled(registry, Commit("uploads", case.event, case.when)) as stall, asyncio.TaskGroup() as tasks:
            first = tasks.create_task(case.first(push))
            await stall.reached()
            await asyncio.sleep(1.5)  # a third of the lease is over
            stall.let_go()
        answer = first.result()
        assert answer is not None
        assert answer.status in (201, 202), answer.body
        await asyncio.sleep(0.1)
        assert await registry.services.db.fetch("SELECT 1 FROM uploads WHERE lease_until > now()") == []
