"""The spool of a node: the bytes of blobs that are being fetched, for all processes of the node to read as they come.

A file a fetch, named by its session. One process writes, the one that holds the session's lease; how far it has come
is the file's size. A process that goes on with a dead one's session goes on with the file.
"""

import asyncio
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from storage.names import UploadId

_CHUNK_BYTES: Final = 128 * 1024  # of each client that reads, in memory
#: Room that is left to others on the disk of the spool.
_SPARE_BYTES: Final = 256 * 1024 * 1024
#: Files that nobody has written to for so long are of fetches that ended elsewhere.
_OLD_SECONDS: Final = 6 * 3600.0


class Spool:
    """The folder of the spool; without a disk to write to there is none, and readers wait for the whole blob."""

    def __init__(self, folder: Path | None = None) -> None:
        self._given: Final = folder

    @asynccontextmanager
    async def writing(self, upload: UploadId, begin: int) -> "AsyncIterator[SpoolWriter]":
        """Write the file of a fetch that begins, or goes on, at this byte; a blob that is not whole leaves the file."""
        writer = await asyncio.to_thread(self._writer, upload, begin)
        try:
            yield writer
        finally:
            await asyncio.to_thread(writer.close)

    def _writer(self, upload: UploadId, begin: int) -> "SpoolWriter":
        try:
            folder = self._folder()
            folder.mkdir(mode=0o700, exist_ok=True)
            about = folder.lstat()
            if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode):
                return SpoolWriter(None, None)
            _tidy(folder)
            path = folder / str(upload)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return SpoolWriter(None, None)
        if os.fstat(fd).st_size >= begin:
            return SpoolWriter(fd, path)
        writer = SpoolWriter(fd, path)  # another node had the bytes before
        writer.drop()
        return writer

    def _folder(self) -> Path:
        """Return the folder. Raises FileNotFoundError where the machine has none that can be written."""
        return self._given or Path(tempfile.gettempdir()) / f"moorage-spool-{os.getuid()}"

    async def reader(self, upload: UploadId) -> "SpoolReader | None":
        """Open the file of a fetch for reading; None: this node has none."""
        return await asyncio.to_thread(self._reader, upload)

    def _reader(self, upload: UploadId) -> "SpoolReader | None":
        try:
            return SpoolReader(os.open(self._folder() / str(upload), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        except OSError:
            return None


def _tidy(folder: Path) -> None:
    old = time.time() - _OLD_SECONDS
    for path in folder.iterdir():
        with suppress(OSError):
            if path.lstat().st_mtime < old:
                path.unlink()


class SpoolWriter:
    """Writes the file of a fetch; a full disk ends the file, not the fetch. ``is_whole``: the blob is stored."""

    def __init__(self, fd: int | None, path: Path | None) -> None:
        self._fd = fd
        self._path: Final = path
        self.is_whole = False

    async def write(self, at: int, chunk: bytes) -> bool:
        """Write bytes that begin at ``at``; return whether the file has all bytes until their end."""
        return self._fd is not None and await asyncio.to_thread(self._write, self._fd, at, chunk)

    def _write(self, fd: int, at: int, chunk: bytes) -> bool:
        try:
            room = os.fstatvfs(fd)
            while chunk and room.f_bavail * room.f_frsize > _SPARE_BYTES:
                count = os.pwrite(fd, chunk, at)
                at, chunk = at + count, chunk[count:]
        except OSError:
            pass
        if chunk:
            self.drop()
        return not chunk

    def close(self) -> None:
        """Close the file, for another process to go on with; that of a whole blob goes when its readers have left."""
        if self.is_whole:
            self.drop()
        elif self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def drop(self) -> None:
        """Remove the file; who reads it has it until its end."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class SpoolReader:
    """Reads the file of a fetch as it grows."""

    def __init__(self, fd: int) -> None:
        self._fd: Final = fd

    def size(self) -> int:
        """Return how far the file is."""
        return os.fstat(self._fd).st_size

    async def read(self, begin: int, stop: int) -> bytes:
        """Read what is there of ``[begin, stop)``, a chunk at most."""
        count = min(stop - begin, _CHUNK_BYTES)
        room = bytearray(count)
        try:
            came = os.preadv(self._fd, [room], begin, os.RWF_NOWAIT)
        except OSError:  # not in the page cache, or a file system that does not know the flag
            return await asyncio.to_thread(os.pread, self._fd, count, begin)
        return bytes(memoryview(room)[:came])

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
