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
from tests.support.processes import ROOT, measured

_BLOCK: Final = re.compile(r"^ *```console\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_SECONDS: Final = 60.0


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
    process = await asyncio.create_subprocess_exec("registry", "serve", str(config), stdin=asyncio.subprocess.DEVNULL)
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
