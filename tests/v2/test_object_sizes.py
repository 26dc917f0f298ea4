"""Objects whose size in the store is not the size in PostgreSQL: nobody gets bytes under a length that is another's."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from storage.objects.base import ObjectKey
from tests.support.raw import Wire, request
from tests.support.server import Registry, basic, on_disk, running
from tests.support.uploading import MIB, Session, noise, sha256

_NAME = "alice/app"
_SIZE = 3 * MIB
_WRONG = [1, 1 * MIB, _SIZE - 1, _SIZE + 1, 2 * _SIZE]
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture(params=["s3", "s3, by aiohttp", "local", "local, from afar"])
async def served(
    env: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Registry]:
    """By sockets and splice, through a proxy and by aiohttp, by copies of a file, and by sendfile."""
    kept = on_disk(env, tmp_path / "objects") if request.param.startswith("local") else env
    (tmp_path / "objects").mkdir()
    if request.param == "s3, by aiohttp":
        monkeypatch.setenv("http_proxy", env["MOORAGE_S3_ENDPOINT"])
    async with running(kept, host="127.0.0.2" if request.param == "local, from afar" else "127.0.0.1") as registry:
        yield registry


async def _overwrite(registry: Registry, digest: str, data: bytes) -> None:
    """Put other bytes under the key of a blob."""
    (row,) = await registry.services.db.fetch("SELECT object_key FROM blobs WHERE digest = $1", digest)
    await registry.services.stores.put(ObjectKey(row["object_key"]), [data])


async def _overwrite_segment(registry: Registry, data: bytes) -> None:
    (row,) = await registry.services.db.fetch("SELECT object_key FROM upload_segments")
    await registry.services.stores.put(ObjectKey(row["object_key"]), [data])


def _get(path: str, token: str, *headers: str, method: str = "GET") -> bytes:
    return request(method, path, f"Authorization: {basic(token)['Authorization']}", *headers)


@pytest.mark.parametrize("wrong", _WRONG)
async def test_f19_a_pull_is_503_and_the_connection_goes_on(
    served: Registry, wrong: int, capfd: pytest.CaptureFixture[str]
) -> None:
    token, data = await served.user("alice"), noise(_SIZE)
    digest = await served.push_blob(_NAME, data, token)
    path = f"/v2/{_NAME}/blobs/{digest}"
    await _overwrite(served, digest, noise(wrong, 1))
    asked = ["Accept: */*", "Range: bytes=0-0", "Range: bytes=1-", "Range: bytes=-5", f"Range: bytes=7-{MIB}"]
    async with Wire.to(served.url) as wire:
        for header in asked:
            capfd.readouterr()
            await wire.send(_get(path, token, header) + _get(path, token, method="HEAD"))  # not waiting for the answer
            answer = await wire.answer()
            assert (answer.status, answer.headers["Content-Type"]) == (503, "application/json"), header
            assert orjson.loads(answer.body)["errors"][0]["code"] == "UNAVAILABLE"
            assert int(answer.headers["Retry-After"]) > 0
            head = await wire.answer(head=True)
            assert head.status == 404, "who may push is to push it again"
            assert "storage.failed" in "".join(capfd.readouterr())
        await _overwrite(served, digest, data)
        await wire.send(_get(path, token) + _get(path, token, "Range: bytes=-5"))
        assert (await wire.answer()).body == data
        assert (await wire.answer()).body == data[-5:]
        assert await wire.silent()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
async def test_f22_a_file_that_shrinks_on_the_way_cuts_the_connection(
    env: dict[str, str], tmp_path: Path, host: str
) -> None:
    async with running(on_disk(env, tmp_path), host=host) as registry:
        token, data = await registry.user("alice"), noise(24 * MIB)
        path = f"/v2/{_NAME}/blobs/{await registry.push_blob(_NAME, data, token)}"
        (file,) = (found for found in (tmp_path / "objects").rglob("*") if found.is_file())
        address = registry.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(address[0], int(address[1]), limit=1024)
        writer.write(_get(path, token) * 2)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        os.truncate(file, 20 * MIB)
        got = 0
        with contextlib.suppress(ConnectionError):
            while chunk := await reader.read(MIB):
                got += len(chunk)
        assert 0 < got <= 20 * MIB
        writer.transport.abort()


@pytest.mark.parametrize("wrong", [50_000, 99_999, 100_001, 300_000])
async def test_f19_a_config_of_another_size_makes_no_version(served: Registry, wrong: int) -> None:
    token = await served.user("alice")
    config = b'{"architecture":"amd64","os":"linux"}'.ljust(100_000)
    digest = await served.push_blob(_NAME, config, token)
    await _overwrite(served, digest, config.ljust(wrong)[:wrong])
    body = orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "digest": digest, "size": len(config)},
            "layers": [],
        }
    )
    path = f"/v2/{_NAME}/manifests/v1"
    put = await served.call("PUT", path, token, data=body, headers={"Content-Type": _MANIFEST})
    assert (put.status, put.code) == (503, "UNAVAILABLE")
    assert (await served.call("HEAD", path, token)).status == 404


@pytest.mark.parametrize("wrong", [100_000, 199_999, 200_001, 8 * MIB])
async def test_f19_a_segment_of_another_size_is_not_published(served: Registry, wrong: int) -> None:
    token, data = await served.user("alice"), noise(12 * MIB)
    session = await Session.begin(served, _NAME, token)
    assert (await session.patch(data[:200_000])).status == 202
    await _overwrite_segment(served, noise(wrong, 1))
    answers = [await session.patch(data[200_000:]), await session.put(sha256(data))]
    assert [answer.status for answer in answers if answer.status == 503], [answer.status for answer in answers]
    assert {answer.status for answer in answers} <= {503, 400}  # 400: not all bytes came
    assert (await served.call("HEAD", f"/v2/{_NAME}/blobs/{sha256(data)}", token)).status == 404


@pytest.mark.parametrize("wrong", [100_000, 199_999, 200_001])
async def test_nor_is_one_that_is_read_for_another_algorithm(served: Registry, wrong: int) -> None:
    token, data = await served.user("alice"), noise(200_000)
    session = await Session.begin(served, _NAME, token)
    assert (await session.patch(data)).status == 202
    await _overwrite_segment(served, noise(wrong, 1))
    other = f"sha512:{hashlib.sha512(data).hexdigest()}"
    put = await session.put(other)
    assert (put.status, put.code) == (503, "UNAVAILABLE")
    await _overwrite_segment(served, data)
    assert (await session.put(other)).status == 201
    assert await session.pulled(other) == data
