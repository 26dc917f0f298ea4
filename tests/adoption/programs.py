"""The programs that a client needs beside it, each with all that it keeps in a folder."""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from registry.devservers.processes import Program, wait_until

_START_SECONDS: Final = 60.0
_PATH: Final = f"{os.defpath}:/usr/sbin:/sbin:/usr/local/bin"
_BUILDKIT: Final = """
root = "{folder}/root"
[grpc]
  address = ["unix://{folder}/socket"]
[worker.oci]
  enabled = true
  snapshotter = "native"
  rootless = false
[worker.containerd]
  enabled = false
[registry."{host}"]
  http = true
"""
_CONTAINERD: Final = """
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "{folder}/socket"
[ttrpc]
  address = "{folder}/ttrpc"
"""


@contextmanager
def _serving(argv: Sequence[str], folder: Path) -> Iterator[Path]:
    program = shutil.which(argv[0])
    assert program, f"there is no {argv[0]}: make adoption tells what it needs"
    log = folder / "log"
    serving = Program([program, *argv[1:]], env={"PATH": _PATH, "HOME": str(folder)}, log=log, death=signal.SIGKILL)
    try:
        socket = folder / "socket"
        assert wait_until(lambda: socket.exists() or not serving.alive(), _START_SECONDS), serving.output()
        assert serving.alive(), serving.output()
        yield socket
    finally:
        serving.stop((signal.SIGTERM, 10.0))


@contextmanager
def buildkit(folder: Path, host: str) -> Iterator[str]:
    """Start buildkitd, which speaks HTTP to ``host``; its address."""
    (folder / "config.toml").write_text(_BUILDKIT.format(folder=folder, host=host))
    with _serving(["buildkitd", "--config", str(folder / "config.toml")], folder) as socket:
        yield f"unix://{socket}"


@contextmanager
def containerd(folder: Path) -> Iterator[str]:
    """Start containerd; its address."""
    (folder / "config.toml").write_text(_CONTAINERD.format(folder=folder))
    with _serving(["containerd", "--config", str(folder / "config.toml"), "--log-level", "error"], folder) as socket:
        yield str(socket)
