"""The edge of HTTP, byte by byte. S and M: the numbers of the security and measurement lists these began with."""

import asyncio
import gzip
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import orjson
import pytest

from tests.support.raw import RawAnswer, Wire, ask, request
from tests.support.server import Answer, Registry, basic, running

LENGTH = "Content-Length: {}"
EXPECT = "Expect: 100-continue"


Connect = Callable[[str], Awaitable[Wire]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens connections, which end with the test."""
    async with AsyncExitStack() as stack:

        async def opened(url: str) -> Wire:
            return await stack.enter_async_context(Wire.to(url))

        yield opened


def authorization(token: str) -> str:
    return f"Authorization: {basic(token)['Authorization']}"


def code(answer: RawAnswer) -> str:
    return str(orjson.loads(answer.body)["errors"][0]["code"])


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- what is no HTTP


async def test_a_tls_hello_on_the_plain_port_gets_a_status_line(registry: Registry) -> None:
    # docker, buildkit and nerdctl try TLS first, and fall back only on «HTTP/».
    answer = await ask(registry.url, bytes.fromhex("16030100c8010000c40303") + bytes(200))
    assert (answer.version[:5], answer.status) == ("HTTP/", 400)
    assert "TLS" in answer.body.decode()


MALFORMED = {
    "S46 129 headers": (request("GET", "/v2/", *(f"X-{i}: 1" for i in range(129))), 431),
    "S46 16 KB header": (request("GET", "/v2/", "X-Long: " + "secretsecret" * 1400), 431),
    "S46 64 KB URL": (request("GET", "/v2/" + "secret" * 11_000), 414),
    "S46 10 k trailers": (
        request("POST", "/token", "Transfer-Encoding: chunked")
        + b"1\r\na\r\n0\r\n"
        + b"".join(b"T-%d: x\r\n" % i for i in range(10_000))
        + b"\r\n",
        431,
    ),
    "S47 CL and TE": (
        request("POST", "/v2/", "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        400,
    ),
    "S47 two CL": (request("POST", "/v2/", "Content-Length: 5", "Content-Length: 6", body=b"abcde"), 400),
    "S47 negative CL": (request("POST", "/v2/", "Content-Length: -1"), 400),
    "S47 plus CL": (request("POST", "/v2/", "Content-Length: +1", body=b"a"), 400),
    "S47 xchunked": (request("POST", "/v2/", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400),
    "S47 chunked twice": (request("POST", "/v2/", "Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), 400),
    "S47 obs-fold": (request("GET", "/v2/", "X-A: secret\r\n b"), 400),
    "S47 bare LF": (b"GET /v2/ HTTP/1.1\nHost: secret\n\n", 400),
    "S47 space before colon": (request("GET", "/v2/", "X-A : secret"), 400),
    "S47 NUL in a header": (request("GET", "/v2/", "X-A: secret\0"), 400),
    "S47 chunk size overflow": (request("POST", "/token", "Transfer-Encoding: chunked", body=b"f" * 18 + b"\r\n"), 400),
    "two Hosts": (request("GET", "/v2/", "Host: secret"), 400),
    "no Host": (b"GET /v2/ HTTP/1.1\r\n\r\n", 400),
    "unknown method": (request("SECRET", "/v2/"), 400),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "bytes": (bytes(range(256)), 400),
    "raw bytes in the path": (request("GET", "/v2/\xff\xfe/tags/list"), 400),
}


async def test_what_is_no_http_is_refused_and_the_connection_closed(
    registry: Registry, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, (sent, status) in MALFORMED.items():
        async with Wire.to(registry.url) as wire:
            await wire.send(sent + request("GET", "/healthz"))
            answer = await wire.answer()
            assert answer.status == status, name
            assert code(answer) == "UNSUPPORTED"
            assert "secret" not in answer.body.decode().lower(), name
            assert await wire.closed(), f"a second response to {name}"
    output = capfd.readouterr()
    logged = output.err + output.out + caplog.text
    assert "Traceback" not in logged
    assert "secret" not in logged.lower()
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING and r.name.startswith("aiohttp")]


async def test_s47_a_bad_chunk_midway_is_400_and_keeps_no_connection(
    registry: Registry, connect: Connect, capfd: pytest.CaptureFixture[str]
) -> None:
    token, admin = await registry.user("alice"), await registry.admin()
    location = (await registry.call("POST", "/v2/alice/app/blobs/uploads/", token)).headers["Location"]
    form = "Content-Type: application/x-www-form-urlencoded"
    for method, target, header in [
        ("PATCH", location, authorization(token)),
        ("PUT", "/v2/alice/app/manifests/v1", authorization(token)),
        ("POST", "/token", form),
        ("POST", "/api/v3/admin/users", authorization(admin)),
    ]:
        for pause in (0.1, 0):
            wire = await connect(registry.url)
            await wire.send(request(method, target, header, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n"))
            await asyncio.sleep(pause)
            await wire.send(b"xyz\r\n" + request("GET", "/healthz"))
            assert (await wire.answer()).status == 400, target
            assert await wire.closed(), f"a second response after {target}"
    status = await registry.call("GET", location, token)
    # Where both pieces came at once, the parser has thrown away the request with its body.
    assert (status.status, status.headers["Range"] in {"0-2", "0-5"}) == (204, True)
    output = capfd.readouterr()
    assert '"error"' not in output.err + output.out
    assert "Traceback" not in output.err + output.out


# -- what is HTTP, but seldom seen


async def test_s46_ten_thousand_pipelined_requests_are_answered_in_order(registry: Registry, connect: Connect) -> None:
    wire = await connect(registry.url)
    before = rss()

    async def write() -> None:
        for _ in range(100):
            await wire.send(request("GET", "/healthz") * 50 + request("GET", "/nothing") * 50)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        for _ in range(100):
            statuses = [(await wire.answer()).status for _ in range(100)]
            assert statuses == [200] * 50 + [404] * 50
    assert rss() - before < 30 * 1024 * 1024


async def test_s23_methods_that_nothing_has_are_405(registry: Registry) -> None:
    targets = ["/v2/", "/v2/alice/app/tags/list", "/token", "/healthz", "/v2/alice/app/blobs/uploads/"]
    for method in ("TRACE", "OPTIONS", "PROPFIND", "LINK"):
        for target in targets:
            answer = await ask(registry.url, request(method, target))
            assert answer.status == 405, (method, target)
            assert "GET" in answer.headers["Allow"] or "POST" in answer.headers["Allow"]
    for sent in (request("CONNECT", "evil.example:443"), request("CONNECT", "/v2/")):
        assert (await ask(registry.url, sent)).status in {400, 404, 405}


async def test_s23_an_override_of_the_method_is_ignored(registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    headers = {"X-HTTP-Method-Override": "DELETE", "X-Http-Method": "DELETE", "X-Method-Override": "DELETE"}
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token, headers=headers)).status == 200
    assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200


async def test_paths_that_nothing_has_are_a_small_404(registry: Registry) -> None:
    for path in ["/v2x", "/v2/../healthz", "/%76%32/", "/token/", "/api", "/metrics"]:
        answer = await ask(registry.url, request("GET", path))
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/json")
        assert len(answer.body) < 200
        assert code(answer) in {"UNSUPPORTED", "NAME_UNKNOWN"}
    for path in ["/nothing", "/V2", "//v2//_catalog", "/.env"]:
        answer = await ask(registry.url, request("GET", path))
        assert (answer.status, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")


async def test_an_upgrade_is_declined_and_the_connection_goes_on(registry: Registry, connect: Connect) -> None:
    wire = await connect(registry.url)
    await wire.send(
        request("GET", "/healthz", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA")
    )
    assert (await wire.answer()).status == 200
    await wire.send(request("GET", "/healthz"))
    assert (await wire.answer()).status == 200


@pytest.mark.parametrize("together", [True, False])
async def test_what_is_sent_behind_a_declined_upgrade_is_answered(
    registry: Registry, connect: Connect, together: bool
) -> None:
    token = await registry.user("alice")
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA")
    form = ("Content-Type: application/x-www-form-urlencoded", LENGTH.format(len(f"password={token}")))
    framed = b"%x\r\npassword=%b\r\n0\r\n\r\n" % (len(token) + 9, token.encode())
    sent = [
        request("GET", "/healthz", *upgrade),
        request("POST", "/token", *upgrade, *form, body=f"password={token}".encode()),
        request("GET", "/healthz"),
        request("POST", "/token", *upgrade, form[0], "Transfer-Encoding: chunked", body=framed),
        request("GET", "/api/v3/nothing", *upgrade),
        request("GET", "/v2/", authorization(token)),
    ]
    wire = await connect(registry.url)
    for piece in [b"".join(sent)] if together else [bytes([byte]) for byte in b"".join(sent)]:
        await wire.send(piece)
    assert [(await wire.answer()).status for _ in sent] == [200, 200, 200, 200, 404, 200]


ROUTES = [
    "/v2/",
    "/v2/alice/app/manifests/v1",
    "/v2/alice/app/blobs/uploads/",
    "/token",
    "/api/v3/user",
    "/healthz",
    "/",
]


async def test_headers_that_stand_twice_are_refused_alike_on_every_route(registry: Registry) -> None:
    for header in (
        "Authorization: Basic eA==", "Content-Length: 0", "Content-Range: 0-1", "Content-Type: a/b", EXPECT,
        "If-Range: a", "Range: bytes=0-1", "Transfer-Encoding: chunked", "User-Agent: a",
    ):  # fmt: skip
        name, _, value = header.partition(": ")
        answers = {
            (answer.status, answer.body)
            for target in ROUTES
            for method in ("GET", "POST", "PATCH")
            for answer in [await ask(registry.url, request(method, target, header, f"{name.upper()}: {value}"))]
        }
        assert {status for status, _ in answers} == {400}, header
        assert len(answers) == 1, header


async def test_http_1_0_is_answered_and_closed(registry: Registry, connect: Connect) -> None:
    wire = await connect(registry.url)
    await wire.send(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (await wire.answer()).body == b"ok\n"
    assert await wire.closed()


async def test_head_has_the_headers_of_get_and_no_body(registry: Registry, connect: Connect) -> None:
    token = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", token)
    blob = await registry.push_blob("alice/app", b"x" * 100_000, token)
    for target in [
        "/v2/", "/v2/alice/app/tags/list", f"/v2/alice/app/manifests/{digest}", "/v2/alice/app/manifests/none",
        "/v2/_catalog", f"/v2/alice/app/blobs/{blob}", "/healthz", "/readyz", "/nothing", "/token",
    ]:  # fmt: skip
        wire = await connect(registry.url)
        await wire.send(request("GET", target, authorization(token)))
        get = await wire.answer()
        await wire.send(request("HEAD", target, authorization(token)) + request("GET", "/healthz"))
        head = await wire.answer(head=True)
        assert (await wire.answer()).body == b"ok\n", f"HEAD {target} has a body"
        assert head.status == get.status
        ours = {"date", "x-moorage-request-id"}
        assert {k.lower() for k in head.headers} == {k.lower() for k in get.headers}, target
        if target != "/token":
            same = {k: v for k, v in get.headers.items() if k.lower() not in ours}
            assert {k: v for k, v in head.headers.items() if k.lower() not in ours} == same, target


async def test_every_answer_has_a_length_an_id_of_ours_and_no_version(registry: Registry) -> None:
    token = await registry.user("alice")
    digest = await registry.push_image("alice/app", "v1", token, size=200_000)
    layer = await registry.push_blob("alice/app", os.urandom(200_000), token)
    started = await registry.call("POST", "/v2/alice/app/blobs/uploads/", token)
    answers: list[Answer] = [started]
    for method, path, who in [
        ("GET", "/v2/", None), ("GET", "/v2/", token), ("GET", "/v2/alice/app/manifests/v1", token),
        ("GET", f"/v2/alice/app/manifests/{digest}", token), ("GET", f"/v2/alice/app/blobs/{layer}", token),
        ("GET", "/v2/alice/app/tags/list", token), ("GET", "/nothing", None), ("GET", "/readyz", None),
        ("GET", "/token", token), ("DELETE", started.headers["Location"], token), ("DELETE", "/token", None),
        ("GET", "/api/v3/nothing", None),
    ]:  # fmt: skip
        answers.append(
            await registry.call(method, path, who, headers={"X-Moorage-Request-Id": "forged", "X-Request-Id": "forged"})
        )
    ids = [answer.headers["X-Moorage-Request-Id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    assert "forged" not in ids
    for answer in answers:
        assert "Transfer-Encoding" not in answer.headers
        assert answer.status == 204 or int(answer.headers["Content-Length"]) == len(answer.body)
        assert answer.headers["Server"] == "Moorage"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


# -- bodies


async def test_s39_an_encoded_body_is_taken_as_it_is(registry: Registry) -> None:
    token = await registry.user("alice")
    bomb = gzip.compress(bytes(50_000_000))
    digest = "sha256:" + hashlib.sha256(bomb).hexdigest()
    gzipped = {"Content-Encoding": "gzip"}
    before = rss()
    started = await registry.call("POST", "/v2/alice/app/blobs/uploads/", token)
    sent = await registry.call("PATCH", started.headers["Location"], token, data=bomb, headers=gzipped)
    assert sent.headers["Range"] == f"0-{len(bomb) - 1}"
    done = await registry.call("PUT", f"{sent.headers['Location']}?digest={digest}", token, headers=gzipped)
    assert done.status == 201
    assert rss() - before < 20 * 1024 * 1024
    pulled = await registry.call("GET", f"/v2/alice/app/blobs/{digest}", token)
    assert pulled.body == bomb
    assert "Content-Encoding" not in pulled.headers
    manifest = gzip.compress(orjson.dumps({"schemaVersion": 2}))
    put = await registry.call("PUT", "/v2/alice/app/manifests/z", token, data=manifest, headers=gzipped)
    assert (put.status, put.code) == (400, "MANIFEST_INVALID")


async def test_s39_a_bomb_in_a_form_inflates_nothing(registry: Registry) -> None:
    body = gzip.compress(b"grant_type=password&password=x" + bytes(1_000_000))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    assert (await registry.call("POST", "/token", data=body, headers=headers)).status in {400, 401}


TOO_LARGE = 4 * 1024 * 1024 + 1


async def test_s41_a_manifest_that_says_it_is_too_large_is_refused_unread(registry: Registry, connect: Connect) -> None:
    token = await registry.user("alice")
    for more in ([], [EXPECT]):
        wire = await connect(registry.url)
        await wire.send(
            request("PUT", "/v2/alice/app/manifests/v1", authorization(token), LENGTH.format(TOO_LARGE), *more)
        )
        answer = await wire.answer()
        assert (answer.status, code(answer)) == (413, "SIZE_INVALID")
        assert answer.headers["Connection"] == "close"


async def test_s41_a_manifest_that_does_not_say_is_cut_off(registry: Registry, connect: Connect) -> None:
    token = await registry.user("alice")
    wire = await connect(registry.url)
    before = rss()
    head = request("PUT", "/v2/alice/app/manifests/v1", authorization(token), "Transfer-Encoding: chunked")
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    await wire.send(head)

    async def flood() -> None:
        async with asyncio.timeout(15):
            while True:
                await wire.send(piece)

    with pytest.raises(ConnectionError):
        await flood()
    assert rss() - before < 40 * 1024 * 1024


async def test_s58_nobody_is_told_so_before_the_body(registry: Registry, connect: Connect) -> None:
    alice, bob = await registry.user("alice"), await registry.user("bob")
    huge = LENGTH.format(20 * 1024**3)
    cases = [
        ("PUT", "/v2/alice/app/manifests/v1", [], 401),
        ("PATCH", "/v2/alice/app/blobs/uploads/6f1c6a3e-0000-4000-8000-000000000000", [], 401),
        ("POST", "/v2/alice/app/blobs/uploads/?digest=sha256:" + "0" * 64, [authorization(bob)], 403),
        ("PATCH", "/v2/alice/app/blobs/uploads/6f1c6a3e-0000-4000-8000-000000000000", [authorization(alice)], 404),
        ("POST", "/v2/alice/app/blobs/uploads/?digest=sha256:" + "0" * 64, [authorization(alice)], 413),
        ("POST", "/token", ["Content-Type: application/x-www-form-urlencoded"], 413),
        ("PUT", "/nothing", [], 405),
        ("POST", "/api/v3/admin/users", [], 401),
    ]
    for method, target, headers, status in cases:
        for expect in ([], [EXPECT]):
            wire = await connect(registry.url)
            await wire.send(request(method, target, huge, *headers, *expect))
            answer = await wire.answer()
            assert answer.status == status, (method, target, answer.body)
            if expect:
                assert answer.headers["Connection"] == "close", "what follows may be a body or a request"
            await wire.close()


async def test_100_continue_is_sent_to_who_may_send(registry: Registry, connect: Connect) -> None:
    token = await registry.user("alice")
    wire = await connect(registry.url)
    location = (await registry.call("POST", "/v2/alice/app/blobs/uploads/", token)).headers["Location"]
    await wire.send(request("PATCH", location, authorization(token), LENGTH.format(3), EXPECT))
    assert (await wire.answer()).status == 100
    await wire.send(b"abc")
    assert (await wire.answer()).status == 202
    digest = "sha256:" + hashlib.sha256(b"abc").hexdigest()
    await wire.send(request("PUT", f"{location}?digest={digest}", authorization(token), LENGTH.format(0), EXPECT))
    done = await wire.answer()
    if done.status == 100:
        done = await wire.answer()
    assert done.status == 201
    await wire.send(request("PUT", "/v2/alice/app/manifests/v1", authorization(token), LENGTH.format(2), EXPECT))
    assert (await wire.answer()).status == 100
    await wire.send(b"{}")
    assert (await wire.answer()).status == 400
    form = "Content-Type: application/x-www-form-urlencoded"
    await wire.send(request("POST", "/token", form, LENGTH.format(len(f"password={token}")), EXPECT))
    assert (await wire.answer()).status == 100
    await wire.send(f"password={token}".encode())
    assert (await wire.answer()).status == 200


# -- deadlines


@pytest.fixture
async def hasty(env: dict[str, str]) -> AsyncIterator[Registry]:
    """A registry that waits for nobody."""
    async with running(
        {**env, "MOORAGE_HEAD_SECONDS": "0.4", "MOORAGE_BODY_SECONDS": "0.5", "MOORAGE_IDLE_SECONDS": "3"}
    ) as served:
        yield served


async def trickle(wire: Wire, data: bytes, seconds: float) -> None:
    for i in range(len(data)):
        await wire.send(data[i : i + 1])
        await asyncio.sleep(seconds)


async def test_s48_headers_that_do_not_end_are_cut_off(hasty: Registry, connect: Connect) -> None:
    connected = [await connect(hasty.url) for _ in range(200)]
    slow = [await connect(hasty.url) for _ in range(200)]
    again = await connect(hasty.url)
    await again.send(request("GET", "/healthz"))
    assert (await again.answer()).status == 200
    for wire in [*slow, again]:
        await wire.send(b"GET /v2/ HT")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await again.send(b"T")
    await asyncio.sleep(0.2)
    await again.send(b"P")
    assert all([await wire.closed() for wire in connected])
    assert all([(await wire.answer()).status in {0, 408} and await wire.closed() for wire in slow])
    assert (await again.answer()).status == 408
    assert await again.closed()
    assert loop.time() - began < 3


async def test_s48_a_connection_that_is_used_stays(hasty: Registry, connect: Connect) -> None:
    wire = await connect(hasty.url)
    for _ in range(3):
        await wire.send(request("GET", "/healthz"))
        assert (await wire.answer()).status == 200
        assert await wire.silent(0.7), "idle between requests is not late"


async def test_s48_a_push_that_takes_longer_than_the_deadlines_is_not_late(hasty: Registry, connect: Connect) -> None:
    token = await hasty.user("alice")
    location = (await hasty.call("POST", "/v2/alice/app/blobs/uploads/", token)).headers["Location"]
    wire = await connect(hasty.url)
    await wire.send(request("PATCH", location, authorization(token), LENGTH.format(30)))
    for _ in range(15):
        await wire.send(b"ab")
        await asyncio.sleep(0.1)
    assert (await wire.answer()).status == 202


async def test_s48_a_manifest_or_a_form_that_does_not_end_is_408(hasty: Registry, connect: Connect) -> None:
    token, admin = await hasty.user("alice"), await hasty.admin()
    form = "Content-Type: application/x-www-form-urlencoded"
    for method, target, header in [
        ("PUT", "/v2/alice/app/manifests/v1", authorization(token)),
        ("POST", "/token", form),
        ("POST", "/api/v3/admin/users", authorization(admin)),
    ]:
        wire = await connect(hasty.url)
        await wire.send(request(method, target, header, LENGTH.format(100), body=b"{"))
        answer = await wire.answer()
        assert (answer.status, answer.headers["Connection"]) == (408, "close")


# -- who we say we are


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", "http://evil.example/v2/"),
        request("GET", "https://evil.example:1234/v2/?x=y"),
        request(
            "GET", "/v2/", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: gopher", "Forwarded: host=evil.example"
        ),
        b"GET /v2/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b'GET /v2/ HTTP/1.1\r\nHost: evil.example"\\,\r\n\r\n',
    ],
)
async def test_s52_the_realm_is_the_configured_origin(env: dict[str, str], sent: bytes) -> None:
    async with running({**env, "MOORAGE_PUBLIC_URL": "https://registry.example.com"}) as served:
        answer = await ask(served.url, sent)
        assert answer.status == 401
        assert (
            'realm="https://registry.example.com/token",service="registry.example.com"'
            in answer.headers["WWW-Authenticate"]
        )
        assert not [text for text in answer.headers.values() if "evil" in text]


async def test_s52_the_absolute_form_is_read_and_its_host_is_not_believed(registry: Registry) -> None:
    token = await registry.user("alice")
    for target in ("http://evil.example/v2/", "HTTP://evil.example/v2/", "http://user:pw@evil.example/v2/"):
        answer = await ask(registry.url, request("GET", target))
        assert answer.status == 401
        assert 'realm="http://registry.example/token"' in answer.headers["WWW-Authenticate"]
    started = await ask(
        registry.url,
        request("POST", "http://evil.example/v2/alice/app/blobs/uploads/", authorization(token), "Content-Length: 0"),
    )
    assert (started.status, started.headers["Location"][:5]) == (202, "/v2/a")


async def test_s52_a_host_that_is_none_is_not_repeated(registry: Registry) -> None:
    for host in ("evil/path", "a@b", 'x"y', "<script>", "a b"):
        answer = await ask(registry.url, f"GET /v2/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert answer.status in {400, 401}
        assert host not in answer.headers.get("WWW-Authenticate", "")


async def test_s54_what_was_pushed_is_data_to_a_browser(registry: Registry) -> None:
    token = await registry.user("alice")
    html = b"<html><script>alert(1)</script>"
    digest = await registry.push_blob("alice/app", html, token)
    pulled = await registry.call("GET", f"/v2/alice/app/blobs/{digest}", token)
    await registry.push_image("alice/app", "v1", token)
    manifest = await registry.call("GET", "/v2/alice/app/manifests/v1", token)
    assert pulled.headers["Content-Type"] == "application/octet-stream"
    assert pulled.headers["Content-Disposition"] == "attachment"
    assert manifest.headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"
    for answer in (pulled, manifest):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


# -- ranges and pages


RANGES = [
    ("bytes=0-9", 206, 10), ("bytes=-5", 206, 5), ("bytes=990-", 206, 10), ("bytes=0-5000", 206, 1000),
    ("bytes=1000-", 416, None), ("bytes=-0", 416, None), ("bytes=5000-6000", 416, None), ("bytes=9-5", 416, None),
    ("bytes=a-b", 200, 1000), ("chars=0-1", 200, 1000), ("bytes=", 200, 1000),
    ("bytes=" + ",".join(f"{i}-{i}" for i in range(1000)), 200, 1000), ("bytes=0-999,0-999,0-999", 200, 1000),
]  # fmt: skip


async def test_s49_ranges(registry: Registry) -> None:
    token = await registry.user("alice")
    digest = await registry.push_blob("alice/app", os.urandom(1000), token)
    large = await registry.push_blob("alice/app", os.urandom(100_000), token)
    for text, status, size in RANGES:
        answer = await registry.call("GET", f"/v2/alice/app/blobs/{digest}", token, headers={"Range": text})
        assert answer.status == status, text
        assert size is None or len(answer.body) == size
        if status == 416:
            assert answer.headers["Content-Range"] == "bytes */1000"
        head = await registry.call("HEAD", f"/v2/alice/app/blobs/{digest}", token, headers={"Range": text})
        assert head.status in {200, status}
        streamed = await registry.call("GET", f"/v2/alice/app/blobs/{large}", token, headers={"Range": text})
        assert streamed.status in {200, 206, 416}
        assert len(streamed.body) <= 100_000


async def test_s40_page_sizes(registry: Registry) -> None:
    token = await registry.user("alice")
    for i in range(3):
        await registry.push_image("alice/app", f"v{i}", token)
    before = rss()
    for text, status, count in [
        ("0", 200, 0), ("-1", 400, None), ("abc", 400, None), ("", 400, None), ("1e9", 400, None), ("1000000000", 200, 3),
        ("1" + "0" * 30, 200, 3), ("2", 200, 2), ("%00", 400, None), ("1&n=2", 400, None),
    ]:  # fmt: skip
        answer = await registry.call("GET", f"/v2/alice/app/tags/list?n={text}", token)
        assert answer.status == status, text
        assert count is None or len(answer.json["tags"]) == count  # type: ignore[index]
        catalog = await registry.call("GET", f"/v2/_catalog?n={text}", token)
        assert catalog.status == status, text
    assert rss() - before < 10 * 1024 * 1024
