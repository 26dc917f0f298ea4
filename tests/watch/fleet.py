"""Three replicas and a worker, each of which shows its metrics; and clients that count what they did."""

import asyncio
import hashlib
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from registry.devservers.processes import free_ports
from tests.support.processes import serving, worker
from tests.support.server import basic

REPLICAS: Final = 3
_PROCESSES: Final = 2
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Fleet:
    """Running replicas, their worker, and where each of them shows its metrics."""

    urls: list[str]
    serving: list[asyncio.subprocess.Process]
    worker: asyncio.subprocess.Process
    targets: Mapping[str, list[str]]


@asynccontextmanager
async def fleet(env: Mapping[str, str], folder: Path, **of_worker: str) -> AsyncIterator[Fleet]:
    """Run ``moorage serve`` three times, each of two processes, and ``moorage worker``; ``of_worker``: its settings."""
    *servers, jobs = [f"127.0.0.1:{port}" for port in free_ports(REPLICAS + 1)]
    async with AsyncExitStack() as stack:
        running = [
            await stack.enter_async_context(
                serving(
                    {**env, "MOORAGE_WORKERS": str(_PROCESSES), "MOORAGE_ADMIN_LISTEN": address},
                    folder / f"serve-{number}.log",
                )
            )
            for number, address in enumerate(servers)
        ]
        working = await stack.enter_async_context(
            worker({**env, "MOORAGE_ADMIN_LISTEN": jobs, **of_worker}, folder / "worker.log")
        )
        urls = [url for _, url in running]
        yield Fleet(urls, [process for process, _ in running], working, {"moorage": servers, "moorage-worker": [jobs]})


@dataclass
class Truth:
    """What clients did and saw: answers by route and status, bytes of bodies, seconds by route, work by owner."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    received: int = 0
    sent: int = 0
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    pulls: Counter[str] = field(default_factory=Counter)
    pushes: Counter[str] = field(default_factory=Counter)


class Clients:
    """HTTP clients of a fleet, one request after the other to each replica in turn, which count in ``truth``."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str], tokens: Mapping[str, str]) -> None:
        self.truth = Truth()
        self._http = http
        self.tokens = tokens
        self._urls = urls
        self._turns = cycle(urls)

    async def call(
        self,
        route: str,
        method: str,
        path: str,
        token: str | None,
        *,
        data: bytes | None = None,
        kind: str | None = None,
        at: int | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request of a route, count its answer, and return it with its body read; ``at``: to this replica."""
        headers = {**(basic(token) if token else {}), **({"Content-Type": kind} if kind else {})}
        url = (next(self._turns) if at is None else self._urls[at]) + path
        began = time.monotonic()
        async with self._http.request(method, url, data=data, headers=headers, allow_redirects=False) as answer:
            body = await answer.read()
        self.truth.seconds[route].append(time.monotonic() - began)
        self.truth.answers[route, _label(answer.status)] += 1
        self.truth.sent += len(data or b"")
        self.truth.received += len(body)
        return answer

    async def push(self, owner: str, tag: str, size: int) -> str:
        """Push an image of one layer as docker does; return its layer."""
        token, name = self.tokens[owner], f"{owner}/app"
        layer = await self.push_blob(name, os.urandom(size), token)
        config = await self.push_blob(name, orjson.dumps({"architecture": "amd64", "os": "linux", "tag": tag}), token)
        entries = [
            {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest, "size": count}
            for kind, (digest, count) in (("config.v1+json", config), ("layer.v1.tar", layer))
        ]
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": entries[0], "layers": entries[1:]}
        path = f"/v2/{name}/manifests/{tag}"
        put = await self.call("manifest_put", "PUT", path, token, data=orjson.dumps(manifest), kind=_MANIFEST)
        assert put.status == 201
        self.truth.pushes[owner] += 1
        return layer[0]

    async def pull(self, owner: str, tag: str, layer: str) -> None:
        """Pull an image: its manifest and its layer."""
        token = self.tokens[owner]
        manifest = await self.call("manifest_get", "GET", f"/v2/{owner}/app/manifests/{tag}", token)
        blob = await self.call("blob_get", "GET", f"/v2/{owner}/app/blobs/{layer}", token)
        assert (manifest.status, blob.status) == (200, 200)
        self.truth.pulls[owner] += 1

    async def push_blob(self, name: str, data: bytes, token: str) -> tuple[str, int]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        started = await self.call("upload_start", "POST", f"/v2/{name}/blobs/uploads/", token)
        place = started.headers["Location"]
        sent = await self.call("upload_chunk", "PATCH", place, token, data=data, kind="application/octet-stream")
        place = sent.headers["Location"]
        done = await self.call("upload_finish", "PUT", f"{place}?digest={digest}", token)
        assert (started.status, sent.status, done.status) == (202, 202, 201)
        return digest, len(data)


def _label(status: int) -> str:
    return str(status) if status in {400, 401, 403, 404, 429} else f"{status // 100}xx"
