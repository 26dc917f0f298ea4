"""Short requests are answered without aiohttp as they are with it, and nothing of what comes around them is lost."""

import asyncio
import re
from itertools import pairwise
from typing import Final

import orjson
import pytest

from tests.support.raw import RawAnswer, Wire, request
from tests.support.server import Registry, basic, running
from tests.support.uploading import noise, sha256

#: Sends a request the long way: what else it says does not matter to the answer.
LONG: Final = "Connection: Keep-Alive, X-Nothing"
TEXT: Final = b"some bytes"
MANIFEST: Final = "Content-Type: application/vnd.oci.image.manifest.v1+json"
_OWN: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\"(?:access_)?token\":\"[^\"]*\"")


async def bearer(registry: Registry, token: str, name: str, actions: str = "pull,push") -> str:
    """The header with a bearer token."""
    answer = await registry.call("GET", f"/token?service=moorage&scope=repository:{name}:{actions}", token)
    return f"Authorization: Bearer {orjson.loads(answer.body)['token']}"


async def ask(wire: Wire, method: str, target: str, *headers: str, body: bytes | None = None) -> RawAnswer:
    length = () if body is None else (f"Content-Length: {len(body)}",)
    await wire.send(request(method, target, *headers, *length, body=body or b""))
    return await wire.answer()


def way(answer: RawAnswer) -> str:
    """Who has answered: each counts ids of its own."""
    return answer.headers["X-Moorage-Request-Id"].partition("-")[0]


def told(answer: RawAnswer) -> tuple[int, set[tuple[str, str]], str]:
    """What is the same for two answers to the same question. aiohttp gives a type to bodies that are empty."""
    own = {"date", "x-moorage-request-id"} | (set() if answer.body else {"content-type"})
    headers = {(k.lower(), _OWN.sub("…", v)) for k, v in answer.headers.items() if k.lower() not in own}
    return answer.status, headers, _OWN.sub("…", answer.body.decode())


def manifest_of(digest: str) -> bytes:
    config = {"mediaType": "application/octet-stream", "digest": digest, "size": len(TEXT)}
    return orjson.dumps({"schemaVersion": 2, "config": config, "layers": []})


async def test_pushes_tokens_and_lists_are_answered_as_by_aiohttp(registry: Registry) -> None:
    token, other = await registry.user("alice"), await registry.user("bob")
    digest = await registry.push_blob("alice/app", TEXT, token)
    name, image = "/v2/alice/app", manifest_of(digest)
    session = f"{name}/blobs/uploads/00000000-0000-4000-8000-000000000000"
    scope = "service=moorage&scope=repository%3Aalice%2Fapp%3Apull%2Cpush&scope=repository:alice/b:pull"
    asked: list[tuple[str, str, tuple[str, ...], bytes | None]] = [
        ("PUT", f"{name}/manifests/v1", (MANIFEST,), image),
        ("PUT", f"{name}/manifests/v2", (MANIFEST,), image),
        ("PUT", f"{name}/manifests/{sha256(image)}?tag=a&tag=b", (MANIFEST,), image),
        ("PUT", f"{name}/manifests/{sha256(TEXT)}", (MANIFEST,), image),
        ("PUT", f"{name}/manifests/v1", (MANIFEST,), b"{"),
        ("PUT", f"{name}/manifests/v1", (MANIFEST,), manifest_of(sha256(b"absent"))),
        ("PUT", f"{name}/manifests/v%31", (MANIFEST,), image),
        ("PUT", "/v2/carol/app/manifests/v1", (MANIFEST,), image),
        ("POST", f"{name}/blobs/uploads/", (), None),
        ("POST", f"{name}/blobs/uploads/", (), b""),
        ("POST", f"{name}/blobs/uploads/", (), b"nobody reads this"),
        ("POST", f"{name}/blobs/uploads/?digest={digest}", (), TEXT),
        ("POST", f"{name}/blobs/uploads/?digest={digest}", (), b"others"),
        ("POST", f"{name}/blobs/uploads/?digest=sha256%3A{digest[7:]}", (), TEXT),
        ("POST", f"{name}/blobs/uploads/?mount={digest}&from=alice/app", (), None),
        ("POST", f"{name}/blobs/uploads/?mount={digest}&mount={digest}", (), None),
        ("POST", f"{name}/blobs/uploads/?digest=%ff", (), None),
        ("POST", "/v2/carol/app/blobs/uploads/", (), None),
        ("PATCH", session, (), TEXT),
        ("PUT", f"{session}?digest={digest}", (), TEXT),
        ("PUT", session, (), TEXT),
        ("GET", f"{name}/tags/list", (), None),
        ("GET", f"{name}/tags/list?n=1", (), None),
        ("GET", f"{name}/tags/list?n=1&last=v1", (), None),
        ("GET", f"{name}/tags/list?n=x", (), None),
        ("GET", "/v2/alice/none/tags/list", (), None),
        ("POST", f"{name}/tags/list", (), None),
    ]
    bearers = (await bearer(registry, token, "alice/app"), await bearer(registry, other, "alice/app"))
    pulls = await bearer(registry, token, "alice/app", "pull")
    credentials: list[tuple[str, ...]] = [(one,) for one in (*bearers, pulls, "Authorization: Bearer a.b.c")]
    credentials += [(), (f"Authorization: {basic(token)['Authorization']}",)]
    async with Wire.to(registry.url) as wire:
        long = way(await ask(wire, "GET", "/healthz", LONG))
        for method, target, headers, body in asked:
            for who in credentials:
                short = await ask(wire, method, target, *headers, *who, body=body)
                slow = await ask(wire, method, target, *headers, *who, LONG, body=body)
                assert told(short) == told(slow), (method, target, who)
                assert way(slow) == long
        for who in credentials[-2:]:
            for query in (
                f"?{scope}",
                "",
                "?scope=x",
                "?scope=repository:alice/app:pull,push&client_id=a+b&account=%ff",
            ):
                short = await ask(wire, "GET", f"/token{query}", *who)
                slow = await ask(wire, "GET", f"/token{query}", *who, LONG)
                assert told(short) == told(slow), (query, who)


async def test_a_push_needs_no_aiohttp(registry: Registry) -> None:
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
        assert len({way(answer) for answer in answers}) == 1
        assert way(await ask(wire, "GET", "/healthz")) != way(answers[0])
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
