"""The headers of reverse proxies: the client's address, scheme and host, as trusted proxies tell them.

Trusted are the networks of ``MOORAGE_TRUSTED_PROXIES``; what anybody else sends means nothing.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from registry.config import Network
from registry.http.server.message import Request

_PORT: Final = re.compile(r":[0-9]{1,5}", re.ASCII)
_HTTPS: Final = re.compile(r"(?:^|[;,\s])proto=\"?https\b", re.ASCII | re.IGNORECASE)


def client_address(http: Request, trusted: Sequence[Network]) -> str:
    """The peer's address; where the peer is a trusted proxy, the last address that no trusted proxy has written.

    Of IPv6 the /64 is returned: whoever has one address has them all.
    """
    return _shown(caller(http, trusted)) if trusted else _direct(http.client.remote)


def caller(http: Request, trusted: Sequence[Network]) -> IPv4Address | IPv6Address | None:
    """Return the address of ``client_address`` as a whole; None: the peer has none, as of a Unix socket."""
    address = _peer(http)
    if not trusted:
        return address
    forwarded = [text for value in http.headers.getall("X-Forwarded-For", ()) for text in value.split(",")]
    while address is not None and forwarded and any(address in network for network in trusted):
        written = _address(forwarded.pop())
        if written is None:
            break
        address = written
    return address


@lru_cache(maxsize=1024)
def _direct(peer: str) -> str:
    return _shown(_address(peer))


@lru_cache(maxsize=1024)
def _shown(address: IPv4Address | IPv6Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def forwarded_scheme_and_host(http: Request, trusted: Sequence[Network]) -> tuple[str | None, str | None]:
    """Return ``X-Forwarded-Proto`` and ``-Host`` of a trusted proxy; each None where there is none.

    Of a list the first is returned, which the outermost proxy has written.
    """
    if not trusted:
        return None, None
    address = _peer(http)
    if address is None or not any(address in network for network in trusted):
        return None, None
    scheme = _first(http, b"x-forwarded-proto").lower()
    return scheme if scheme in {"http", "https"} else None, _first(http, b"x-forwarded-host") or None


def says_https(http: Request) -> bool:
    """Return whether the request says that its client came by https, whoever wrote so."""
    return (
        "https" in (_first(http, b"x-forwarded-proto").lower(), _first(http, b"x-forwarded-scheme").lower())
        or _first(http, b"x-forwarded-ssl").lower() == "on"
        or _HTTPS.search(_first(http, b"forwarded")) is not None
    )


def _first(http: Request, name: bytes) -> str:
    for found, value in http.raw_headers:
        if found.lower() == name:
            return value.partition(b",")[0].strip().decode("latin-1")
    return ""


def _peer(http: Request) -> IPv4Address | IPv6Address | None:
    return _address(http.client.remote)


@lru_cache(maxsize=1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in ``text``, which may have a port: ``192.0.2.1:443``, ``[2001:db8::1]:443``."""
    text = text.strip()
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket:
            return None
    else:
        host, colon, port = text.partition(":")
        if not colon or ":" in port:
            port = ""
        else:
            text, port = host, colon + port
    if port and not _PORT.fullmatch(port):
        return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
