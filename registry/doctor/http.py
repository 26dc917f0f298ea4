"""Small HTTP client of the doctor: one request on one connection, which tells the certificate and interim answers."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

_SECONDS: Final = 10.0
_BODY_BYTES: Final = 64 * 1024
_CONTINUE: Final = 100
#: A proxy written in Go asks for a body, passes the body on as it comes, and gives an answer that came meanwhile only
#: after 256 KiB more (net/http, maxPostHandlerReadBytes).
_BEGINNING_BYTES: Final = 2 * 1024 * 1024
_PIECE_BYTES, _PAUSE_SECONDS = 64 * 1024, 0.05

#: What ``ask`` may raise.
FAILURES: Final = (OSError, http.client.HTTPException)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response with the beginning of its body; ``certificate_ends``: when the server's certificate expires."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    asked_at: float
    answered_at: float
    certificate_ends: datetime | None = None

    def header(self, name: str) -> str:
        """Return a header field by its name in lower case; "" where it is missing."""
        return self.headers.get(name, "")

    @property
    def ahead_seconds(self) -> float | None:
        """How far the clock of the server is ahead, by Date; None: it tells no Date. Date has whole seconds."""
        try:
            told = parsedate_to_datetime(self.header("date")).timestamp()
        except ValueError:
            return None
        if told > self.answered_at:
            return told - self.answered_at
        return min(0.0, told + 1 - self.asked_at)


def ask(
    url: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    ca_bundle: str | None = None,
    now: Callable[[], float] = time.time,
) -> Reply:
    """Send one request, and read the response; redirects are not followed. Raises OSError, HTTPException."""
    parts = urlsplit(url)
    connection = _connection(url, ca_bundle)
    try:
        connection.connect()
        ends = _certificate_end(connection.sock)
        asked_at = now()
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with suppress(BrokenPipeError, ConnectionResetError):  # who refuses a body need not read all of it
            connection.request(method, target, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        answered_at = now()
        told = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, told, response.read(_BODY_BYTES), asked_at, answered_at, ends)
    finally:
        connection.close()


def announce(url: str, method: str, size: int, seconds: float) -> int:
    """Announce a body of ``size`` bytes, send its beginning only to who asks for it, and return the final status.

    100: the server wants more and says nothing else within ``seconds``. 0: it says nothing. Raises OSError.
    """
    parts = urlsplit(url)
    connection = _connection(url, None)
    try:
        connection.putrequest(method, parts.path)
        connection.putheader("Content-Length", str(size))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        return _status(connection.sock, size, seconds)
    finally:
        connection.close()


def _status(sock: socket.socket, size: int, seconds: float) -> int:
    status, data, left = 0, b"", 0
    try:
        while True:
            sock.settimeout(_PAUSE_SECONDS if left else seconds)
            try:
                piece = sock.recv(4096)
            except TimeoutError:
                if not left:
                    return status
                left -= _send(sock, min(left, _PIECE_BYTES), seconds)
                continue
            if not piece:
                return status
            data += piece
            while b"\r\n\r\n" in data:
                head, _, data = data.partition(b"\r\n\r\n")
                status = int(head.split(b" ", 2)[1])
                if status != _CONTINUE:
                    return status
                left = min(size, _BEGINNING_BYTES)
    except ValueError as error:
        raise ConnectionError("no HTTP") from error


def _send(sock: socket.socket, size: int, seconds: float) -> int:
    """Send ``size`` bytes of a body; who does not take them may have answered meanwhile."""
    sock.settimeout(seconds)
    with suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
        sock.sendall(bytes(size))
    return size


def _connection(url: str, ca_bundle: str | None) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_bundle)
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=_SECONDS, context=context)
    return http.client.HTTPConnection(host, parts.port or 80, timeout=_SECONDS)


def _certificate_end(sock: socket.socket) -> datetime | None:
    if not isinstance(sock, ssl.SSLSocket):
        return None
    told = (sock.getpeercert() or {}).get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(told), UTC) if isinstance(told, str) else None
