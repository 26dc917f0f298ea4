"""The addresses that a user's URL may lead to: those of the public internet, and what the operator allows beside."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

#: Not of the public internet (IANA's special-purpose registry), and a cloud's service that has an address of it.
_REFUSED: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        # Inside of 2000::/3; Teredo and 6to4 among them, which lead to IPv4.
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
_PUBLIC_IPV6: Final = IPv6Network("2000::/3")
#: IPv4 in IPv6: mapped, and as translators have it (RFC 6052), whose networks with IPv6 only have no other.
_IPV4_IN_IPV6: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))


def is_allowed(text: str, allow: tuple[Network, ...]) -> bool:
    """Return whether the address is in one of the networks that the operator allows."""
    address = _plain(text)
    return address is not None and _within(address, allow)


def is_open(text: str, allow: tuple[Network, ...] = ()) -> bool:
    """Return whether a user's URL may lead to the address, for example ``192.0.2.1`` or ``fe80::1%eth0``."""
    address = _plain(text)
    if address is None:
        return False
    if _within(address, allow):
        return True
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    return not _within(address, _REFUSED)


def _plain(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address, None: it is none. One of IPv4 in IPv6 is that of IPv4, to which it leads."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and any(address in network for network in _IPV4_IN_IPV6):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _within(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
