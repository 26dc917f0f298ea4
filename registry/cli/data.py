"""The directory DATA of `moorage run`: its lock, its version, whose it is, and the room on its disk."""

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from registry.devservers.processes import CannotStart, is_gone, write_private
from registry.process.room import Room

_VERSION: Final = "1"
_HANDOVER_SECONDS: Final = 20.0
_STOPPING: Final = "stopping"
#: Below this pushes are refused. The S3 server writes nothing either below one percent of the disk.
_RESERVE_BYTES: Final = 200 * 1000 * 1000
_RESERVE_SHARE: Final = 0.011
#: Kept as a file, and given back where others have filled the disk: PostgreSQL does not start without any room.
_BALLAST_BYTES: Final = 64 * 1024 * 1024


@contextmanager
def hold(data: Path, note: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Create and lock DATA for this process and its forks; yield the callback that marks the lock as stopping.

    Raises CannotStart when it is another instance's, of another release, or somebody else's files.
    """
    try:
        # Closed to lists, not to passing: PostgreSQL may run as another user. What is secret is closed by itself.
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot use {data} for data: {error.strerror}") from error
    with os.fdopen(descriptor, "r+") as lock:
        _lock(lock, data, note)
        ballast = data / "ballast"
        if shutil.disk_usage(data).free < _BALLAST_BYTES:
            ballast.unlink(missing_ok=True)
        _write(lock, str(os.getpid()))
        _check_version(data)
        if shutil.disk_usage(data).free > _RESERVE_BYTES + _BALLAST_BYTES and not ballast.exists():
            _make_ballast(ballast)
        yield lambda: _write(lock, f"{os.getpid()} {_STOPPING}")


def _lock(lock: TextIO, data: Path, note: Callable[[str], None]) -> None:
    """Acquire the lock; if its holder is dead or stopping, wait until its last process is gone."""
    deadline = time.monotonic() + _HANDOVER_SECONDS
    noted = False
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        lock.seek(0)
        holder = lock.read().split()
        leaving = holder[1:] == [_STOPPING] or (holder[:1] and holder[0].isdigit() and is_gone(int(holder[0])))
        if not leaving or time.monotonic() > deadline:
            who = f" (process {holder[0]})" if holder else ""
            raise CannotStart(f"another instance runs with the data in {data}{who}: stop it, or choose another DATA")
        if not noted:
            note("Waiting for the former instance to stop ...")
            noted = True
        time.sleep(0.05)


def _write(lock: TextIO, text: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(text)
    lock.flush()


def _check_version(data: Path) -> None:
    file = data / "version"
    if not file.exists():
        if foreign := sorted(path.name for path in data.iterdir() if path.name not in {"lock", "version.new"}):
            raise CannotStart(f"{data} holds something else ({foreign[0]}): choose an empty directory for the data")
        write_private(file, _VERSION + "\n")
    if file.stat().st_uid != os.geteuid():
        raise CannotStart(f"{data} is the data of another user (uid {file.stat().st_uid}): run as that user")
    found = file.read_text().strip()
    if found != _VERSION:
        raise CannotStart(
            f"{data} was made by another release (data version {found[:20]!r}, this one reads {_VERSION}): "
            "run that release, or move the directory away to start anew"
        )


def check_store(data: Path, *, local: bool) -> None:
    other = data / ("s3" if local else "local")
    if other.exists():
        kept = "s3" if local else "local"
        raise CannotStart(
            f"{data} keeps its bytes in {other.name}/: run it with --store {kept} (make: STORE={kept}), "
            "or choose another DATA"
        )


def room_of(data: Path) -> Room:
    """Return the room that the disk of DATA must have for pushes."""
    return Room(data, max(_RESERVE_BYTES, int(shutil.disk_usage(data).total * _RESERVE_SHARE)))


def _make_ballast(file: Path) -> None:
    if sys.platform == "linux":
        with suppress(OSError), file.open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, _BALLAST_BYTES)
