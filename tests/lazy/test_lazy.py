"""Lazy pulls by the programs that people have: none fetches more than a tenth above what it asks for.

``make lazy`` builds what is needed. Bytes are counted by the programs' own transport, or by lines before the registry and S3.
"""

import asyncio
import hashlib
import io
import os
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson
import pytest

from tests.proxies.secure_link import secured
from tests.support.counting import Line, counting
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import noise

pytestmark = [pytest.mark.lazy, pytest.mark.timeout(600)]

#: The most that comes for each byte that is asked for.
_MOST = 1.1
#: The files that are read.
_NAMES = ("usr/share/03.bin", "usr/share/11.bin", "usr/share/12.bin", "usr/share/30.bin")


@dataclass
class Scene:
    """A registry, and the lines over which clients, and the registry, come to it and to S3."""

    registry: Registry
    host: str  # the near end of the clients' line
    lines: list[Line]

    @property
    def down(self) -> list[int]:
        """The bytes that came down each line."""
        return [line.down for line in self.lines]


@pytest.fixture(params=["S3", "S3, redirected", "disk"])
async def scene(env: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with counting(urlsplit(env["MOORAGE_S3_ENDPOINT"]).netloc) as s3:
        env |= {"MOORAGE_S3_ENDPOINT": f"http://{s3.host}"}
        if request.param == "disk":
            (tmp_path / "store").mkdir()
            env = on_disk(env, tmp_path / "store")
        elif request.param == "S3, redirected":
            env["MOORAGE_REDIRECT"] = "on"
        async with running(env) as registry, counting(urlsplit(registry.url).netloc) as front:
            yield Scene(registry, front.host, [front, s3])


def _layer(path: Path) -> dict[str, str]:
    """Make a tar file of forty files, 4 MiB, and return the SHA-256 of each."""
    sums = {}
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for number in range(40):
            data = noise(100_000 + number, number)
            entry = tarfile.TarInfo(f"usr/share/{number:02}.bin")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            sums[entry.name] = hashlib.sha256(data).hexdigest()
    return sums


async def _run(*words: str, env: Mapping[str, str] | None = None) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},  # noqa: TID251 - PATH, HOME
    )
    told, wrong = await process.communicate()
    assert process.returncode == 0, wrong.decode()[-2000:]
    return told


def _program(name: str) -> str:
    return str(Path(__file__).parent.parent.parent / ".venv" / "lazy" / name)


async def test_stargz_snapshotter(scene: Scene, tmp_path: Path) -> None:
    registry = scene.registry
    token, sums = await registry.user("alice"), _layer(tmp_path / "layer.tar")
    await _run(_program("stargz"), "build", f"{tmp_path}/layer.tar", f"{tmp_path}/layer.stargz")
    layer = (tmp_path / "layer.stargz").read_bytes()
    digest = await registry.push_blob("alice/app", layer, token)
    before = scene.down
    told = orjson.loads(
        await _run(
            _program("stargz"), "read", scene.host, "alice/app", f"alice:{token}", digest, str(len(layer)), *_NAMES
        )
    )
    assert told["files"] == {name: sums[name] for name in _NAMES}
    assert told["several"] >= 1, "the library has asked for several ranges at once"
    assert told["received"] <= _MOST * told["asked"]
    _judge(scene, before, told["asked"], len(layer))


@pytest.mark.parametrize("kind", ["disk", "S3"])
async def test_stargz_snapshotter_before_nginx(kind: str, env: dict[str, str], tmp_path: Path) -> None:
    async with secured(kind, env, tmp_path) as place:
        token, sums = await place.registry.user("alice"), _layer(tmp_path / "layer.tar")
        await _run(_program("stargz"), "build", f"{tmp_path}/layer.tar", f"{tmp_path}/layer.stargz")
        layer = (tmp_path / "layer.stargz").read_bytes()
        digest = await place.registry.push_blob("alice/app", layer, token)
        host = urlsplit(place.registry.url).netloc
        words = ("read", host, "alice/app", f"alice:{token}", digest, str(len(layer)), *_NAMES)
        told = orjson.loads(await _run(_program("stargz"), *words))
        assert told["files"] == {name: sums[name] for name in _NAMES}
        assert told["several"] >= 1, "the library has asked for several ranges at once"
        assert told["received"] <= _MOST * told["asked"]
        assert told["hosts"].keys() == {urlsplit(place.url).netloc}


