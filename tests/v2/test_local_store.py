"""A registry of one node, with its blobs on the local disk."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.jobs.runner import run_once
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import MIB, NOTHING, Session, end_all_sessions, kept, noise, sha256, streamed

NAME = "alice/app"


@pytest.fixture
def env(env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    return on_disk(env, tmp_path)


@contextmanager
def _full_disk() -> Iterator[None]:
    """No file takes more than a mebibyte: the disk of a registry that fills up as it is written to."""
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 70_000, 3 * MIB, 16 * MIB, 40 * MIB])
async def test_a_layer_comes_back(registry: Registry, size: int) -> None:
    token, data = await registry.user("alice"), noise(size)
    digest = await registry.push_blob(NAME, data, token)
    path = f"/v2/{NAME}/blobs/{digest}"
    whole = await registry.call("GET", path, token)
    assert (whole.status, whole.body == data) == (200, True)
    if size:
        first, last = size // 3, size // 2
        part = await registry.call("GET", path, token, headers={"Range": f"bytes={first}-{last}"})
        assert (part.status, part.body == data[first : last + 1]) == (206, True)
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
    redirected = await registry.call("GET", path, token, headers={"Range": f"bytes={size}-"})
    assert redirected.status == 416
    head = await registry.call("HEAD", path, token)
    assert (head.status, head.headers["Content-Length"]) == (200, str(size))


async def test_servers_of_one_node_go_on_with_each_others_uploads(env: dict[str, str]) -> None:
    async with running(env, replicas=3) as registry:
        token, data = await registry.user("alice"), noise(40 * MIB)
        session = await Session.begin(registry, NAME, token)
        for number, (start, stop) in enumerate([(0, 100_000), (100_000, 18 * MIB), (18 * MIB, 39 * MIB)]):
            sent = await session.patch(streamed(data[start:stop]), at=start, size=stop - start, replica=number)
            assert sent.status == 202, sent.body
            assert await session.offset(replica=(number + 1) % 3) == stop
        assert (await session.put(sha256(data), data[39 * MIB :], replica=1)).status == 201
        assert await session.pulled(sha256(data), replica=2) == data


async def test_what_is_deleted_or_left_is_collected(env: dict[str, str]) -> None:
    env["MOORAGE_GC_GRACE_SECONDS"] = "0"
    async with running(env) as registry:
        token = await registry.user("alice")
        digest = await registry.push_blob(NAME, noise(17 * MIB), token)
        left = await Session.begin(registry, NAME, token)
        assert (await left.patch(noise(17 * MIB, 1))).status == 202
        assert (await kept(registry)).multiparts == 1
        assert (await registry.call("DELETE", f"/v2/{NAME}/blobs/{digest}", token)).status == 202
        await end_all_sessions(registry)
        await run_once(registry.services)
        assert await kept(registry) == NOTHING


async def test_a_full_disk_is_503_and_later_it_goes_on(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(20 * MIB)
    pulled = await registry.push_blob(NAME, noise(2 * MIB, 1), token)
    session = await Session.begin(registry, NAME, token)
    with _full_disk():
        refused = await session.patch(streamed(data), at=0, size=len(data))
        assert refused.status == 503, refused.body
        assert int(refused.headers["Retry-After"]) > 0
        assert await session.pulled(pulled) == noise(2 * MIB, 1)
        assert (await registry.call("GET", "/readyz")).status == 200
    offset = await session.offset()
    assert (await session.patch(data[offset:], at=offset)).status == 202
    assert (await session.put(sha256(data))).status == 201
    assert await session.pulled(sha256(data)) == data


async def test_without_its_directory_it_says_so_and_stays_in_service(registry: Registry, tmp_path: Path) -> None:
    """Another process has the same store; and tags, tokens and the API need none."""
    (tmp_path / "uploads").rename(tmp_path / "elsewhere")
    answer = await registry.call("GET", "/readyz")
    assert (answer.status, answer.body[:40]) == (200, b"ready; without its store, so that no lay")
