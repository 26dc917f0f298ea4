"""A load balancer that gives each request, not each connection, to the next server: no two of a push meet the same one."""

import itertools
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"})
#: What aiohttp's client would add where the caller sent nothing.
_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class RoundRobin:
    """Hands requests on as they came, bodies streamed; ``handled`` counts them by server."""

    def __init__(self, servers: Sequence[str], http: aiohttp.ClientSession) -> None:
        self.handled: Counter[str] = Counter()
        self._servers = itertools.cycle(servers)
        self._count = len(servers)
        self._http = http

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request; a server that refuses the connection is passed over, 502 when all do."""
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP]
        for server in itertools.islice(self._servers, self._count):
            try:
                async with self._http.request(
                    request.method,
                    URL(server + request.raw_path, encoded=True),
                    headers=headers,
                    skip_auto_headers=_ADDED,
                    data=request.content.iter_any() if request.can_read_body else None,
                    allow_redirects=False,
                ) as answer:
                    self.handled[server] += 1
                    return await _relay(request, answer)
            except aiohttp.ClientConnectorError:
                continue
        return web.Response(status=502, text="no server takes connections\n")


async def _relay(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP]
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in kept:
        response.headers.add(name, value)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
    except aiohttp.ClientError:
        if request.transport is not None:  # the client must not take a part for the whole
            request.transport.abort()
        return response
    await response.write_eof()
    return response


@asynccontextmanager
async def balanced(listener: socket.socket, servers: Sequence[str]) -> AsyncIterator[RoundRobin]:
    """A balancer that serves on ``listener`` within the block."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as http:
        balancer = RoundRobin(servers, http)
        runner = web.ServerRunner(web.Server(balancer.handle, auto_decompress=False), shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield balancer
        finally:
            await runner.cleanup()
