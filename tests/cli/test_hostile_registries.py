"""`login`, `copy`, `tree` and the credential helper before registries that lie: one line of error, and nothing leaks."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from http.client import HTTPException
from pathlib import Path

import orjson
import pytest

from registry.cli.client.http import Connection, body_of, is_local
from tests.cli.commands import Done, Shell
from tests.cli.hostile import (
    CONFIG,
    IMAGE,
    INDEX,
    LAYER,
    MANIFEST,
    Hostile,
    answer,
    descriptor,
    endless,
    hostile,
    sha256,
)

_TOKEN = "the-token-of-alice"
_STRANGE = "\x1b[31m\x9b2J\x07\u202e"
_DEEP = b"[" * 200_000


@pytest.fixture
async def liar() -> AsyncIterator[Hostile]:
    async with hostile() as made:
        yield made


@pytest.fixture
async def second() -> AsyncIterator[Hostile]:
    async with hostile() as made:
        yield made


def _inert(done: Done) -> None:
    """The command told what happened in words: no traceback, and nothing that a terminal obeys."""
    assert "Traceback" not in done.err, done.err
    for text in (done.out, done.err):
        assert all(one.isprintable() or one in "\n\t" for one in text), repr(text)


async def _run(shell: Shell, *words: str, given: str = "", **env: str) -> Done:
    async with asyncio.timeout(25):
        done = await shell.run(*words, given=given, **env)
    _inert(done)
    return done


async def _sign_in(shell: Shell, liar: Hostile) -> None:
    done = await _run(shell, "login", liar.host, "--with-token", given=_TOKEN)
    assert done.status == 0, done


_USERS = {
    "a page": b"<html>Welcome</html>",
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "no login": b"{}",
    "a number": b'{"login": 5}',
    "an escape": orjson.dumps({"login": f"al{_STRANGE}ice"}),
    "a line": b'{"login": "a\\nb"}',
    "a picture": '{"login": "\U0001f600"}'.encode(),
    "delete": b'{"login": "\x7f"}',
    "half a pair": b'{"login": "\\ud83d"}',
    "a long one": b'{"login": "' + b"a" * 100_000 + b'"}',
    "deep": _DEEP,
    "no UTF-8": b'{"login": "\xff"}',
}


@pytest.mark.parametrize("body", _USERS.values(), ids=_USERS)
async def test_who_signs_in_is_told_strangely(shell: Shell, liar: Hostile, second: Hostile, body: bytes) -> None:
    await _sign_in(shell, second)
    liar.respond("GET /api/v3/user", answer(200, body))
    done = await _run(shell, "login", liar.host, "--with-token", given=_TOKEN)
    assert done.status == 1
    assert done.err.startswith(f"error: {liar.host}"), done.err
    assert liar.host not in (shell.home / ".config/moorage/hosts.toml").read_text()
    assert (await _run(shell, "whoami", "-q", "--host", second.host)).out == "alice\n"


async def test_a_login_that_is_sent_elsewhere_goes_nowhere(shell: Shell, liar: Hostile, second: Hostile) -> None:
    liar.respond("GET /api/v3/user", answer(301, b"", f"Location: http://{second.host}/api/v3/user"))
    done = await _run(shell, "login", liar.host, "--with-token", given=_TOKEN)
    assert done.status != 0
    assert f"http://{second.host}" in done.err
    assert second.asked == []


async def test_an_answer_without_an_end(shell: Shell, liar: Hostile) -> None:
    liar.respond("GET /api/v3/user", endless)
    done = await _run(shell, "login", liar.host, "--with-token", given=_TOKEN)
    assert done.status == 7, done
    liar.respond("GET /v2/a/b/manifests", endless)
    assert (await _run(shell, "tree", f"{liar.host}/a/b:v1")).status == 7


async def test_an_answer_that_comes_in_drops(liar: Hostile) -> None:
    """Each byte comes soon enough, and the last one never."""

    async def drip(_asked: object, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        for _ in range(300):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)
        return b""

    def asked() -> None:
        connection = Connection("http", liar.host)
        with pytest.raises(HTTPException):
            body_of(connection.open("GET", "/api/v3/user", {}), seconds=0.3)
        connection.close()

    liar.respond("GET /api/v3/user", drip)
    async with asyncio.timeout(4):
        await asyncio.to_thread(asked)


_DEVICES = {
    "escapes": {"user_code": _STRANGE, "verification_uri": f"http://x/{_STRANGE}", "expires_in": 0, "interval": 0},
    "no number": {"user_code": "A", "verification_uri": "http://x", "expires_in": "soon", "interval": "never"},
    "no number at all": {"user_code": "A", "verification_uri": "http://x", "expires_in": 1, "interval": float("nan")},
    "a step back": {"user_code": "A", "verification_uri": "http://x", "expires_in": 1, "interval": -5},
    "nothing": {},
    "an error": {"error": "x", "error_description": _STRANGE},
}


@pytest.mark.parametrize("told", _DEVICES.values(), ids=_DEVICES)
async def test_a_sign_in_with_the_browser(shell: Shell, liar: Hostile, told: dict[str, object]) -> None:
    started = {"device_code": "d", **told}
    body = (
        orjson.dumps(started)
        if told.get("interval") == told.get("interval")
        else b'{"device_code":"d","user_code":"A","verification_uri":"http://x","expires_in":1,"interval":NaN}'
    )
    liar.respond("POST /login/device/code", answer(200, body))
    liar.respond("POST /login/device/token", answer(400, orjson.dumps({"error": _STRANGE})))
    assert (await _run(shell, "login", liar.host)).status in {1, 4}


def _manifest(**more: object) -> bytes:
    return orjson.dumps({**orjson.loads(IMAGE), **more})


_MANIFESTS = {
    "null": b"null",
    "a list": b"[]",
    "no JSON": b"<html>",
    "deep": _DEEP,
    "layers of text": _manifest(layers="abc"),
    "a layer of text": _manifest(layers=["abc"]),
    "a config of text": _manifest(config="abc"),
    "a layer without a digest": _manifest(layers=[{"size": 1}]),
    "a path for a digest": _manifest(layers=[{"digest": "../../../../api/v3/user", "size": 1}]),
    "an unknown algorithm": _manifest(layers=[{"digest": "md5:" + "0" * 32, "size": 1}]),
    "a line in a digest": _manifest(layers=[{"digest": "sha256:\r\nX: y", "size": 1}]),
    "a size of text": _manifest(layers=[{**descriptor(LAYER), "size": "many"}]),
    "a size below nothing": _manifest(layers=[{**descriptor(LAYER), "size": -1}]),
    "a size in parts": _manifest(layers=[{**descriptor(LAYER), "size": 1.5}]),
    "a kind that is a number": _manifest(layers=[{**descriptor(LAYER), "mediaType": 5}]),
    "a subject of text": _manifest(subject="abc"),
    "a smaller size": _manifest(layers=[{**descriptor(LAYER), "size": 10}]),
    "a larger size": _manifest(layers=[{**descriptor(LAYER), "size": 10_000}]),
}  # fmt: skip


@pytest.mark.parametrize("body", _MANIFESTS.values(), ids=_MANIFESTS)
async def test_a_manifest_that_is_none(shell: Shell, liar: Hostile, second: Hostile, body: bytes) -> None:
    liar.respond("GET /v2/a/b/manifests/v1", answer(200, body, f"Content-Type: {MANIFEST}"))
    done = await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")
    assert done.status in {1, 7}, done
    assert done.err.splitlines()[-1].strip() or done.err
    assert not [one for one in second.asked if one.method == "PUT" and "/manifests/" in one.target]
    assert not [one for one in liar.asked if "/api/" in one.target]
    _inert(await _run(shell, "tree", f"{liar.host}/a/b:v1"))


_INDEXES = {
    "entries of text": {"manifests": "abc"},
    "an entry of text": {"manifests": ["abc"]},
    "an entry without a digest": {"manifests": [{"platform": {"os": "linux"}}]},
    "a path for a digest": {"manifests": [{"digest": "../tags/list", "size": 1}]},
    "a platform of text": {"manifests": [{**descriptor(IMAGE, MANIFEST), "platform": "linux"}]},
    "annotations of text": {"manifests": [{**descriptor(IMAGE, MANIFEST), "annotations": "x"}]},
}  # fmt: skip


@pytest.mark.parametrize("index", _INDEXES.values(), ids=_INDEXES)
async def test_an_index_that_is_none(shell: Shell, liar: Hostile, second: Hostile, index: dict[str, object]) -> None:
    liar.respond(f"GET /v2/a/b/manifests/{sha256(IMAGE)}", answer(200, IMAGE, f"Content-Type: {MANIFEST}"))
    liar.respond("GET /v2/a/b/manifests/v1", answer(200, orjson.dumps(index), f"Content-Type: {INDEX}"))
    for more in ((), ("--platform", "linux/amd64")):
        done = await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b", *more)
        assert done.status in {1, 3}, done
    await _run(shell, "tree", f"{liar.host}/a/b:v1")


@pytest.mark.parametrize(
    "listed", [b"[]", b"null", b'{"manifests": 5}', b'{"manifests": ["x"]}', b"<", _DEEP], ids=range(6)
)
async def test_referrers_that_are_none(shell: Shell, liar: Hostile, second: Hostile, listed: bytes) -> None:
    liar.respond("GET /v2/a/b/referrers/", answer(200, listed, f"Content-Type: {INDEX}"))
    await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")
    await _run(shell, "tree", f"{liar.host}/a/b:v1")


async def test_referrers_of_referrers_without_an_end(shell: Shell, liar: Hostile, second: Hostile) -> None:
    """Each signature has another one: an attacker's registry makes them up as they are asked for."""
    made: dict[str, bytes] = {}

    def fresh(subject: str) -> bytes:
        body = _manifest(layers=[], subject={"digest": subject, "size": 1}, annotations={"n": str(len(made))})
        made[sha256(body)] = body
        return body

    async def referrers(asked: object, _writer: object) -> bytes:
        body = fresh(str(getattr(asked, "target", "")).rpartition("/")[2])
        return answer(200, orjson.dumps({"manifests": [descriptor(body, MANIFEST)]}), f"Content-Type: {INDEX}")

    async def manifest(asked: object, _writer: object) -> bytes:
        body = made[str(getattr(asked, "target", "")).rpartition("/")[2]]
        return answer(200, body, f"Content-Type: {MANIFEST}")

    liar.respond("GET /v2/a/b/referrers/", referrers)
    liar.respond("GET /v2/a/b/manifests/sha256:", manifest)
    for words in (("copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b"), ("tree", f"{liar.host}/a/b:v1")):
        done = await _run(shell, *words)
        assert done.status == 1, done
        assert "too deep" in done.err


