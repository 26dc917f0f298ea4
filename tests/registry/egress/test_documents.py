"""Documents of OIDC issuers over TLS that ends behind them at once (F51): whole, or told to be missing."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.devservers.certificates import CertificateFiles, write_certificate
from registry.egress.client import Egress
from storage.errors import Unavailable
from tests.support.hasty import HastyServer
from tests.support.processes import ROOT
from tests.support.uploading import noise

#: On uvloop, as in production, which does not get to its sockets for a while again and again.
_FETCH = """
import asyncio, hashlib, sys, time, uvloop
from registry.egress.client import Egress
from storage.errors import Unavailable

async def busy():
    while True:
        time.sleep(0.01)
        await asyncio.sleep(0)

async def main():
    task = asyncio.create_task(busy())
    for _ in range(3):
        try:
            print(hashlib.sha256(await Egress().fetch(sys.argv[1])).hexdigest())
        except Unavailable:
            print("unavailable")
    task.cancel()

uvloop.run(main())
"""


@pytest.fixture
def certificate(tmp_path: Path) -> CertificateFiles:
    return write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=1))


def _fetched(url: str, certificate: CertificateFiles) -> set[str]:
    environ = {"PATH": os.defpath, "SSL_CERT_FILE": str(certificate.certificate)}
    argv = [sys.executable, "-c", _FETCH, url]
    done = subprocess.run(argv, env=environ, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert len(done.stdout.split()) == 3
    return set(done.stdout.split())


@pytest.mark.parametrize("size", [20_000, 150_000, 256 * 1024])
@pytest.mark.parametrize("sized", [True, False])
def test_f51_a_document_comes_to_its_last_byte(certificate: CertificateFiles, size: int, *, sized: bool) -> None:
    data = noise(size)
    with HastyServer(data, certificate.certificate, certificate.key, sized=sized).running() as server:
        assert _fetched(server.url, certificate) == {hashlib.sha256(data).hexdigest()}


def test_f51_a_document_that_is_short_is_not_taken_for_whole(certificate: CertificateFiles) -> None:
    with HastyServer(noise(150_000), certificate.certificate, certificate.key, cut=149_999).running() as server:
        assert _fetched(server.url, certificate) == {"unavailable"}


@pytest.mark.parametrize("host", ["a" * 300 + ".example", "\u0430..example", "[::1", "a" * 64])
async def test_a_name_that_no_host_can_have_is_out_of_reach(host: str) -> None:
    with pytest.raises(Unavailable, match="cannot reach"):
        await Egress().send(f"https://{host}/", b"", {})
