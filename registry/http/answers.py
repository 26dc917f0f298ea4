"""How an error becomes a response; the one renderer of all dialects that speak the JSON of OCI."""

from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from aiohttp import web

from registry.oci.errors import RegistryError

#: What every answer carries; blobs and manifests are data, whatever a browser would like to make of them.
INERT: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cache-Control": "private, no-store",
}


def error_answer(error: RegistryError, headers: Mapping[str, str] = INERT) -> web.Response:
    """Render ``error`` as a response: its status, headers and JSON body."""
    return web.Response(
        status=error.status,
        body=error.body(),
        content_type="application/json",
        headers={**headers, **error.headers},
    )


@lru_cache(maxsize=2)
def date_line(unix: int) -> str:
    """Render the Date header line of a Unix second."""
    return f"Date: {formatdate(unix, usegmt=True)}\r\n"
