"""Real distribution and zot as what is mirrored, and crane as who pulls. Run by make mirror."""

import asyncio
import os
import shutil
from pathlib import Path

import aiohttp
import pytest

from tests.mirror.caches import caching, has
from tests.mirror.conftest import mirror_at
from tests.support.server import Registry, running
from tests.support.upstream import upstream_before

pytestmark = [pytest.mark.mirror, pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", ["distribution", "zot"])
async def test_an_image_of_another_registry(name: str, env: dict[str, str], tmp_path: Path) -> None:
    if not has(name) or not has("crane"):
        pytest.skip(f"there is no {name}, or no crane")
    async with caching(name, 1, tmp_path, None) as (behind,), upstream_before(behind) as upstream:
        async with aiohttp.ClientSession() as http:
            digest = await Registry([behind], [], http).push_image("team/app", "1", "nobody", layers=3, size=300_000)
        async with running({**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}) as registry:
            await mirror_at(registry, upstream.url)
            await registry.services.db.execute("UPDATE mirrors SET fetch_by = 'anonymous', changed_at = now()")
            await registry.services.mirroring.look()
            image = f"{registry.url.partition('://')[2]}/hub/team/app:1"
            for turn in range(2):
                assert await _crane("pull", "--format", "oci", image, str(tmp_path / f"pulled-{turn}")) == ""
                assert await _crane("digest", image) == digest
            asked = {
                key: count for key, count in upstream.seen.items() if key.startswith(("GET blobs", "GET manifests"))
            }
            assert asked == dict.fromkeys(asked, 1)
            assert len(asked) == 5


async def _crane(*words: str) -> str:
    env = {"PATH": os.defpath, "HOME": "/nonexistent"}
    command = [shutil.which("crane") or "crane", words[0], "--insecure", *words[1:]]
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return said.decode().strip()
