"""How clients reach us, for the few places that need an absolute URL."""

import re
from typing import Final

from aiohttp import web

_HOST: Final = re.compile(r"(?:[a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)


def origin(http: web.Request, public_url: str | None) -> str:
    """``scheme://host[:port]``: as configured; where nothing is, the host that this client has asked, if it is one."""
    if public_url is not None:
        return public_url
    host = http.headers.get("Host", "")
    return f"{http.scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"
