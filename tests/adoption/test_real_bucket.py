"""A bucket that distribution 3.1.1 wrote for real clients, taken over where it is; `make adoption` runs it.

Two hundred images on versitygw, with signatures, deletes and uploads that were never finished.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import pytest

from storage.objects.base import ObjectKey, ObjectStore
from storage.objects.s3.store import S3Settings
from tests.adoption.programs import buildkit, containerd
from tests.conftest import Table
from tests.docs.operated import over_bucket
from tests.scenarios.conftest import engine as engine  # noqa: PLC0414 - the fixture
from tests.stores.servers import started
from tests.support.counting import counting
from tests.support.docker_engine import Engine
from tests.support.images import Size, layout
from tests.support.noting import noted
from tests.support.processes import measured
from tests.support.server import Registry, basic, running
from tests.support.shelved import collect

pytestmark = [pytest.mark.adoption, pytest.mark.timeout(3600)]
_HERE: Final = Path(__file__).parent
_LAYOUTS: Final = 170
_LAYER: Final = 30_000
_BIG: Final = 12 << 20
_CLIENTS: Final = ("skopeo", "crane", "oras", "regctl", "podman", "docker", "ctr", "buildx")
#: Rows of the database at which a run is killed.
_KILLED: Final = (
    ("adopted_blobs", 0),
    ("packages", 0),
    ("manifests", 0),
    ("manifests", 60),
    ("tags", 120),
    ("tags", 180),
)
_TAG: Final = re.compile(r"docker/registry/v2/repositories/(?P<name>.+)/_manifests/tags/(?P<tag>[^/]+)/current/link")
_ACCEPT: Final = {
    "Accept": ", ".join(
        f"application/vnd.{kind}+json"
        for kind in (
            "oci.image.manifest.v1", "oci.image.index.v1",
            "docker.distribution.manifest.v2", "docker.distribution.manifest.list.v2",
        )
    )
}  # fmt: skip


@pytest.fixture
def bucket(env: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a registry over a bucket of versitygw; pulls are redirected to it, as they are without a setting."""
    folder = tmp_path / "s3"
    folder.mkdir()
    with started("versitygw", folder) as s3:
        assert isinstance(s3, S3Settings)
        assert s3.credentials is not None
        given = {"MOORAGE_S3_ENDPOINT": str(s3.endpoint), "MOORAGE_S3_BUCKET": s3.bucket}
        keys = {"AWS_ACCESS_KEY_ID": s3.credentials.access_key, "AWS_SECRET_ACCESS_KEY": s3.credentials.secret_key}
        yield {name: value for name, value in env.items() if name != "MOORAGE_REDIRECT"} | given | keys


@dataclass(frozen=True)
class Old:
    """What a registry told of itself: the digest of each tag, by «name:tag»."""

    http: aiohttp.ClientSession
    host: str

    async def manifest(self, name: str, reference: str) -> tuple[str, bytes] | None:
        """The digest and the bytes of a manifest; None: it has none."""
        url = f"http://{self.host}/v2/{name}/manifests/{reference}"
        async with self.http.get(url, headers=_ACCEPT) as answer:
            if answer.status != 200:
                return None
            return answer.headers["Docker-Content-Digest"], await answer.read()

    async def tags(self, store: ObjectStore) -> dict[tuple[str, str], str]:
        """The digests of all tags, found by their keys: on S3, its list lacks v10 where there is v1."""
        found = {}
        async for one in store.scan("docker/registry/v2/repositories/"):
            match = _TAG.fullmatch(one.key)
            if match is not None:
                there = await self.manifest(match["name"], match["tag"])
                assert there is not None, one.key
                found[match["name"], match["tag"]] = there[0]
        return found


async def _shell(argv: list[str], env: Mapping[str, str], folder: Path, given: str = "", status: int | None = 0) -> str:
    """Run a program with a home of its own; what it printed."""
    child = await asyncio.create_subprocess_exec(
        *argv, cwd=folder, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, env={"PATH": os.pathsep.join(os.get_exec_path()), "HOME": str(folder), **env},
    )  # fmt: skip
    printed, _ = await child.communicate(given.encode())
    assert status is None or child.returncode == status, printed.decode()[-3000:]
    return printed.decode()


