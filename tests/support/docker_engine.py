"""A real dockerd of a test's own."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_READY_SECONDS = 30.0


@dataclass(frozen=True)
class Engine:
    """A dockerd; containers are not run, so it needs no bridge and no iptables."""

    socket: str
    folder: Path


@contextmanager
def dockerd(folder: Path, *more: str) -> Iterator[Engine]:
    """Starts a dockerd that keeps everything in this folder, and stops it at the end; ``more``: its options."""
    daemon = shutil.which("dockerd", path="/usr/sbin:/usr/bin:/usr/local/bin")
    assert daemon, "these tests drive a real docker: install dockerd"
    address = f"unix://{folder}/socket"
    arguments = [
        f"--data-root={folder}/data",
        f"--exec-root={folder}/exec",
        f"--host={address}",
        f"--pidfile={folder}/pid",
        "--storage-driver=vfs",
        "--iptables=false",
        "--ip6tables=false",
        "--ip-forward=false",
        "--bridge=none",
        *more,
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([daemon, *arguments], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not (folder / "socket").exists():
            assert time.monotonic() < deadline, (folder / "log").read_text()[-1000:]
            time.sleep(0.1)
        yield Engine(address, folder)
    finally:
        process.terminate()
        process.wait(30)
