"""The sinks of the audit log: a file of JSON lines, or a server that takes them by HTTPS."""

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol

import orjson

from storage.errors import Unavailable
from storage.metadata.audit import Place

#: Each entry with its place, in the order of the places.
Batch = Sequence[tuple[Place, bytes]]
Send = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
Write = Callable[[int, bytes], int]

_LINE_MAX: Final = 1024 * 1024
_MODE: Final = 0o640


class Sink(Protocol):
    """A place that takes the audit log."""

    async def send(self, batch: Batch) -> None:
        """Have the entries of a batch, durably. Raises Unavailable: all of them are to be sent again."""


def sink_of(where: str, token: str | None, send: Send) -> Sink:
    """Return the sink of the settings: the path of a file, or a URL."""
    return FileSink(Path(where)) if where.startswith("/") else HttpSink(where, token, send)


class HttpSink:
    """A server that gets batches of JSON lines by POST, with a token as ``Authorization: Bearer`` if there is one."""

    def __init__(self, url: str, token: str | None, send: Send) -> None:
        self._url: Final = url
        self._headers: Final = {
            "Content-Type": "application/x-ndjson",
            **({} if token is None else {"Authorization": f"Bearer {token}"}),
        }
        self._send: Final = send

    async def send(self, batch: Batch) -> None:
        """Send a batch. Raises Unavailable unless the answer is a success."""
        status = await self._send(self._url, b"".join(line + b"\n" for _, line in batch), self._headers)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise Unavailable(f"the sink of the audit log answers {status}")


class FileSink:
    """A file that is appended to. What a killed writer left of a line is cut off, and no entry is written twice."""

    def __init__(self, path: Path, write: Write = os.write) -> None:
        self._path: Final = path
        self._write: Final = write

    async def send(self, batch: Batch) -> None:
        """Append what the file has not yet. Raises Unavailable."""
        try:
            await asyncio.to_thread(self._append, batch)
        except OSError as error:
            raise Unavailable(f"the file of the audit log: {error.strerror or error}") from error

    def _append(self, batch: Batch) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            last = _mended(file)
            data = b"".join(line + b"\n" for place, line in batch if last is None or place > last)
            while data:
                data = data[self._write(file, data) :]
            os.fsync(file)
        finally:
            os.close(file)


def _mended(file: int) -> Place | None:
    """Cut off the part of a line at the end of a file, and return the place of its last entry; None: it has none."""
    size = os.fstat(file).st_size
    begin = max(0, size - _LINE_MAX)
    tail = os.pread(file, size - begin, begin)
    whole = tail.rfind(b"\n") + 1
    if whole != len(tail):
        os.ftruncate(file, begin + whole)
    line = tail[:whole].rstrip(b"\n").rpartition(b"\n")[2]
    if not line:
        return None
    try:
        xid, _, number = str(orjson.loads(line)["_document_id"]).partition("-")
        return Place(int(xid), int(number))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None  # a line of somebody else's
