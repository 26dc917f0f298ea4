"""The code of the release before: the newest commit without the newest migration."""

import asyncio
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.processes import ROOT


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def _migrations(commit: str) -> set[bytes]:
    """The migrations of a commit, each with the hash of its text."""
    return set(_git("ls-tree", commit, "storage/migrations/").splitlines())


def former_release(folder: Path) -> Path | None:
    """Put into ``folder`` the newest checkout that lacks some migrations, and has the others word for word as today.

    None: the history of the repository is not here.
    """
    now = _migrations("HEAD")
    for commit in _git("rev-list", "HEAD").decode().split():
        if (then := _migrations(commit)) and then < now:
            break
    else:
        return None
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as archive:
        archive.extractall(folder, filter="data")
    return folder


async def operator(checkout: Path, env: Mapping[str, str], *arguments: str) -> str:
    """Run a command of the operator by the code of a checkout; what it prints."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", *arguments, cwd=checkout, env={"PATH": os.defpath, **env},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await child.communicate()
    assert child.returncode == 0, arguments
    return said.decode()
