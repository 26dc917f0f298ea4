"""Avatars: a picture for each number of an account, drawn from the number alone, so that it tells nothing else."""

import hashlib
from functools import lru_cache
from typing import Final

from aiohttp import web

from registry.http.api.call import ApiCall
from registry.http.api.routes import Access, Route

_SQUARES: Final = 5
_HALF: Final = 3


async def get(call: ApiCall) -> web.Response:
    """Return the picture of an account, as SVG; accounts that do not exist have one too."""
    return web.Response(
        body=_picture(call.number("account_id")),
        content_type=_SVG,
        headers={
            "Cache-Control": "public, max-age=86400, no-transform",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


@lru_cache(maxsize=1024)
def _picture(account_id: int) -> bytes:
    """Draw five by five squares, the left ones mirrored on the right."""
    drawn = hashlib.sha256(str(account_id).encode()).digest()
    squares = "".join(
        f'<rect x="{x}" y="{row}" width="1" height="1"/>'
        for row in range(_SQUARES)
        for column in range(_HALF)
        if drawn[row * _HALF + column] & 1
        for x in sorted({column, _SQUARES - 1 - column})
    )
    hue = int.from_bytes(drawn[-2:], "big") % 360
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-1 -1 7 7" width="80" height="80">'
        f'<rect x="-1" y="-1" width="7" height="7" fill="#f0f0f0"/><g fill="hsl({hue},55%,45%)">{squares}</g></svg>'
    ).encode()


_SVG: Final = "image/svg+xml"

ROUTES: Final = (
    Route(
        "GET",
        "/avatars/{account_id}",
        get,
        "Get the picture of an account",
        Access.ANYBODY,
        statuses=(200, 404),
        media_type=_SVG,
    ),
)
