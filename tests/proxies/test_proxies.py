"""The configurations of docs/operate/proxies.md, as they stand in the folder beside it, in front of three replicas.

``make proxies`` runs those whose program is installed.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import pytest

from registry.devservers.certificates import write_certificate
from registry.devservers.processes import free_ports
from tests.proxies.programs import proxy
from tests.support.doctor import doctor, lines
from tests.support.raw import Wire
from tests.support.server import Registry, basic, running

pytestmark = [pytest.mark.proxies, pytest.mark.timeout(120)]

_MIB: Final = 1 << 20
PROGRAMS: Final = ("nginx", "haproxy", "apache2", "caddy", "traefik", "envoy")


@asynccontextmanager
async def _proxied(
    program: str, env: dict[str, str], folder: Path, *, days: int = 1, without: str = ""
) -> AsyncIterator[Registry]:
    """Three replicas behind the proxy; the client of the registry that is yielded asks the proxy only.

    ``days``: how long its certificate is good. ``without``: a line that its configuration lacks.
    """
    files = write_certificate(folder, datetime.now(UTC) + timedelta(days=days))
    tls, (port,) = ssl.create_default_context(cafile=files.certificate), free_ports(1)
    async with (
        running({**env, "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}, replicas=3) as registry,
        aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(ssl=tls)) as client,
        proxy(program, port, [urlsplit(url).netloc for url in registry.urls], folder, without) as process,
    ):
        url = f"https://127.0.0.1:{port}"
        async with asyncio.timeout(30):
            while not await _ready(client, url):
                assert process.returncode is None, f"{program} has ended"
                await asyncio.sleep(0.1)
        yield Registry([url], registry.replicas, client, routers=registry.routers)


async def _ready(client: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with client.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_documented_proxy_lets_all_pass(program: str, env: dict[str, str], tmp_path: Path) -> None:
    async with _proxied(program, env, tmp_path) as registry:
        told = (await registry.call("GET", "/v2/")).headers["WWW-Authenticate"]
        assert f'realm="{registry.url}/token"' in told
        token = await registry.user("alice", ["user", "read:packages", "write:packages", "delete:packages"])
        await _pushed_and_pulled(registry, token)
        await _names_and_pages(registry, token)
        await _cut(registry, token, tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_the_doctor_finds_a_documented_proxy_right(program: str, env: dict[str, str], tmp_path: Path) -> None:
    async with _proxied(program, env, tmp_path, days=90) as registry:
        token, trusting = await registry.user("alice"), {"SSL_CERT_FILE": str(tmp_path / "tls.crt")}
        told = env | trusting | {"MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}
        status, said = await doctor(told, registry.url, "--token-file", "-", sent=token)
        assert (status, lines(said, "✗"), lines(said, "!")) == (0, [], [])


@pytest.mark.parametrize(
    ("without", "sign", "cure"),
    [
        ("client_max_body_size 0;", "✗", "client_max_body_size 0"),
        ("proxy_request_buffering off;", "!", "proxy_request_buffering off"),
        ("proxy_set_header Host $http_host;", "✗", "set MOORAGE_PUBLIC_URL"),
        ("proxy_set_header X-Forwarded-Proto $scheme;", "✗", "MOORAGE_TRUSTED_PROXIES"),
    ],
)
async def test_the_doctor_finds_what_nginx_lacks(
    without: str, sign: str, cure: str, env: dict[str, str], tmp_path: Path
) -> None:
    async with _proxied("nginx", env, tmp_path, days=90, without=without) as registry:
        told = env | {"SSL_CERT_FILE": str(tmp_path / "tls.crt"), "MOORAGE_TRUSTED_PROXIES": "127.0.0.0/8"}
        _, said = await doctor(told, registry.url)
        (found,) = lines(said, "✗") + lines(said, "!")
        assert found.startswith(sign)
        assert cure in found


async def _pushed_and_pulled(registry: Registry, token: str) -> None:
    await registry.push_image("alice/team/app", "v1", token, size=3 * _MIB)
    manifest = await registry.call("GET", "/v2/alice/team/app/manifests/v1", token, headers={"Accept-Encoding": "gzip"})
    digest = manifest.headers["Docker-Content-Digest"]
    assert (manifest.status, manifest.headers["ETag"]) == (200, f'"{digest}"')
    assert "Content-Encoding" not in manifest.headers
    head = await registry.call("HEAD", "/v2/alice/team/app/manifests/v1", token, headers={"Accept-Encoding": "gzip"})
    assert head.headers["Content-Length"] == str(len(manifest.body))
    unchanged = {"If-None-Match": manifest.headers["ETag"]}
    assert (
        await registry.call("GET", f"/v2/alice/team/app/manifests/{digest}", token, headers=unchanged)
    ).status == 304
    layer = manifest.json["layers"][0]["digest"]  # type: ignore[index]
    path = f"/v2/alice/team/app/blobs/{layer}"
    whole = await registry.call("GET", path, token)
    assert len(whole.body) == 3 * _MIB
    part = await registry.call("GET", path, token, headers={"Range": "bytes=1048576-1048585"})
    assert (part.status, part.body) == (206, whole.body[_MIB : _MIB + 10])


async def _names_and_pages(registry: Registry, token: str) -> None:
    await registry.push_image("alice/other", "v1", token)
    found = await registry.call("GET", "/api/v3/users/alice/packages/container/team%2Fapp", token)
    assert (found.status, found.json["name"]) == (200, "team/app")  # type: ignore[index]
    assert found.json["url"].startswith(f"{registry.url}/api/v3/")  # type: ignore[index]
    page = await registry.call("GET", "/api/v3/user/packages?package_type=container&per_page=1", token)
    assert f"<{registry.url}/api/v3/user/packages?" in page.headers["Link"]


async def _cut(registry: Registry, token: str, folder: Path) -> None:
    """An upload that its client leaves keeps what had come."""
    started = await registry.call("POST", "/v2/alice/cut/blobs/uploads/", token)
    path = urlsplit(started.headers["Location"]).path
    wire = await Wire.open(registry.url, ssl.create_default_context(cafile=folder / "tls.crt"))
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: {urlsplit(registry.url).netloc}\r\nContent-Length: {8 * _MIB}\r\n"
        f"Content-Type: application/octet-stream\r\nAuthorization: {basic(token)['Authorization']}\r\n\r\n"
    )
    await wire.send(head.encode() + bytes(5 * _MIB))
    await asyncio.sleep(1)
    await wire.close()
    offset = 0
    for _ in range(100):
        if offset := await _offset(registry, path, token):
            break
        await asyncio.sleep(0.2)
    assert offset > 4 * _MIB


async def _offset(registry: Registry, path: str, token: str) -> int:
    told = (await registry.call("GET", path, token)).headers["Range"]
    return int(told.partition("-")[2]) + 1 if told != "0-0" else 0
