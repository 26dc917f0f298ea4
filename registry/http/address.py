"""The client's address of a request, by which failed logins are counted."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from registry.config import Network
from registry.http.asked import Asked


def client_address(http: Asked, trusted: Sequence[Network]) -> str:
    """The peer's address; where the peer is a trusted proxy, the last address that no trusted proxy has written.

    ``X-Forwarded-For`` of anybody else means nothing. Of IPv6 the /64 is told: whoever has one address has them all.
    """
    peer = None if http.transport is None else http.transport.get_extra_info("peername")
    address = _address(str(peer[0])) if isinstance(peer, tuple) else None
    forwarded = [text for value in http.headers.getall("X-Forwarded-For", ()) for text in value.split(",")]
    while address is not None and forwarded and any(address in network for network in trusted):
        written = _address(forwarded.pop())
        if written is None:
            break
        address = written
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
