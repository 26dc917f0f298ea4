"""The registry's own URL, for the few absolute URLs, and the path of a request."""

import re
from typing import Final

from registry.http.asked import Asked

_HOST: Final = re.compile(r"(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.ASCII | re.IGNORECASE)


def origin(http: Asked, public_url: str | None) -> str:
    """The registry's ``scheme://host[:port]``: as configured, else by the Host header, if well-formed."""
    if public_url is not None:
        return public_url
    host = http.headers.get("Host", "")
    return f"{http.scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"


def raw_path(http: Asked) -> str:
    """The raw path of a request, undecoded, without the query.

    A server must take the absolute form (RFC 9112 §3.2.2); whom it names is never believed.
    """
    path = http.raw_path.partition("?")[0]
    return path if path[:1] == "/" else _ABSOLUTE.sub("", path, count=1) or "/"