async def test_tags_without_an_end(shell: Shell, liar: Hostile, second: Hostile) -> None:
    listed = answer(200, b'{"tags": ["v1"]}', 'Link: </v2/a/b/tags/list?last=v1>; rel="next"')
    liar.respond("GET /v2/a/b/tags", listed)
    done = await _run(shell, "copy", f"{liar.host}/a/b", f"{second.host}/a/b", "--all-tags")
    assert done.status == 1, done
    for tags in (["../x"], [_STRANGE], [5], "abc", None, [{"a": 1}]):
        liar.respond("GET /v2/a/b/tags", answer(200, orjson.dumps({"tags": tags})))
        done = await _run(shell, "copy", f"{liar.host}/a/b", f"{second.host}/a/b", "--all-tags")
        assert done.status == (0 if tags is None else 1), (tags, done)
        assert not [one for one in second.asked if one.method == "PUT"]


async def test_a_tag_whose_manifest_has_another_digest(shell: Shell, liar: Hostile, second: Hostile) -> None:
    told = answer(200, IMAGE, f"Content-Type: {MANIFEST}", f"Docker-Content-Digest: {sha256(b'x')}")
    liar.respond("GET /v2/a/b/manifests/v1", told)
    done = await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")
    assert done.status == 1
    assert "has other bytes" in done.err


