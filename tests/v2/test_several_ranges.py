"""Several ranges in one GET (RFC 9110 §14.6), as stargz-snapshotter and podman's zstd:chunked ask for them."""

import email.parser
import email.policy
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.server import Answer, Registry, on_disk, running
from tests.support.uploading import MIB, noise


@pytest.fixture(params=["s3", "local", "redirect"])
async def registry(env: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Registry]:
    if request.param == "local":
        (tmp_path / "store").mkdir()
        env = on_disk(env, tmp_path / "store")
    elif request.param == "redirect":
        env["MOORAGE_REDIRECT"] = "on"
    async with running(env) as served:
        yield served


def _parts(answer: Answer) -> list[tuple[str, bytes]]:
    """Content-Range and bytes of each part, as a parser of others reads them."""
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + answer.body)
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    parts = list(message.iter_parts())
    assert {part.get_content_type() for part in parts} == {"application/octet-stream"}
    return [(str(part["Content-Range"]), part.get_payload(decode=True)) for part in parts]  # type: ignore[misc]


@pytest.mark.parametrize("size", [1000, MIB])
async def test_every_range_comes_in_the_order_asked_for(registry: Registry, size: int) -> None:
    token, data = await registry.user("alice"), noise(size).translate(bytes(range(128)) * 2)
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
    got = await registry.call("GET", path, token, headers={"Range": "bytes=500-509, 0-0,-7,\t20-29"})
    assert (got.status, got.headers["Content-Length"]) == (206, str(len(got.body)))
    assert "Content-Range" not in got.headers
    assert _parts(got) == [
        (f"bytes 500-509/{size}", data[500:510]),
        (f"bytes 0-0/{size}", data[:1]),
        (f"bytes {size - 7}-{size - 1}/{size}", data[-7:]),
        (f"bytes 20-29/{size}", data[20:30]),
    ]
    # The connection is as good as before.
    again = await registry.call("GET", path, token, headers={"Range": "bytes=1-2,4-5", "If-Range": got.headers["ETag"]})
    assert [part for _, part in _parts(again)] == [data[1:3], data[4:6]]


async def test_ranges_past_the_end_are_left_out(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(1000)
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
    got = await registry.call("GET", path, token, headers={"Range": "bytes=5000-6000,2-3"})
    assert (got.status, got.headers["Content-Range"], got.body) == (206, "bytes 2-3/1000", data[2:4])
    none = await registry.call("GET", path, token, headers={"Range": "bytes=5000-6000,1000-"})
    assert (none.status, none.headers["Content-Range"]) == (416, "bytes */1000")


@pytest.mark.parametrize(
    "ranges",
    [
        "0-999,0-999",  # more bytes than there are
        ",".join(["0-0"] * 600),
        "0-1,x",
        "0-1,5-4,--1",
    ],
)
async def test_what_asks_for_too_much_is_the_whole(registry: Registry, ranges: str) -> None:
    token, data = await registry.user("alice"), noise(1000)
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
    got = await registry.call("GET", path, token, headers={"Range": f"bytes={ranges}"})
    assert (got.status, got.body) == (200, data)
    changed = await registry.call("GET", path, token, headers={"Range": "bytes=0-1,3-4", "If-Range": '"x"'})
    assert (changed.status, changed.body) == (200, data)


async def test_as_many_as_fit_come(registry: Registry) -> None:
    token, data = await registry.user("alice"), noise(MIB)
    path = f"/v2/alice/app/blobs/{await registry.push_blob('alice/app', data, token)}"
    starts = range(0, MIB, MIB // 200)
    ranges = ",".join(f"{start}-{start + 99}" for start in starts)
    got = await registry.call("GET", path, token, headers={"Range": f"bytes={ranges}"})
    assert got.status == 206
    assert got.body.count(b"Content-Range:") == len(starts)
    assert all(data[start : start + 100] in got.body for start in starts)
