"""`moorage import` before sources and targets that lie, limit and stall: one clear line each, and nothing leaks."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from itertools import count

import orjson
import pytest

from tests.cli.commands import Done, Shell
from tests.cli.hostile import CONFIG, IMAGE, INDEX, LAYER, MANIFEST, Asked, Hostile, answer, descriptor, hostile, sha256

_TOKEN = "the-token-of-alice"


@pytest.fixture
async def source() -> AsyncIterator[Hostile]:
    async with hostile() as made:
        yield made


@pytest.fixture
async def target() -> AsyncIterator[Hostile]:
    async with hostile() as made:
        yield made


async def _import(shell: Shell, source: Hostile, target: Hostile, *more: str, name: str = "a/b") -> Done:
    async with asyncio.timeout(50):
        done = await shell.run("import", f"{source.host}/{name}", "--to", f"{target.host}/bob", *more)
    assert "Traceback" not in done.err, done.err
    assert all(one.isprintable() or one in "\n\t" for one in done.out + done.err)
    return done


def _published(target: Hostile) -> list[str]:
    return [one.target for one in target.asked if one.method == "PUT" and "/manifests/" in one.target]


async def test_a_credential_goes_to_nobody_that_an_upload_is_sent_to(
    shell: Shell, source: Hostile, target: Hostile
) -> None:
    """Where uploads go to another host, it may ask for a token of its own: it gets none."""
    await shell.ok("login", target.host, "--with-token", given=_TOKEN)
    async with hostile() as third:
        challenge = answer(401, b"", f'WWW-Authenticate: Bearer realm="http://{third.host}/token"')
        for method in ("PUT", "PATCH", "GET"):
            third.respond(f"{method} /upload", challenge)
        target.respond("POST /v2/", answer(202, b"", f"Location: http://{third.host}/upload"))
        big = b"x" * 2_000_000
        body = orjson.dumps({**orjson.loads(IMAGE), "layers": [descriptor(LAYER), descriptor(big)]})
        source.respond("GET /v2/a/b/manifests/v1", answer(200, body, f"Content-Type: {MANIFEST}"))
        source.respond(f"GET /v2/a/b/blobs/{sha256(big)}", answer(200, big))
        for _ in range(2):
            assert (await _import(shell, source, target, name="a/b:v1")).status == 8
        source.respond(f"GET /v2/a/b/blobs/{sha256(CONFIG)}", answer(404))
        assert third.asked
        assert third.authorizations() == []
        assert _published(target) == []


_CATALOGS = {
    "no list": {"repositories": 5},
    "an object": {"repositories": {"a": 1}},
    "names that are none": {"repositories": ["..", "team/../b", "team/a?x=", "/", "team//b", 5, None, "team/\x1b[31m", "a" * 300]},
    "nothing": {},
    "a list": ["team/a"],
}  # fmt: skip


@pytest.mark.parametrize("listed", _CATALOGS.values(), ids=_CATALOGS)
async def test_a_catalog_that_is_none(shell: Shell, source: Hostile, target: Hostile, listed: object) -> None:
    source.respond("GET /v2/_catalog", answer(200, orjson.dumps(listed)))
    for name in ("*", "team/*"):
        done = await _import(shell, source, target, name=name)
        assert done.status in {0, 1, 8}, done
        assert not [one for one in source.asked if ".." in one.target or "?x" in one.target]
        assert target.asked == []


async def test_a_catalog_without_an_end(shell: Shell, source: Hostile, target: Hostile) -> None:
    """Each page leads to a page that nobody has seen, or to another host."""
    pages = count()

    async def page(_asked: Asked, _writer: object) -> bytes:
        number = next(pages)
        names = [f"team/a{number}-{one}" for one in range(1000)]
        link = f'Link: </v2/_catalog?last={number}>; rel="next"'
        return answer(200, orjson.dumps({"repositories": names}), link)

    source.respond("GET /v2/_catalog", page)
    done = await _import(shell, source, target, name="team/*")
    assert done.status == 1
    assert "more than 100,000 repositories" in done.err
    async with hostile() as third:
        away = answer(200, b'{"repositories": []}', f'Link: <http://{third.host}/v2/_catalog?n=1>; rel="next"')
        source.respond("GET /v2/_catalog", away)
        await _import(shell, source, target, name="team/*")
        assert third.asked == []


@pytest.mark.parametrize("kind", ["github", "gitlab", "harbor"])
@pytest.mark.parametrize(
    "listed",
    [[{}], [{"name": 5, "path": 5}], [5], [{"name": "../x", "path": "../x"}], {}, [{"name": "..", "path": "..", "repository": "r"}]],
    ids=range(6),
)  # fmt: skip
async def test_a_list_of_an_api_that_is_none(
    shell: Shell, source: Hostile, target: Hostile, kind: str, listed: object
) -> None:
    source.respond("GET /api/", answer(200, orjson.dumps(listed)))
    done = await _import(shell, source, target, "--list-by", kind, name="a/*")
    assert done.status in {0, 1, 8}, done
    assert _published(target) == []


async def test_an_index_that_is_too_deep(shell: Shell, source: Hostile, target: Hostile) -> None:
    body, media_type = IMAGE, MANIFEST
    for _ in range(40):
        source.respond(f"GET /v2/a/b/manifests/{sha256(body)}", answer(200, body, f"Content-Type: {media_type}"))
        body, media_type = orjson.dumps({"manifests": [descriptor(body, media_type)]}), INDEX
    source.respond("GET /v2/a/b/manifests/v1", answer(200, body, f"Content-Type: {INDEX}"))
    done = await _import(shell, source, target)
    assert done.status == 8
    assert "is too deep" in done.err
    assert _published(target) == []


async def test_manifests_that_fill_the_memory(shell: Shell, source: Hostile, target: Hostile) -> None:
    """An index of a thousand manifests of 4 MB each, made up as they are asked for."""
    made = {sha256(body): body for body in (b'{"n":%d}' % one + b" " * 4_000_000 for one in range(30))}
    index = orjson.dumps({"manifests": [descriptor(body, MANIFEST) for body in made.values()]})

    async def manifest(asked: Asked, _writer: object) -> bytes:
        return answer(200, made[asked.target.rpartition("/")[2]], f"Content-Type: {MANIFEST}")

    source.respond("GET /v2/a/b/manifests/sha256:", manifest)
    source.respond("GET /v2/a/b/manifests/v1", answer(200, index, f"Content-Type: {INDEX}"))
    done = await _import(shell, source, target)
    assert done.status == 8
    assert "too many manifests" in done.err
    huge = IMAGE + b" " * (5 << 20)
    source.respond("GET /v2/a/b/manifests/v1", answer(200, huge, f"Content-Type: {MANIFEST}"))
    done = await _import(shell, source, target)
    assert done.status == 8
    assert "is larger than 4 MB" in done.err
    assert _published(target) == []


async def test_rights_that_are_lost_on_the_way(shell: Shell, source: Hostile, target: Hostile) -> None:
    """The target lets two images in, and then nobody: nobody asks a hundred times more."""
    tags = [f"v{one}" for one in range(100)]
    source.respond("GET /v2/a/b/tags/list", answer(200, orjson.dumps({"tags": tags})))
    source.respond("GET /v2/a/b/manifests/v", answer(200, IMAGE, f"Content-Type: {MANIFEST}"))
    denied = answer(403, b'{"errors": [{"code": "DENIED", "message": "bob may not write"}]}')
    target.respond("PUT /v2/bob/b/manifests/", *[answer(201)] * 4, denied)
    done = await _import(shell, source, target)
    assert done.status == 5, done
    assert "bob may not write" in done.err
    assert len(_published(target)) < 20


async def test_a_target_that_is_read_only(shell: Shell, source: Hostile, target: Hostile) -> None:
    """Who imports is told what is waited for."""
    busy = answer(503, b'{"errors": [{"code": "UNAVAILABLE", "message": "read-only: moving house"}]}', "Retry-After: 1")
    target.respond("POST /v2/", busy)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "import", f"{source.host}/a/b", "--to", f"{target.host}/bob",
        env=shell._environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stderr is not None
    async with asyncio.timeout(30):
        assert b"read-only: moving house" in await child.stderr.readline()
    assert _published(target) == []
    target.respond("POST /v2/", answer(202, b"", "Location: /v2/bob/b/blobs/uploads/1"))
    async with asyncio.timeout(30):
        assert await child.wait() == 0


async def test_a_source_that_drips_is_given_up_by_a_key(shell: Shell, source: Hostile, target: Hostile) -> None:
    """A blob comes byte by byte: Ctrl-C ends the import at once, and what had failed before is told."""
    reached = asyncio.Event()

    async def drip(_asked: Asked, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        for _ in range(600):
            writer.write(b"l")
            await writer.drain()
            reached.set()
            await asyncio.sleep(0.1)
        return b""

    body = orjson.dumps({**orjson.loads(IMAGE), "schemaVersion": 1})
    source.respond("GET /v2/a/b/tags/list", answer(200, orjson.dumps({"tags": ["old", "v1"]})))
    source.respond("GET /v2/a/b/manifests/old", answer(200, body, f"Content-Type: {MANIFEST}"))
    source.respond(f"GET /v2/a/b/blobs/{sha256(LAYER)}", drip)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "import", f"{source.host}/a/b", "--to", f"{target.host}/bob",
        env=shell._environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(30):
        await reached.wait()
        began = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, err = await child.communicate()
    assert time.monotonic() - began < 5
    assert child.returncode == 130
    assert "has schema 1" in err.decode()
    assert "the same command goes on" in err.decode()
    assert _published(target) == []
