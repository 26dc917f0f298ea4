"""Request bodies: read only after authorization (``100 Continue``), and bounded in bytes and in time."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import HttpVersion11, web

from registry.http.asked import SHORT_BYTES, Asked, Plain
from registry.http.errors import BodyTooSlow, FormInvalid, FormTooLarge
from registry.http.intake import Intake, take_over
from registry.http.keys import SERVICES

_LITTLE_BYTES: Final = 16 * 1024
_FORM_BYTES: Final = 64 * 1024
_FORM_FIELDS: Final = 100
_NONE: Final = memoryview(b"")
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


async def no_early_continue(_http: web.Request) -> None:
    """The ``expect_handler`` of every route, a no-op: ``100 Continue`` is sent by the reader of the body (go_on)."""


async def go_on(http: web.Request) -> None:
    """Send ``100 Continue`` if expected: only here, when the caller may send a body (RFC 9110 §10.1.1)."""
    if http.headers.get("Expect", "").lower() == "100-continue" and http.version >= HttpVersion11:
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What was written is no part of the response; aiohttp's own handler does the same.
        http.writer.output_size = 0


def at_hand(http: Asked) -> bytes | None:
    """Return a body of at most 64 KiB that has already arrived, without waiting.

    None, and nothing is taken: it is longer, or has not come yet.
    """
    if isinstance(http, Plain):
        return http.body()
    content = http.content
    if not content.is_eof() or content.total_bytes > SHORT_BYTES or content.exception() is not None:
        return None
    return content.read_nowait()


class Incoming:
    """A request body read directly into the caller's buffer.

    What aiohttp has parsed already is copied there; the rest comes there from the socket, or is parsed if it is odd.
    ``taken``: what was read of it before.
    """

    def __init__(self, http: web.Request, taken: bytes) -> None:
        self._http = http
        self._content = http.content
        self._parsed = memoryview(taken)
        self._intake: Intake | None = None

    async def fill(self, room: memoryview, seconds: float) -> int | None:
        """Read the next bytes into the front of ``room``; return their count, 0 at the end, None after the timeout.

        Raises ConnectionError for a client that is gone, RequestPayloadError for a body that is malformed.
        """
        if not self._parsed and self._intake is None:
            parsed, self._intake = take_over(self._http, len(room))
            self._parsed = memoryview(parsed)
        if self._parsed:
            return self._copied(room)
        patience = asyncio.timeout(seconds)
        try:
            async with patience:
                if self._intake is not None:
                    await self._intake.fill(room)
                else:
                    # To read more than a little would raise aiohttp's limit for all that comes: the rest is at hand.
                    self._parsed = memoryview(await self._content.read(min(len(room), _LITTLE_BYTES)))
        except TimeoutError as error:
            if not patience.expired():
                # ETIMEDOUT of the socket, which would be raised again at once for ever.
                raise ConnectionResetError("the client's connection timed out") from error
            return (self._intake.came() if self._intake is not None else 0) or None
        return self._copied(room) if self._intake is None else self._intake.came()

    def _copied(self, room: memoryview) -> int:
        count = min(len(room), len(self._parsed))
        room[:count] = self._parsed[:count]
        self._parsed = self._parsed[count:] or _NONE  # an empty view would still hold all that it is a view of
        return count

    def close(self) -> None:
        """Discard the rest of the body."""
        self._parsed = _NONE
        if self._intake is not None:
            self._intake.drop()


async def read_body(http: Asked, limit_bytes: int, seconds: float, too_large: Exception) -> bytes:
    """Read the whole body. Raises ``too_large`` (given a Content-Length, before reading), BodyTooSlow, LongWay."""
    if (http.content_length or 0) > limit_bytes:
        raise too_large
    if isinstance(http, Plain):
        return http.body_now()
    await go_on(http)
    pieces, size = [], 0
    try:
        async with asyncio.timeout(seconds):
            with http.app[SERVICES].crowd.left():
                async for piece in http.content.iter_any():
                    pieces.append(piece)
                    size += len(piece)
                    if size > limit_bytes:
                        raise too_large
    except TimeoutError as error:
        raise BodyTooSlow(seconds) from error
    return b"".join(pieces)


async def read_form(http: web.Request, seconds: float) -> Mapping[str, list[str]]:
    """Parse the fields of a form, each with all its values. Raises FormInvalid, FormTooLarge, BodyTooSlow."""
    if http.content_type != _FORM_TYPE:
        raise FormInvalid(f"expected the Content-Type {_FORM_TYPE}")
    body = await read_body(http, _FORM_BYTES, seconds, FormTooLarge(_FORM_BYTES))
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FORM_FIELDS)
    except ValueError:
        # Not chained: the traceback would hold what a password was sent with.
        raise FormInvalid(f"expected at most {_FORM_FIELDS} fields, percent-encoded, in UTF-8") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields
