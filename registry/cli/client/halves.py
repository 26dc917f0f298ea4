"""Uploads that are under way: where each goes on, in the user's state directory, until its blob has arrived."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Final

#: No registry keeps a session for longer.
_KEPT_SECONDS: Final = 7 * 86400


class Half:
    """An upload, and where it goes on; empty for none. The address may be a permission, so nobody else can read it."""

    def __init__(self, path: str, file: int | None) -> None:
        self._path = path
        self._file = file
        self.location = "" if file is None else os.pread(file, 1 << 16, 0).decode(errors="replace").strip()

    def keep(self, location: str) -> None:
        """Keep where the upload goes on."""
        self.location = location
        if self._file is not None:
            text = location.encode()
            with suppress(OSError):  # a full disk costs going on after a cut, not the copy
                os.pwrite(self._file, text, 0)
                os.ftruncate(self._file, len(text))

    def forget(self) -> None:
        """End the upload: its blob has arrived, or is to begin anew."""
        self.location = ""
        if self._file is not None:
            os.ftruncate(self._file, 0)


class Turns:
    """Blobs that several threads need: one at a time sends a blob, and whoever comes next finds it there."""

    def __init__(self) -> None:
        self._own = threading.Lock()
        self._taken: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def of(self, digest: str) -> Iterator[None]:
        """Wait for the turn of a blob."""
        with self._own:
            turn, waiting = self._taken.get(digest, (threading.Lock(), 0))
            self._taken[digest] = turn, waiting + 1
        try:
            with turn:
                yield
        finally:
            with self._own:
                waiting = self._taken.pop(digest)[1] - 1
                if waiting:
                    self._taken[digest] = turn, waiting


@contextmanager
def half(env: Mapping[str, str], blob: str) -> Iterator[Half]:
    """Yield the upload of a blob, for this process alone: another that sends the same has one that is not kept."""
    import fcntl

    path = os.path.join(folder(env), sha256(blob.encode()).hexdigest())  # noqa: PTH118
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:  # nothing can be kept here
        yield Half(path, None)
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield Half(path, None)
            return
        found = Half(path, file)
        try:
            yield found
        finally:
            if not found.location:
                os.unlink(path)  # noqa: PTH108
    finally:
        os.close(file)


def folder(env: Mapping[str, str]) -> str:
    """Return the directory of uploads under way."""
    base = env.get("XDG_STATE_HOME") or os.path.join(env.get("HOME") or os.path.expanduser("~"), ".local", "state")  # noqa: PTH111, PTH118
    return os.path.join(base, "moorage", "uploads")  # noqa: PTH118


def forget_old(env: Mapping[str, str]) -> None:
    """Forget the uploads that no registry keeps any more."""
    with suppress(OSError):
        for entry in os.scandir(folder(env)):
            if entry.stat().st_mtime < time.time() - _KEPT_SECONDS:
                os.unlink(entry.path)  # noqa: PTH108
