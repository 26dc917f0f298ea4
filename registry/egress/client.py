"""The one client for all requests to other hosts: those of the settings, and those that users name.

A user's URL is led to addresses that a user may reach, and no others: each address is looked at where its socket is
made, so that nothing can be resolved again in between. Redirects are not followed, answers and times have a limit, and
neither cookies nor a proxy of the environment have a say.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from registry.egress.addresses import Network, is_allowed, is_open
from storage.errors import Unavailable

_MAX_BYTES: Final = 256 * 1024
_SECONDS: Final = 5.0
#: Of hooks, as GitHub has it; and what is kept of an answer.
HOOK_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 16 * 1024
#: So many names are looked up at once: a thread waits for each, and for a slow server of names longer than for others.
_RESOLVING: Final = 32
#: As ``socket.getaddrinfo``.
LookUp = Callable[..., list[Any]]


class Refused(Unavailable):
    """The host has no address that a user may reach."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of another host; ``body``: the beginning of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Limits:
    """``cut``: a longer answer is cut, not refused; ``checked``: addresses are looked at."""

    seconds: float
    answer_bytes: int
    cut: bool = False
    checked: bool = False


_OF_OPERATOR: Final = _Limits(_SECONDS, _MAX_BYTES)
_OF_USER: Final = _Limits(_SECONDS, _MAX_BYTES, checked=True)


