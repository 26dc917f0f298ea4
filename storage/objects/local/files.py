"""File operations of the local store; all of them block on the disk, so they are called in threads.

Every function may raise OSError.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Final

from storage.errors import ObjectCorrupt, ObjectNotFound, StorageError
from storage.objects.base import ObjectInfo, ObjectKey, Pieces, Span

#: Of one pwritev, and so of a folio of the page cache: those of 2 MiB cost six times the CPU on a virtual machine that
#: gives them back to its host as they get free.
_WRITE_BYTES: Final = 256 * 1024
_IOV_MAX: Final = 1024  # pieces that one pwritev takes (Linux)
_ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """Open a descriptor, closed at the end of the block; a new file is private to its owner."""
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def absent(error: StorageError) -> Iterator[None]:
    """Raise ``error`` where the file does not exist."""
    try:
        yield
    except _ABSENT:
        raise error from None


def sync_folder(path: Path) -> None:
    """Sync a directory: wait until the names in it are durable."""
    with opened(path, os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)


def write(fd: int, data: Pieces, offset: int) -> None:
    """Write all of ``data`` from ``offset`` on."""
    for batch in _batches(data):
        size, written = sum(map(len, batch)), os.pwritev(fd, batch, offset)
        if written < size:  # the disk is full, and says so the next time, or nearly
            rest = b"".join(batch)[written:]
            while rest:
                rest = rest[os.pwrite(fd, rest, offset + size - len(rest)) :]
        offset += size


def _batches(data: Pieces) -> Iterator[list[memoryview]]:
    batch: list[memoryview] = []
    room = _WRITE_BYTES
    for piece in data:
        view = memoryview(piece)
        while view:
            batch.append(view[:room])
            view = view[room:]
            room -= len(batch[-1])
            if not room or len(batch) == _IOV_MAX:
                yield batch
                batch, room = [], _WRITE_BYTES
    if batch:
        yield batch


def copy(source: int, target: int, places: Sequence[Span]) -> None:
    """Append ``places`` of a file to another, within the kernel (on XFS and Btrfs with shared extents).

    Raises ObjectCorrupt when the file ends before.
    """
    for place in places:
        at = place.start
        while at < place.stop:
            copied = os.copy_file_range(source, target, place.stop - at, offset_src=at)
            if not copied:
                raise ObjectCorrupt(f"{place.stop - at} bytes of a part are missing")
            at += copied


def open_to_read(path: Path) -> tuple[FileIO, int]:
    """Open a file and return the file with its size in bytes. Raises ObjectNotFound."""
    with absent(ObjectNotFound("nothing is stored under this key")):
        file = FileIO(path)
    return file, os.fstat(file.fileno()).st_size


def look_up(path: Path, key: ObjectKey) -> ObjectInfo:
    """The size and modification time of a file. Raises ObjectNotFound."""
    with absent(ObjectNotFound("nothing is stored under this key")):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise IsADirectoryError
    return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def delete(paths: Sequence[Path]) -> None:
    """Delete the files ``paths`` durably; missing files are ignored."""
    for path in paths:
        with suppress(*_ABSENT):
            path.unlink()
    # Whoever asked forgets the keys now: what came back with a crash would be kept for ever.
    for folder in {path.parent for path in paths}:
        with suppress(*_ABSENT):
            sync_folder(folder)


def walk(root: Path, folder: str, start: str) -> Iterator[ObjectInfo]:
    """Walk the files of ``folder`` ("" or with a slash at its end) whose names begin with ``start``, in order."""
    try:
        entries = [entry for entry in os.scandir(root / folder) if entry.name.startswith(start)]
    except _ABSENT:
        return
    # With its slash a directory sorts as the keys in it do.
    for name in sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in entries):
        if name.endswith("/"):
            yield from walk(root, folder + name, "")
        else:
            with suppress(ObjectNotFound):  # deleted meanwhile
                yield look_up(root / folder / name, ObjectKey(folder + name))
