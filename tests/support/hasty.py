"""A TLS server that says close_notify behind each response and closes at once, as versitygw does.

It runs in threads, so that a loop that stands still on purpose does not hold it up.
"""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

_RANGE = re.compile(rb"\r\nrange: bytes=(\d+)-(\d+)\r\n", re.IGNORECASE)
_IF_MATCH = re.compile(rb"\r\nif-match: ([^\r]*)\r\n", re.IGNORECASE)
_ETAG = b'"first"'


def _relayed(upstream: str, request: bytes) -> bytes:
    parts = urlsplit(upstream)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        return b"".join(iter(lambda: connection.recv(65536), b""))


class HastyServer:
    """Serves ``body`` under every path; ``asked`` has the Range of each request. ``cut``: bytes of a response at most.

    ``etag`` may be changed: then the object is another. ``upstream``: who answers requests without a body instead.
    """

    def __init__(
        self,
        body: bytes,
        certificate: Path,
        key: Path,
        cut: int | None = None,
        *,
        sized: bool = True,
        upstream: str | None = None,
    ) -> None:
        self.asked: list[tuple[int, int] | None] = []
        self.conditions: list[bytes] = []
        self.etag = _ETAG
        self._body = body
        self._cut = cut
        self._sized = sized
        self._upstream = upstream
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @contextmanager
    def running(self) -> Iterator["HastyServer"]:
        self._threads[0].start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            for thread in self._threads:
                thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        came, going = ssl.MemoryBIO(), ssl.MemoryBIO()
        talk = self._tls.wrap_bio(came, going, server_side=True)

        def receive() -> None:
            data = connection.recv(65536)
            if not data:
                raise ConnectionResetError
            came.write(data)

        with connection, suppress(OSError):
            connection.settimeout(20)
            while True:
                try:
                    talk.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(going.read())
                    receive()
            request = b""
            while b"\r\n\r\n" not in request:
                try:
                    request += talk.read(65536)
                except ssl.SSLWantReadError:
                    connection.sendall(going.read())
                    receive()
            talk.write(self._response(request) if self._upstream is None else _relayed(self._upstream, request))
            with suppress(ssl.SSLWantReadError):
                talk.unwrap()
            connection.sendall(going.read())

    def _response(self, request: bytes) -> bytes:
        found, condition = _RANGE.search(request), _IF_MATCH.search(request)
        span = None if found is None else (int(found[1]), int(found[2]) + 1)
        self.asked.append(span)
        if condition is not None:
            self.conditions.append(condition[1])
            if condition[1] != self.etag:
                return b"HTTP/1.1 412 Precondition Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        start, stop = span or (0, len(self._body))
        lines = [b"HTTP/1.1 200 OK" if span is None else b"HTTP/1.1 206 Partial Content", b"ETag: " + self.etag]
        if self._sized:
            lines.append(b"Content-Length: %d" % (stop - start))
        if span is not None:
            lines.append(b"Content-Range: bytes %d-%d/%d" % (start, stop - 1, len(self._body)))
        return b"\r\n".join((*lines, b"Connection: close", b"", self._body[start:stop][: self._cut]))
