"""Images that nobody has, in the forms that clients take."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

_OCI: Final = "application/vnd.oci.image"


@dataclass(frozen=True)
class Size:
    """The layers of an image, and the bytes of each."""

    layers: int
    layer_bytes: int


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(files: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _config(digests: Sequence[str]) -> bytes:
    diff_ids = [f"sha256:{digest}" for digest in digests]
    return orjson.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    )


def layout(folder: Path, size: Size) -> int:
    """An OCI layout of random layers, which are compressed, so that nobody compresses them again; its bytes."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    total = 0

    def put(data: bytes, kind: str) -> dict[str, object]:
        nonlocal total
        total += len(data)
        (blobs / _digest(data)).write_bytes(data)
        return {"mediaType": f"{_OCI}.{kind}", "digest": f"sha256:{_digest(data)}", "size": len(data)}

    layers, diffs = [], []
    for number in range(size.layers):
        archive = tar([(f"file{number}", os.urandom(size.layer_bytes))])
        diffs.append(_digest(archive))
        layers.append(put(gzip.compress(archive, 0), "layer.v1.tar+gzip"))
    config = put(_config(diffs), "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json", "config": config, "layers": layers}
    entry = put(orjson.dumps(manifest), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "image"}
    (folder / "index.json").write_bytes(orjson.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return total


def docker_archive(path: Path, name: str, size: Size) -> None:
    """An image of random layers, as `docker load` takes it."""
    tars = [tar([(f"file{number}", os.urandom(size.layer_bytes))]) for number in range(size.layers)]
    config = _config([_digest(data) for data in tars])
    files = [(f"{number}.tar", data) for number, data in enumerate(tars)]
    entry = {"Config": "config.json", "RepoTags": [name], "Layers": [file for file, _ in files]}
    path.write_bytes(tar([*files, ("config.json", config), ("manifest.json", orjson.dumps([entry]))]))
