"""Pulls that are look-ups: answered without a task, whatever comes around them on their connection."""

import asyncio
import contextlib
import time

import orjson
import pytest

from registry.http.v2.app import parsed_pull
from tests.support.raw import RawAnswer, Wire, request
from tests.support.server import Registry, basic, running


async def bearer(registry: Registry, token: str, name: str) -> str:
    """The header with a bearer token for pulling and pushing."""
    answer = await registry.call("GET", f"/token?service=moorage&scope=repository:{name}:pull,push", token)
    return f"Authorization: Bearer {orjson.loads(answer.body)['token']}"


async def counted(wire: Wire, sent: bytes, *, head: bool = False) -> RawAnswer:
    await wire.send(sent)
    return await wire.answer(head=head)


def plain(answer: RawAnswer) -> tuple[int, set[tuple[str, str]], bytes]:
    own = {"date", "x-moorage-request-id"}
    return answer.status, {(k.lower(), v) for k, v in answer.headers.items() if k.lower() not in own}, answer.body


async def test_a_look_up_answers_as_the_coroutine_does(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever comes with a bearer token is answered by a look-up, with Basic by a coroutine; conditions and all."""
    token = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", token)
    blob = await registry.push_blob("alice/app", b"some bytes", token)
    large = await registry.push_blob("alice/app", b"x" * 100_000, token)
    allowed = await bearer(registry, token, "alice/app")
    login = f"Authorization: {basic(token)['Authorization']}"
    name = "/v2/alice/app"
    targets = [
        *(f"{name}/manifests/{reference}" for reference in ("v1", digest, "v2", "~")),
        *(f"{name}/blobs/{reference}" for reference in (blob, large, f"sha256:{'0' * 64}")),
        "/v2/alice/other/manifests/v1",
    ]
    conditions: list[tuple[str, ...]] = [
        (), ("Range: bytes=1-3",), ("Range: bytes=1000000-",), (f'If-None-Match: "{digest}"',),
        (f'If-None-Match: "{blob}", "x"', "If-None-Match: *"), ("Range: bytes=1-3", 'If-Range: "other"'),
    ]  # fmt: skip
    async with Wire.to(registry.url) as wire:
        for method in ("GET", "HEAD"):
            for target in targets:
                for condition in conditions:
                    sent = [request(method, target, who, *condition) for who in (allowed, login, allowed)]
                    answers = [await counted(wire, one, head=method == "HEAD") for one in sent]
                    assert plain(answers[0]) == plain(answers[1]) == plain(answers[2]), (method, target, condition)
                    assert len({one.headers["X-Moorage-Request-Id"] for one in answers}) == 3
    assert [r for r in caplog.records if r.levelname == "ERROR"] == []


async def test_a_redirected_blob_is_a_look_up(env: dict[str, str]) -> None:
    """It waits for no place among the requests that are worked on."""
    async with running({**env, "MOORAGE_REDIRECT": "on"}) as registry:
        token = await registry.user("alice")
        blob = await registry.push_blob("alice/app", b"x" * 100_000, token)
        sent = request("GET", f"/v2/alice/app/blobs/{blob}", await bearer(registry, token, "alice/app"))
        registry.admission.working += registry.admission.most
        async with Wire.to(registry.url) as wire, asyncio.timeout(1):
            answer = await counted(wire, sent)
        registry.admission.working -= registry.admission.most
        assert answer.status == 307
        async with registry.http.get(answer.headers["Location"]) as stored:
            assert (stored.status, len(await stored.read())) == (200, 100_000)


async def test_headers_that_mean_nothing_here_cost_nothing(registry: Registry) -> None:
    """Requests that differ in their traces only are parsed once."""
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    allowed = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        for number in range(5):
            before = parsed_pull.cache_info()
            trace = (f"traceparent: 00-{number:032x}-{number:016x}-01", f"X-Request-Id: {number}")
            assert (await counted(wire, request("GET", "/v2/alice/app/manifests/v1", allowed, *trace))).status == 200
            assert parsed_pull.cache_info().misses == before.misses + (number == 0)


async def test_requests_that_come_at_once_are_answered_in_their_order(registry: Registry) -> None:
    token = await registry.user("alice")
    tags = [f"v{number}" for number in range(5)]
    digests = [await registry.push_image("alice/app", tag, token) for tag in tags]
    allowed = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        for together in (True, False):
            heads = [request("HEAD", f"/v2/alice/app/manifests/{tag}", allowed) for tag in tags]
            heads.insert(2, request("GET", "/healthz"))
            for piece in [b"".join(heads)] if together else heads:
                await wire.send(piece)
                await asyncio.sleep(0)
            answers = [await wire.answer(head=number != 2) for number in range(6)]
            assert [a.headers.get("Docker-Content-Digest") for a in answers] == [*digests[:2], None, *digests[2:]]


async def test_what_continues_a_message_is_never_a_message(registry: Registry) -> None:
    """S47: bytes that look like a request in the middle of another belong to it, wherever the pieces are cut."""
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    allowed = await bearer(registry, token, "alice/app")
    inner = request("GET", "/v2/alice/app/manifests/v1", allowed)
    for before in (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-A: ",
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nX-A: ",
        request("POST", "/token", f"Content-Length: {len(inner) + 5}") + b"12345",
        request("POST", "/token", f"Content-Length: {len(inner) + 4}") + b"\r\n\r\n",
        request("POST", "/token", f"Content-Length: {len(inner)}"),
    ):
        async with Wire.to(registry.url) as wire:
            await wire.send(before)
            await asyncio.sleep(0.05)
            await wire.send(inner)
            await wire.send(request("GET", "/v2/", "Connection: close"))
            answers = []
            while (answer := await wire.answer()).status:
                answers.append(answer)
            assert not [a for a in answers if "Docker-Content-Digest" in a.headers], before


async def test_a_head_in_pieces_is_read(registry: Registry) -> None:
    token = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", token)
    sent = request("HEAD", "/v2/alice/app/manifests/v1", await bearer(registry, token, "alice/app"))
    async with Wire.to(registry.url) as wire:
        for cut in (3, 30, len(sent) - 4, len(sent) - 2, len(sent) - 1):
            await wire.send(sent[:cut])
            await asyncio.sleep(0.02)
            await wire.send(sent[cut:])
            assert (await wire.answer(head=True)).headers["Docker-Content-Digest"] == digest


async def test_who_reads_nothing_is_waited_for(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    sent = request("GET", "/v2/alice/app/manifests/v1", await bearer(registry, token, "alice/app"))
    async with Wire.to(registry.url) as wire, asyncio.timeout(60):
        asked = 0
        with contextlib.suppress(TimeoutError):
            while asked < 20_000:
                asked += 1
                async with asyncio.timeout(1):
                    await wire.send(sent)
        assert asked < 20_000, "20,000 answers were kept for a client that read none"
        for _ in range(asked):
            assert (await wire.answer()).status == 200


async def test_a_connection_of_look_ups_ends_when_it_is_idle(env: dict[str, str]) -> None:
    async with running({**env, "MOORAGE_IDLE_SECONDS": "1"}) as registry:
        token = await registry.user("alice")
        await registry.push_image("alice/app", "v1", token)
        sent = request("HEAD", "/v2/alice/app/manifests/v1", await bearer(registry, token, "alice/app"))
        async with Wire.to(registry.url) as wire:
            begun = time.monotonic()
            for _ in range(4):
                assert (await counted(wire, sent, head=True)).status == 200
                await asyncio.sleep(0.5)
            assert await wire.closed(3)
            assert time.monotonic() - begun > 2
