"""The access log: a line of JSON for each request, written in batches; metrics are counted of the same lines.

A line has the path without its query, and of credentials nothing but whose they were. What a client sent is escaped:
a line is printable ASCII, so that it can neither begin another nor paint a terminal.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec
import orjson

from storage.operations import Recording

_FLUSH_SECONDS: Final = 0.2
_FLUSH_LINES: Final = 256  # about 64 KiB
#: Writes up to this size are not torn by those of the other processes on the same pipe (pipe(7), PIPE_BUF).
_WRITE_BYTES: Final = 4096
_TEXT_MAX: Final = 1024  # characters
_AGENT_MAX: Final = 64
#: Of a timestamp, what is behind the seconds.
_MILLISECONDS: Final = tuple(f".{number:03d}Z" for number in range(1000))
#: nginx's word for a client that has left; it is only ever logged.
CLIENT_LEFT: Final = 499


def to_stderr(data: bytes) -> None:
    """Writes ``data`` to standard error, the stream of the other logs."""
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


class Line(msgspec.Struct, gc=False):
    """A finished request. ``sent_bytes`` counts the headers too; status 499: the client left before the end.

    ``received_bytes`` are those of the body; ``redirected_bytes`` those of a blob that the store sends. ``fields`` are
    the request's, credentials among them: nothing but single ones is ever shown. ``trace_id`` and ``span_id`` are those
    of a request in a trace, ``recording`` has what such a request waited for.
    """

    started: float  # time.monotonic(), as ``ended``
    ended: float
    request_id: str
    remote: str
    account_id: int | None
    method: str
    target: str
    status: int
    sent_bytes: int
    received_bytes: int = 0
    redirected_bytes: int = 0
    route: str = "other"
    token_id: int | None = None
    fields: Mapping[bytes, bytes] = {}
    recording: Recording | None = None
    trace_id: str | None = None
    span_id: str | None = None


#: What is given the finished requests, many at a time.
Count = Callable[[Sequence[Line]], None]


class AccessLog:
    """Collects lines for ``write`` and for each of ``counts``; ``now`` is in Unix seconds. Within a running loop only.

    They are made when they are written, many at a time: in the middle of a request that costs three times as much.
    """

    def __init__(
        self,
        write: Callable[[bytes], object] | None = to_stderr,
        now: Callable[[], float] = time.time,
        counts: Sequence[Count] = (),
    ) -> None:
        self._write = write
        self._counts = counts
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._lines: list[Line] = []
        self._timer: asyncio.TimerHandle | None = None

    def note(self, line: Line) -> None:
        """Buffer a line until the next flush."""
        self._lines.append(line)
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Count the buffered lines, and write them, whole lines at a time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        for count in self._counts:
            count(lines)
        if self._write is not None:
            self._write_all(lines, self._write)

    def _write_all(self, lines: Sequence[Line], write: Callable[[bytes], object]) -> None:
        epoch = self._now() - time.monotonic()
        batch: list[bytes] = []
        size = 0
        for line in lines:
            text = _rendered(line, epoch)
            if size + len(text) > _WRITE_BYTES and batch:
                write(b"".join(batch))
                batch, size = [], 0
            batch.append(text)
            size += len(text)
        if batch:
            write(b"".join(batch))


def _rendered(line: Line, epoch: float) -> bytes:
    ended = epoch + line.ended
    shown = {
        "timestamp": _second(int(ended)) + _MILLISECONDS[int(ended % 1 * 1000)],
        "event": "http.request",
        "request_id": line.request_id,
        "remote": line.remote,
        "account_id": line.account_id,
        "token_id": line.token_id,
        "user_agent": _agent(line.fields.get(b"user-agent")),
        "method": line.method,
        "route": line.route,
        "path": printable(line.target.partition("?")[0]),
        "status": line.status,
        "bytes": line.sent_bytes,
        "bytes_in": line.received_bytes,
        "duration_ms": int((line.ended - line.started) * 100_000) / 100,
    }
    if line.trace_id is not None:
        shown["trace_id"] = line.trace_id
        if line.span_id is not None:
            shown["span_id"] = line.span_id
    return orjson.dumps(shown, option=orjson.OPT_APPEND_NEWLINE)


@lru_cache(maxsize=256)
def _agent(sent: bytes | None) -> str | None:
    return None if sent is None else printable(sent[:_AGENT_MAX].decode("latin-1"))


@lru_cache(maxsize=2)
def _second(unix: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix))


def printable(text: str) -> str:
    """``text`` in printable ASCII, at most 1024 characters of it."""
    text = text[:_TEXT_MAX]
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
