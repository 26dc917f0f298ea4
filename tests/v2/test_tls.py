"""HTTPS by files that change while it is served."""

import asyncio
import dataclasses
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from registry.devservers.certificates import CertificateFiles, write_certificate
from tests.support.processes import serving
from tests.support.raw import Wire, ask, request
from tests.support.server import Registry, running
from tests.support.uploading import noise

UNTIL = datetime.now(UTC) + timedelta(days=30)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    return write_certificate(tmp_path / "served", UNTIL)


@pytest.fixture
def secure(env: dict[str, str], files: CertificateFiles) -> dict[str, str]:
    told = {
        "TLS_CERT": str(files.certificate),
        "TLS_KEY": str(files.key),
        "TLS_POLL_SECONDS": "0.05",
        "HEAD_SECONDS": "0.5",
    }
    return {**env, **{f"MOORAGE_{name}": value for name, value in told.items()}}


def trusting(files: CertificateFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.certificate))


@asynccontextmanager
async def over_tls(served: Registry, files: CertificateFiles) -> AsyncIterator[Registry]:
    """The same registry, as a client sees it that trusts the certificate in these files."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting(files))) as http:
        yield dataclasses.replace(served, urls=[served.url.replace("http://", "https://")], http=http)


async def presented(url: str) -> bytes:
    """The certificate that a new connection is shown."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    _, _, port = url.rpartition(":")
    _, writer = await asyncio.open_connection("127.0.0.1", int(port), ssl=anybody)
    try:
        shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown
    finally:
        writer.close()
        await writer.wait_closed()


async def test_push_and_pull_over_https(secure: dict[str, str], files: CertificateFiles) -> None:
    async with running(secure) as plain, over_tls(plain, files) as served:
        token = await served.user("alice")
        await served.push_image("alice/app", "v1", token, size=100_000)
        layer = noise(5_000_000)  # which no kernel can encrypt on its way
        path = f"/v2/alice/app/blobs/{await served.push_blob('alice/app', layer, token)}"
        assert (await served.call("GET", path, token)).body == layer
        assert (await served.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200
        challenged = await served.call("GET", "/v2/")
        assert f'realm="{served.url}/token"' in challenged.headers["WWW-Authenticate"]
        assert served.url.startswith("https://")


async def test_a_certificate_is_read_again_and_half_of_one_is_not(
    secure: dict[str, str], files: CertificateFiles, tmp_path: Path
) -> None:
    async with running(secure) as plain, over_tls(plain, files) as before:
        first = await presented(plain.url)
        assert (await before.call("GET", "/healthz")).status == 200
        new = write_certificate(tmp_path / "new", UNTIL)
        files.certificate.write_bytes(new.certificate.read_bytes())
        await asyncio.sleep(0.3)
        assert await presented(plain.url) == first, "a certificate without its key"
        files.key.write_bytes(b"-----BEGIN")
        await asyncio.sleep(0.3)
        assert await presented(plain.url) == first, "half of a key"
        files.key.unlink()
        await asyncio.sleep(0.2)
        assert await presented(plain.url) == first, "no key"
        files.key.write_bytes(new.key.read_bytes())
        for _ in range(100):
            if await presented(plain.url) != first:
                break
            await asyncio.sleep(0.05)
        assert (await before.call("GET", "/healthz")).status == 200, "a connection that was there goes on"
        async with over_tls(plain, new) as after:
            assert (await after.call("GET", "/healthz")).status == 200


async def test_what_is_no_handshake_ends(
    secure: dict[str, str], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(secure) as served:
        async with Wire.to(served.url) as silent, Wire.to(served.url) as plain, Wire.to(served.url) as broken:
            await plain.send(request("GET", "/v2/"))
            await broken.send(bytes.fromhex("16030100c8010000c40303") + b"\xff" * 200)
            for wire in (plain, broken, silent):
                answer = await wire.answer(seconds=5)
                assert answer.status == 0
        async with Wire.to(served.url):
            pass  # a look at the port, as load balancers do
        await asyncio.sleep(0.2)
    output = capfd.readouterr()
    assert "Traceback" not in output.err + output.out + caplog.text


async def test_a_handshake_on_a_plain_port_is_no_line_of_the_log(env: dict[str, str], tmp_path: Path) -> None:
    """docker tries TLS first, each time, with a registry that it may reach by HTTP."""
    log = tmp_path / "log"
    async with running(env), serving({**env, "MOORAGE_WORKERS": "1"}, log) as (_, url):
        port = int(url.rpartition(":")[2])
        for _ in range(3):  # OpenSSL, whose error is of an answer that is no TLS: clients then go on by HTTP
            with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
                await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
        assert (await ask(url, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")).status == 400
        assert (await ask(url, b"\x01\x02\r\n\r\n")).status == 400
        await asyncio.sleep(0.5)
        written = log.read_bytes()
    assert (written.count(b"http.malformed"), written.count(b"UNKNOWN")) == (1, 1), "of what was no TLS"
