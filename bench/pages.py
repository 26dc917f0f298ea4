"""Sizes and times of pages against their budget, of a package of 10,000 versions and 500 tags, and of 500,000 tags.

    python -m bench.pages [--requests 40] [--against CHECKOUT]

``--against``: a checkout of a release whose process serves no page; its memory is what ours is compared with.
Exits 1 where a page takes more statements, time or bytes than it may.
"""

import argparse
import asyncio
import gzip
import hashlib
import http.client
import re
import socket
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson

from bench.deployment import ROOT, USER, Deployment, deployed
from registry.app import answering, open_services
from registry.config import Settings
from tests.support.statements import counted

_STATEMENTS: Final = 3
_MILLISECONDS: Final = 100.0
_RAW_BYTES: Final = 30_000
_GZIP_BYTES: Final = 8_000
_ASSET_BYTES: Final = {"style.css": 5_000, "script.js": 4_000}
_FIRST_VISIT: Final = 4
_BIG, _MANY = f"{USER}/big", f"{USER}/many"
_IMAGE: Final = "application/vnd.oci.image.manifest.v1+json"
_FILL: Final = (
    "UPDATE packages SET visibility = 'public'",
    (
        "INSERT INTO manifests (package_id, digest, media_type, size, body, platforms, image_size, created_at)"
        " SELECT package_id, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), media_type, size, body,"
        " ARRAY['linux/amd64', 'linux/arm64'], 26300000, now() - n * interval '1 minute'"
        " FROM manifests JOIN packages ON packages.id = package_id, generate_series(1, 9999) n WHERE name = 'big'"
    ),
    (
        "INSERT INTO tags (package_id, name, digest, updated_at)"
        " SELECT id, 'v1.0.' || n, 'sha256:' || encode(sha256(n::text::bytea), 'hex'), now() - n * interval '1 minute'"
        " FROM packages, generate_series(1, 499) n WHERE name = 'big'"
    ),
    (
        "INSERT INTO tags (package_id, name, digest, updated_at)"
        " SELECT package_id, 'build-' || n, digest, now() - n * interval '1 second'"
        " FROM tags JOIN packages ON packages.id = package_id, generate_series(1, 499999) n"
        " WHERE packages.name = 'many'"
    ),
    "ANALYZE",
)


@dataclass(frozen=True)
class Figures:
    """Of one page: the median and the longest of its times, and its bytes."""

    path: str
    statements: int
    median: float
    longest: float
    raw: int
    packed: int

    @property
    def holds(self) -> bool:
        """Whether the page keeps the budget."""
        small = self.raw <= _RAW_BYTES and self.packed <= _GZIP_BYTES
        return small and self.statements <= _STATEMENTS and self.median <= _MILLISECONDS


def paths() -> list[str]:
    """The pages that are measured."""
    digest = "sha256:" + hashlib.sha256(b"7").hexdigest()
    big, many = f"/{_BIG}", f"/{_MANY}"
    of_tags = ["", "/-/tags", "/-/tags?sort=name"]
    return [
        *("/", "/explore", "/search?q=big", f"/{USER}"),
        *(
            f"{big}{below}"
            for below in (*of_tags, "/-/tags?q=v1.0.4", "/-/versions", "/-/versions?show=all", ":v1.0.7")
        ),
        f"{big}@{digest}/-/manifest",
        *(f"{many}{below}" for below in (*of_tags, "/-/tags?q=build-4999", "/-/tags?q=none", ":build-250000")),
    ]


def _push(server: Deployment, name: str) -> None:
    where = urlsplit(server.url).netloc
    client = http.client.HTTPConnection(where, timeout=60)
    credentials = {"Authorization": "Basic " + b64encode(f"{USER}:{server.token}".encode()).decode()}

    def send(method: str, path: str, body: bytes, kind: str) -> None:
        client.request(method, path, body, {**credentials, "Content-Type": kind})
        answer = client.getresponse()
        answer.read()
        if answer.status not in {201, 202}:
            raise SystemExit(f"{method} {path}: {answer.status}")

    def blob(body: bytes, kind: str) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        send("POST", f"/v2/{name}/blobs/uploads/?digest={digest}", body, "application/octet-stream")
        return {"mediaType": kind, "digest": digest, "size": len(body)}

    config = orjson.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    layer = blob(name.encode(), "application/vnd.oci.image.layer.v1.tar+gzip")
    manifest = {"schemaVersion": 2, "mediaType": _IMAGE, "layers": [layer]}
    manifest["config"] = blob(config, "application/vnd.oci.image.config.v1+json")
    send("PUT", f"/v2/{name}/manifests/latest", orjson.dumps(manifest), _IMAGE)
    client.close()


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in _FILL:
        await connection.execute(statement)
    await connection.close()


