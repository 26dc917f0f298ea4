"""The spool of a node: the bytes of blobs that are being fetched, for all processes of the node to read as they come.

A file a fetch, named by its session. One process writes, the one that holds the session's lease; how far it has come
is the file's size. A process that goes on with a dead one's session goes on with the file.
"""

import asyncio
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from storage.names import UploadId

_CHUNK_BYTES: Final = 256 * 1024


class Spool:
    """The folder of the spool; without a disk to write to there is none, and readers wait for the whole blob."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder: Final = folder or Path(tempfile.gettempdir()) / f"moorage-spool-{os.getuid()}"

    async def writer(self, upload: UploadId, begin: int) -> "SpoolWriter":
        """Open the file of a fetch that begins, or goes on, at this byte."""
        return await asyncio.to_thread(self._writer, upload, begin)

    def _writer(self, upload: UploadId, begin: int) -> "SpoolWriter":
        path = self._folder / str(upload)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            about = self._folder.lstat()
            if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode):
                return SpoolWriter(None, path)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return SpoolWriter(None, path)
        if os.fstat(fd).st_size < begin:  # another node had the bytes before
            os.close(fd)
            with suppress(OSError):
                path.unlink()
            return SpoolWriter(None, path)
        return SpoolWriter(fd, path)

    async def reader(self, upload: UploadId) -> "SpoolReader | None":
        """Open the file of a fetch for reading; None: this node has none."""
        return await asyncio.to_thread(self._reader, upload)

    def _reader(self, upload: UploadId) -> "SpoolReader | None":
        try:
            return SpoolReader(os.open(self._folder / str(upload), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))
        except OSError:
            return None


class SpoolWriter:
    """Writes the file of a fetch; a disk without room ends the file, not the fetch."""

    def __init__(self, fd: int | None, path: Path) -> None:
        self._fd = fd
        self._path: Final = path

    async def write(self, at: int, chunk: bytes) -> None:
        """Write bytes that begin at ``at``."""
        if self._fd is not None:
            await asyncio.to_thread(self._write, self._fd, at, chunk)

    def _write(self, fd: int, at: int, chunk: bytes) -> None:
        try:
            while chunk:
                count = os.pwrite(fd, chunk, at)
                at, chunk = at + count, chunk[count:]
        except OSError:
            self.drop()

    def close(self) -> None:
        """Close the file, for another process to go on with."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def drop(self) -> None:
        """Remove the file; who reads it has it until its end."""
        with suppress(OSError):
            self._path.unlink()
        self.close()


class SpoolReader:
    """Reads the file of a fetch as it grows."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    async def read(self, begin: int, stop: int) -> bytes:
        """Read what is there of ``[begin, stop)``, a chunk at most; b"" where nothing is yet."""
        if begin >= stop:
            return b""
        return await asyncio.to_thread(os.pread, self._fd, min(stop - begin, _CHUNK_BYTES), begin)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
