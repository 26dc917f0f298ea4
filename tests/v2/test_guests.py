"""Requests that aiohttp answers: whatever the head is, the answer is one of ours."""

import asyncio

import orjson
import pytest

from tests.support.raw import RawAnswer, Wire, ask, request
from tests.support.server import Registry
from tests.v2.test_access_log import lines_of

#: Heads that our parser takes, and aiohttp's refuses.
_REFUSED = {
    "an old websocket": request("GET", "/api/v3/user", "Sec-WebSocket-Key1: 1"),
    "an old websocket of HEAD": request("HEAD", "/api/v3/user", "Sec-WebSocket-Key1: 1"),
    "two of Server": request("GET", "/api/v3/user", "Server: a", "Server: b"),
    "two of ETag": request("GET", "/nothing", "ETag: a", "ETag: b"),
    "two of Max-Forwards": request("GET", "/api/v3/user", "Max-Forwards: 1", "Max-Forwards: 1"),
    "two of Content-Location": request("GET", "/api/v3/user", "Content-Location: /", "Content-Location: /"),
    "an origin that is none": request("GET", "http://[::1/api/v3/user"),
    "an origin with a port that is none": request("GET", "http://a:99999999/api/v3/user"),
    "a port that is none": request("CONNECT", "a:99999999"),
}
_ODD = {
    "a long header": request("GET", "/api/v3/user", "X-Long: " + "x" * 8100),
    "a long target": request("GET", "/api/v3/user?" + "x" * 8100),
    "many headers": request("GET", "/api/v3/user", *(f"X-{number}: 1" for number in range(120))),
    "an asterisk": request("OPTIONS", "*"),
    "an asterisk of GET": request("GET", "*"),
    "two slashes": request("GET", "//api/v3/user"),
    "a fragment": request("GET", "/api/v3/user#a"),
    "an escape that is none": request("GET", "/api/v3/%zz?%zz=%"),
    "an escape that is no UTF-8": request("GET", "/api/v3/users/%ff"),
    "another scheme": request("GET", "ftp://a/api/v3/user"),
    "user and password": request("GET", "http://a:b@c/api/v3/user"),
    "an authority that is none": request("CONNECT", "[::1:80"),
    "an authority": request("CONNECT", "a:80"),
    "a method of others": request("PROPFIND", "/api/v3/user"),
    "non-ASCII in a header": request("GET", "/api/v3/user", "X-A: é\xff"),
    "a tab in a header": request("GET", "/api/v3/user", "X-A:\ta\tb\t"),
    "an empty header": request("GET", "/api/v3/user", "X-A:"),
    "an encoding that is none": request("GET", "/api/v3/user", "Content-Encoding: none"),
    "a cookie that is none": request("GET", "/api/v3/user", 'Cookie: "=;\\;,='),
    "a host that is none": b"GET /api/v3/user HTTP/1.1\r\nHost: [::1\r\n\r\n",
    "no host": b"GET /api/v3/user HTTP/1.0\r\n\r\n",
    "an empty host": b"GET /api/v3/user HTTP/1.1\r\nHost:\r\n\r\n",
    "a websocket": request("GET", "/api/v3/user", "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a"),
    "a body that nobody has": request("GET", "/api/v3/user", "Content-Length: 3", body=b"abc"),
    "odd names": request("GET", "/api/v3/user", "!#$%&'*+-.^_`|~: 1"),
}


def _is_ours(answer: RawAnswer, name: str, *, head: bool) -> None:
    assert answer.headers.getall("Server") == ["Moorage"], name
    assert len(answer.headers.getall("X-Moorage-Request-Id")) == 1, name
    if name == "two slashes":  # a page's address, as all that is no protocol's
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return
    assert answer.headers["Content-Type"].startswith("application/json"), name
    assert head or orjson.loads(answer.body), name


@pytest.mark.parametrize("names", [_REFUSED, _ODD], ids=["refused", "odd"])
async def test_every_answer_is_ours_however_odd_the_head(
    registry: Registry, capfd: pytest.CaptureFixture[str], names: dict[str, bytes]
) -> None:
    ids = []
    for name, sent in names.items():
        head = sent.startswith(b"HEAD")
        answer = await ask(registry.url, sent, head=head)
        assert 400 <= answer.status < 500, (name, answer)
        if names is _REFUSED:
            assert (answer.status, answer.headers["Connection"]) == (400, "close"), name
        _is_ours(answer, name, head=head)
        ids.append(answer.headers["X-Moorage-Request-Id"])
    await asyncio.sleep(0.4)
    output = capfd.readouterr()
    assert [line["request_id"] for line in lines_of(output.err)] == ids
    assert "Traceback" not in output.out + output.err


async def test_who_is_refused_behind_another_is_told_in_turn(registry: Registry) -> None:
    async with Wire.to(registry.url) as wire:
        await wire.send(request("GET", "/api/v3/user") + request("GET", "/a", "Sec-WebSocket-Key1: 1") * 2)
        assert (await wire.answer()).status == 401
        refused = await wire.answer()
        assert refused.status == 400
        _is_ours(refused, "behind another", head=False)
        assert await wire.closed()
