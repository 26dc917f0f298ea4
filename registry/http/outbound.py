"""Outbound HTTP: the registry requests only the keys of the OIDC issuers in its settings."""

from typing import Final

import aiohttp

from storage.errors import Unavailable

_MAX_BYTES: Final = 256 * 1024
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)


async def fetch(url: str) -> bytes:
    """Fetch the document at ``url``, a few hundred KiB at most; redirects are not followed. Raises Unavailable."""
    try:
        # Rare enough for a connection of its own; and no cookie or proxy of the environment has a say.
        async with (
            aiohttp.ClientSession(
                timeout=_TIMEOUT,
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                # So that reading is never paused: uvloop drops what it has of TLS then, if the server closes at once.
                read_bufsize=_MAX_BYTES,
            ) as session,
            session.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as response,
        ):
            if response.status != 200:  # noqa: PLR2004 - OK, and nothing else
                raise Unavailable(f"expected 200 from {url}, got {response.status}")
            body = bytearray()
            async for piece in response.content.iter_chunked(16 * 1024):
                body += piece
                if len(body) > _MAX_BYTES:
                    raise Unavailable(f"expected at most {_MAX_BYTES} bytes from {url}")
            return bytes(body)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unavailable(f"cannot fetch {url}: {type(error).__name__}") from error