async def _adopt(env: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    words = ["-m", "registry", "adopt", "--json", "--default-owner", "library", "--create-owners", "mover", *arguments]
    child = await asyncio.create_subprocess_exec(
        sys.executable, *words, env={"PATH": os.defpath, **measured(), **env}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()
    assert child.returncode == 0, (out[-2000:], err[-2000:])
    report: dict[str, Any] = orjson.loads(out)
    return report


async def _kill(registry: Registry, env: Mapping[str, str], rows: str, there: int) -> int:
    """Kill a run once the table ``rows`` has more rows than ``there``; how many it has then."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", "adopt", "--default-owner", "library", "--create-owners", "mover",
        env={"PATH": os.defpath, **measured(), **env},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    count = 0
    while count <= there:
        assert child.returncode is None, f"it ended before there were {there} {rows}"
        count = (await registry.services.db.fetch(f"SELECT count(*) FROM {rows}"))[0][0]
    child.kill()
    await child.wait()
    return count


async def _write(old: str, engine: Engine, folder: Path) -> None:
    """Have real clients fill the old registry, and one be killed in the middle of a layer."""
    layouts = folder / "layouts"
    layouts.mkdir(parents=True)
    for number in range(_LAYOUTS):
        await asyncio.to_thread(layout, layouts / str(number), Size(3, _LAYER))
    building = folder / "buildkit"
    building.mkdir()
    with buildkit(building, old) as address:
        given = {"OLD": old, "LAYOUTS": str(_LAYOUTS), "DOCKER_HOST": engine.socket, "BUILDKIT": address}
        await _shell(["bash", str(_HERE / "write.sh")], given, folder)
    await asyncio.to_thread(layout, folder / "big", Size(1, _BIG))
    async with counting(old) as line:
        line.hold_at(_BIG // 2)
        child = await asyncio.create_subprocess_exec(
            "skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{folder}/big:image",
            f"docker://{line.host}/team/app:half", stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(60):
            await line.held.wait()
        child.kill()
        await child.wait()
        line.cut()


def _new_name(name: str) -> str:
    return name if "/" in name else f"library/{name}"


@asynccontextmanager
async def _clients(registry: Registry, host: str, folder: Path) -> AsyncIterator[dict[str, str]]:
    """The environment of clients that are logged in."""
    token = await registry.token("mover")
    auth = basic(token, "mover")["Authorization"].removeprefix("Basic ")
    address = folder / "containerd"
    address.mkdir(parents=True)
    (folder / "config.json").write_bytes(orjson.dumps({"auths": {host: {"auth": auth}}}))
    with containerd(address) as socket:
        yield {
            "DOCKER_CONFIG": str(folder), "REGISTRY_AUTH_FILE": str(folder / "config.json"),
            "LOGIN": f"mover:{token}", "CONTAINERD": socket,
        }  # fmt: skip


async def _pull_all(
    host: str, tags: Mapping[tuple[str, str], str], engine: Engine, env: Mapping[str, str], folder: Path, table: Table
) -> None:
    """Every client pulls every image, by tag and by digest."""
    images = {key: digest for key, digest in tags.items() if not key[1].startswith("sha256-")}
    lines = [f"{host}/{_new_name(name)}:{tag}" for name, tag in images]
    lines += sorted({f"{host}/{_new_name(name)}@{digest}" for (name, _), digest in images.items()})
    table("Images pulled", f"{len(images)} tags, {len(lines) - len(images)} digests")
    more = {**env, "DOCKER_HOST": engine.socket}

    async def pull(client: str) -> str:
        home = folder / client
        home.mkdir()
        if client == "regctl":
            await _shell(["regctl", "registry", "set", "--tls", "disabled", host], more, home)
        if client == "buildx":
            (home / "config.toml").write_text(f'[registry."{host}"]\nhttp = true\n')
        return await _shell(["bash", str(_HERE / "pull.sh"), client], more, home, "\n".join(lines) + "\n", None)

    said = await asyncio.gather(*map(pull, _CLIENTS))
    for one in said:
        table("Images pulled", one.strip().rpartition("\n")[2])
    assert not [line for one in said for line in one.splitlines() if line.startswith("FAILED")]


async def _signatures(host: str, folder: Path, env: Mapping[str, str]) -> None:
    """cosign verifies what was signed before the move, both ways."""
    verify = "cosign verify --key cosign.pub --insecure-ignore-tlog=true --allow-http-registry"
    attested = (
        "cosign verify-attestation --key cosign.pub --insecure-ignore-tlog=true --allow-http-registry --type spdxjson"
    )
    script = f"""
    set -eu
    for n in $(seq 8); do
      {verify} --new-bundle-format=false {host}/team/app:v$n
      {verify} {host}/bx/app:v$n
      {attested} {host}/bx/app:v$n
      oras discover --plain-http --format json {host}/team/app:v$n | grep application/spdx+json
    done
    """
    await _shell(["bash", "-c", script], env, folder)


async def _referrers(registry: Registry, old: Old, tags: Mapping[tuple[str, str], str], token: str) -> int:
    """Compare the referrers API with each fallback tag of the old registry; how many referrers there are."""
    count = 0
    for name, tag in tags:
        if not tag.startswith("sha256-") or "." in tag:
            continue
        there = await old.manifest(name, tag)
        assert there is not None
        wanted = {one["digest"] for one in orjson.loads(there[1])["manifests"]}
        listed = await registry.call("GET", f"/v2/{_new_name(name)}/referrers/{tag.replace('-', ':')}", token)
        assert {one["digest"] for one in orjson.loads(listed.body)["manifests"]} == wanted, (name, tag)
        count += len(wanted)
    return count


async def test_every_image_of_a_real_bucket_pulls(
    bucket: dict[str, str], engine: Engine, tmp_path: Path, table: Table
) -> None:
    async with running(bucket) as registry, over_bucket(bucket, tmp_path) as host:
        await registry.user("mover")
        writing = tmp_path / "writing"
        await _write(host, engine, writing)
        old = Old(registry.http, host)
        store = registry.services.stores
        tags = await old.tags(store)
        sizes = {found.key: found.size async for found in store.scan("docker/")}
        head = "A bucket of distribution 3.1.1"
        table(head, f"{len(tags)} tags; {len(sizes)} objects of {sum(sizes.values())} bytes")
        assert sum(not tag.startswith("sha256-") for _, tag in tags) >= 200

        for rows, there in _KILLED:
            table(head, f"killed with {await _kill(registry, bucket, rows, there)} {rows}")
        async with noted(bucket["MOORAGE_S3_ENDPOINT"]) as (proxy, endpoint):
            report = await _adopt({**bucket, "MOORAGE_S3_ENDPOINT": endpoint})
            _told(table, head, "adopted", report, proxy.requests, proxy.received, sizes)
            proxy.requests.clear()
            proxy.received = 0
            again = await _adopt({**bucket, "MOORAGE_S3_ENDPOINT": endpoint})
            _told(table, head, "again", again, proxy.requests, proxy.received, sizes)
        assert (again["manifests"], again["tags"], again["findings"]) == (0, 0, [])

        token = await registry.token("mover")
        new = registry.url.removeprefix("http://")
        for name, reference in {*tags, *((name, digest) for (name, _), digest in tags.items())}:
            path = f"/v2/{_new_name(name)}/manifests/{reference}"
            answer = await registry.call("GET", path, token, headers=_ACCEPT)
            assert (answer.headers["Docker-Content-Digest"], answer.body) == await old.manifest(name, reference), path
        table(head, f"{await _referrers(registry, old, tags, token)} referrers by the API")
        async with _clients(registry, new, tmp_path / "home") as env:
            await _signatures(new, writing, env)
            await _pull_all(new, tags, engine, env, tmp_path / "home", table)
        await collect(registry)
        assert {found.key async for found in store.scan("docker/")} == sizes.keys()
        assert await old.tags(store) == tags


def _told(
    table: Table, head: str, what: str, report: Mapping[str, Any], requests: list[str], received: int,
    sizes: Mapping[ObjectKey, int],
) -> None:  # fmt: skip
    """Tell what a run read; it read no layer, and wrote nothing."""
    paths = [line.partition("docker/registry/v2/blobs/")[2].partition("?")[0] for line in requests if "/data" in line]
    read = [sizes[ObjectKey(f"docker/registry/v2/blobs/{path}")] for path in paths]
    assert not [line for line in requests if not line.startswith("GET ")]
    assert max(read, default=0) < _LAYER
    table(
        head,
        f"{what}: {report['manifests']} manifests, {report['known']} known, {report['tags']} tags, "
        f"{len(report['findings'])} findings; {len(requests)} requests, {received} bytes came, "
        f"{sum(read)} of them manifests and configs",
    )
