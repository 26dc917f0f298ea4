"""A folder in memory for what a run throws away: a database, three hundred files, takes a fifteenth of the time there."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")
_NAME: Final = "moorage-tests-"
#: A process needs some hundreds of MiB of it; a container may have 64 MiB in all.
_ROOM_BYTES: Final = 2 << 30


@contextmanager
def scratch(on_disk: Path) -> Iterator[Path]:
    """A folder in memory, or ``on_disk`` where there is no room in memory; it is removed at the end."""
    if not _is_room():
        try:
            yield on_disk
        finally:
            shutil.rmtree(on_disk)
        return
    _remove_leftovers()
    fresh = Path(tempfile.mkdtemp(prefix=".new", dir=_MEMORY))
    descriptor = os.open(fresh, os.O_RDONLY)
    try:
        # Locked before it has a name that others look for.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        fresh.chmod(0o711)  # PostgreSQL has an account of its own
        yield fresh.rename(_MEMORY / f"{_NAME}{fresh.name.removeprefix('.new')}")
    finally:
        os.close(descriptor)
        _remove_leftovers()


def _is_room() -> bool:
    with suppress(OSError):
        return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return False


def in_memory(folder: Path) -> bool:
    return folder.is_relative_to(_MEMORY)


def _remove_leftovers() -> None:
    """Remove what is nobody's any more: memory that a run which was killed has left."""
    for folder in _MEMORY.glob(f"{_NAME}*"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
            finally:
                os.close(descriptor)
