"""Uploads as clients do them, and as they should not: F1-F6, F10-F13, F15 of the list of faults, S9 and S13."""

import asyncio
import hashlib

import pytest

from registry.jobs.runner import run_once
from registry.uploads.part_buffer import HELD_BYTES, PART_BYTES
from registry.uploads.stall_timeout import StallTimeout
from tests.support.faults import FaultProxy
from tests.support.server import Answer, Registry, running
from tests.support.uploading import (
    KIB,
    MIB,
    NOTHING,
    Session,
    chunks,
    end_all_sessions,
    kept,
    noise,
    sha256,
    streamed,
    uploads_with,
)

_EDGE = PART_BYTES + HELD_BYTES
_SIZES = [
    *(64 * KIB + d for d in (-1, 0, 1)),
    *(5 * MIB + d for d in (-1, 0, 1)),
    *(PART_BYTES + d for d in (-1, 0, 1)),
    *(_EDGE + d for d in (-1, 0, 1)),
    2 * PART_BYTES,
    40 * MIB,
]


async def _push(registry: Registry, token: str, way: str, data: bytes) -> Answer:
    digest, name = sha256(data), f"alice/{way}"
    if way == "post":
        path = f"/v2/{name}/blobs/uploads/?digest={digest}"
        return await registry.call("POST", path, token, data=streamed(data))
    session = await Session.begin(registry, name, token)
    if way == "put":
        return await session.put(digest, data)
    sent = await session.patch(streamed(data) if way == "chunked" else data)
    assert sent.status == 202, sent.body
    assert sent.headers["Range"] == f"0-{max(0, len(data) - 1)}"
    return await session.put(digest)


