"""The configurations of docs/operate/redirects, run by nginx: blobs from a disk and from S3, by secure_link."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from registry.redirects.signing import secure_link_signer
from storage.objects.base import ObjectKey
from tests.proxies.secure_link import Secured, secured
from tests.support.doctor import doctor, lines
from tests.support.uploading import noise

pytestmark = [pytest.mark.proxies, pytest.mark.timeout(120)]

_DATA = noise(3_000_000)


@pytest.fixture(params=["disk", "S3"])
async def scene(env: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Secured]:
    async with secured(request.param, env, tmp_path) as made:
        yield made


async def _status(http: aiohttp.ClientSession, url: str, method: str = "GET") -> int:
    async with http.request(method, url) as answer:
        await answer.read()
        return answer.status


async def test_nginx_gives_a_blob_to_whoever_has_its_url(scene: Secured) -> None:
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


async def test_nginx_is_examined_by_the_doctor(scene: Secured) -> None:
    _, said = await doctor(scene.env, scene.registry.url)
    (told,) = lines(said, "✓ redirect")
    assert f"clients are sent to {scene.url}, which answers signed URLs, and ranges of them" in told
    scene.secret.write_text("y2" * 20)
    status, said = await doctor(scene.env, scene.registry.url)
    (told,) = lines(said, "✗ redirect")
    assert status == 1
    assert "which answers HTTP 403 to a signed URL → give it the same key" in told


async def test_nginx_lets_stargz_snapshotter_ask_for_several_ranges(scene: Secured) -> None:
    registry, token = scene.registry, await scene.registry.user("alice")
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', _DATA, token)}"
    agent = {"User-Agent": "Go-http-client/1.1", "Range": "bytes=0-1"}
    assert (await registry.call("GET", path, token, headers=agent)).status == 307
