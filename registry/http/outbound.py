"""Outbound HTTP: the registry speaks to the OpenID Connect issuers and the audit sink of its settings, nobody else."""

from collections.abc import Mapping
from typing import Final

import aiohttp

from storage.errors import Unavailable

_MAX_BYTES: Final = 256 * 1024
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)
_OK: Final = 200


async def fetch(url: str) -> bytes:
    """Fetch the document at ``url``, a few hundred KiB at most; redirects are not followed. Raises Unavailable."""
    status, body = await _asked("GET", url, None, {})
    if status != _OK:
        raise Unavailable(f"expected 200 from {url}, got {status}")
    return body


async def post(url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Send a form, and return the status and document of the answer; redirects are not followed. Raises Unavailable."""
    return await _asked("POST", url, form, headers)


async def send(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send a document, and return the status of the answer; redirects are not followed. Raises Unavailable."""
    return (await _asked("POST", url, body, headers))[0]


async def _asked(
    method: str, url: str, form: Mapping[str, str] | bytes | None, headers: Mapping[str, str]
) -> tuple[int, bytes]:
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
            session.request(
                method, url, data=form, allow_redirects=False, headers={"Accept": "application/json", **headers}
            ) as response,
        ):
            body = bytearray()
            async for piece in response.content.iter_chunked(16 * 1024):
                body += piece
                if len(body) > _MAX_BYTES:
                    raise Unavailable(f"expected at most {_MAX_BYTES} bytes from {url}")
            return response.status, bytes(body)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:  # ValueError: no host can have that name
        raise Unavailable(f"cannot reach {url}: {type(error).__name__}") from error