@pytest.mark.parametrize(
    "body", [LAYER[:-1], b"", LAYER + b"x", b"x" * len(LAYER)], ids=["cut", "empty", "longer", "other"]
)
async def test_a_layer_with_other_bytes(shell: Shell, liar: Hostile, second: Hostile, body: bytes) -> None:
    liar.respond(f"GET /v2/a/b/blobs/{sha256(LAYER)}", answer(200, body, length=len(LAYER)))
    done = await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")
    assert done.status == (7 if len(body) < len(LAYER) else 1 if body[-1:] == b"x" and len(body) == len(LAYER) else 0)
    if done.status:
        assert not [one for one in second.asked if one.method == "PUT" and "/manifests/" in one.target]


async def test_a_manifest_that_is_cut(shell: Shell, liar: Hostile, second: Hostile) -> None:
    cut = answer(200, IMAGE[:-5], f"Content-Type: {MANIFEST}", length=len(IMAGE))
    liar.respond("GET /v2/a/b/manifests/v1", cut)
    assert (await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")).status == 7


async def test_too_many_requests(shell: Shell, liar: Hostile, second: Hostile) -> None:
    """Both registries want each request a second later, once."""
    busy = answer(429, b"{}", "Retry-After: 1")
    liar.respond("GET /v2/a/b/manifests/v1", busy, answer(200, IMAGE, f"Content-Type: {MANIFEST}"))
    liar.respond(f"GET /v2/a/b/blobs/{sha256(LAYER)}", busy, answer(200, LAYER))
    second.respond("POST /v2/a/b/blobs/uploads/", busy, answer(202, b"", "Location: /v2/a/b/blobs/uploads/1"))
    second.respond("PUT /v2/a/b/manifests/", busy, answer(201))
    second.respond("PUT /v2/a/b/blobs/uploads/", busy, answer(201))
    done = await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")
    assert done.status == 0, done


async def test_the_token_goes_to_its_own_host_alone(shell: Shell, liar: Hostile, second: Hostile) -> None:
    """Where blobs, uploads and the next page of tags are sent to another host, it sees no token."""
    await _sign_in(shell, liar)
    challenge = answer(401, b"", 'WWW-Authenticate: Basic realm="x"')
    honest = answer(200, IMAGE, f"Content-Type: {MANIFEST}")
    liar.respond("GET /v2/a/b/manifests/v1", challenge, honest)
    liar.respond("GET /v2/a/b/blobs/", answer(307, b"", f"Location: http://{second.host}/elsewhere"))
    liar.respond("GET /v2/a/b/tags", answer(200, b'{"tags": []}', f'Link: <http://{second.host}/t>; rel="next"'))
    liar.respond("POST /v2/a/c/blobs/uploads/", answer(202, b"", f"Location: http://{second.host}/upload"))
    second.respond("GET /elsewhere", answer(401, b"", 'WWW-Authenticate: Basic realm="x"'))
    second.respond("PUT /upload", answer(401, b"", 'WWW-Authenticate: Basic realm="x"'))
    await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{liar.host}/a/c")
    await _run(shell, "copy", f"{liar.host}/a/b", f"{liar.host}/a/c", "--all-tags")
    liar.respond("GET /v2/a/b/blobs/", answer(200, CONFIG))
    await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{liar.host}/a/c")
    assert second.asked
    assert second.authorizations() == []
    assert liar.authorizations()


@pytest.mark.parametrize("realm", ["http://[x/token", "http://h:99999/t", "ftp://x/t", "", "http://\x7f/", "//x"])
async def test_a_realm_that_is_no_address(shell: Shell, liar: Hostile, second: Hostile, realm: str) -> None:
    await _sign_in(shell, liar)
    liar.respond("GET /v2/a/b/manifests/v1", answer(401, b"", f'WWW-Authenticate: Bearer realm="{realm}"'))
    assert (await _run(shell, "tree", f"{liar.host}/a/b:v1")).status in {1, 7}


@pytest.mark.parametrize("told", ['{"token": "a\\nb"}', '{"token": 5}', "{}", "[]", '{"token": "\u20ac"}', "<"])
async def test_a_bearer_token_that_is_none(shell: Shell, liar: Hostile, told: str) -> None:
    challenge = answer(401, b"", f'WWW-Authenticate: Bearer realm="http://{liar.host}/token"')
    liar.respond("GET /v2/a/b/manifests/v1", challenge)
    liar.respond("GET /token", answer(200, told.encode()))
    assert (await _run(shell, "tree", f"{liar.host}/a/b:v1")).status in {1, 4, 7}


@pytest.mark.parametrize("location", ["http://[x", "http://h:abc/", "ftp://x/", "", "http:///x", "\x01"])
async def test_a_redirect_that_is_no_address(shell: Shell, liar: Hostile, second: Hostile, location: str) -> None:
    liar.respond("GET /v2/a/b/blobs/", answer(307, b"", f"Location: {location}"))
    assert (await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")).status in {1, 3, 7}
    del liar.others["GET /v2/a/b/blobs/"]
    second.respond("POST /v2/a/b/blobs/uploads/", answer(202, b"", f"Location: {location}"))
    await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")
    second.respond("POST /v2/a/b/blobs/uploads/", answer(202))
    assert (await _run(shell, "copy", f"{liar.host}/a/b:v1", f"{second.host}/a/b")).status in {1, 7}


async def test_words_of_a_registry_are_inert(shell: Shell, liar: Hostile, second: Hostile) -> None:
    refusal = orjson.dumps({"errors": [{"code": "DENIED", "message": _STRANGE}], "message": _STRANGE})
    liar.respond("GET /v2/a/b/manifests", answer(403, refusal))
    liar.respond("GET /api/", answer(403, refusal))
    for words in (["tree", f"{liar.host}/a/b:v1"], ["packages", "--host", liar.host], ["tags", f"{liar.host}/a/b"]):
        assert (await _run(shell, *words)).status == 5
        assert (await _run(shell, *words, "--json")).status == 5


async def test_json_on_a_terminal_is_inert(shell: Shell, liar: Hostile) -> None:
    liar.respond("GET /api/", answer(200, orjson.dumps([{"name": _STRANGE}])))
    told = await shell.on_terminal("packages", "--json", "--host", liar.host)
    assert "\\u009b" in told
    assert all(one.isprintable() or one in "\r\n" for one in told), repr(told)


@pytest.mark.parametrize(
    "host",
    ["h:99999", "h:abc", "h:", "a" * 70 + ".x", "..", "a..b", "user@h", "alice:secret@h", "h?x", "h#x", "[::1", "::1",
     "ho st", "-h.x", "h\\x", "h\nx", "ex\u00e4mple", "\u202eh", "http://", "https://h:abc", "h%00"],
)  # fmt: skip
async def test_a_host_that_is_none(shell: Shell, host: str) -> None:
    for words in (["login", "--with-token", "--", host], ["packages", f"--host={host}"]):
        done = await _run(shell, *words, given=_TOKEN)
        assert done.status in {2, 7}, (words, done)
        assert "secret" not in done.err or host not in done.err


def test_a_name_that_looks_like_this_machine_is_another() -> None:
    """Plain HTTP is for this machine: a name that begins with 127. is anybody's."""
    for host in ("127.0.0.1", "127.0.0.1:5000", "127.8.9.1", "localhost:1", "[::1]", "[::1]:5000"):
        assert is_local(host)
    for host in ("127.0.0.1.example.org", "127.example.org:5000", "127.0.0.1.example.org:5000", "localhost.example"):
        assert not is_local(host)


def _helper(home: Path, action: str, given: bytes) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "registry.cli.client.docker_credential", action]
    env = {"HOME": str(home), "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(command, input=given, capture_output=True, check=False, env=env, timeout=20)


@pytest.mark.parametrize(
    "given",
    [b"", b"[]", b"5", b"null", _DEEP, b"\xff", b'{"ServerURL": "h"}', b'{"ServerURL": "", "Username": "a", "Secret": "b"}',
     b'{"ServerURL": ["h"], "Username": {}, "Secret": 5}', b'{"ServerURL": "h\\u0000", "Username": "a", "Secret": "b"}'],
    ids=range(10),
)  # fmt: skip
def test_what_docker_stores_is_none(tmp_path: Path, given: bytes) -> None:
    for action in ("store", "get", "erase"):
        done = _helper(tmp_path, action, given)
        assert b"Traceback" not in done.stderr, (action, done.stderr)
    done = _helper(tmp_path, "list", b"")
    assert done.returncode == 0, done
    assert orjson.loads(done.stdout) is not None


@pytest.mark.parametrize("login", ["\U0001f600", "\x7f", 'a"b\\c\nd', "\x1b[31m", "\u20ac", "\u2028"])
def test_what_docker_stores_comes_back(tmp_path: Path, login: str) -> None:
    """And it leaves the sign-ins of other hosts readable."""
    for host, secret in (("one.example", "s1"), ("two.example:5000", "s\U0001f600\x7f2")):
        told = orjson.dumps({"ServerURL": f"https://{host}", "Username": login, "Secret": secret})
        assert _helper(tmp_path, "store", told).returncode == 0
        found = _helper(tmp_path, "get", host.encode())
        assert found.returncode == 0, found
        assert orjson.loads(found.stdout) == {"ServerURL": host, "Username": login, "Secret": secret}
    assert sorted(orjson.loads(_helper(tmp_path, "list", b"").stdout)) == ["one.example", "two.example:5000"]
