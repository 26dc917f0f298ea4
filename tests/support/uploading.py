"""A client of uploads that may be as unusual as it likes, and what a registry has in its stores afterwards."""

import asyncio
import contextlib
import hashlib
import io
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from urllib.parse import urlsplit

from registry.config import Settings
from storage.objects.base import ObjectKey
from tests.support.server import Answer, Registry, basic

KIB = 1024
MIB = 1024 * KIB


def noise(size: int, seed: int = 0) -> bytes:
    """Bytes without a period that a wrong offset could hide in; the same for the same arguments."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def uploads_with(**changes: object) -> Callable[[Settings], Settings]:
    """For ``running``: settings of uploads that no environment can change."""
    return lambda settings: replace(settings, uploads=replace(settings.uploads, **changes))  # type: ignore[arg-type]


def _body(data: object) -> object:
    return io.BytesIO(data) if isinstance(data, bytes) else data  # aiohttp warns of large bytes


async def streamed(data: bytes, size: int = 64 * KIB) -> AsyncIterator[bytes]:
    """A body whose length is not told."""
    for chunk in chunks(data, size):
        yield chunk


@dataclass
class Session:
    """An upload of ``name`` that was begun."""

    registry: Registry
    name: str
    token: str
    location: str

    @classmethod
    async def begin(cls, registry: Registry, name: str, token: str, replica: int = 0) -> "Session":
        started = await registry.call("POST", f"/v2/{name}/blobs/uploads/", token, replica=replica)
        assert started.status == 202, started.body
        return cls(registry, name, token, started.headers["Location"])

    async def patch(self, data: object, at: int | None = None, size: int | None = None, replica: int = 0) -> Answer:
        """``at``: sends a Content-Range, for which ``size`` must be known unless ``data`` is bytes."""
        headers = {}
        if at is not None:
            length = len(data) if isinstance(data, bytes) else size
            assert length is not None
            headers["Content-Range"] = f"{at}-{at + length - 1}"
        return await self.registry.call(
            "PATCH", self.location, self.token, data=_body(data), headers=headers, replica=replica
        )

    async def put(self, digest: str, data: object = None, replica: int = 0) -> Answer:
        return await self.registry.call(
            "PUT", f"{self.location}?digest={digest}", self.token, data=_body(data), replica=replica
        )

    async def status(self, replica: int = 0) -> Answer:
        return await self.registry.call("GET", self.location, self.token, replica=replica)

    async def offset(self, replica: int = 0) -> int:
        """How much is durable. A Range of 0-0 may be nothing or one byte: a chunk that does not fit tells."""
        answer = await self.status(replica)
        assert answer.status == 204, (answer.status, answer.body)
        end = int(answer.headers["Range"].partition("-")[2])
        if end:
            return end + 1
        refused = await self.patch(b"x", at=7, replica=replica)
        assert refused.status == 416, refused.body
        return int(refused.json["errors"][0]["detail"]["expected"])  # type: ignore[index]

    async def cancel(self, replica: int = 0) -> Answer:
        return await self.registry.call("DELETE", self.location, self.token, replica=replica)

    async def pulled(self, digest: str, replica: int = 0) -> bytes:
        answer = await self.registry.call("GET", f"/v2/{self.name}/blobs/{digest}", self.token, replica=replica)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.body

    async def raw(self, head: str, body: bytes = b"", method: str = "PATCH", replica: int = 0) -> "Raw":
        """A request written by hand: ``head`` are header lines after the usual ones."""
        url = urlsplit(self.registry.urls[replica])
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        authorization = basic(self.token)["Authorization"]
        lines = [f"{method} {self.location} HTTP/1.1", f"Host: {url.netloc}", f"Authorization: {authorization}", head]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        return Raw(reader, writer)


@dataclass
class Raw:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def status_line(self) -> int:
        """The status of the answer, 0 when there is none."""
        line = await self.reader.readline()
        return int(line.split()[1]) if line else 0

    async def close(self, *, reset: bool = False) -> None:
        if reset:
            self.writer.transport.abort()
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass(frozen=True)
class Kept:
    """What the stores hold. ``objects``: keys without a blob; ``missing``: blobs without their object.

    ``uploads``: sessions that were not swept yet.
    """

    uploads: int
    multiparts: int
    objects: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    dead: int = 0


NOTHING = Kept(uploads=0, multiparts=0)


async def kept(registry: Registry) -> Kept:
    """Compares the bucket with the database, both ways, sizes too."""
    services = registry.services
    found = {info.key: info.size async for info in services.stores.scan("")}
    rows = await services.db.fetch("SELECT object_key, size FROM blobs WHERE object_key IS NOT NULL")
    named: dict[ObjectKey, int] = {row["object_key"]: row["size"] for row in rows}
    (uploads,) = await services.db.fetch("SELECT count(*) AS n FROM uploads WHERE NOT swept")
    (dead,) = await services.db.fetch("SELECT count(*) AS n FROM dead_objects")
    return Kept(
        uploads=uploads["n"],
        multiparts=len([1 async for _ in services.stores.uploads("")]),
        objects=sorted(found.keys() - named.keys()),
        missing=sorted(key for key, size in named.items() if found.get(key) != size),
        dead=dead["n"],
    )


async def end_all_sessions(registry: Registry) -> None:
    """As if the time of every session were over, and every lease."""
    await registry.services.db.execute("UPDATE uploads SET expires_at = now(), lease_until = NULL")


def random_splits(rng: random.Random, size: int, most: int) -> list[tuple[int, int]]:
    """``size`` cut into at most ``most`` pieces: start and end of each."""
    cuts = sorted({0, size, *(rng.randrange(size + 1) for _ in range(rng.randrange(most)))})
    return list(pairwise(cuts))
