"""Registries that people have besides this one: each a program of its own, on a free port, without a token."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READY_SECONDS = 20.0
_DISTRIBUTION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "{host}", secret: "of this test"}}
"""
_ZOT = """\
{{"storage": {{"rootDirectory": "{folder}/data", "gc": false, "dedupe": true}}, "log": {{"level": "error"}},
 "http": {{"address": "127.0.0.1", "port": "{port}"}}}}
"""


def _free_host() -> str:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return f"127.0.0.1:{one.getsockname()[1]}"


def _command(name: str, host: str, folder: Path) -> list[str]:
    program = {"distribution": "registry", "crane": "crane", "zot": "zot"}[name]
    found = shutil.which(program)
    assert found, f"there is no {program} on the PATH: make copies builds it"
    if name == "crane":
        return [found, "registry", "serve", "--address", host, "--disk", str(folder)]
    if name == "zot":
        (folder / "config.json").write_text(_ZOT.format(folder=folder, port=host.rpartition(":")[2]))
        return [found, "serve", str(folder / "config.json")]
    (folder / "config.yml").write_text(_DISTRIBUTION.format(folder=folder, host=host))
    return [found, "serve", str(folder / "config.yml")]


@contextmanager
def serving(name: str, folder: Path) -> Iterator[str]:
    """Starts the program; its ``host:port``."""
    host = _free_host()
    env = {"PATH": os.defpath, "HOME": str(folder), "OTEL_TRACES_EXPORTER": "none"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(_command(name, host, folder), stdout=log, stderr=log, env=env, cwd=folder)
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while not _answers(host):
            assert process.poll() is None, (folder / "log").read_text()[-1000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield host
    finally:
        process.kill()
        process.wait()


def _answers(host: str) -> bool:
    name, _, port = host.rpartition(":")
    try:
        socket.create_connection((name, int(port)), 1).close()
    except OSError:
        return False
    return True
