"""The URLs that users name: which of them a request may be sent to at all."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from registry.egress.addresses import Network, is_allowed, is_open

_URL_MAX: Final = 2000


def problem_of(url: str, allow: tuple[Network, ...]) -> str | None:
    """Return why nothing is sent to a URL, None: it may be; where a name leads is only known when it is sent."""
    scheme, host = _scheme_and_host(url)
    plain = scheme == "http"
    if not host or scheme not in ("http", "https"):
        return "expected a URL https://host/path, without a user, a password or a fragment"
    if plain and not allow:
        return "expected https: plain http goes to the networks of MOORAGE_EGRESS_ALLOW only"
    try:
        ip_address(host)
    except ValueError:
        return None
    if not (is_allowed(host, allow) if plain else is_open(host, allow)):
        return "the address is not of the internet; an operator may allow it by MOORAGE_EGRESS_ALLOW"
    return None


def _scheme_and_host(url: str) -> tuple[str, str]:
    """Return the scheme and the host of a URL to send to; the host "" where it is none."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "", ""
    fine = url.isprintable() and url.isascii() and " " not in url and len(url) <= _URL_MAX
    return parts.scheme, (host or "") if fine and "@" not in parts.netloc and not parts.fragment else ""
