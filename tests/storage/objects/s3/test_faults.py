"""S3 that fails: what is repeated, what is told, and that nothing is short and silent."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from storage.errors import ObjectCorrupt, ObjectNotFound, Unavailable, UploadGone
from storage.objects.base import MIN_PART_BYTES, MultipartId, ObjectKey, Part, Span
from storage.objects.s3.attempts import Attempts, Transient
from storage.objects.s3.store import S3Settings, S3Store
from tests.storage.objects.conformance import filled, joined, new_key, put_parts, read
from tests.support.faults import Fault, FaultProxy

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = 3_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(weed: S3Settings, faults: FaultProxy) -> AsyncIterator[S3Store]:
    settings = replace(weed, endpoint=faults.url, silence_seconds=1.0, call_seconds=8.0, transfer_seconds=8.0)
    async with S3Store.open(settings, jitter=lambda: 0.1) as opened:
        yield opened


@pytest.fixture(autouse=True)
def healed(faults: FaultProxy) -> Iterator[None]:
    faults.heal()
    yield
    faults.heal()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(store: S3Store) -> ObjectKey:
    """Of an object of SIZE zero bytes."""
    made = new_key()
    await store.put(made, [bytes(SIZE)])
    return made


AGAIN = [Fault.UNAVAILABLE, Fault.INTERNAL_ERROR, Fault.RESET, Fault.DROP_RESPONSE]


@pytest.mark.parametrize("fault", AGAIN)
async def test_a_put_is_sent_again(store: S3Store, faults: FaultProxy, fault: Fault) -> None:
    faults.inject(fault, op="PutObject", times=2)
    made = new_key()
    await store.put(made, filled(7))
    assert await read(store, made) == joined([7])
    assert faults.count("PutObject") >= 3


@pytest.mark.parametrize("fault", AGAIN)
async def test_a_part_is_sent_again(store: S3Store, faults: FaultProxy, fault: Fault) -> None:
    made = new_key()
    upload = await store.create(made)
    faults.inject(fault, op="UploadPart", times=2)
    parts = await put_parts(store, made, upload, [1])
    assert await store.complete(made, upload, parts) == MIN_PART_BYTES
    assert await read(store, made) == joined([1])


async def test_a_server_that_takes_no_bytes_is_left_in_time(store: S3Store, faults: FaultProxy) -> None:
    faults.inject(Fault.BLACKHOLE, op="PutObject", times=1)
    made = new_key()
    began = time.monotonic()
    await store.put(made, [bytes(8_000_000)])  # more than sockets and proxy keep
    assert 0.9 < time.monotonic() - began < 4
    assert (await store.stat(made)).size == 8_000_000


@pytest.mark.parametrize(
    "op", ["PutObject", "UploadPart", "GetObject", "HeadObject", "CreateMultipartUpload", "ListObjectsV2"]
)
@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.RESET])
async def test_in_the_end_it_is_unavailable(
    store: S3Store, faults: FaultProxy, key: ObjectKey, op: str, fault: Fault
) -> None:
    made = new_key()
    upload = await store.create(made)
    faults.inject(fault, op=op, times=None)
    with pytest.raises(Unavailable, match=op):
        await OPERATIONS[op](store, key, made, upload)
    assert faults.count(op) >= 4
    await store.abort(made, upload)


Operation = Callable[[S3Store, ObjectKey, ObjectKey, MultipartId], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "PutObject": lambda store, _key, made, _upload: store.put(made, [b"x"]),
    "UploadPart": lambda store, _key, made, upload: store.put_part(made, upload, 1, [b"x"]),
    "GetObject": lambda store, key, _made, _upload: read(store, key),
    "HeadObject": lambda store, key, _made, _upload: store.stat(key),
    "CreateMultipartUpload": lambda store, _key, made, _upload: store.create(made),
    "ListObjectsV2": lambda store, _key, _made, _upload: anext(store.scan("")),
}


async def test_a_deadline_bounds_all_attempts(weed: S3Settings, faults: FaultProxy) -> None:
    settings = replace(weed, endpoint=faults.url, silence_seconds=5.0, call_seconds=0.5, transfer_seconds=0.5)
    faults.inject(Fault.BLACKHOLE, times=None)
    async with S3Store.open(settings) as store:
        for operation in (store.put(new_key(), [b"x"]), store.stat(new_key()), read(store, new_key())):
            began = time.monotonic()
            with pytest.raises(Unavailable, match=r"0\.5 s"):
                await operation
            assert time.monotonic() - began < 1.5
    faults.heal()


async def test_nobody_listens(weed: S3Settings) -> None:
    async with S3Store.open(replace(weed, endpoint="http://127.0.0.1:9", attempts=2), jitter=lambda: 0.0) as store:
        for operation in (store.put(new_key(), [b"x"]), store.stat(new_key()), store.ping(), read(store, new_key())):
            with pytest.raises(Unavailable):
                await operation


class TestComplete:
    """F18, F19: success is what the store shows."""

    @pytest.mark.parametrize("fault", [Fault.DROP_RESPONSE, Fault.ERROR_IN_200])
    async def test_the_answer_is_lost(self, store: S3Store, faults: FaultProxy, fault: Fault) -> None:
        made = new_key()
        upload = await store.create(made)
        parts = await put_parts(store, made, upload, [1, 2])
        faults.inject(fault, op="CompleteMultipartUpload", times=None)
        assert await store.complete(made, upload, parts) == 2 * MIN_PART_BYTES
        assert faults.count("HeadObject") >= 1
        assert await read(store, made) == joined([1, 2])

    async def test_it_was_not_done(self, store: S3Store, faults: FaultProxy) -> None:
        made = new_key()
        upload = await store.create(made)
        parts = await put_parts(store, made, upload, [1])
        faults.inject(Fault.UNAVAILABLE, op="CompleteMultipartUpload", times=None)
        with pytest.raises(Unavailable):
            await store.complete(made, upload, parts)
        faults.heal()
        assert await store.complete(made, upload, parts) == MIN_PART_BYTES

    async def test_the_upload_is_gone(self, store: S3Store) -> None:
        made = new_key()
        upload = await store.create(made)
        parts = await put_parts(store, made, upload, [1])
        await store.abort(made, upload)
        with pytest.raises(UploadGone):
            await store.complete(made, upload, parts)

    async def test_the_size_is_another(self, store: S3Store) -> None:
        made = new_key()
        upload = await store.create(made)
        (part,) = await put_parts(store, made, upload, [1])
        with pytest.raises(ObjectCorrupt):
            await store.complete(made, upload, [Part(1, part.etag, part.size + 1)])


class TestReading:
    """F22: never short and silent."""

    @pytest.mark.parametrize("fault", [Fault.RESET_MIDWAY, Fault.TRUNCATE, Fault.SILENCE_MIDWAY])
    @pytest.mark.parametrize("span", [None, Span(10, SIZE - 10)], ids=str)
    async def test_a_body_that_ends_midway(
        self, store: S3Store, faults: FaultProxy, key: ObjectKey, fault: Fault, span: Span | None
    ) -> None:
        faults.inject(fault, op="GetObject", times=2)
        assert len(await read(store, key, span)) == (SIZE if span is None else span.size)
        assert faults.count("GetObject") == 3, "what is missing is asked for again"

    @pytest.mark.parametrize("fault", [Fault.RESET_MIDWAY, Fault.TRUNCATE])
    async def test_bodies_that_all_end_midway(
        self, store: S3Store, faults: FaultProxy, key: ObjectKey, fault: Fault
    ) -> None:
        faults.inject(fault, op="GetObject", times=None)
        with pytest.raises(Unavailable):
            await read(store, key)
        assert faults.count("GetObject") < 20

    async def test_headers_are_asked_for_again(self, store: S3Store, faults: FaultProxy, key: ObjectKey) -> None:
        faults.inject(Fault.UNAVAILABLE, op="GetObject", times=2)
        assert len(await read(store, key)) == SIZE

    async def test_a_slow_consumer_is_no_silence(self, store: S3Store, key: ObjectKey) -> None:
        """The server is not to blame for bytes that nobody takes (``silence_seconds`` is 1 here)."""
        received = 0
        async with store.reader(key) as reader:
            async for chunk in reader:
                if received == 0:
                    await asyncio.sleep(1.5)
                received += len(chunk)
        assert received == SIZE

    async def test_not_found_is_not_repeated(self, store: S3Store, faults: FaultProxy) -> None:
        with pytest.raises(ObjectNotFound):
            await read(store, new_key())
        assert faults.count("GetObject") == 1


class TestWeather:
    """F16: one request in five fails."""

    async def test_uploads_go_through(self, store: S3Store, faults: FaultProxy) -> None:
        for fault in (Fault.UNAVAILABLE, Fault.RESET):
            faults.inject(fault, times=None, probability=0.1)
        done = 0
        for _ in range(6):
            made = new_key()
            try:
                upload = await store.create(made)
                size = await store.complete(made, upload, await put_parts(store, made, upload, [1, 2]))
            except Unavailable:
                continue
            assert size == 2 * MIN_PART_BYTES
            done += 1
        assert done >= 4


class TestAttempts:
    """How often, how long."""

    async def test_only_what_may_pass_is_repeated(self) -> None:
        for error, expected in ((Transient("x"), 3), (Unavailable("x"), 1), (UploadGone("x"), 1)):
            calls = 0

            async def attempt(error: Exception = error) -> None:
                nonlocal calls
                calls += 1
                raise error

            with pytest.raises(type(error)):
                await Attempts(3, lambda: 0.0).run("here", attempt, seconds=1)
            assert calls == expected
