"""Bundles of images as others write them, compressed, in directories, in parts, and as nobody should."""

import asyncio
import gzip
import io
import sys
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.commands import Shell
from tests.cli.hostile import CONFIG, IMAGE, LAYER, MANIFEST, descriptor, sha256
from tests.cli.test_copy import image, other, sign_in, there
from tests.support.server import Registry

__all__ = ["other"]
_NAME = "io.containerd.image.name"
_REF = "org.opencontainers.image.ref.name"


def _entry(**annotations: str) -> dict[str, Any]:
    return {**descriptor(IMAGE, MANIFEST), "annotations": annotations}


def _blobs(*bodies: bytes) -> dict[str, bytes]:
    return {f"blobs/sha256/{sha256(one)[7:]}": one for one in bodies}


def _index(*entries: dict[str, Any]) -> dict[str, bytes]:
    return {"index.json": orjson.dumps({"schemaVersion": 2, "manifests": list(entries)})}


def _tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, body in members.items():
            found = tarfile.TarInfo(name)
            found.size = len(body)
            tar.addfile(found, io.BytesIO(body))
    return path


_HONEST = {**_index(_entry(**{_NAME: "docker.io/library/app:v1"})), **_blobs(CONFIG, LAYER, IMAGE)}


async def _taken(shell: Shell, path: Path, *more: str, name: str = "app", tag: str = "v1") -> None:
    done = await shell.ok("import", str(path), "--to", f"{shell.host}/alice", *more)
    assert f"/alice/{name}:{tag}@{sha256(IMAGE)}" in done.out


async def test_bundles_of_others_are_taken(shell: Shell, tmp_path: Path) -> None:
    """As docker, podman, skopeo and oras write them, in any order of the members."""
    await sign_in(shell, shell.registry, "alice")
    await _taken(shell, _tar(tmp_path / "docker.tar", _HONEST))
    turned = dict(reversed(_HONEST.items()))
    turned |= _index(_entry(**{_REF: "registry.example.com/team/podman:v2"}))
    await _taken(shell, _tar(tmp_path / "podman.tar", turned), name="podman", tag="v2")
    bare = _tar(tmp_path / "skopeo.tar", {**_HONEST, **_index(_entry(**{_REF: "v3"}))})
    said = await shell.fails(2, "import", str(bare), "--to", f"{shell.host}/alice")
    assert "has no name" in said
    assert "--as NAME" in said
    await _taken(shell, bare, "--as", "skopeo", name="skopeo", tag="v3")
    nameless = _tar(tmp_path / "nameless.tar", {**_HONEST, **_index(_entry())})
    await shell.fails(2, "import", str(nameless), "--to", f"{shell.host}/alice")
    await _taken(shell, nameless, "--as", "tools/oras", name="tools/oras", tag="latest")
    packed = tmp_path / "packed.tar.gz"
    packed.write_bytes(gzip.compress(_tar(tmp_path / "plain.tar", _HONEST).read_bytes()))
    await shell.ok("delete", "alice/app", "--yes")
    await _taken(shell, packed)
    with tarfile.open(tmp_path / "plain.tar") as tar:
        tar.extractall(tmp_path / "folder", filter="data")
    await shell.ok("delete", "alice/app", "--yes")
    await _taken(shell, tmp_path / "folder")


