"""`moorage import` of 40 images of a real distribution, killed twice on the way: all come, and hardly a byte twice."""

import asyncio
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.commands import Shell
from tests.copies.conftest import Row
from tests.copies.servers import serving
from tests.support.counting import counting
from tests.support.multiplatform import Repository, missing, publish
from tests.support.server import Registry

pytestmark = [pytest.mark.copies, pytest.mark.timeout(600)]

_REPOSITORIES, _TAGS, _LAYER, _JOBS = 8, 5, 100_000, 4
#: What is under way in each of the jobs when the import is killed is sent anew: at most a blob.
_AGAIN = 2 * _JOBS * 4 * _LAYER


async def test_forty_images_come_though_the_import_is_killed_twice(
    shell: Shell, registry: Registry, tmp_path: Path, table: list[Row]
) -> None:
    token = await registry.user("alice")
    with serving("distribution", tmp_path) as old:
        source = Repository(registry.http, f"http://{old}", "", "")
        images = {
            (f"team/app{number}", f"v{tag}"): await publish(
                replace(source, path=f"team/app{number}"), f"v{tag}", platforms=2, layer_bytes=_LAYER,
                keeps_referrers=False,
            )
            for number in range(_REPOSITORIES)
            for tag in range(_TAGS)
        }  # fmt: skip
        size = sum(one.size for one in images.values())
        began = time.monotonic()
        async with counting(shell.host) as line:
            await shell.ok("login", line.host, "--with-token", given=token)
            words = ["import", f"{old}/team/*", "--to", f"{line.host}/alice", "-j", str(_JOBS)]
            for share in (0.3, 0.7):
                line.hold_at(int(size * share))
                child = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "registry", *words, env=shell._environment, stdout=asyncio.subprocess.DEVNULL
                )
                await asyncio.wait_for(line.held.wait(), 120)
                child.send_signal(signal.SIGKILL)
                await child.wait()
                line.go_on()
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "registry", *words, env=shell._environment, stdout=asyncio.subprocess.DEVNULL
            )
            assert await asyncio.wait_for(child.wait(), 300) == 0
            sent = line.up
        assert sent - size < _AGAIN
        table.append(
            Row("distribution, 40 images", "SIGKILL twice", size, max(0, sent - size), time.monotonic() - began)
        )
        for (path, tag), image in images.items():
            there = replace(source, url=f"http://{shell.host}", path=path.replace("team/", "alice/"), token=token)
            assert await missing(image, there) == [], (path, tag)
