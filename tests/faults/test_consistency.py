"""Three processes, moved tags, rights that come and go, and 64 readers: no read is older than the last write that was
acknowledged before it began, whichever process took the write and whichever answers.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from tests.faults.routes import MANIFEST
from tests.support import forge
from tests.support.server import PACKAGES, Answer, Registry, basic, running
from tests.support.uploading import sha256
from tests.support.victims import victims

_SERVERS = 3
_READERS = 64
_SECONDS = 5.0
_CALM_READERS = 16
_CALM_MOVES = 60
_TAGS = 6
_RNG = random.Random("consistency")

Headers = Mapping[str, str]
#: Method, path below ``/api/v3/user``, JSON.
Change = tuple[str, str, object]


async def anywhere(registry: Registry, method: str, path: str, headers: Headers, **more: object) -> Answer:
    """A request to any of the processes."""
    return await registry.call(method, path, headers=headers, replica=_RNG.randrange(_SERVERS), **more)  # type: ignore[arg-type]


async def ok(registry: Registry, method: str, path: str, headers: Headers, **more: object) -> Answer:
    answer = await anywhere(registry, method, path, headers, **more)
    assert answer.status < 300, (method, path, answer.status, answer.body)
    return answer


async def bearer(registry: Registry, name: str, token: str | None) -> Headers:
    """What docker would send: a token of ``/token``, which a process remembers once it has verified it."""
    issued = await ok(registry, "GET", f"/token?scope=repository:{name}:pull,push", basic(token) if token else {})
    return {"Authorization": f"Bearer {issued.json['token']}"}  # type: ignore[index]


@dataclass
class Tag:
    """A tag that is moved on and on: ``acknowledged`` is the version of the last answered PUT."""

    name: str
    writer: Headers
    readers: list[Headers]
    config: str
    acknowledged: int = -1
    versions: dict[str, int] = field(default_factory=dict)  # by digest

    async def move(self, registry: Registry) -> None:
        version = len(self.versions)
        body = orjson.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": "application/octet-stream", "digest": self.config, "size": 6},
                "layers": [],
                "annotations": {"of": self.name, "version": str(version)},
            }
        )
        self.versions[sha256(body)] = version
        await ok(registry, "PUT", self.name, {**self.writer, "Content-Type": MANIFEST}, data=body)
        self.acknowledged = version

    async def read(self, registry: Registry) -> str:
        method, least = _RNG.choice(["GET", "HEAD"]), self.acknowledged
        answer = await ok(registry, method, self.name, _RNG.choice(self.readers))
        digest = answer.headers["Docker-Content-Digest"]
        assert self.versions[digest] >= least, f"{method} {self.name} is older than the last move"
        if method == "GET":
            assert sha256(answer.body) == digest
        return f"{method} by tag"


@dataclass
class Blobs:
    """Blobs are there from the moment that their push is answered."""

    name: str
    headers: Headers
    pushed: list[bytes] = field(default_factory=list)

    async def push(self, registry: Registry) -> None:
        data = os.urandom(_RNG.choice([1000, 100_000]))  # kept in Postgres, in S3
        started = await ok(registry, "POST", f"/v2/{self.name}/blobs/uploads/", self.headers)
        await ok(registry, "PUT", f"{started.headers['Location']}?digest={sha256(data)}", self.headers, data=data)
        self.pushed.append(data)

    async def read(self, registry: Registry) -> str:
        if not self.pushed:
            return "no blob yet"
        data, method = _RNG.choice(self.pushed[-5:]), _RNG.choice(["GET", "HEAD"])
        answer = await ok(registry, method, f"/v2/{self.name}/blobs/{sha256(data)}", self.headers)
        assert method == "HEAD" or answer.body == data
        return f"{method} blob"


@dataclass
class Right:
    """What may be read at some times and not at others. ``allowed`` None: that is being changed."""

    kind: str
    grant: Change
    revoke: Change
    token: str | None  # the reader's
    paths: list[str]
    owner: Headers
    readers: list[Headers] = field(default_factory=list)
    allowed: bool | None = False
    changes: int = 0

    async def change(self, registry: Registry) -> None:
        allow, self.allowed = not self.allowed, None
        self.changes += 1
        method, path, json = self.grant if allow else self.revoke
        answer = await ok(registry, method, f"/api/v3/user{path}", self.owner, json=json)
        if allow:
            if path == "/tokens":
                made: Any = answer.json
                self.token, self.revoke = made["token"], ("DELETE", f"/tokens/{made['id']}", None)
            self.readers = [basic(self.token) if self.token else {}, await bearer(registry, self.name, self.token)]
        self.allowed = allow

    @property
    def name(self) -> str:
        return f"alice/{self.kind}"

    async def read(self, registry: Registry) -> str:
        method, path, headers = _RNG.choice(["GET", "HEAD"]), _RNG.choice(self.paths), _RNG.choice(self.readers or [{}])
        allowed, changes = self.allowed, self.changes
        answer = await anywhere(registry, method, path, headers)
        if allowed is None or changes != self.changes:
            return f"{self.kind}: changing"
        what = f"{method} {path} was {answer.status} after it was {'granted' if allowed else 'revoked'}"
        assert (answer.status == 200) == allowed, what
        return f"{self.kind}: {'allowed' if allowed else 'refused'}"


#: What is given and taken, of a package of this name; who reads it then.
RIGHTS: Final[list[tuple[str, str, Change, Change]]] = [
    (
        "role",
        "bob",
        ("PUT", "/packages/container/role/access/users/bob", {"role": "read"}),
        ("DELETE", "/packages/container/role/access/users/bob", None),
    ),
    (
        "visibility",
        "",
        ("PATCH", "/packages/container/visibility", {"visibility": "public"}),
        ("PATCH", "/packages/container/visibility", {"visibility": "private"}),
    ),
    (
        "package",
        "alice",
        ("POST", "/packages/container/package/restore", None),
        ("DELETE", "/packages/container/package", None),
    ),
    (
        "repository",
        "bob",
        ("PUT", "/packages/container/repository/repository", {"repository": "alice/src", "inherit_access": True}),
        ("DELETE", "/packages/container/repository/repository", None),
    ),
    (
        "token",
        "",
        ("POST", "/tokens", {"scopes": ["read:packages"]}),
        ("DELETE", "", None),
    ),
]
READS: Final = {
    *(f"{kind}: {state}" for kind, *_ in RIGHTS for state in ("allowed", "refused")),
    *("GET by tag", "HEAD by tag", "GET blob", "HEAD blob"),
}


async def _rights(registry: Registry, tokens: Mapping[str, str]) -> list[Right]:
    alice = tokens["alice"]
    await forge.repository(registry, "alice", "src", people={"bob": "read"})
    rights = []
    for kind, reader, grant, revoke in RIGHTS:
        name = f"/v2/alice/{kind}"
        digest = await registry.push_image(f"alice/{kind}", "v1", alice)
        manifest: Any = (await registry.call("GET", f"{name}/manifests/v1", alice)).json
        paths = [f"{name}/manifests/v1", f"{name}/manifests/{digest}", f"{name}/blobs/{manifest['config']['digest']}"]
        rights.append(Right(kind, grant, revoke, tokens.get(reader), paths, basic(alice)))
    await registry.call("DELETE", "/api/v3/user/packages/container/package", alice)
    return rights


async def _tags(registry: Registry, tokens: Mapping[str, str]) -> list[Tag]:
    alice = tokens["alice"]
    config = await registry.push_blob("alice/app", b"config", alice)
    readers = [basic(alice), await bearer(registry, "alice/app", alice)]
    tags = [Tag(f"/v2/alice/app/manifests/v{number}", readers[0], readers, config) for number in range(_TAGS)]
    for tag in tags:
        await tag.move(registry)
    return tags


@dataclass
class Traffic:
    """All of it at once, for a while, and until each thing was read in each of its states.

    Rights are changed in turn, and most read what is being changed: an old copy may live for a few milliseconds only.
    """

    registry: Registry
    tags: list[Tag]
    blobs: Blobs
    rights: list[Right]
    missing: set[str] = field(default_factory=lambda: set(READS))

    async def run(self) -> None:
        self._end = time.monotonic() + _SECONDS
        self._changing = self.rights[0]
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for tag in self.tags:
                tasks.create_task(self._again(tag.move))
            tasks.create_task(self._again(self.blobs.push))
            tasks.create_task(self._again(self._change_rights))
            for _ in range(_READERS):
                tasks.create_task(self._again(self._read))

    async def _again(self, act: Callable[[Registry], Awaitable[None]]) -> None:
        while self.missing or time.monotonic() < self._end:
            await act(self.registry)
            await asyncio.sleep(_RNG.uniform(0, 0.2))  # where all stand in a queue, nothing is read in time to be old

    async def _change_rights(self, registry: Registry) -> None:
        for right in self.rights:
            self._changing = right
            for _ in range(2):
                await right.change(registry)
                await asyncio.sleep(0.1)

    async def _read(self, registry: Registry) -> None:
        subjects: list[Tag | Blobs | Right] = [_RNG.choice(self.tags), self.blobs, *[self._changing] * 4]
        subject = _RNG.choice(subjects)
        self.missing.discard(await subject.read(registry))


@asynccontextmanager
async def _processes(env: dict[str, str], log: Path) -> AsyncIterator[Registry]:
    async with (
        running(env) as local,
        victims(env, _SERVERS, log) as servers,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False) as http,
    ):
        yield Registry(servers.urls, local.replicas, http)


async def test_no_read_is_older_than_the_last_acknowledged_write(env: dict[str, str], tmp_path: Path) -> None:
    async with _processes(env, tmp_path / "log") as registry:
        tokens = {login: await registry.user(login, (*PACKAGES, "user")) for login in ("alice", "bob")}
        tags, rights = await _tags(registry, tokens), await _rights(registry, tokens)
        await Traffic(registry, tags, Blobs("alice/app", tags[0].readers[1]), rights).run()


async def test_nor_where_much_is_read_between_two_writes(env: dict[str, str], tmp_path: Path) -> None:
    """What is read again and again is answered from what is remembered, until it is moved."""
    async with _processes(env, tmp_path / "log") as registry:
        tokens = {"alice": await registry.user("alice", PACKAGES)}
        (tag, *_), over = await _tags(registry, tokens), asyncio.Event()

        async def move() -> None:
            for _ in range(_CALM_MOVES):
                await tag.move(registry)
                await asyncio.sleep(_RNG.uniform(0.02, 0.1))
            over.set()

        async def read() -> int:
            count = 0
            while not over.is_set():
                await tag.read(registry)
                count += 1
            return count

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(move())
            reads = [tasks.create_task(read()) for _ in range(_CALM_READERS)]
        assert sum(reading.result() for reading in reads) > 10 * _CALM_MOVES