@dataclass(frozen=True, slots=True)
class Egress:
    """The client. ``allow``: the networks that users' URLs may lead to beside the internet, by plain HTTP too."""

    allow: tuple[Network, ...] = ()
    hook_seconds: float = HOOK_SECONDS
    look_up: LookUp = socket.getaddrinfo

    async def fetch(self, url: str, ca_file: str | None = None, token_file: str | None = None) -> bytes:
        """Fetch the document at a URL of the settings, a few hundred KiB at most. Raises Unavailable.

        ``ca_file``: the authorities (PEM) that the host's certificate is of, instead of those of the system;
        ``token_file``: has the bearer token that the host asks for.
        """
        tls, headers = await asyncio.to_thread(_trust, ca_file, token_file)
        return await self._fetched(url, headers, _OF_OPERATOR, tls)

    async def fetch_named(self, url: str, authorities: str | None = None) -> bytes:
        """Fetch the document at a URL that a user named, a few hundred KiB at most. Raises Refused, Unavailable.

        ``authorities``: those (PEM) that the host's certificate is of, instead of those of the system.
        """
        tls = None if authorities is None else await asyncio.to_thread(trust_in, authorities)
        return await self._fetched(url, {}, _OF_USER, tls)

    async def _fetched(
        self, url: str, headers: Mapping[str, str], limits: _Limits, tls: ssl.SSLContext | None
    ) -> bytes:
        answer = await self._asked("GET", url, None, headers, limits, tls)
        if answer.status != HTTPStatus.OK:
            raise Unavailable(f"expected 200 from {_shown(url, limits)}, got {answer.status}")
        return answer.body

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send a form to a URL of the settings; returns the status and document of the answer. Raises Unavailable."""
        answer = await self._asked("POST", url, form, headers, _OF_OPERATOR)
        return answer.status, answer.body

    async def send(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a document to a URL of the settings; returns the status of the answer. Raises Unavailable."""
        return (await self._asked("POST", url, body, headers, _OF_OPERATOR)).status

    async def deliver(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a document to a URL that a user named. Raises Refused, Unavailable."""
        return await self._asked("POST", url, body, headers, _Limits(self.hook_seconds, ANSWER_BYTES, True, True))

    async def _asked(
        self,
        method: str,
        url: str,
        body: Mapping[str, str] | bytes | None,
        headers: Mapping[str, str],
        limits: _Limits,
        tls: ssl.SSLContext | None = None,
    ) -> Answer:
        # Of a user's URL the path may be a secret: errors name the host alone.
        refused: list[str] = []
        try:
            async with (
                aiohttp.ClientSession(
                    # Rare enough for a connection of its own.
                    connector=aiohttp.TCPConnector(
                        resolver=Resolver(self.look_up),
                        socket_factory=self.sockets(plain=urlsplit(url).scheme == "http", refused=refused)
                        if limits.checked
                        else None,
                        force_close=True,
                    ),
                    timeout=aiohttp.ClientTimeout(total=limits.seconds),
                    trust_env=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=not limits.cut,  # what is cut is no whole stream
                    # So that reading is never paused: uvloop drops what it has of TLS then, if the server closes.
                    read_bufsize=_MAX_BYTES,
                ) as session,
                session.request(
                    method,
                    url,
                    data=body,
                    allow_redirects=False,
                    ssl=True if tls is None else tls,
                    # An API server of Kubernetes has its keys as the second only.
                    headers={"Accept": "application/json, application/jwk-set+json", **headers},
                ) as response,
            ):
                return Answer(response.status, dict(response.headers), await _read(response, limits))
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:  # ValueError: no host has that name
            if refused:  # and not told: the address of a name of the operator's network is none of a user's business
                raise Refused("refused address: the host has none that a webhook may reach") from error
            raise Unavailable(f"cannot reach {_shown(url, limits)}: {_why(error)}") from error

    def sockets(self, *, plain: bool, refused: list[str]) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
        """Return what makes the socket for an address, or notes in ``refused`` that there will be none."""

        def made(found: aiohttp.AddrInfoType) -> socket.socket:
            family, kind, protocol, _name, where = found
            address = str(where[0])
            if not (is_allowed(address, self.allow) if plain else is_open(address, self.allow)):
                refused.append(address)
                raise OSError("refused address")
            return socket.socket(family, kind, protocol)

        return made


async def _read(response: aiohttp.ClientResponse, limits: _Limits) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(16 * 1024):
        body += piece
        if len(body) > limits.answer_bytes:
            if limits.cut:
                return bytes(body[: limits.answer_bytes])
            raise Unavailable(f"expected at most {limits.answer_bytes} bytes from {response.url}")
    return bytes(body)


def trust_in(authorities: str) -> ssl.SSLContext:
    """Return what trusts these authorities (PEM) and no others. Raises Unavailable."""
    try:
        return ssl.create_default_context(cadata=authorities)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Unavailable("the authorities of a cluster are no certificates in PEM") from error


def _trust(ca_file: str | None, token_file: str | None) -> tuple[ssl.SSLContext | None, Mapping[str, str]]:
    """Return what an issuer's two files mean for a request. Raises Unavailable."""
    try:
        tls = None if ca_file is None else ssl.create_default_context(cafile=ca_file)
        token = None if token_file is None else Path(token_file).read_text("ascii").strip()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Unavailable(f"cannot read {ca_file or ''} {token_file or ''}: {type(error).__name__}") from error
    return tls, {} if token is None else {"Authorization": f"Bearer {token}"}


def _shown(url: str, limits: _Limits) -> str:
    return url.partition("://")[2].partition("/")[0].partition("?")[0] if limits.checked else url


def _why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is of no authority known here"
        case aiohttp.ClientConnectorDNSError():
            return "no host has this name"
        case _:
            return type(error).__name__


@cache
def _threads() -> ThreadPoolExecutor:
    """Return threads for looking names up: those of the event loop are few, and others wait for them."""
    return ThreadPoolExecutor(_RESOLVING, "resolving")


class Resolver(AbstractResolver):
    """Looks names up in threads of their own."""

    def __init__(self, look_up: LookUp) -> None:
        self._look_up: Final = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host. Raises OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            _threads(),
            lambda: self._look_up(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG),
        )
        return [
            ResolveResult(
                hostname=host, host=str(where[0]), port=port, family=of, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for of, _, protocol, _, where in found
        ]

    async def close(self) -> None:
        """Close nothing."""
