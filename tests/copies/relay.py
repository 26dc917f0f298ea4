"""A relay in front of a registry that counts the bytes of each blob both ways, and holds uploads from a number on."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

_BLOCK: Final = 1 << 16
_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_BLOB: Final = re.compile(r"/blobs/(sha256:[0-9a-f]{64})$")


@dataclass
class Relay:
    """Its host, the bytes of each blob that were read through it, and those that were uploaded."""

    behind: str
    http: aiohttp.ClientSession
    host: str = ""
    read: Counter[str] = field(default_factory=Counter)
    uploaded: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _holds_at: int | None = None

    def hold_at(self, count: int) -> None:
        """Lets so many bytes of blobs up in all, and holds what follows."""
        self.held.clear()
        self._holds_at = count

    def go_on(self) -> None:
        """Holds nothing any more."""
        self._holds_at = None

    async def _upload(self, request: web.BaseRequest) -> AsyncIterator[bytes]:
        counts = "/blobs/uploads/" in request.path
        async for data in request.content.iter_chunked(_BLOCK):
            if counts and self._holds_at is not None and self.uploaded + len(data) > self._holds_at:
                self.held.set()
                await asyncio.Event().wait()  # until the caller is killed
            self.uploaded += len(data) * counts
            yield data

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Passes a request on."""
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in _HOP)
        if "Content-Length" in request.headers:
            headers["Content-Length"] = request.headers["Content-Length"]
        data = self._upload(request) if request.body_exists else None
        url = f"http://{self.behind}{request.raw_path}"
        async with self.http.request(request.method, url, headers=headers, data=data, allow_redirects=False) as got:
            kept = CIMultiDict((name, value) for name, value in got.headers.items() if name.lower() not in _HOP)
            answer = web.StreamResponse(status=got.status, headers=kept)
            answer.content_length = got.content_length
            await answer.prepare(request)
            blob = _BLOB.search(request.path) if request.method == "GET" and got.status in {200, 206} else None
            async for body in got.content.iter_chunked(_BLOCK):
                await answer.write(body)
                if blob is not None:
                    self.read[blob[1]] += len(body)
            await answer.write_eof()
            return answer


@asynccontextmanager
async def relay(behind: str) -> AsyncIterator[Relay]:
    """Serves in front of ``host:port``."""
    async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout()) as http:
        made = Relay(behind, http)
        runner = web.ServerRunner(web.Server(made.serve, handler_cancellation=True), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        made.host = runner.addresses[0][0] + f":{runner.addresses[0][1]}"
        try:
            yield made
        finally:
            await runner.cleanup()
