"""The configurations of docs/operate/redirects, run by nginx: blobs from a disk and from S3, by secure_link."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest
from aiobotocore.session import AioSession

from registry.devservers.processes import free_ports
from registry.redirects.signing import secure_link_signer
from storage.objects.base import ObjectKey
from tests.proxies.programs import nginx
from tests.support.counting import Line, counting
from tests.support.doctor import doctor, lines
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import noise

pytestmark = [pytest.mark.proxies, pytest.mark.timeout(120)]

_FILES = Path(__file__).parent.parent.parent / "docs" / "operate" / "redirects"
_SECRET = "x1" * 20
_DATA = noise(3_000_000)


@dataclass
class Scene:
    registry: Registry
    env: dict[str, str]
    url: str  # of nginx
    secret: Path
    s3: Line


def _configured(file: str, port: int, **instead: str) -> str:
    """The configuration with the port, and what else is of this machine; without TLS."""
    text = re.sub(r"^ +ssl_.*\n", "", (_FILES / file).read_text(), flags=re.MULTILINE)
    for example, here in {"443 ssl": f"127.0.0.1:{port}", "$uri SECRET": f"$uri {_SECRET}", **instead}.items():
        assert example in text
        text = text.replace(example, here)
    return text


async def _open_bucket(env: dict[str, str]) -> None:
    """Let everybody who reaches the S3 server read, as an operator would let the address of nginx."""
    bucket = env["MOORAGE_S3_BUCKET"]
    read = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/b/*"}
    policy = orjson.dumps({"Version": "2012-10-17", "Statement": [read]}).decode()
    async with AioSession().create_client(
        "s3",
        endpoint_url=env["MOORAGE_S3_ENDPOINT"],
        region_name="us-east-1",
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
    ) as client:
        await client.put_bucket_policy(Bucket=bucket, Policy=policy)


@asynccontextmanager
async def _scene(kind: str, env: dict[str, str], folder: Path) -> AsyncIterator[Scene]:
    (port,), secret = free_ports(1), folder / "secret"
    secret.write_text(_SECRET + "\n")
    rules = [{"to": "secure_link", "url": f"http://127.0.0.1:{port}", "secret_file": str(secret)}]
    env |= {"MOORAGE_REDIRECTS": orjson.dumps(rules).decode()}
    async with counting(urlsplit(env["MOORAGE_S3_ENDPOINT"]).netloc) as s3:
        if kind == "disk":
            (folder / "store").mkdir()
            env = on_disk(env, folder / "store")
            text = _configured("nginx-disk.conf", port, **{"/srv/moorage": str(folder / "store")})
        else:
            text = _configured(
                "nginx-s3.conf",
                port,
                **{
                    "s3.internal:9000/BUCKET": f"{s3.host}/{env['MOORAGE_S3_BUCKET']}",
                    "/var/cache/nginx": str(folder),
                },
            )
        async with running(env) as registry, nginx(text, folder):
            if kind == "S3":
                await _open_bucket(env)
            await _answers(port)
            yield Scene(registry, env, f"http://127.0.0.1:{port}", secret, s3)


async def _answers(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@pytest.fixture(params=["disk", "S3"])
async def scene(env: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    async with _scene(request.param, env, tmp_path) as made:
        yield made


async def _status(http: aiohttp.ClientSession, url: str, method: str = "GET") -> int:
    async with http.request(method, url) as answer:
        await answer.read()
        return answer.status


async def test_nginx_gives_a_blob_to_whoever_has_its_url(scene: Scene) -> None:
    registry, token = scene.registry, await scene.registry.user("alice")
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', _DATA, token)}"
    other = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', _DATA[::-1], token)}"
    sent = await registry.call("GET", path, token)
    url = sent.headers["Location"]
    assert (sent.status, url.partition("/b/")[0]) == (307, scene.url)
    got = await registry.call("GET", url)
    assert (got.status, got.body, got.headers["Content-Type"]) == (200, _DATA, "application/octet-stream")
    before = scene.s3.down
    part = await registry.call("GET", url, headers={"Range": "bytes=1000000-1999999"})
    assert (part.status, part.body) == (206, _DATA[1_000_000:2_000_000])
    several = await registry.call("GET", url, headers={"Range": "bytes=0-9,100-109"})
    assert several.status == 206
    assert several.headers["Content-Type"].startswith("multipart/byteranges")
    assert _DATA[100:110] in several.body
    assert len(several.body) < 1000
    assert scene.s3.down == before, "what nginx has, it does not ask S3 for"

    # A URL is of one object, and ends.
    place, _, query = url.partition("?")
    foreign = (await registry.call("GET", other, token)).headers["Location"]
    ends = int(query.rpartition("=")[2])
    sign, key, now = (
        secure_link_signer(scene.url, str(scene.secret)),
        ObjectKey(urlsplit(url).path[1:]),
        int(time.time()),
    )
    assert await _status(registry.http, sign(key, now + 60)) == 200
    for bad in (
        place,
        f"{place}?md5=&expires={ends}",
        f"{place}?{query.replace(str(ends), str(ends + 1))}",
        f"{place}?{foreign.partition('?')[2]}",
        sign(key, now - 2),
    ):
        assert await _status(registry.http, bad) == 403, bad
    for method in ("PUT", "DELETE", "POST"):
        assert await _status(registry.http, url, method) == 403


async def test_nginx_is_examined_by_the_doctor(scene: Scene) -> None:
    _, said = await doctor(scene.env, scene.registry.url)
    (told,) = lines(said, "✓ redirect")
    assert f"clients are sent to {scene.url}, which answers signed URLs, and ranges of them" in told
    scene.secret.write_text("y2" * 20)
    status, said = await doctor(scene.env, scene.registry.url)
    (told,) = lines(said, "✗ redirect")
    assert status == 1
    assert "which answers HTTP 403 to a signed URL → give it the same key" in told


async def test_nginx_lets_stargz_snapshotter_ask_for_several_ranges(scene: Scene) -> None:
    registry, token = scene.registry, await scene.registry.user("alice")
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', _DATA, token)}"
    agent = {"User-Agent": "Go-http-client/1.1", "Range": "bytes=0-1"}
    assert (await registry.call("GET", path, token, headers=agent)).status == 307
