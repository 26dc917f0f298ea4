"""Configs of images: shown when they can be read."""

from datetime import UTC, datetime

import orjson
import pytest

from registry.oci.image_config import ImageConfig, parse_config
from registry.oci.manifest import MAX_MARKS


def test_a_config() -> None:
    body = {
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8",
        "created": "2022-01-01T14:42:55.123456789Z",
        "config": {"Labels": {"org.opencontainers.image.source": "https://example.com", "n": 1, "z": "\0"}},
    }
    assert parse_config(orjson.dumps(body)) == ImageConfig(
        labels={"org.opencontainers.image.source": "https://example.com"},
        architecture="arm64",
        os="linux",
        variant="v8",
        created=datetime(2022, 1, 1, 14, 42, 55, 123456, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"PK\x03\x04",
        b"[" * 100_000,
        b'{"config":[]}',
        b'{"config":{"Labels":[]}}',
        b'{"config":{"Labels":null},"created":7,"os":{},"architecture":""}',
        b'{"created":"yesterday"}',
        b'{"created":"0001-01-01T00:00:00+14:00"}',
        b'{"os":"\\u0000"}',
    ],
)
def test_what_is_odd_is_left_out(body: bytes) -> None:
    assert parse_config(body) == ImageConfig()


def test_what_is_more_than_any_image_needs_is_not_read() -> None:
    """A MiB of empty arrays would stop everybody for 100 ms."""
    body: dict[str, object] = {"os": "linux", "more": [[]] * (MAX_MARKS // 2 - 10)}
    assert parse_config(orjson.dumps(body)).os == "linux"
    body["more"] = [[]] * (MAX_MARKS // 2)
    assert parse_config(orjson.dumps(body)) == ImageConfig()


def test_the_zero_time_of_go() -> None:
    assert parse_config(b'{"created":"0001-01-01T00:00:00Z"}').created == datetime(1, 1, 1, tzinfo=UTC)
    assert parse_config(b'{"created":"2022-01-01T00:00:00"}').created == datetime(2022, 1, 1, tzinfo=UTC)
