"""SIGTERM: readiness goes first, uploads are handed over, nothing is lost, and it ends in time (F42)."""

import asyncio
import contextlib
import hashlib
import os
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from registry.accounts.accounts import create_token, create_user
from registry.devservers.seaweed import EmbeddedS3
from storage.metadata.database import Database
from tests.support.processes import serving
from tests.support.raw import Wire, ask, request
from tests.support.server import PACKAGES, basic, running


@pytest.fixture
def given(env: dict[str, str], s3: EmbeddedS3) -> dict[str, str]:
    return {**env, "MOORAGE_S3_BUCKET": s3.bucket, "MOORAGE_WORKERS": "1"}


async def header_of_alice(db: Database) -> str:
    await create_user(db, "alice")
    token, _ = await create_token(db, "alice", PACKAGES)
    return f"Authorization: {basic(token.reveal())['Authorization']}"


async def _finished_elsewhere(given: dict[str, str], alice: str, location: str, whole: bytes) -> int:
    """Another replica has the rest of an upload sent, and its digest; how much of it that replica had found."""
    digest = "sha256:" + hashlib.sha256(whole).hexdigest()
    async with running(given) as replica:
        status = await ask(replica.url, request("GET", location, alice))
        assert status.status == 204
        durable = int(status.headers["Range"].partition("-")[2]) + 1
        rest = whole[durable:]
        put = request("PUT", f"{location}?digest={digest}", alice, f"Content-Length: {len(rest)}", body=rest)
        done = await ask(replica.url, put)
        assert done.status == 201, done.body
    return durable


async def test_f42_an_upload_is_handed_over_and_readiness_goes_first(
    given: dict[str, str], db: Database, tmp_path: Path
) -> None:
    alice, log = await header_of_alice(db), tmp_path / "log"
    piece = os.urandom(100_000)
    async with AsyncExitStack() as stack:
        limits = {"MOORAGE_DRAIN_SECONDS": "1.5", "MOORAGE_STOP_SECONDS": "1.5"}
        process, url = await stack.enter_async_context(serving({**given, **limits}, log))
        started = await ask(url, request("POST", "/v2/alice/app/blobs/uploads/", alice, "Content-Length: 0"))
        location = started.headers["Location"]
        upload, idle = await stack.enter_async_context(Wire.to(url)), await stack.enter_async_context(Wire.to(url))
        await idle.send(request("GET", "/v2/"))
        assert "Connection" not in (await idle.answer()).headers
        await upload.send(request("PATCH", location, alice, "Transfer-Encoding: chunked"))
        chunk = b"%x\r\n" % len(piece) + piece + b"\r\n"
        await upload.send(chunk * 3)
        await asyncio.sleep(0.3)

        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        await asyncio.sleep(0.4)
        ready = await ask(url, request("GET", "/readyz"))
        assert (ready.status, ready.headers["Retry-After"]) == (503, "1")
        assert (await ask(url, request("GET", "/healthz"))).status == 200
        other = await ask(url, request("GET", "/v2/"))
        assert (other.status, other.headers["Connection"]) == (401, "close"), "served still, but not for long"
        await upload.send(chunk)
        assert await upload.silent(0.3), "the upload goes on while others are told to go elsewhere"
        sent = 4
        while time.monotonic() - told < 4.5:
            await upload.send(chunk)
            sent += 1
            await asyncio.sleep(0.2)
        answer = await upload.answer()
        assert (answer.status, answer.headers["Connection"]) == (503, "close")
        await upload.close()
        assert await idle.closed()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert time.monotonic() - told < 15
    text = log.read_text()
    assert "Traceback" not in text
    assert '"serve.leaving"' in text

    durable = await _finished_elsewhere(given, alice, location, piece * sent)
    assert 3 * len(piece) <= durable <= sent * len(piece), "what came before the end of the grace is kept"


