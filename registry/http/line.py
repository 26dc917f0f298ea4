"""Admission queue: above the concurrency limit a request waits unparsed, as its received bytes.

It is read when it is its turn. Whose patience ends first is refused without having been read, but for where it ends.
"""

import re
import time
from functools import lru_cache
from typing import Final

from registry.http.answers import INERT, date_line
from registry.http.chunked import HEAD_END
from registry.http.connections import REQUEST_ID_HEADER, SERVER, Connection, Shortcut, Told
from registry.http.edge import may_wait, request_ids
from registry.http.errors import is_for_api, too_many
from registry.http.keys import Visit
from registry.services import Services

#: Of what waits, for each connection: the head, and a short body.
_HELD_BYTES: Final = 16 * 1024
_FIRST: Final = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1\.1\r\n")
_HOST: Final = re.compile(rb"\r\nhost:[ \t]*([!-~]+)", re.IGNORECASE)
#: Where one of these words stands in a head, aiohttp tells where the message ends.
_ODD: Final = (b"transfer-encoding", b"expect", b"upgrade")
_LENGTH: Final = b"content-length:"
_STATUS: Final = 429


class Line:
    """The admission queue as a Shortcut: queues requests above the limit, passes others to ``inner``."""

    def __init__(self, services: Services, inner: Shortcut) -> None:
        self.inner = inner
        self._crowd = services.crowd
        self._leaving = services.leaving
        self.api_host = services.settings.api_host
        self._new_id = request_ids()

    def take(self, data: bytes, connection: Connection) -> bool:
        """Queue the request, or pass the request to ``inner``; False: neither accepts."""
        crowd = self._crowd
        if crowd.full and len(data) <= _HELD_BYTES and not self._leaving.is_set():
            first = _FIRST.match(data)
            if first is not None and may_wait(first[2].decode()):
                visit = Visit(self._new_id(), time.monotonic())
                crowd.wait(_Waiting(self, connection, data, visit))
                return True
        crowd.come()
        return self.inner.take(data, connection)


class _Waiting:
    """A queued request; ``data``: its received bytes."""

    __slots__ = ("_connection", "_data", "_line", "_visit")

    def __init__(self, line: Line, connection: Connection, data: bytes, visit: Visit) -> None:
        self._line = line
        self._connection = connection
        self._data = data
        self._visit = visit

    def go_in(self) -> bool:
        """Start the request; return whether the client is still connected."""
        here = self._connection.transport is not None
        if not here or not self._line.inner.take(self._data, self._connection):
            self._connection.answered(self._data, None)
        return here

    def turn_away(self, retry_after_seconds: int) -> None:
        """Reject the request with 429; an incomplete message is started, as its rest would be read as a new request."""
        first, missing = _FIRST.match(self._data), _missing(self._data)
        if first is None or missing is None or (missing and self._connection.behind(missing) is None):
            self.go_in()
            return
        method, target = first[1].decode(), first[2].decode()
        host = _HOST.search(self._data)
        api = is_for_api(target, "" if host is None else host[1].decode(), self._line.api_host)
        head, body = _refusal(retry_after_seconds, api=api)
        last = f"{date_line(int(time.time()))}{REQUEST_ID_HEADER}: {self._visit.id}\r\n\r\n".encode()
        response = b"%b%b%b" % (head, last, b"" if method == "HEAD" else body)
        self._connection.answered(self._data, Told(self._visit, method, target, _STATUS, response))


def _missing(data: bytes) -> int | None:
    """Return the count of missing body bytes; None: unknown, too many, or bytes follow the message."""
    head, end, body = data.partition(HEAD_END)
    head = head.lower()
    _, named, value = head.partition(b"\n" + _LENGTH)
    length = value.partition(b"\r\n")[0].strip() if named else b"0"
    if not end or any(word in head for word in _ODD) or head.count(_LENGTH[:-1]) != bool(named) or not length.isdigit():
        return None
    missing = int(length) - len(body)
    return missing if 0 <= missing <= _HELD_BYTES else None


@lru_cache
def _refusal(retry_after_seconds: int, *, api: bool) -> tuple[bytes, bytes]:
    """Render the constant part of the 429 response's head, and the body."""
    error = too_many(retry_after_seconds, api=api)
    body = error.body()
    headers = {**INERT, **error.headers, "Content-Type": "application/json", "Content-Length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {_STATUS} Too Many Requests\r\n{lines}Server: {SERVER}\r\n".encode(), body
