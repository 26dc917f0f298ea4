"""A registry that answers as no registry should: a small honest one, any of whose answers can be another."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import orjson

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = b'{"architecture":"amd64","os":"linux"}'
LAYER: Final = b"layer" * 1000


def sha256(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def descriptor(body: bytes, media_type: str = "application/vnd.oci.image.layer.v1.tar") -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha256(body), "size": len(body)}


IMAGE: Final = orjson.dumps(
    {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG), "layers": [descriptor(LAYER)]}
)


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def answer(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    """A response; ``length`` is what its head says of the body."""
    lines = [f"HTTP/1.1 {status} Odd", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


Answer = bytes | Callable[[Asked, asyncio.StreamWriter], Awaitable[bytes]]


@dataclass
class Hostile:
    """Its host, what it was asked, and other answers: each a pattern of «METHOD target», and the answers in turn."""

    host: str = ""
    asked: list[Asked] = field(default_factory=list)
    others: dict[str, list[Answer]] = field(default_factory=dict)

    def respond(self, pattern: str, *answers: Answer) -> None:
        """Gives these answers, each once and the last for ever, to requests that match."""
        self.others[pattern] = list(answers)

    def authorizations(self) -> list[str]:
        return [one.headers["authorization"] for one in self.asked if "authorization" in one.headers]

    async def _chosen(self, asked: Asked, writer: asyncio.StreamWriter) -> bytes:
        for pattern, answers in self.others.items():
            if re.search(pattern, f"{asked.method} {asked.target}"):
                chosen = answers.pop(0) if len(answers) > 1 else answers[0]
                return chosen if isinstance(chosen, bytes) else await chosen(asked, writer)
        return self._honest(asked)

    def _honest(self, asked: Asked) -> bytes:
        path = asked.target.partition("?")[0]
        blobs = {sha256(one): one for one in (CONFIG, LAYER)}
        match asked.method, path.rpartition("/")[0].rpartition("/")[2], path.rpartition("/")[2]:
            case "GET", "v3", "user":
                made = answer(200, b'{"login": "alice"}')
            case "GET" | "HEAD", "manifests", "v1":
                made = answer(200, IMAGE, f"Content-Type: {MANIFEST}")
            case "GET", "tags", "list":
                made = answer(200, b'{"name": "a/b", "tags": ["v1"]}')
            case "GET", "blobs", digest if digest in blobs:
                made = answer(200, blobs[digest])
            case "POST", "uploads", "":
                made = answer(202, b"", f"Location: {path}1")
            case "PUT", "uploads" | "manifests", _:
                made = answer(201)
            case _:
                made = answer(404)
        return made

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ")
            pairs = (line.partition(":") for line in head[1:] if line)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(method, target, headers, body)
            self.asked.append(asked)
            writer.write(await self._chosen(asked, writer))
            await writer.drain()
        writer.close()


async def endless(_asked: Asked, writer: asyncio.StreamWriter) -> bytes:
    """JSON that has no end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[")
    for _ in range(4000):
        writer.write(b" " * (1 << 18))
        await writer.drain()
    return b"]"


@asynccontextmanager
async def hostile() -> AsyncIterator[Hostile]:
    """Serves on a free port of this machine."""
    made = Hostile()
    tasks: set[asyncio.Task[None]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.serve(reader, writer)

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    made.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
