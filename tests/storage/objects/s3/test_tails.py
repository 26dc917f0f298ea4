"""TLS connections that end behind the last byte while nobody reads: no byte is lost, and nothing short is whole (F51).

uvloop 0.23.0 drops what it has buffered then (findings/uvloop-tls-tail.sh); asyncio's own loop does not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from registry.devservers.certificates import CertificateFiles, write_certificate
from storage.errors import Unavailable
from storage.objects.base import ObjectKey, Span
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings, S3Store
from tests.support.hasty import HastyServer
from tests.support.uploading import KIB, MIB, noise

T = TypeVar("T")

_DATA = noise(6 * MIB)
_KEY = ObjectKey("b/00/00")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return write_certificate(tmp_path_factory.mktemp("tls"), datetime.now(UTC) + timedelta(days=1))


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_of(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop


def _server(certificate: CertificateFiles, cut: int | None = None) -> HastyServer:
    return HastyServer(_DATA, Path(certificate.certificate), Path(certificate.key), cut)


async def _read(url: str, ca: str, span: Span | None = None, pause: Callable[[], None] = lambda: None) -> bytes:
    settings = S3Settings(
        "layers", endpoint=url, credentials=Credentials("key", "secret"), ca_bundle=ca, silence_seconds=5.0
    )
    got = bytearray()
    async with S3Store.open(settings, jitter=lambda: 0.0) as store, store.reader(_KEY, span) as reader:
        async for chunk in reader:
            got += chunk
            await asyncio.sleep(0.1)  # so that reading is paused
            pause()
    return bytes(got)


async def _in_loop(factory: Callable[[], asyncio.AbstractEventLoop], work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await work()

    def run() -> T:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    return await asyncio.to_thread(run)


# What fits into two buffers behind each other, and does not into one, so that the end is there while nobody reads.
@pytest.mark.parametrize("span", [None, *(Span(17, size * KIB) for size in (600, 700, 800, 900))], ids=str)
async def test_f51_every_byte_of_an_object_arrives(
    certificate: CertificateFiles, loop_of: Callable[[], asyncio.AbstractEventLoop], span: Span | None
) -> None:
    expected = _DATA if span is None else _DATA[span.start : span.stop]
    with _server(certificate).running() as server:
        assert await _in_loop(loop_of, lambda: _read(server.url, str(certificate.certificate), span)) == expected


async def test_f51_what_is_missing_is_asked_for_from_where_it_ended(certificate: CertificateFiles) -> None:
    with _server(certificate, cut=2 * MIB).running() as server:
        got = await _in_loop(asyncio.new_event_loop, lambda: _read(server.url, str(certificate.certificate)))
        assert got == _DATA
        starts = [span[0] for span in server.asked[1:] if span is not None]
        assert len(starts) == len(server.asked) - 1 <= 8
        assert starts == sorted(set(starts))
        assert all(start <= (number + 1) * 2 * MIB for number, start in enumerate(starts))
        assert server.conditions == [b'"first"'] * len(starts)


async def test_f51_nothing_short_is_taken_for_whole(certificate: CertificateFiles) -> None:
    with _server(certificate, cut=1000).running() as server:
        with pytest.raises(Unavailable, match="bytes missing"):
            await _in_loop(asyncio.new_event_loop, lambda: _read(server.url, str(certificate.certificate)))
        assert len(server.asked) < 10


async def test_f51_bytes_of_another_object_are_not_joined(certificate: CertificateFiles) -> None:
    with _server(certificate, cut=2 * MIB).running() as server:

        def overwritten() -> None:
            server.etag = b'"second"'

        with pytest.raises(Unavailable, match="412"):
            await _in_loop(
                asyncio.new_event_loop, lambda: _read(server.url, str(certificate.certificate), None, overwritten)
            )