async def test_f42_what_was_let_in_is_finished_off_the_listener(
    given: dict[str, str], db: Database, tmp_path: Path
) -> None:
    alice, log = await header_of_alice(db), tmp_path / "log"
    piece = os.urandom(100_000)
    chunk = b"%x\r\n" % len(piece) + piece + b"\r\n"
    async with AsyncExitStack() as stack:
        process, url = await stack.enter_async_context(serving({**given, "MOORAGE_STOP_SECONDS": "30"}, log))
        started = await ask(url, request("POST", "/v2/alice/app/blobs/uploads/", alice, "Content-Length: 0"))
        location = started.headers["Location"]
        upload, idle = await stack.enter_async_context(Wire.to(url)), await stack.enter_async_context(Wire.to(url))
        between = await stack.enter_async_context(Wire.to(url))
        await idle.send(request("GET", "/v2/"))
        assert "Connection" not in (await idle.answer()).headers
        again = await ask(url, request("POST", "/v2/alice/app/blobs/uploads/", alice, "Content-Length: 0"))
        other = again.headers["Location"]
        head = request("PATCH", other, alice, "Content-Length: 3", body=b"abc")
        await between.send(head[:40])
        await upload.send(request("PATCH", location, alice, "Transfer-Encoding: chunked"))
        await upload.send(chunk)
        await asyncio.sleep(0.3)

        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        assert await idle.closed(1), "at once"
        with pytest.raises(OSError):  # noqa: PT011 - refused, or reset, as the system has it
            await Wire.open(url)
        await between.send(head[40:])
        answer = await between.answer()
        assert (answer.status, answer.headers["Connection"]) == (202, "close"), "it is to go on elsewhere"
        sent = 1
        while time.monotonic() - told < 12:
            await upload.send(chunk)
            sent += 1
            assert await upload.silent(0.5), "the upload goes on"
        await upload.send(b"0\r\n\r\n")
        answer = await upload.answer()
        assert (answer.status, answer.headers["Connection"]) == (202, "close")
        assert await asyncio.wait_for(process.wait(), 5) == 0, "nobody is waited for any more"
    assert "Traceback" not in log.read_text()

    assert await _finished_elsewhere(given, alice, location, piece * sent) == sent * len(piece)


async def test_f42_an_upload_that_stands_still_does_not_keep_the_process(
    given: dict[str, str], db: Database, tmp_path: Path
) -> None:
    alice = await header_of_alice(db)
    async with AsyncExitStack() as stack:
        process, url = await stack.enter_async_context(
            serving({**given, "MOORAGE_STOP_SECONDS": "1"}, tmp_path / "log")
        )
        started = await ask(url, request("POST", "/v2/alice/app/blobs/uploads/", alice, "Content-Length: 0"))
        upload = await stack.enter_async_context(Wire.to(url))
        await upload.send(request("PATCH", started.headers["Location"], alice, "Content-Length: 1000", body=b"abc"))
        half = await stack.enter_async_context(Wire.to(url))
        await half.send(b"GET /v2/ HT")
        form = await stack.enter_async_context(Wire.to(url))
        await form.send(
            request(
                "POST", "/token", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 10", body=b"a"
            )
        )
        await asyncio.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        assert (await upload.answer(seconds=10)).status == 503
        assert await asyncio.wait_for(process.wait(), 22) == 0
        assert time.monotonic() - told < 20
    row = await db.fetchrow("SELECT octet_length(tail) AS size FROM uploads")
    assert row is not None
    assert row["size"] == 3


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", f"Content-Length: {4 * 2**30}"])
async def test_f42_a_client_that_sends_on_gets_to_read_why_it_should_stop(
    given: dict[str, str], db: Database, tmp_path: Path, length: str
) -> None:
    """A connection that is closed before its bytes are read is reset, and what we said on it is lost."""
    alice = await header_of_alice(db)
    piece = b"10000\r\n" + os.urandom(65536) + b"\r\n" if "chunked" in length else os.urandom(65536)
    async with AsyncExitStack() as stack:
        process, url = await stack.enter_async_context(
            serving({**given, "MOORAGE_STOP_SECONDS": "1"}, tmp_path / "log")
        )
        started = await ask(url, request("POST", "/v2/alice/app/blobs/uploads/", alice, "Content-Length: 0"))
        upload = await stack.enter_async_context(Wire.to(url))
        await upload.send(request("PATCH", started.headers["Location"], alice, length))

        async def sends_on() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await upload.send(piece)
                    await asyncio.sleep(0.001)

        sending = asyncio.create_task(sends_on())  # noqa: TID251 - cancelled below
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        answer = await upload.answer()
        assert (answer.status, answer.headers["Connection"]) == (503, "close")
        sending.cancel()
        await upload.close()
        assert await asyncio.wait_for(process.wait(), 5) == 0


async def test_f42_a_pull_is_finished_and_one_that_stands_still_is_not_waited_for(
    given: dict[str, str], tmp_path: Path
) -> None:
    data, log = os.urandom(24_000_000), tmp_path / "log"
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(running(given))
        token = await registry.user("alice")
        path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
        process, url = await stack.enter_async_context(serving({**given, "MOORAGE_STOP_SECONDS": "6"}, log))
        pulled = request("GET", path, f"Authorization: {basic(token)['Authorization']}")
        slow, still = await stack.enter_async_context(Wire.to(url)), await stack.enter_async_context(Wire.to(url))
        await slow.send(pulled)
        await still.send(pulled)
        await asyncio.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        await asyncio.sleep(1)
        assert (await slow.answer()).body == data
        assert await asyncio.wait_for(process.wait(), 25) == 0
        assert time.monotonic() - told > 5, "it had its time"
    text = log.read_text()
    assert "Traceback" not in text
    assert '"status":500' not in text
