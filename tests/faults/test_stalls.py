"""Work that is large for one request: everybody else is answered meanwhile (F46)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from auth.tokens import TokenKind, mint
from registry.oci.manifest import MAX_DESCRIPTORS, MAX_MANIFEST_BYTES, MAX_MARKS
from registry.oci.media_types import OCI_INDEX
from tests.faults.routes import MANIFEST
from tests.support.processes import waited_for_processor
from tests.support.raw import Wire, request
from tests.support.server import Answer, Registry, running
from tests.support.uploading import Session, sha256
from tests.support.victims import victims

#: What is aimed at is 100 ms; the rest is for a collector of garbage, a disk, and a kernel.
_MOST_SECONDS: Final = 0.4
_TAGS: Final = 10_000

pytestmark = pytest.mark.alone


@dataclass(frozen=True)
class Served:
    """A process of its own, and the token of alice, who has a package."""

    registry: Registry
    token: str
    pid: int

    def idle_seconds(self) -> float:
        """How long the threads of this process and of the server have waited for a processor."""
        return waited_for_processor(os.getpid()) + waited_for_processor(self.pid)


@asynccontextmanager
async def _beating(served: Served) -> AsyncIterator[None]:
    """A process that is asked how it is, again and again, never takes long to say so.

    What it waits for a processor does not count: others have it then.
    """
    took = list[float]()

    async def beat(wire: Wire) -> None:
        while True:
            began, idle = time.monotonic(), served.idle_seconds()
            await wire.send(request("GET", "/healthz"))
            assert (await wire.answer()).status == 200
            seconds = time.monotonic() - began
            took.append(seconds - (served.idle_seconds() - idle) if seconds > _MOST_SECONDS else seconds)
            await asyncio.sleep(0.005)

    async with Wire.to(served.registry.url) as wire, asyncio.TaskGroup() as tasks:
        beating = tasks.create_task(beat(wire))
        await asyncio.sleep(0.1)
        yield
        beating.cancel()
    assert max(took) < _MOST_SECONDS, sorted(took)[-5:]


def _part(number: int, media_type: str = "application/octet-stream", note: str = "") -> dict[str, Any]:
    """The descriptor of what ``_present`` puts there."""
    data = str(number).encode()
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data), "annotations": {"note": note}}


def _image(**more: object) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": _part(0), "layers": [], **more}


def _with(rest: bytes) -> bytes:
    """An image with another member, written by hand."""
    return orjson.dumps(_image())[:-1] + b',"more":' + rest + b"}"


async def _present(registry: Registry) -> None:
    """What the descriptors name, and many tags, in the package «alice/app»."""
    of = "FROM generate_series(0, $1::int - 1) AS n"
    digest = "'sha256:' || encode(sha256(n::text::bytea), 'hex')"
    db = registry.services.db
    await db.execute(
        f"INSERT INTO blobs (digest, size, body) SELECT {digest}, length(n::text), n::text::bytea {of}", MAX_DESCRIPTORS
    )
    await db.execute(
        f"INSERT INTO package_blobs (package_id, digest) SELECT package.id, {digest} {of}, packages package",
        MAX_DESCRIPTORS,
    )
    await db.execute(
        f"INSERT INTO tags (package_id, name, digest) SELECT package_id, 't' || n, digest {of}, manifests", _TAGS
    )


BODIES: Final[Mapping[str, tuple[Callable[[], bytes], int]]] = {
    "five thousand layers": (
        lambda: orjson.dumps(_image(layers=[_part(n, note="x" * 600) for n in range(MAX_DESCRIPTORS)])),
        201,
    ),
    "an index of five thousand that are not here": (
        lambda: orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [_part(n, MANIFEST, "x" * 600) for n in range(MAX_DESCRIPTORS)],
            }
        ),
        400,
    ),
    "the most marks": (lambda: _with(b"[" + b"[]," * (MAX_MARKS // 2 - 100) + b"0]"), 201),
    "4 MiB of arrays": (lambda: _with(b"[" + b"[]," * (MAX_MANIFEST_BYTES // 3 - 200) + b"0]"), 400),
    "a key that comes twice, after many others": (
        lambda: _with(b"{" + b",".join(b'"%x":0' % n for n in range(25_000)) + b',"z":0,"z":0}'),
        400,
    ),
}


@pytest.fixture
async def served(env: dict[str, str], tmp_path: Path) -> AsyncIterator[Served]:
    async with running(env) as local, victims(env, 1, tmp_path / "log") as servers:
        token = await local.user("alice")
        await local.push_image("alice/app", "v1", token)
        await _present(local)
        yield Served(replace(local, urls=servers.urls), token, servers.pids[0])


@pytest.mark.parametrize("body", BODIES)
async def test_f46_a_large_manifest_keeps_nobody_waiting(served: Served, body: str) -> None:
    registry, token = served.registry, served.token
    make, status = BODIES[body]
    data = make()
    media_type = OCI_INDEX if OCI_INDEX.encode() in data else MANIFEST
    async with _beating(served), asyncio.timeout(10):
        for _ in range(3):
            put = await registry.call(
                "PUT", "/v2/alice/app/manifests/v2", token, data=BytesIO(data), headers={"Content-Type": media_type}
            )
            assert put.status == status, put.body[:500]


async def _listed(registry: Registry, token: str) -> None:
    path, names = f"/v2/alice/app/tags/list?n={_TAGS}", list[str]()
    while path:
        answer = await registry.call("GET", path, token)
        found: Any = answer.json
        names += found["tags"]
        path = answer.headers.get("Link", "<>").partition(">")[0][1:]
    assert len(set(names)) == len(names) == _TAGS + 1


async def _logged_in(registry: Registry, token: str) -> None:
    scope = "scope=repository:alice/app:pull,push&scope=repository:alice/other:pull"
    wrong = mint(TokenKind.CLASSIC).reveal()
    asked = [registry.call("GET", f"/token?{scope}", token if n % 4 else wrong) for n in range(40)]
    answers: list[Answer] = await asyncio.gather(*asked)
    assert {answer.status for answer in answers} <= {200, 401, 429}


@pytest.mark.parametrize("ask", [_listed, _logged_in])
async def test_f46_many_tags_and_logins_keep_nobody_waiting(
    served: Served, ask: Callable[[Registry, str], Awaitable[None]]
) -> None:
    registry, token = served.registry, served.token
    async with _beating(served), asyncio.timeout(10):
        for _ in range(10):
            await ask(registry, token)


async def test_f46_a_header_of_blanks_keeps_nobody_waiting(served: Served) -> None:
    """Whoever sends it: blanks before a value are not tried in every way there is."""
    registry = served.registry
    head = request("GET", "/v2/", f"X: {' ' * 8000}\x01")
    async with _beating(served), asyncio.timeout(10), AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire.to(registry.url)) for _ in range(40)]
        for wire in wires:
            await wire.send(head)
        for wire in wires:
            assert (await wire.answer()).status == 400


async def test_f46_chunks_of_a_byte_keep_nobody_waiting(served: Served) -> None:
    registry, token = served.registry, served.token
    session = await Session.begin(registry, "alice/app", token)
    async with asyncio.timeout(10), _beating(served):
        raw = await session.raw("Transfer-Encoding: chunked")
        for _ in range(100):
            await raw.send(b"1\r\nx\r\n" * 5000)
        await raw.send(b"0\r\n\r\n")
        assert await raw.status_line() == 202
        await raw.close()
    assert await session.offset() == 500_000
