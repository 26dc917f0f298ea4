"""`moorage import` of 500 images of a real distribution and a real zot, killed twice: all come, whole, and once."""

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests.cli.commands import Shell
from tests.copies.conftest import Row, Speed
from tests.copies.relay import Relay, relay
from tests.copies.servers import serving
from tests.support.multiplatform import Image, Repository, layer_of, missing, publish
from tests.support.server import Registry

pytestmark = [pytest.mark.copies, pytest.mark.timeout(1800)]

_REPOSITORIES, _TAGS, _BASES, _BASE, _LAYER, _JOBS = 50, 10, 5, 2 << 20, 60_000, 4
#: A small blob that is under way in a job when the import is killed is sent anew; what was read ahead is read anew.
_SENT_AGAIN, _READ_AGAIN = 2 * _JOBS * 2 * _LAYER, 2 * _JOBS * (1 << 20)
_Key = tuple[str, str]


async def published(source: Repository, repositories: int, tags: int, *, keeps_referrers: bool) -> dict[_Key, Image]:
    """Pushes images of two platforms, with referrers and a signature of cosign, each over one of five base layers."""
    bases = [layer_of(_BASE) for _ in range(_BASES)]
    room = asyncio.Semaphore(6)

    async def one(number: int, tag: int) -> tuple[_Key, Image]:
        async with room:
            path = f"team/app{number}"
            made = await publish(
                replace(source, path=path), f"v{tag}", platforms=2, layer_bytes=_LAYER,
                keeps_referrers=keeps_referrers, base=bases[number % _BASES],
            )  # fmt: skip
            return (path, f"v{tag}"), made

    return dict(await asyncio.gather(*(one(*at) for at in itertools.product(range(repositories), range(tags)))))


async def _spawned(shell: Shell, words: Iterable[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", *words, env=shell._environment, stdout=asyncio.subprocess.DEVNULL
    )


async def run(*words: str, env: dict[str, str] | None = None) -> float:
    """Runs a program that must succeed; the seconds that it took."""
    began = time.monotonic()
    child = await asyncio.create_subprocess_exec(
        *words, env=env, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, err = await child.communicate()
    assert child.returncode == 0, (words, err.decode()[-2000:])
    return time.monotonic() - began


async def _validated(images: dict[_Key, Image], shell: Shell, crane: tuple[str, ...]) -> int:
    """Has `crane validate` read each image; their number."""
    room = asyncio.Semaphore(3)

    async def one(path: str, tag: str) -> None:
        async with room:
            await run(*crane, "validate", "--remote", f"{shell.host}/{path}:{tag}")

    async with asyncio.TaskGroup() as group:
        for path, tag in images:
            group.create_task(one(path.replace("team/", "alice/"), tag))
    return len(images)


async def _killed_twice(shell: Shell, words: list[str], target: Relay, size: int) -> None:
    for share in (0.3, 0.7):
        target.hold_at(int(size * share))
        child = await _spawned(shell, words)
        await asyncio.wait_for(target.held.wait(), 300)
        child.send_signal(signal.SIGKILL)
        await child.wait()
        target.go_on()


@pytest.mark.parametrize("name", ["distribution", "zot"])
async def test_five_hundred_images_come_though_the_import_is_killed_twice(
    name: str, shell: Shell, registry: Registry, tmp_path: Path, table: list[Row | Speed]
) -> None:
    token = await registry.user("alice")
    async with AsyncExitStack() as stack:
        old = stack.enter_context(serving(name, tmp_path))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        plain = Repository(http, f"http://{old}", "")
        images = await published(plain, _REPOSITORIES, _TAGS, keeps_referrers=name == "zot")
        sizes = {digest: count for one in images.values() for digest, count in one.blobs.items()}
        size = sum(sizes.values())
        began = time.monotonic()
        source, target = [await stack.enter_async_context(relay(host)) for host in (old, shell.host)]
        await shell.ok("login", target.host, "--with-token", given=token)
        words = ["import", f"{source.host}/team/*", "--to", f"{target.host}/alice", "-j", str(_JOBS)]
        await _killed_twice(shell, words, target, size)
        child = await _spawned(shell, words)
        assert await asyncio.wait_for(child.wait(), 600) == 0
        read = sum(max(0, count - sizes[digest]) for digest, count in source.read.items())
        ended = f"SIGKILL twice, {len(images)} images"
        table.append(Row(f"{name}: sent", ended, target.uploaded, target.uploaded - size, time.monotonic() - began))
        table.append(Row(f"{name}: read", ended, source.read.total(), read, time.monotonic() - began))
        assert 0 <= target.uploaded - size <= _SENT_AGAIN
        assert read <= _READ_AGAIN
        for (path, tag), image in images.items():
            there = replace(plain, url=f"http://{shell.host}", path=path.replace("team/", "alice/"), token=token)
            assert await missing(image, there) == [], (path, tag)
        crane = ("env", f"DOCKER_CONFIG={tmp_path}/docker", "crane")
        await run(*crane, "auth", "login", shell.host, "-u", "alice", "-p", token)
        assert await _validated(images, shell, crane) == _REPOSITORIES * _TAGS
        uploaded = target.uploaded
        child = await _spawned(shell, words)
        assert await asyncio.wait_for(child.wait(), 300) == 0
        assert target.uploaded == uploaded
