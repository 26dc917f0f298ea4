"""A registry of OCI 1.0 in front of a Moorage: it knows nothing of referrers, and can be told to fail."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "host", "oci-subject"}


@dataclass
class Former:
    """Its address, what it was asked, and how many uploads or deletions it lets through before it cuts, or stalls."""

    host: str
    asked: list[str] = field(default_factory=list)
    lets_through: int = 1_000_000
    stalls_after: int = 1_000_000
    deletes: int = 1_000_000

    async def delete(self, request: web.Request) -> None:
        """Stalls at a deletion that is one too many."""
        if request.method == "POST" and request.path.endswith("/deletion"):
            self.deletes -= 1
            if self.deletes < 0:
                await asyncio.sleep(30)

    def uploads(self) -> list[str]:
        """The digests of the blobs that were sent."""
        return [
            one.partition("digest=sha256%3A")[2] for one in self.asked if one.startswith("PUT ") and "digest=" in one
        ]


@asynccontextmanager
async def former(behind: str) -> AsyncIterator[Former]:
    """Serves in front of the registry at this URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    made = Former(f"127.0.0.1:{listener.getsockname()[1]}")

    async def handle(request: web.Request) -> web.Response:
        made.asked.append(f"{request.method} {request.rel_url}")
        if "/referrers/" in request.path:
            return web.Response(status=404)
        await made.delete(request)
        if request.method == "PUT" and "/blobs/" in request.path:
            made.lets_through -= 1
            made.stalls_after -= 1
            if made.stalls_after < 0:
                await asyncio.sleep(30)
            if made.lets_through < 0:
                assert request.transport is not None
                request.transport.abort()
                return web.Response(status=500)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        body = await request.read()
        async with session.request(
            request.method, behind + str(request.rel_url), data=body or None, headers={**headers, "Host": made.host},
            allow_redirects=False,
        ) as answer:  # fmt: skip
            told = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            if request.method == "HEAD":
                told["Content-Length"] = answer.headers.get("Content-Length", "0")
            return web.Response(status=answer.status, body=await answer.read(), headers=told)

    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield made
        finally:
            await runner.cleanup()
