"""Requests with short bodies, in any pieces; and nothing of what comes around them is lost."""

import asyncio
from itertools import pairwise
from typing import Final

import orjson
import pytest

from tests.support.raw import RawAnswer, Wire, request
from tests.support.server import Registry, running
from tests.support.uploading import noise, sha256

TEXT: Final = b"some bytes"
MANIFEST: Final = "Content-Type: application/vnd.oci.image.manifest.v1+json"


async def bearer(registry: Registry, token: str, name: str, actions: str = "pull,push") -> str:
    """The header with a bearer token."""
    answer = await registry.call("GET", f"/token?service=moorage&scope=repository:{name}:{actions}", token)
    return f"Authorization: Bearer {orjson.loads(answer.body)['token']}"


async def ask(wire: Wire, method: str, target: str, *headers: str, body: bytes | None = None) -> RawAnswer:
    length = () if body is None else (f"Content-Length: {len(body)}",)
    await wire.send(request(method, target, *headers, *length, body=body or b""))
    return await wire.answer()


def manifest_of(digest: str) -> bytes:
    config = {"mediaType": "application/octet-stream", "digest": digest, "size": len(TEXT)}
    return orjson.dumps({"schemaVersion": 2, "config": config, "layers": []})


async def test_a_push_on_one_connection(registry: Registry) -> None:
    token = await registry.user("alice")
    who = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        answers = [await ask(wire, "POST", "/v2/alice/app/blobs/uploads/", who)]
        where = answers[-1].headers["Location"]
        answers.append(await ask(wire, "PATCH", where, who, body=TEXT[:4]))
        answers.append(await ask(wire, "PATCH", where, who, "Content-Range: 4-9", body=TEXT[4:]))
        answers.append(await ask(wire, "PUT", f"{where}?digest={sha256(TEXT)}", who, body=b""))
        answers.append(
            await ask(wire, "PUT", "/v2/alice/app/manifests/v1", who, MANIFEST, body=manifest_of(sha256(TEXT)))
        )
        answers.append(await ask(wire, "GET", "/v2/alice/app/tags/list", who))
        assert [answer.status for answer in answers] == [202, 202, 202, 201, 201, 200]
        assert orjson.loads(answers[-1].body)["tags"] == ["v1"]
        assert len({answer.headers["X-Moorage-Request-Id"] for answer in answers}) == len(answers)
    assert (await registry.call("GET", f"/v2/alice/app/blobs/{sha256(TEXT)}", token)).body == TEXT


@pytest.mark.parametrize("size", [10, 40_000])
async def test_a_body_that_comes_later_and_in_pieces(registry: Registry, size: int) -> None:
    token, data = await registry.user("alice"), noise(size)
    who = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        for cuts in ((0,), (1,), (0, 1, 2), (4, size - 1), (size - 1,)):
            where = (await ask(wire, "POST", "/v2/alice/app/blobs/uploads/", who)).headers["Location"]
            head = request("PUT", f"{where}?digest={sha256(data)}", who, f"Content-Length: {size}")
            after = request("GET", "/v2/alice/app/tags/list", who)
            ends = (*cuts, size)
            pieces = [head + data[: cuts[0]], *(data[a:b] for a, b in pairwise(ends))]
            for number, piece in enumerate(pieces):
                await wire.send(piece + (after if number == len(pieces) - 1 else b""))
                await asyncio.sleep(0.02 if number % 2 else 0)
            assert (await wire.answer()).status == 201
            assert (await wire.answer()).status == 200
    assert (await registry.call("GET", f"/v2/alice/app/blobs/{sha256(data)}", token)).body == data


async def test_who_is_refused_need_not_send_the_body(registry: Registry) -> None:
    await registry.user("alice")
    for method, target in (
        ("PUT", "/v2/alice/app/manifests/v1"),
        ("PATCH", "/v2/alice/app/blobs/uploads/00000000-0000-4000-8000-000000000000"),
        ("POST", f"/v2/alice/app/blobs/uploads/?digest={sha256(TEXT)}"),
    ):
        async with Wire.to(registry.url) as wire:
            await wire.send(request(method, target, "Content-Length: 1000", body=b"some"))
            assert (await wire.answer(seconds=3)).status == 401


async def test_a_body_is_never_a_request(registry: Registry) -> None:
    """S47: not even one that is refused, or that nobody reads."""
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    who = await bearer(registry, token, "alice/app")
    inner = request("GET", "/v2/alice/app/manifests/v1", who)
    for method, target, *headers in (
        ("PUT", "/v2/alice/app/manifests/v1"),
        ("PUT", "/v2/alice/app/manifests/v1", who),
        ("PATCH", "/v2/alice/app/blobs/uploads/00000000-0000-4000-8000-000000000000", who),
        ("POST", "/v2/alice/app/blobs/uploads/", who),
        ("POST", f"/v2/alice/app/blobs/uploads/?digest={sha256(TEXT)}&mount={sha256(TEXT)}", who),
        ("GET", "/v2/alice/app/tags/list", who),
        ("GET", "/token", ""),
    ):
        length = f"Content-Length: {len(inner)}"
        for first in (len(inner), 0, 10, len(inner) - 1):
            async with Wire.to(registry.url) as wire:
                await wire.send(request(method, target, *filter(None, headers), length, body=inner[:first]))
                await asyncio.sleep(0.03)
                await wire.send(inner[first:] + request("GET", "/v2/", "Connection: close"))
                answers = []
                while (answer := await wire.answer()).status:
                    answers.append(answer)
                assert not [a for a in answers if "Docker-Content-Digest" in a.headers], (method, target, first)