async def test_what_is_new_alone_goes_over_the_gap(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    target = other.url.removeprefix("http://")
    await image(shell.registry, alice)
    await shell.ok("export", "alice/app:v1", "-o", f"{shell.home}/first.tar")
    second = await shell.registry.push_image("alice/app", "v2", alice, layers=3, size=200_000)
    words = ("export", "alice/app:v1", "alice/app:v2", "-o", f"{shell.home}/second.tar")
    assert "left out" in (await shell.ok(*words, "--have", f"{shell.home}/first.tar")).err
    early = await shell.run("import", f"{shell.home}/second.tar", "--to", f"{target}/bob")
    assert early.status == 8
    assert "import the files first that it was written beside, with --have" in early.err
    assert (await other.call("GET", "/v2/bob/app/manifests/v1", bob)).status == 404
    for name in ("first", "second"):
        await shell.ok("import", f"{shell.home}/{name}.tar", "--to", f"{target}/bob")
    await there(other, "bob/app", "v1", bob)
    await there(other, "bob/app", second, bob)


async def test_an_image_without_a_tag(shell: Shell, other: Registry) -> None:
    """Exported by digest it has its name all the same, and comes without a tag."""
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    index, signature, _ = await image(shell.registry, alice)
    target = other.url.removeprefix("http://")
    await shell.ok("export", f"alice/app@{index}", "-o", f"{shell.home}/x.tar")
    done = await shell.ok("import", f"{shell.home}/x.tar", "--to", f"{target}/bob")
    assert done.out.splitlines()[0] == f"{target}/bob/app@{index}"
    await there(other, "bob/app", signature, bob)
    assert (await other.call("GET", "/v2/bob/app/manifests/latest", bob)).status == 404


async def test_a_directory_is_written_and_gone_on_with(shell: Shell, other: Registry) -> None:
    alice, bob = await sign_in(shell, shell.registry, "alice"), await sign_in(shell, other, "bob")
    index, signature, more = await image(shell.registry, alice)
    folder = shell.home / "layout"
    await shell.ok("export", "alice/app:v1", "-o", f"{folder}/")
    before = {one: one.stat().st_mtime_ns for one in folder.rglob("blobs/*/*")}
    next(iter(before)).unlink()
    await shell.ok("export", "alice/app:v1", "-o", str(folder))
    after = {one: one.stat().st_mtime_ns for one in folder.rglob("blobs/*/*")}
    assert before.keys() == after.keys()
    assert sum(before[one] != after[one] for one in before) == 1
    target = other.url.removeprefix("http://")
    await shell.ok("import", str(folder), "--to", f"{target}/bob")
    for digest in (index, signature, *more):
        await there(other, "bob/app", digest, bob)


_DEEP = b"[" * 200_000
_BROKEN: dict[str, dict[str, bytes]] = {
    "absolute": {f"/{name}": body for name, body in _HONEST.items()},
    "above": {f"../{name}": body for name, body in _HONEST.items()},
    "no index": _blobs(CONFIG, LAYER, IMAGE),
    "deep": {**_HONEST, "index.json": _DEEP},
    "no JSON": {**_HONEST, "index.json": b"<html>"},
    "a path for a digest": {**_HONEST, **_index({**_entry(), "digest": "sha256:../../../../etc/passwd"})},
    "large": {**_HONEST, "index.json": b" " * (33 << 20)},
    "a name that is none": {**_HONEST, **_index(_entry(**{_NAME: "../../etc:v1"}))},
    "a name of text": {**_HONEST, **_index({**_entry(), "annotations": {_NAME: 5}})},
    "nothing": {},
}


@pytest.mark.parametrize("members", _BROKEN.values(), ids=_BROKEN)
async def test_a_bundle_that_is_none(shell: Shell, tmp_path: Path, members: dict[str, bytes]) -> None:
    await sign_in(shell, shell.registry, "alice")
    done = await shell.run("import", str(_tar(tmp_path / "x.tar", members)), "--to", f"{shell.host}/alice")
    assert done.status in {2, 8}, done
    assert "Traceback" not in done.err
    assert done.out == ""


async def test_a_bundle_that_is_cut_or_lies(shell: Shell, tmp_path: Path) -> None:
    alice = await sign_in(shell, shell.registry, "alice")
    whole = _tar(tmp_path / "whole.tar", _HONEST).read_bytes()
    links = tmp_path / "links.tar"
    with tarfile.open(links, "w") as tar:
        for name in _HONEST:
            found = tarfile.TarInfo(name)
            found.type, found.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(found)
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    packed = gzip.compress(whole)
    for number, body in enumerate(
        [whole[:2000], whole[:700], links.read_bytes(), header.tobuf(), packed[:-30], packed[:100], b"\x28\xb5\x2f\xfd"]
    ):
        path = tmp_path / f"cut{number}.tar"
        path.write_bytes(body)
        said = await shell.fails(2, "import", str(path), "--to", f"{shell.host}/alice")
        assert "is no OCI layout" in said or "is compressed by zstd" in said
    for name, lies in {
        "other": {**_HONEST, **{one: b"x" * len(LAYER) for one in _blobs(LAYER)}},
        "short": {**_HONEST, **dict.fromkeys(_blobs(LAYER), LAYER[:-1])},
        "missing": {one: body for one, body in _HONEST.items() if one not in _blobs(LAYER)},
        "no manifest": {one: body for one, body in _HONEST.items() if one not in _blobs(IMAGE)},
        "another manifest": {**_HONEST, **dict.fromkeys(_blobs(IMAGE), CONFIG)},
    }.items():
        done = await shell.run("import", str(_tar(tmp_path / "lies.tar", lies)), "--to", f"{shell.host}/alice")
        assert (done.status, done.out) == (8, ""), (name, done)
        assert "did not come" in done.err
        assert "Traceback" not in done.err
    got = await shell.registry.call("GET", "/v2/alice/app/tags/list", alice)
    assert got.status == 404 or not got.json["tags"]  # type: ignore[index]


async def test_a_disk_that_is_full(shell: Shell) -> None:
    """No file may have more than 100 KiB: as on a full disk, nothing is left behind, and the network is not blamed."""
    alice = await sign_in(shell, shell.registry, "alice")
    await shell.registry.push_image("alice/app", "v1", alice, layers=2, size=300_000)
    for output in ("x.tar", "folder/"):
        child = await asyncio.create_subprocess_exec(
            "sh", "-c", f"ulimit -f 200; exec {sys.executable} -m registry export alice/app:v1 -o {shell.home}/{output}",
            env=shell._environment, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, err = await child.communicate()
        assert child.returncode == 2, err
        assert b"cannot write" in err
        assert b"file too large" in err
        assert b"reach" not in err
    assert not list(shell.home.glob("x.tar*"))
    assert not (shell.home / "folder" / "index.json").exists()
    assert not list(shell.home.rglob("*.part"))