async def _statements(server: Deployment) -> dict[str, int]:
    """How many statements each page asks, of a server in this process."""
    listener, counts = socket.create_server(("127.0.0.1", 0)), {}
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with (
        open_services(Settings.from_env(server.env), time.time) as services,
        answering(services, listener),
        aiohttp.ClientSession() as client,
    ):
        for path in paths():
            with counted() as found:
                async with client.get(url + path) as answer:
                    await answer.read()
            counts[path] = len(found)
    return counts


def _measured(server: Deployment, path: str, requests: int, statements: int) -> Figures:
    client = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    times, packed = [], b""
    for _ in range(requests):
        started = time.perf_counter()
        client.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = client.getresponse()
        packed = answer.read()
        times.append((time.perf_counter() - started) * 1000)
        if answer.status != http.HTTPStatus.OK:
            raise SystemExit(f"{path}: {answer.status}")
    client.close()
    return Figures(path, statements, statistics.median(times), max(times), len(gzip.decompress(packed)), len(packed))


def _assets(server: Deployment) -> tuple[dict[str, tuple[int, int]], int]:
    """Bytes, raw and compressed, of each asset of a page; and how many requests a first visit is."""
    client = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)

    def read(path: str, coding: str) -> bytes:
        client.request("GET", path, headers={"Accept-Encoding": coding})
        return client.getresponse().read()

    linked = re.findall(rb'(?:href|src)="(/-/assets/[^"]+)"', read(f"/{_BIG}", "identity"))
    found = {}
    for path in (address.decode() for address in linked):
        name = re.sub(r"^.*/(.*)\.[0-9a-f]+(\.\w+)$", r"\1\2", path)
        found[name] = (len(read(path, "identity")), len(read(path, "gzip")))
    client.close()
    return found, 1 + len(linked)


def _kib(pid: int) -> int:
    """PSS of a process and its children, KiB."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    line = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(line[1] if line else 0) + sum(_kib(int(child)) for child in children)


def _warm(server: Deployment) -> None:
    """Reads a manifest, as clients do: what serves no page has served this."""
    _push(server, _BIG)


def _other(checkout: Path) -> int:
    with tempfile.TemporaryDirectory() as place, deployed(Path(place), checkout=checkout) as server:
        _warm(server)
        return _kib(server.pid)


def _print(rows: list[Figures], assets: dict[str, tuple[int, int]], visits: int) -> bool:
    print(f"{'page':44} statements  median ms  longest ms    bytes   gzip")
    for row in rows:
        figures = f"{row.statements:10} {row.median:10.1f} {row.longest:11.1f} {row.raw:8} {row.packed:6}"
        print(f"{row.path[:44]:44} {figures}{'' if row.holds else '  over the budget'}")
    small = {name: packed <= _ASSET_BYTES.get(name, packed) for name, (_, packed) in assets.items()}
    for name, (raw, packed) in sorted(assets.items()):
        print(f"{name:44} {'':33} {raw:8} {packed:6}{'' if small[name] else '  over the budget'}")
    print(f"requests of a first visit: {visits}")
    return all(small.values()) and visits <= _FIRST_VISIT and all(row.holds for row in rows)


def main() -> None:
    """Measure, print, and tell by the exit status whether the budget holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--against", type=Path, help="a checkout to compare the memory with")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, deployed(Path(place), checkout=ROOT) as server:
        _warm(server)
        before = _kib(server.pid)
        _push(server, _MANY)
        asyncio.run(_fill(server.env["MOORAGE_DATABASE_URL"]))
        counts = asyncio.run(_statements(server))
        rows = [_measured(server, path, options.requests, counts[path]) for path in paths()]
        holds = _print(rows, *_assets(server))
        after = _kib(server.pid)
        print(f"PSS of a server before the first page: {before / 1024:.1f} MiB, after these: {after / 1024:.1f} MiB")
    if options.against is not None:
        print(f"PSS of {options.against}, which serves none: {_other(options.against) / 1024:.1f} MiB")
    sys.exit(not holds)


if __name__ == "__main__":
    main()
