"""Short requests handled without aiohttp: those of a push, tokens, and lists of tags."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Final

from aiohttp import web

from registry.http.answers import date_line, error_answer
from registry.http.asked import SHORT_BYTES, Head, LongWay, Plain, read_head
from registry.http.chunked import HEAD_END
from registry.http.connections import REQUEST_ID_HEADER, SERVER, Connection, Told
from registry.http.edge import request_ids, unexpected
from registry.http.keys import SERVICES, Visit
from registry.http.v2 import app as v2
from registry.http.v2 import token
from registry.process.logs import request_id

_Handler = Callable[[Plain], Awaitable[web.StreamResponse]]

_BEGINS: Final = (b"GET /v2/", b"GET /token", b"POST /v2/", b"PATCH /v2/", b"PUT /v2/")
_HEADS_MAX: Final = 256  # of about a KiB


class Direct:
    """The Shortcut for short requests; each request is handled in its own task."""

    def __init__(self, app: web.Application, tasks: asyncio.TaskGroup) -> None:
        self._app = app
        self._tasks = tasks
        self._services = app[SERVICES]
        self._api_host = self._services.settings.api_host
        self._new_id = request_ids()

    def take(self, data: bytes, connection: Connection) -> bool:
        """Accept ``data`` if it is exactly one short request (its body may be incomplete); False: not accepted."""
        services, end = self._services, data.find(HEAD_END) + len(HEAD_END)
        if end < len(HEAD_END) or not data.startswith(_BEGINS) or services.leaving.is_set():
            return False
        # Of lists and tokens the heads repeat byte for byte; those of an upload never do.
        head = _known_head(data) if len(data) == end and data.startswith(b"GET") else read_head(data[:end])
        handler = None if head is None else _handler(head)
        if head is None or handler is None or head.headers["Host"].lower() == self._api_host:
            return False
        if not len(data) - end <= (head.length or 0) <= SHORT_BYTES:
            return False
        plain = Plain(self._app, head, data[:end], data[end:], connection, Visit(self._new_id(), time.monotonic()))
        self._tasks.create_task(self._answer(plain, handler, connection))
        return True

    async def _answer(self, plain: Plain, handler: _Handler, connection: Connection) -> None:
        request_id.set(plain.visit.id)
        crowd = self._services.crowd
        crowd.working += 1
        try:
            response = await _response(plain, handler)
        finally:
            crowd.leave()
        # To read the rest of a body for nobody is not done here either.
        whole = response is not None and plain.body() is not None
        connection.answered(plain.raw, response if whole else None)


async def _response(plain: Plain, handler: _Handler) -> Told | None:
    try:
        return _told(await handler(plain), plain)
    except LongWay:
        return None
    except Exception as error:  # noqa: BLE001 - the last resort
        return _told(error_answer(unexpected(plain, error)), plain)


@lru_cache(maxsize=_HEADS_MAX)
def _known_head(head: bytes) -> Head | None:
    return read_head(head)


def _handler(head: Head) -> _Handler | None:
    """The handler of a request; None: aiohttp must handle the request.

    A session may be opened with a body that nobody reads, unless there is a digest to come with it.
    """
    match head.method:
        case "GET" if head.path == "/token" and not head.length:
            return token.serve
        case "GET" if head.path.startswith("/v2/") and head.path.endswith("/tags/list") and not head.length:
            return v2.serve
        case "PATCH" | "PUT" if head.path.startswith("/v2/"):
            return v2.serve
        case "POST" if head.path.startswith("/v2/") and (not head.length or "digest" in head.query):
            return v2.serve
        case _:
            return None


def _told(response: web.StreamResponse, plain: Plain) -> Told:
    """Render the response to bytes. Raises ValueError for a line break in a header."""
    body = response.body if isinstance(response, web.Response) else None
    assert body is None or isinstance(body, bytes)  # noqa: S101 - handlers of short requests answer so
    lines = "".join(f"{name}: {value}\r\n" for name, value in response.headers.items())
    if not lines.count("\n") == lines.count("\r") == len(response.headers):
        raise ValueError("a line break in a header")
    head = (
        f"HTTP/1.1 {response.status} {response.reason}\r\n{lines}Content-Length: {len(body or b'')}\r\n"
        f"Server: {SERVER}\r\n{date_line(int(time.time()))}{REQUEST_ID_HEADER}: {plain.visit.id}\r\n\r\n"
    )
    return Told(plain.visit, plain.method, plain.raw_path, response.status, head.encode() + (body or b""))
