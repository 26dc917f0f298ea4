"""Pull-through caches that people have besides this one: each a program of its own, on a free port, without a token."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import orjson

from registry.devservers.processes import free_ports
from tests.support.raw import ask, request

_READY_SECONDS = 20.0
_DISTRIBUTION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "{host}", secret: "of this test"}}
{proxy}
"""


def has(name: str) -> bool:
    """Whether the program is there."""
    return shutil.which({"distribution": "registry"}.get(name, name)) is not None


def _command(name: str, host: str, folder: Path, upstream: str | None) -> list[str]:
    if name == "distribution":
        proxy = "" if upstream is None else f"proxy: {{remoteurl: {upstream}}}"
        path = folder / f"{host.rpartition(':')[2]}.yml"
        path.write_text(_DISTRIBUTION.format(folder=folder, host=host, proxy=proxy))
        return ["registry", "serve", str(path)]
    address, _, port = host.rpartition(":")
    told: dict[str, object] = {
        "storage": {"rootDirectory": str(folder / port)},
        "http": {"address": address, "port": port, "compat": ["docker2s2"]},
        "log": {"level": "error"},
    }
    if upstream is not None:
        of = {"urls": [upstream], "onDemand": True, "tlsVerify": False, "content": [{"prefix": "**"}]}
        told["extensions"] = {"sync": {"enable": True, "registries": [of]}}
    path = folder / f"{port}.json"
    path.write_bytes(orjson.dumps(told))
    return ["zot", "serve", str(path)]


@asynccontextmanager
async def caching(name: str, count: int, folder: Path, upstream: str | None) -> AsyncIterator[list[str]]:
    """Start ``count`` of the program; their URLs. ``upstream`` None: registries that are no caches.

    Those of distribution share their files; those of zot do not, as each locks its own.
    """
    hosts = [f"127.0.0.1:{port}" for port in free_ports(count)]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for host in hosts:
            process = await asyncio.to_thread(_started, name, host, folder, upstream)
            processes.append(process)
            await _ready(host)
        yield [f"http://{host}" for host in hosts]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _started(name: str, host: str, folder: Path, upstream: str | None) -> "subprocess.Popen[bytes]":
    command = _command(name, host, folder, upstream)
    command[0] = shutil.which(command[0]) or command[0]
    env = {"PATH": os.defpath, "HOME": str(folder), "OTEL_TRACES_EXPORTER": "none"}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=folder)


async def _ready(host: str) -> None:
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            with suppress(OSError):
                if (await ask(f"http://{host}", request("GET", "/v2/", "Connection: close"))).status == 200:
                    return
            await asyncio.sleep(0.05)
