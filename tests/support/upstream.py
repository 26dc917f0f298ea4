"""An upstream for mirrors: the registry behind it, whose requests are counted, and which can be away, limit, or lie."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import ClientSession, web


@dataclass
class Upstream:
    """``seen``: requests by method and the last two parts of their paths; ``sent``: bytes of blobs."""

    behind: str
    url: str = ""
    seen: Counter[str] = field(default_factory=Counter)
    credentials: list[str] = field(default_factory=list)
    sent: int = 0
    #: What is wrong: ``status`` for all, ``lies`` "digest", "short" or "page" of blobs, pace in bytes a second.
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    lies: str = ""
    pace: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    gate_at: int = -1

    def count(self, what: str) -> int:
        return sum(n for key, n in self.seen.items() if what in key)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        is_blob = "/blobs/" in request.path
        self.seen[f"{request.method} {'/'.join(request.path.split('/')[-2:])}"] += 1
        if self.status and request.path != "/token":
            return web.Response(status=self.status, headers=self.headers)
        own = {name: request.headers[name] for name in ("Authorization", "Accept", "Range") if name in request.headers}
        if "Authorization" in own:
            self.credentials.append(own["Authorization"])
        own["Host"] = request.headers["Host"]
        async with (
            ClientSession(auto_decompress=False) as http,
            http.request(request.method, self.behind + request.path_qs, headers=own, allow_redirects=False) as answer,
        ):
            body = await answer.read()
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}
            }
        if request.method == "HEAD":
            headers["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, headers=headers)
        if is_blob and self.lies == "page":
            return web.Response(text="<html>sorry</html>", content_type="text/html")
        if is_blob and self.lies == "digest":
            body = bytes([body[0] ^ 1]) + body[1:]
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = len(body)
        await response.prepare(request)
        for at in range(0, len(body), 64 * 1024):
            piece = body[at : at + 64 * 1024]
            if is_blob and self.gate_at >= 0 and at >= self.gate_at:
                await self.gate.wait()
            if is_blob and self.lies == "short" and at >= len(body) // 2:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(piece)
            self.sent += len(piece) if is_blob else 0
            if is_blob and self.pace:
                await asyncio.sleep(len(piece) / self.pace)
        return response


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
