"""Ranges, entity tags, Accept, pages and links."""

import pytest

from registry.errors import BlobUploadInvalid, PageInvalid, RangeNotSatisfiable
from registry.oci.headers import (
    MAX_PAGE,
    content_range,
    etag,
    if_range,
    next_link,
    none_match,
    parse_content_range,
    parse_page_size,
    parse_range,
    upload_range,
)
from storage.names import Digest
from storage.objects.base import Span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("0-0", Span(0, 1)),
        ("0-41", Span(0, 42)),
        ("42-99", Span(42, 100)),
        ("bytes 0-41/*", Span(0, 42)),
        ("bytes 0-41/42", Span(0, 42)),
        ("bytes 0-41", Span(0, 42)),
        (" 0-41 ", Span(0, 42)),
    ],
)
def test_the_range_of_a_chunk(text: str, span: Span) -> None:
    assert parse_content_range(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "0-",
        "-5",
        "5-4",
        "a-b",
        "0-41,50-60",
        "bytes=0-41",
        "0 - 41",
        "+0-41",
        "0-4\n",
        "1" * 30 + "-5",
        "\u0660-4",
    ],
)
def test_what_is_no_range_of_a_chunk(text: str) -> None:
    with pytest.raises(BlobUploadInvalid):
        parse_content_range(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (None, None),
        ("", None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=500-1499", Span(500, 1500)),
        ("bytes=500-", Span(500, 2048)),
        ("bytes=-500", Span(1548, 2048)),
        ("bytes=-5000", Span(0, 2048)),
        ("bytes=2000-5000", Span(2000, 2048)),
        ("BYTES=0-9", Span(0, 10)),
        ("bytes= 0-9", Span(0, 10)),
        ("bytes=0-999999999999999999", Span(0, 2048)),
        ("bytes=0-1,3-4", None),
        ("bytes=" + ",".join(["0-"] * 1000), None),
        ("items=0-1", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=--5", None),
        ("bytes 0-1", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_the_range_of_a_download(text: str | None, span: Span | None) -> None:
    assert parse_range(text, 2048) == span


@pytest.mark.parametrize("text", ["bytes=2048-", "bytes=5000-10000", "bytes=-0", "bytes=500-0"])
def test_a_range_without_bytes_is_416(text: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as raised:
        parse_range(text, 2048)
    assert raised.value.headers == {"Content-Range": "bytes */2048"}


def test_ranges_of_an_empty_blob() -> None:
    assert parse_range("bytes=-5", 0) is None
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)


def test_ranges_are_inclusive_on_the_wire_only() -> None:
    assert content_range(Span(500, 1500), 2048) == "bytes 500-1499/2048"
    assert upload_range(42) == "0-41"
    assert upload_range(1) == "0-0"
    assert upload_range(0) == "0-0"


@pytest.mark.parametrize(
    ("lines", "matches"),
    [
        ([], False),
        (['"sha256:a"'], True),
        (['W/"sha256:a"'], True),
        (["sha256:a"], True),
        (["*"], True),
        (['"x", "sha256:a"'], True),
        (['"x"', '"sha256:a"'], True),
        (['"sha256:b"'], False),
        (['"sha256:a'], False),
        (['"xsha256:a"'], False),
        (['"*"'], False),
        ([""], False),
    ],
)
def test_if_none_match(lines: list[str], *, matches: bool) -> None:
    assert none_match(lines, '"sha256:a"') is matches


def test_if_range_compares_strongly() -> None:
    current = etag(Digest.of(b""))
    assert if_range(None, current)
    assert if_range(current, current)
    assert not if_range("W/" + current, current)
    assert not if_range("Wed, 21 Oct 2015 07:28:00 GMT", current)


@pytest.mark.parametrize(
    ("text", "n"),
    [(None, None), ("0", 0), ("7", 7), ("007", 7), ("1000000000", MAX_PAGE), ("1" + "0" * 9000, MAX_PAGE)],
)
def test_the_size_of_a_page(text: str | None, n: int | None) -> None:
    assert parse_page_size(text) == n


@pytest.mark.parametrize("text", ["", "-1", "abc", "1.5", "1e9", "+1", " 1", "\u0661", "1\n"])
def test_what_is_no_size_of_a_page(text: str) -> None:
    with pytest.raises(PageInvalid):
        parse_page_size(text)


def test_the_link_to_the_next_page() -> None:
    assert next_link("/v2/a/b/tags/list?n=1&last=x") == '</v2/a/b/tags/list?n=1&last=x>; rel="next"'
