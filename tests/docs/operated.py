"""The commands that stand in a page of ``docs``, run as they stand there."""

import asyncio
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

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
