"""`moorage adopt` as a program of its own, and what it said."""

import asyncio
import os
import sys
from typing import Any

import orjson

from tests.support.processes import measured
from tests.support.server import Registry

_ACCEPT = {"Accept": "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"}


async def started(env: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """Start a command of the operator."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", *arguments, env={"PATH": os.defpath, **measured(), **env},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def moorage(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Run a command of the operator; its exit status, and what it printed."""
    child = await started(env, *arguments)
    output, _ = await child.communicate()
    return child.returncode or 0, output.decode().strip()


async def adopt(env: dict[str, str], *arguments: str, status: int = 0) -> dict[str, Any]:
    """Adopt; the report."""
    code, said = await moorage(env, "adopt", "--json", *arguments)
    assert code == status, said
    report: dict[str, Any] = orjson.loads(said)
    return report


def why(report: dict[str, Any]) -> dict[str, str]:
    """The reasons of the findings, by «repository:tag», or «repository:» and the beginning of the digest."""
    return {f"{one['repository']}:{one['what'][:15]}": one["why"] for one in report["findings"]}


async def digest_of(registry: Registry, name: str, reference: str, token: str) -> str | None:
    """The digest that the registry tells of a reference; None: it has none."""
    answer = await registry.call("GET", f"/v2/{name}/manifests/{reference}", token, headers=_ACCEPT)
    return answer.headers.get("Docker-Content-Digest") if answer.status == 200 else None


async def until_more(registry: Registry, rows: str, there: int = 0) -> int:
    """Wait until a table has more rows than ``there``; how many it has then."""
    count = 0
    while count <= there:
        count = (await registry.services.db.fetch(f"SELECT count(*) FROM {rows}"))[0][0]
    return count
