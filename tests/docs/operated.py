"""The commands that stand in a page of ``docs``, run as they stand there."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp

from registry.devservers.postgres import find_binaries
from registry.devservers.processes import free_ports
from tests.support.processes import ROOT, measured

_BLOCK: Final = re.compile(r"^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SECONDS: Final = 60.0
_ON_S3: Final = """
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  s3: {{regionendpoint: "{endpoint}", region: us-east-1, bucket: {bucket}, accesskey: {key}, secretkey: {secret}, forcepathstyle: true, secure: false}}
  delete: {{enabled: true}}
  redirect: {{disable: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def section(page: str, heading: str) -> list[str]:
    """The commands under a heading of a page, without what they print."""
    text = (ROOT / "docs" / page).read_text()
    found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no {heading}"
    lines = [line.strip() for block in _BLOCK.findall(found[2]) for line in block.splitlines()]
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    assert commands, f"{page} has no command under {heading}"
    return commands


async def run(commands: list[str], env: Mapping[str, str], folder: Path) -> str:
    """Run them in one shell, which ends at the first that fails; what they print."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "moorage").write_text(f'#!/bin/sh\nexec {sys.executable} -m registry "$@"\n')
    (programs / "moorage").chmod(0o755)
    path = os.pathsep.join([str(programs), str(find_binaries()), os.environ["PATH"]])  # noqa: TID251 - for programs
    child = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", "\n".join(commands), cwd=folder, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT), **measured(), **env},
    )  # fmt: skip
    async with asyncio.timeout(_SECONDS):
        out, err = await child.communicate()
    assert child.returncode == 0, (commands, out.decode(), err.decode())
    return out.decode()


@asynccontextmanager
async def distribution(config: Path, port: int) -> AsyncIterator[str]:
    """A distribution of this configuration, which listens at ``port``; its host."""
    for program in ("registry", "crane", "oras"):
        assert shutil.which(program), f"there is no {program}: make builds it"
    with config.with_suffix(".log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            str(shutil.which("registry")), "serve", str(config), stdin=asyncio.subprocess.DEVNULL, stdout=log,
            stderr=log, env={"PATH": os.defpath, "HOME": str(config.parent), "OTEL_TRACES_EXPORTER": "none"},
        )  # fmt: skip
    try:
        async with asyncio.timeout(20), aiohttp.ClientSession() as client:
            while True:
                try:
                    async with client.get(f"http://127.0.0.1:{port}/v2/"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def over_bucket(env: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    """A distribution over the bucket of these settings; its host."""
    (port,) = free_ports(1)
    config = folder / "config.yml"
    config.write_text(
        _ON_S3.format(
            endpoint=env["MOORAGE_S3_ENDPOINT"], bucket=env["MOORAGE_S3_BUCKET"],
            key=env["AWS_ACCESS_KEY_ID"], secret=env["AWS_SECRET_ACCESS_KEY"], port=port,
        )
    )  # fmt: skip
    async with distribution(config, port) as host:
        yield host
