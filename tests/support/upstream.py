"""An upstream for mirrors: the registry behind it, whose requests are counted, and which can be away, limit, or lie."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, StreamReader, web

_KEPT = ("Authorization", "Accept", "Range", "Host")
_CHUNK = 64 * 1024


@dataclass
class Upstream:
    """The requests that came, by method and the last two parts of their paths, and what is wrong with the answers.

    ``status``: of all answers but tokens, with ``headers``; ``lies`` about blobs: "digest", "short" (cut at the half),
    "page" (of HTML); ``without``: paths that it does not know; ``pace``: bytes a second of blobs; ``gate_at``: so many bytes of a blob are given until
    ``gate`` is set.
    """

    behind: str
    url: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    credentials: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    sent: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    lies: str = ""
    without: str = "nothing"
    pace: int = 0
    delay: float = 0.0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    gate_at: int = -1

    def count(self, what: str) -> int:
        return sum(n for key, n in self.seen.items() if what in key)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        is_blob = "/blobs/" in request.path
        self.seen[f"{request.method} {'/'.join(request.path.split('/')[-2:])}"] += 1
        self.credentials += request.headers.getall("Authorization", [])
        self.ranges += request.headers.getall("Range", []) if is_blob else []
        await asyncio.sleep(self.delay)
        if self.without in request.path:
            return web.Response(status=404)
        if self.status and request.path != "/token":
            return web.Response(status=self.status, headers=self.headers)
        if is_blob and self.lies == "page":
            return web.Response(text="<html>sorry</html>", content_type="text/html")
        kept = {name: ", ".join(request.headers.getall(name)) for name in _KEPT if name in request.headers}
        async with (
            ClientSession(auto_decompress=False) as http,
            http.request(request.method, self.behind + request.path_qs, headers=kept, allow_redirects=False) as answer,
        ):
            response = web.StreamResponse(status=answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {"transfer-encoding", "connection"}:
                    response.headers[name] = value
            await response.prepare(request)
            if request.method != "HEAD":
                await self._pass(
                    request, response, answer.content, int(answer.headers.get("Content-Length", 0)), is_blob
                )
        return response

    async def _pass(
        self, request: web.Request, response: web.StreamResponse, body: StreamReader, size: int, is_blob: bool
    ) -> None:
        at = 0
        while piece := await body.read(_CHUNK):
            if is_blob:
                piece = await self._spoilt(request, piece, at, size)
            await response.write(piece)
            at += len(piece)
            self.sent += len(piece) if is_blob else 0

    async def _spoilt(self, request: web.Request, piece: bytes, at: int, size: int) -> bytes:
        if 0 <= self.gate_at <= at:
            await self.gate.wait()
        if self.lies == "short" and at >= size // 2 and request.transport is not None:
            request.transport.abort()
        if self.pace:
            await asyncio.sleep(len(piece) / self.pace)
        return bytes([piece[0] ^ 1]) + piece[1:] if self.lies == "digest" and not at else piece


@asynccontextmanager
async def upstream_before(url: str) -> AsyncIterator[Upstream]:
    """An upstream in front of the registry at ``url``."""
    upstream = Upstream(url)
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", upstream.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        upstream.gate.set()
        await runner.cleanup()