async def test_requests_that_are_sent_ahead_are_answered_in_their_order(registry: Registry) -> None:
    token = await registry.user("alice")
    who = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        where = (await ask(wire, "POST", "/v2/alice/app/blobs/uploads/", who)).headers["Location"]
        for end in (2 * len(TEXT), 4 * len(TEXT)):
            parts = [
                request("PATCH", where, who, f"Content-Length: {len(TEXT)}", body=TEXT),
                request("GET", "/healthz"),
                request("PATCH", where, who, f"Content-Length: {len(TEXT)}", body=TEXT),
                request("HEAD", f"/v2/alice/app/blobs/{sha256(TEXT)}", who),
            ]
            for piece in [b"".join(parts)] if end == 2 * len(TEXT) else parts:
                await wire.send(piece)
            answers = [await wire.answer(head=number == 3) for number in range(4)]
            assert [answer.status for answer in answers] == [202, 200, 202, 404]
            assert answers[2].headers["Range"] == f"0-{end - 1}"


async def test_what_is_over_64_kib_is_streamed(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(65_537)
    who = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        answer = await ask(wire, "POST", f"/v2/alice/app/blobs/uploads/?digest={sha256(data)}", who, body=data)
        assert answer.status == 201
        where = (await ask(wire, "POST", "/v2/alice/app/blobs/uploads/", who)).headers["Location"]
        for size in (40_000, 25_537):
            piece, data = data[:size], data[size:] + data[:size]
            assert (await ask(wire, "PATCH", where, who, body=piece)).status == 202
        assert (await ask(wire, "PUT", f"{where}?digest={sha256(data)}", who, body=b"")).status == 201
    assert (await registry.call("GET", f"/v2/alice/app/blobs/{sha256(data)}", token)).body == data


async def test_without_postgres_it_is_503(env: dict[str, str]) -> None:
    async with running(env) as registry:
        token = await registry.user("alice")
        who = await bearer(registry, token, "alice/app")
        await registry.services.db.close()
        async with Wire.to(registry.url) as wire:
            for method, target in (("POST", "/v2/alice/app/blobs/uploads/"), ("GET", "/v2/alice/app/tags/list")):
                answer = await ask(wire, method, target, who)
                assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


async def test_an_upload_is_begun_once_however_its_body_comes(registry: Registry) -> None:
    """A handler is never run again for what it has begun."""
    token, data = await registry.user("alice"), noise(1000)
    who = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        for first in (0, 1, 999):
            head = request(
                "POST", f"/v2/alice/app/blobs/uploads/?digest={sha256(b'other')}", who, "Content-Length: 1000"
            )
            await wire.send(head + data[:first])
            await asyncio.sleep(0.1)
            await wire.send(data[first:])
            assert (await wire.answer()).status == 400
    packages = await registry.services.db.fetchrow("SELECT count(*) AS n FROM packages")
    uploads = await registry.services.db.fetchrow("SELECT count(*) AS n FROM uploads")
    assert packages is not None
    assert uploads is not None
    assert (packages["n"], uploads["n"]) == (1, 3)


@pytest.mark.parametrize("cuts", [(), (0,), (5,), (0, 3, 700)])
async def test_a_chunk_that_is_not_its_range_moves_nothing(registry: Registry, cuts: tuple[int, ...]) -> None:
    """However TCP cuts it, and whatever frames it."""
    token = await registry.user("alice")
    who = await bearer(registry, token, "alice/app")
    async with Wire.to(registry.url) as wire:
        where = (await ask(wire, "POST", "/v2/alice/app/blobs/uploads/", who)).headers["Location"]
        for size in (999, 1001):
            chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (size, noise(size))
            for framing, body in ((f"Content-Length: {size}", noise(size)), ("Transfer-Encoding: chunked", chunked)):
                sent = request("PATCH", where, who, "Content-Range: 0-999", framing)
                at = [0, *(len(sent) + cut for cut in cuts), len(sent) + len(body)]
                for start, end in pairwise(at):
                    await wire.send((sent + body)[start:end])
                    await asyncio.sleep(0.03)
                answer = await wire.answer()
                assert (answer.status, orjson.loads(answer.body)["errors"][0]["code"]) == (400, "SIZE_INVALID")
                status = await ask(wire, "GET", where, who)
                assert (status.status, status.headers["Range"]) == (204, "0-0")
        assert (await ask(wire, "PATCH", where, who, "Content-Range: 0-9", body=noise(10))).status == 202