async def test_a_soci_index(scene: Scene, tmp_path: Path) -> None:
    registry = scene.registry
    token, sums = await registry.user("alice"), _layer(tmp_path / "layer.tar.gz")
    await _run(_program("soci"), "build", f"{tmp_path}/layer.tar.gz", f"{tmp_path}/built")
    layer = (tmp_path / "layer.tar.gz").read_bytes()
    digest = await registry.push_blob("alice/app", layer, token)
    index = await registry.push_blob("alice/app", (tmp_path / "built").read_bytes(), token)
    stored = await registry.call("GET", f"/v2/alice/app/blobs/{index}", token)
    if stored.status == 307:
        stored = await registry.call("GET", stored.headers["Location"])
    (tmp_path / "ztoc").write_bytes(stored.body)
    before = scene.down
    told = orjson.loads(
        await _run(
            _program("soci"), "read", scene.host, "alice/app", f"alice:{token}", digest, str(len(layer)),
            f"{tmp_path}/ztoc", *_NAMES,
        )
    )  # fmt: skip
    assert told["files"] == {name: sums[name] for name in _NAMES}
    _judge(scene, before, told["asked"], len(layer))


async def test_podman_with_zstd_chunked(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Of a second image podman fetches the files that the first one had not."""
    token, folder = await scene.registry.user("alice"), tmp_path_factory.mktemp("p")  # podman takes no long path
    for tag, other in (("v1", 0), ("v2", 100)):
        _image(folder / tag, {number: number + (other if number in _CHANGED else 0) for number in range(40)})
        await _run(
            "skopeo", "copy", "--dest-tls-verify=false", "--dest-creds", f"alice:{token}", "--dest-compress-format",
            "zstd:chunked", f"oci:{folder}/{tag}", f"docker://{scene.host}/alice/app:{tag}",
        )  # fmt: skip
    (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
    storage = {"CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}
    pull = ("podman", "pull", "--quiet", "--tls-verify=false", "--creds", f"alice:{token}")
    try:
        await _run(*pull, f"{scene.host}/alice/app:v1", env=storage)
        before = scene.down
        for line in scene.lines:
            line.ranges.clear()
        await _run(*pull, f"{scene.host}/alice/app:v2", env=storage)
        asked = sum(_length(one) for line in scene.lines[:1] for ranges in line.ranges for one in ranges.split(","))
        assert any("," in ranges for ranges in scene.lines[0].ranges), "it has asked for several ranges at once"
        _judge(scene, before, asked, 40 * 100_000)
        mounted = (await _run("podman", "image", "mount", f"{scene.host}/alice/app:v2", env=storage)).decode().strip()
        for number in (3, *_CHANGED):
            data = (Path(mounted) / f"{number:02}.bin").read_bytes()
            assert data == noise(100_000, number + 100 if number in _CHANGED else number)
    finally:
        await _run("podman", "image", "unmount", "--all", env=storage)
        await _run("podman", "rmi", "--all", "--force", env=storage)


_CHANGED: Final = (7, 20, 33)
_STORAGE: Final = """[storage]
driver = "overlay"
graphroot = "{folder}/root"
runroot = "{folder}/run"
[storage.options]
pull_options = {{enable_partial_images = "true"}}
"""


def _length(span: str) -> int:
    first, last = map(int, span.split("-"))
    return last - first + 1


def _image(folder: Path, seeds: Mapping[int, int]) -> None:
    """Write an OCI layout with one layer, a tar file of a file for each of ``seeds``."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as layer:
        for number, seed in seeds.items():
            entry = tarfile.TarInfo(f"{number:02}.bin")
            entry.size = 100_000
            layer.addfile(entry, io.BytesIO(noise(100_000, seed)))

    def put(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    kind = "application/vnd.oci.image"
    layers = [put(tar.getvalue(), f"{kind}.layer.v1.tar")]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layers[0]["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": put(orjson.dumps(config), f"{kind}.config.v1+json"),
        "layers": layers,
    }
    (folder / "index.json").write_bytes(
        orjson.dumps({"schemaVersion": 2, "manifests": [put(orjson.dumps(manifest), f"{kind}.manifest.v1+json")]})
    )
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _judge(scene: Scene, before: Sequence[int], asked: int, size: int) -> None:
    """Compare what came over each line, with all heads and what was not of the layer, to what was asked for."""
    front, s3 = (now - then for now, then in zip(scene.down, before, strict=True))
    print(f"asked {asked} bytes of {size}; from the registry {front}, from S3 {s3}")  # noqa: T201 - it is what is shown
    assert asked < 0.8 * size
    assert max(front, s3) <= _MOST * asked
    assert min(front, s3) < 0.1 * asked or s3 <= _MOST * asked
