"""Long answers of other hosts, read as they come, over kept connections; addresses are looked at as for hooks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp

from registry.egress.client import Egress, Resolver
from storage.errors import Unavailable

_CONNECT_SECONDS: Final = 5.0
_SILENT_SECONDS: Final = 30.0
_REDIRECTS: Final = 3
_CHUNK_BYTES: Final = 256 * 1024
_REDIRECTED: Final = frozenset({301, 302, 303, 307, 308})


class Stream:
    """An answer whose head has come; ``headers`` by their names in lower case."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status: Final = response.status
        self.headers: Final[Mapping[str, str]] = {name.lower(): value for name, value in response.headers.items()}
        self._response: Final = response

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises Unavailable when it breaks off, or stands still."""
        try:
            async for piece in self._response.content.iter_chunked(_CHUNK_BYTES):
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{self._response.url.host} broke off: {type(error).__name__}") from error

    async def read(self, limit: int) -> bytes:
        """Read the whole body. Raises Unavailable, also for one of more than ``limit`` bytes."""
        body = bytearray()
        async for piece in self.chunks():
            body += piece
            if len(body) > limit:
                raise Unavailable(f"expected at most {limit} bytes from {self._response.url.host}")
        return bytes(body)


class Streams:
    """The connections to other hosts; by plain HTTP only to the networks that the operator allows."""

    def __init__(self, egress: Egress) -> None:
        self._egress: Final = egress
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close the connections."""
        for session in self._sessions.values():
            await session.close()

    @asynccontextmanager
    async def open(self, method: str, url: str, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
        """Send a request and open its answer; a redirect is followed, without credentials to another host.

        Raises Unavailable.
        """
        sent = {"Accept-Encoding": "identity", **headers}
        for _ in range(_REDIRECTS + 1):
            response = await self._sent(method, url, sent)
            try:
                where = response.headers.get("Location")
                if response.status not in _REDIRECTED or where is None:
                    yield Stream(response)
                    return
            finally:
                response.release()
            former, url = url, urljoin(url, where)
            if (urlsplit(former).scheme, urlsplit(former).netloc) != (urlsplit(url).scheme, urlsplit(url).netloc):
                sent = {name: value for name, value in sent.items() if name.lower() != "authorization"}
        raise Unavailable(f"{urlsplit(url).hostname} redirects more than {_REDIRECTS} times")

    async def _sent(self, method: str, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        try:
            return await self._session(plain=urlsplit(url).scheme == "http").request(
                method, url, headers=headers, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise Unavailable(f"cannot reach {urlsplit(url).hostname}: {type(error).__name__}") from error

    def _session(self, *, plain: bool) -> aiohttp.ClientSession:
        if plain not in self._sessions:
            self._sessions[plain] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=Resolver(self._egress.look_up),
                    socket_factory=self._egress.sockets(plain=plain, refused=[]),
                    limit=0,
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENT_SECONDS),
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._sessions[plain]
