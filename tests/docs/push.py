"""`push-image NAME:TAG …`: pushes small images as the shell's person, so that a page has something to show.

An image is made of its name alone, so that its digest is the same in each run.
"""

import argparse
import base64
import gzip
import hashlib
import http.client
import json  # noqa: TID251 - a program of its own, which starts at once
import os
import sys
from pathlib import Path
from typing import Any, Final

_OCI: Final = "application/vnd.oci.image."


class Registry:
    """What a client needs of a registry to push."""

    def __init__(self, host: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(host)
        self._basic = "Basic " + base64.b64encode(f"anybody:{token}".encode()).decode()

    def call(self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream") -> Any:
        headers = {"Authorization": self._basic, "Content-Type": kind}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= http.client.BAD_REQUEST:
            sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
        return answer.headers

    def blob(self, name: str, data: bytes, kind: str) -> dict[str, Any]:
        """Pushes a blob; its descriptor."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        location = self.call("POST", f"/v2/{name}/blobs/uploads/")["Location"].partition("/v2/")[2]
        self.call("PUT", f"/v2/{location}{'&' if '?' in location else '?'}digest={digest}", data)
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def manifest(self, name: str, body: dict[str, Any], tag: str = "") -> dict[str, Any]:
        """Pushes a manifest by its digest or a tag; its descriptor."""
        data = json.dumps({"schemaVersion": 2, **body}).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.call("PUT", f"/v2/{name}/manifests/{tag or digest}", data, body["mediaType"])
        return {"mediaType": body["mediaType"], "digest": digest, "size": len(data)}


def _image(registry: Registry, name: str, given: argparse.Namespace, architecture: str, seed: str) -> dict[str, Any]:
    layer = b"".join(
        hashlib.sha256(f"{seed} {architecture} {number}".encode()).digest() for number in range(given.kib * 32)
    )
    labels = dict(one.split("=", 1) for one in given.label)
    config = {
        "architecture": architecture, "os": "linux", "created": "2026-10-05T08:00:00Z", "config": {"Labels": labels},
        "history": [{"created": "2026-10-05T08:00:00Z", "created_by": "COPY shop /app/shop"}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }  # fmt: skip
    return {
        "mediaType": _OCI + "manifest.v1+json",
        "config": registry.blob(name, json.dumps(config).encode(), _OCI + "config.v1+json"),
        "layers": [registry.blob(name, gzip.compress(layer, mtime=0), _OCI + "layer.v1.tar+gzip")],
    }


def _push(registry: Registry, given: argparse.Namespace, reference: str) -> None:
    name, _, tag = reference.partition(":")
    architectures = given.platforms.split(",")
    if len(architectures) == 1:
        pushed = registry.manifest(name, _image(registry, name, given, architectures[0], reference), tag)
    else:
        children = [
            {
                **registry.manifest(name, _image(registry, name, given, one, reference)),
                "platform": {"os": "linux", "architecture": one},
            }
            for one in architectures
        ]
        pushed = registry.manifest(name, {"mediaType": _OCI + "index.v1+json", "manifests": children}, tag)
    if given.signed:
        kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
        empty = registry.blob(name, b"{}", "application/vnd.oci.empty.v1+json")
        body = {
            "mediaType": _OCI + "manifest.v1+json",
            "artifactType": kind,
            "config": empty,
            "layers": [empty],
            "subject": pushed,
        }
        registry.manifest(name, body)


def main() -> None:
    parser = argparse.ArgumentParser(prog="push-image")
    parser.add_argument("references", nargs="+", metavar="NAME:TAG")
    parser.add_argument("--token", default=".moorage/admin-token", help="the file of the token")
    parser.add_argument("--platforms", default="amd64")
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--kib", type=int, default=4, help="of its layer")
    parser.add_argument("--signed", action="store_true")
    given = parser.parse_args()
    registry = Registry(os.environ["MOORAGE_PAGE_HOST"], Path(given.token).read_text().strip())  # noqa: TID251
    for reference in given.references:
        _push(registry, given, reference)


if __name__ == "__main__":
    main()