@pytest.mark.parametrize("way", ["chunked", "length", "put", "post"])
async def test_f13_every_size(registry: Registry, way: str) -> None:
    token = await registry.user("alice")
    for size in [0, 1, *(_SIZES if way == "chunked" else _SIZES[:6])]:
        data = noise(size, size)
        done = await _push(registry, token, way, data)
        assert done.status == 201, (size, done.body)
        digest = sha256(data)
        assert done.headers["Docker-Content-Digest"] == digest
        assert done.headers["Location"] == f"/v2/alice/{way}/blobs/{digest}"
        pulled = await registry.call("GET", done.headers["Location"], token)
        assert (pulled.status, sha256(pulled.body)) == (200, digest)
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_f7_requests_of_all_sizes_over_two_replicas(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token = await registry.user("alice")
        for first in [1, 64 * KIB, 64 * KIB + 1, HELD_BYTES - 1, HELD_BYTES, PART_BYTES, _EDGE, _EDGE + 1]:
            data = noise(first + 100_000 + 6 * MIB + 3 + 70_000, first)
            session, offset = await Session.begin(registry, "alice/app", token), 0
            for number, size in enumerate([first, 100_000, 6 * MIB, 3]):
                sent = await session.patch(data[offset : offset + size], at=offset, replica=number % 2)
                assert sent.status == 202, sent.body
                offset += size
                assert sent.headers["Range"] == f"0-{offset - 1}"
                assert await session.offset(replica=1 - number % 2) == offset
            digest = sha256(data)
            assert (await session.put(digest, data[offset:], replica=1)).status == 201
            assert await session.pulled(digest) == data
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def test_small_chunks_cost_what_they_hold(env: dict[str, str]) -> None:
    """As .NET's containers are pushed, a request every 64 KiB: what was sent to the store is sent once more at most."""
    with FaultProxy(env["MOORAGE_S3_ENDPOINT"]) as proxy:
        env["MOORAGE_S3_ENDPOINT"] = proxy.url
        async with running(env) as registry:
            token, data = await registry.user("alice"), noise(7 * MIB)
            session = await Session.begin(registry, "alice/app", token)
            for number, chunk in enumerate(chunks(data, 64 * KIB)):
                answer = await session.patch(chunk, at=number * 64 * KIB)
                assert answer.status == 202, answer.body
            assert (await session.put(sha256(data))).status == 201
            assert proxy.count("PutObject") <= 7 * 8  # one in two requests: the others end in Postgres
            assert proxy.count("GetObject") <= proxy.count("PutObject")
            assert proxy.count("UploadPart") == 2
            assert await session.pulled(sha256(data)) == data


@pytest.mark.parametrize("reset", [False, True])
async def test_f1_a_client_that_vanishes_goes_on_where_it_was(registry: Registry, reset: bool) -> None:
    token = await registry.user("alice")
    for size in (10, 100_000, 6 * MIB, 20 * MIB):
        data = noise(size + 50_000, size)
        session = await Session.begin(registry, "alice/app", token)
        raw = await session.raw(f"Content-Length: {len(data)}" if reset else "Transfer-Encoding: chunked")
        for chunk in chunks(data[:size], 256 * KIB):
            await raw.send(chunk if reset else b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await asyncio.sleep(0.05)
        await raw.close(reset=reset)
        # The lease is given back at once; what came before the end is durable.
        answer = await session.patch(b"")
        assert answer.status == 202
        offset = await session.offset()
        assert 0 <= offset <= size
        assert (await session.patch(data[offset:], at=offset)).status == 202
        digest = sha256(data)
        assert (await session.put(digest)).status == 201
        assert await session.pulled(digest) == data


async def test_f2_a_body_cut_short_is_never_taken_for_whole(registry: Registry) -> None:
    token = await registry.user("alice")
    for head, body in [
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\nzz\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
        ("Content-Length: 10", b"hello"),
    ]:
        session = await Session.begin(registry, "alice/app", token)
        session.location += f"?digest={sha256(b'hello')}"
        raw = await session.raw(head, body, method="PUT")
        raw.writer.write_eof()
        assert await raw.status_line() in (0, 400), (head, body)
        await raw.close()
        assert (await registry.call("HEAD", f"/v2/alice/app/blobs/{sha256(b'hello')}", token)).status == 404


async def test_f3_a_chunk_sent_again_is_told_where_to_go_on(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    assert (await session.patch(b"a" * 100, at=0)).status == 202
    again = await session.patch(b"a" * 100, at=0)
    assert (again.status, again.code, again.headers["Range"]) == (416, "RANGE_INVALID", "0-99")
    assert (await session.patch(b"b" * 100, at=100)).status == 202
    assert (await session.put(sha256(b"a" * 100 + b"b" * 100))).status == 201


@pytest.mark.parametrize("digest_of", ["sha256", "sha512"])
async def test_f4_a_put_sent_again_is_told_the_same(registry: Registry, digest_of: str) -> None:
    token, data = await registry.user("alice"), noise(100_000)
    digest = f"{digest_of}:{hashlib.new(digest_of, data).hexdigest()}"
    session = await Session.begin(registry, "alice/app", token)
    first, second = await session.put(digest, data), await session.put(digest, data)
    assert first.status == second.status == 201
    assert first.headers["Location"] == second.headers["Location"]
    other = await session.put(sha256(b"other"))
    assert (other.status, other.code) == (400, "DIGEST_INVALID")
    assert (await session.patch(b"more")).status == 404


async def test_f5_bad_ranges_change_nothing(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    empty = await session.status()
    assert (empty.status, empty.headers["Range"]) == (204, "0-0")
    assert (await session.patch(b"a" * 100, at=0)).status == 202
    for content_range, length, status in [
        ("101-200", 100, 416),  # a gap
        ("99-198", 100, 416),  # an overlap
        ("300-200", 100, 400),  # reversed
        ("bananas", 100, 400),
        ("100-199", 99, 400),
        ("100-", 100, 400),
        ("100-99999999999999999999", 100, 400),
    ]:
        headers = {"Content-Range": content_range}
        bad = await registry.call("PATCH", session.location, token, data=b"b" * length, headers=headers)
        assert bad.status == status, (content_range, bad.body)
        assert await session.offset() == 100


async def test_f5_a_body_of_unknown_length_must_fill_its_range(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    more = await session.patch(streamed(b"a" * 2000), at=0, size=1000)
    assert (more.status, more.code) == (400, "SIZE_INVALID")
    assert await session.offset() == 0
    less = await session.patch(streamed(b"a" * 500), at=0, size=1000)
    assert (less.status, less.code) == (400, "SIZE_INVALID")
    assert await session.offset() == 0  # the range is sent again, whole


async def test_f6_of_two_patches_at_once_one_is_applied(env: dict[str, str]) -> None:
    async with running(env, replicas=2) as registry:
        token, data = await registry.user("alice"), noise(6 * MIB)
        session = await Session.begin(registry, "alice/app", token)
        first, second = await asyncio.gather(
            session.patch(streamed(data), at=0, size=len(data)),
            session.patch(streamed(data), at=0, size=len(data), replica=1),
        )
        assert sorted((first.status, second.status)) == [202, 416]
        assert (await session.put(sha256(data))).status == 201


async def test_f6_short_requests_at_once(env: dict[str, str]) -> None:
    """Which are one statement each, without a lease: of those that begin where one began, one is applied."""
    async with running(env, replicas=2) as registry:
        token, data = await registry.user("alice"), noise(3000)
        session = await Session.begin(registry, "alice/app", token)
        for offset in (0, 1000, 2000):
            chunk = data[offset : offset + 1000]
            sent = await asyncio.gather(*(session.patch(chunk, at=offset, replica=n % 2) for n in range(8)))
            assert sorted(answer.status for answer in sent) == [202, *[416] * 7]
            assert {answer.headers["Range"] for answer in sent} == {f"0-{offset + 999}"}
        done = await asyncio.gather(*(session.put(sha256(data), replica=n % 2) for n in range(8)))
        assert [answer.status for answer in done] == [201] * 8
        assert await session.pulled(sha256(data)) == data


async def test_what_another_process_did_to_a_short_upload_is_seen(env: dict[str, str]) -> None:
    """Each remembers how it left a session; what counts is how it is."""
    async with running(env, replicas=2) as registry:
        token, data = await registry.user("alice"), noise(3000)
        first, rest, digest = data[:1000], data[1000:], sha256(data)

        async def begun() -> Session:
            session = await Session.begin(registry, "alice/app", token)
            assert (await session.patch(first)).status == 202
            return session

        longer = await begun()
        assert (await longer.patch(rest[:500], replica=1)).status == 202
        assert (await longer.patch(rest, at=1000)).headers["Range"] == "0-1499"
        assert (await longer.patch(rest[500:])).headers["Range"] == "0-2999"
        assert (await longer.put(digest, replica=1)).status == 201
        assert await longer.pulled(digest) == data

        done = await begun()
        assert (await done.put(digest, rest, replica=1)).status == 201
        assert (await done.patch(rest)).status == 404
        assert (await done.put(digest)).status == 201

        cancelled = await begun()
        assert (await registry.call("DELETE", cancelled.location, token, replica=1)).status == 204
        assert (await cancelled.patch(rest)).status == 404
        assert (await cancelled.put(digest, rest)).status == 404


async def test_a_session_that_is_busy_for_long_is_a_conflict(env: dict[str, str]) -> None:
    async with running(env, change=uploads_with(busy_seconds=0.5)) as registry:
        await _busy(registry)


async def _busy(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    raw = await session.raw("Content-Length: 100", b"a" * 50)
    await asyncio.sleep(0.1)
    assert (await session.status()).status == 204
    busy = await session.patch(b"b")
    assert (busy.status, busy.code) == (409, "BLOB_UPLOAD_INVALID")
    assert "Retry-After" in busy.headers
    await raw.send(b"a" * 50)
    assert await raw.status_line() == 202
    await raw.close()


@pytest.mark.parametrize("whole", [False, True])
async def test_f10_a_wrong_digest_ends_the_session(registry: Registry, whole: bool) -> None:
    """Also while its parts are still on their way, which is when all of it comes in the PUT."""
    token = await registry.user("alice")
    for size in (0, 10, 100_000, 6 * MIB, 30 * MIB):
        data = noise(size)
        session = await Session.begin(registry, "alice/app", token)
        if not whole:
            assert (await session.patch(streamed(data))).status == 202
        wrong = await session.put(sha256(b"something else"), streamed(data) if whole else None)
        assert (wrong.status, wrong.code) == (400, "DIGEST_INVALID")
        assert sha256(data) in wrong.body.decode()
        for again in (await session.status(), await session.patch(b"x"), await session.put(sha256(data))):
            assert (again.status, again.code) == (404, "BLOB_UPLOAD_UNKNOWN")
        assert (await registry.call("HEAD", f"/v2/alice/app/blobs/{sha256(data)}", token)).status == 404
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_f11_a_layer_over_the_limit(env: dict[str, str]) -> None:
    env["MOORAGE_LAYER_LIMIT_BYTES"] = str(18 * MIB)
    async with running(env) as registry:
        token, data = await registry.user("alice"), noise(18 * MIB + 1)
        told = await Session.begin(registry, "alice/app", token)
        # The length is known: refused before a byte of it was sent.
        raw = await told.raw(f"Content-Length: {len(data)}")
        assert await raw.status_line() == 413
        await raw.close()
        assert (await told.status()).status == 404
        known = await registry.call(
            "POST", f"/v2/alice/app/blobs/uploads/?digest={sha256(data)}", token, data=streamed(data)
        )
        assert (known.status, known.code) == (413, "SIZE_INVALID")
        unknown = await Session.begin(registry, "alice/app", token)
        over = await unknown.patch(streamed(data))
        assert (over.status, over.code) == (413, "SIZE_INVALID")
        assert (await unknown.status()).status == 404
        in_steps = await Session.begin(registry, "alice/app", token)
        assert (await in_steps.patch(data[:-1])).status == 202
        assert (await in_steps.patch(data[-1:])).status == 413
        exact = await Session.begin(registry, "alice/app", token)
        assert (await exact.put(sha256(data[:-1]), streamed(data[:-1]))).status == 201
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def test_f12_a_session_ends_when_its_time_is_over(env: dict[str, str]) -> None:
    env["MOORAGE_UPLOAD_SECONDS"] = "1"
    async with running(env, replicas=2) as registry:
        token, data = await registry.user("alice"), noise(6 * MIB)
        session = await Session.begin(registry, "alice/app", token)
        assert (await session.patch(data)).status == 202
        raw = await session.raw("Content-Length: 1000", b"a" * 10)
        assert await raw.status_line() == 404  # in the middle of a body
        await raw.close()
        for replica in (0, 1):
            for answer in (
                await session.status(replica),
                await session.patch(b"x", replica=replica),
                await session.put(sha256(data), replica=replica),
            ):
                assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def test_f15_cancelled_while_it_receives(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    raw = await session.raw(f"Content-Length: {40 * MIB}")
    await raw.send(noise(30 * MIB))
    assert (await session.cancel()).status == 204
    for answer in (await session.status(), await session.cancel(), await session.patch(b"x")):
        assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    await raw.send(noise(10 * MIB))
    assert await raw.status_line() == 404
    await raw.close()
    await registry.services.db.execute("UPDATE uploads SET lease_until = now()")
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_the_sweeper_waits_for_the_lease_of_a_cancelled_session(registry: Registry) -> None:
    token = await registry.user("alice")
    session = await Session.begin(registry, "alice/app", token)
    raw = await session.raw("Content-Length: 100", b"a" * 10)
    await asyncio.sleep(0.1)
    assert (await session.cancel()).status == 204
    assert (await run_once(registry.services))["expire_uploads"] == 0
    await raw.close()


async def test_s9_a_digest_alone_proves_nothing(registry: Registry) -> None:
    alice, mallory = await registry.user("alice"), await registry.user("mallory")
    data = noise(100_000)
    digest = await registry.push_blob("alice/app", data, alice)
    for some in (None, data[:50_000]):
        session = await Session.begin(registry, "mallory/app", mallory)
        answer = await session.put(digest, some)
        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
    assert (await registry.call("HEAD", f"/v2/mallory/app/blobs/{digest}", mallory)).status == 404


async def test_s13_a_session_is_known_only_to_its_owner_and_in_its_package(registry: Registry) -> None:
    alice, mallory = await registry.user("alice"), await registry.user("mallory")
    admin = await registry.admin()
    session = await Session.begin(registry, "alice/app", alice)
    await Session.begin(registry, "alice/other", alice)
    await Session.begin(registry, "mallory/app", mallory)
    assert (await session.patch(b"a" * 100)).status == 202
    upload = session.location.rpartition("/")[2]
    for name, token in (("alice/other", alice), ("mallory/app", mallory), ("alice/app", admin)):
        stolen = Session(registry, name, token, f"/v2/{name}/blobs/uploads/{upload}")
        for answer in (
            await stolen.status(),
            await stolen.patch(b"b"),
            await stolen.put(sha256(b"a" * 100)),
            await stolen.cancel(),
        ):
            assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN"), name
    assert await session.offset() == 100


async def test_too_many_sessions_of_one_account(env: dict[str, str]) -> None:
    env["MOORAGE_UPLOADS_PER_ACCOUNT"] = "3"
    async with running(env) as registry:
        alice, bob = await registry.user("alice"), await registry.user("bob")
        sessions = [await Session.begin(registry, f"alice/{n}", alice) for n in range(3)]
        more = await registry.call("POST", "/v2/alice/app/blobs/uploads/", alice)
        assert (more.status, more.code) == (429, "TOOMANYREQUESTS")
        assert int(more.headers["Retry-After"]) > 0
        await Session.begin(registry, "bob/app", bob)
        assert (await sessions[0].put(sha256(b""))).status == 201
        assert (await sessions[1].cancel()).status == 204
        await Session.begin(registry, "alice/app", alice)


@pytest.mark.parametrize("wrong", [False, True])
async def test_a_sha512_digest_on_a_session_that_was_not_told_so(registry: Registry, wrong: bool) -> None:
    token = await registry.user("alice")
    for size in (0, 100, 100_000, 6 * MIB, 20 * MIB):
        data = noise(size)
        digest = f"sha512:{hashlib.sha512(data + b'x' * wrong).hexdigest()}"
        for cut in {0, size // 2, size}:
            session = await Session.begin(registry, "alice/app", token)
            assert (await session.patch(data[:cut])).status == 202
            done = await session.put(digest, data[cut:])
            assert done.status == (400 if wrong else 201), (size, cut, done.body)
        pulled = await registry.call("GET", f"/v2/alice/app/blobs/{digest}", token)
        assert (pulled.status == 404) if wrong else (pulled.body == data)
    await end_all_sessions(registry)
    await run_once(registry.services)
    assert await kept(registry) == NOTHING


async def test_a_sha512_session_is_hashed_as_such(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(18 * MIB)
    digest = f"sha512:{hashlib.sha512(data).hexdigest()}"
    started = await registry.call("POST", "/v2/alice/app/blobs/uploads/?digest-algorithm=sha512", token)
    session = Session(registry, "alice/app", token, started.headers["Location"])
    assert (await session.patch(streamed(data[:17_000_000]))).status == 202
    assert (await session.put(digest, streamed(data[17_000_000:]))).status == 201
    assert await session.pulled(digest) == data


async def test_a_client_that_stands_still_is_given_up_and_may_come_back(env: dict[str, str]) -> None:
    async with running(env, change=uploads_with(stall_timeout=StallTimeout(0.05, 0.4, 1000))) as registry:
        token = await registry.user("alice")
        session = await Session.begin(registry, "alice/app", token)
        raw = await session.raw("Content-Length: 100000", b"a" * 999)
        assert await raw.status_line() == 400
        await raw.close()
        assert await session.offset() == 999
        slow = await session.raw("Content-Length: 10000")
        for _ in range(10):
            await slow.send(b"a" * 1000)
            await asyncio.sleep(0.1)
        assert await slow.status_line() == 202
        await slow.close()
