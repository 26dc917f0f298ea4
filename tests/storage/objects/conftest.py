"""The servers that the stores of these tests talk to."""

import os
from collections.abc import Iterator

import pytest

from registry.devservers.seaweed import EmbeddedS3
from storage.objects.s3.store import S3Settings
from tests.support.faults import FaultProxy


@pytest.fixture(scope="session")
def weed(s3: EmbeddedS3) -> Iterator[S3Settings]:
    """The bucket that no other test uses; the credentials are in the environment, as boto looks for them."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            environment.delenv(name, raising=False)
        environment.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
        environment.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
        environment.setenv("AWS_CONFIG_FILE", os.devnull)
        yield S3Settings(bucket=s3.bucket, region=s3.region, endpoint=s3.endpoint)


@pytest.fixture(scope="session")
def moto(weed: S3Settings) -> Iterator[S3Settings]:
    """Moto's S3, quick where there are many objects; it checks no signatures."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - a second of every process that collects tests

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Settings(bucket="moto-bucket", endpoint=f"http://{host}:{port}")
    server.stop()


@pytest.fixture(scope="module")
def faults(weed: S3Settings) -> Iterator[FaultProxy]:
    """A proxy in front of the real server."""
    assert weed.endpoint is not None
    with FaultProxy(weed.endpoint) as proxy:
        yield proxy
