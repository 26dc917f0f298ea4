"""Codes, statuses, and what a condition tells the client."""

import uuid
from collections.abc import Iterator

import orjson
import pytest

from registry import errors
from registry.errors import ErrorCode, RegistryError
from registry.oci.errors import STATUS
from storage.names import Digest, PackageName

A = Digest.of(b"a")
B = Digest.of(b"b")
NAME = PackageName("octo", "app")
UPLOAD = uuid.UUID("0198f2a0-1111-7222-8333-444455556666")


def conditions() -> list[tuple[RegistryError, ErrorCode, int]]:
    return [
        (errors.NameInvalid("why"), ErrorCode.NAME_INVALID, 400),
        (errors.NameUnknown(NAME), ErrorCode.NAME_UNKNOWN, 404),
        (errors.EndpointUnknown("/v2/\udc80"), ErrorCode.NAME_UNKNOWN, 404),
        (errors.TagInvalid("why"), ErrorCode.NAME_INVALID, 400),
        (errors.DigestInvalid(A, B), ErrorCode.DIGEST_INVALID, 400),
        (errors.DigestMalformed("why"), ErrorCode.DIGEST_INVALID, 400),
        (errors.DigestUnsupported("why"), ErrorCode.DIGEST_INVALID, 400),
        (errors.BlobUnknown(A), ErrorCode.BLOB_UNKNOWN, 404),
        (errors.BlobInUse(A, [B]), ErrorCode.UNSUPPORTED, 405),
        (errors.BlobUploadUnknown("x"), ErrorCode.BLOB_UPLOAD_UNKNOWN, 404),
        (errors.UploadExpired(UPLOAD), ErrorCode.BLOB_UPLOAD_UNKNOWN, 404),
        (errors.BlobUploadInvalid("why"), ErrorCode.BLOB_UPLOAD_INVALID, 400),
        (errors.UploadBusy(UPLOAD), ErrorCode.BLOB_UPLOAD_INVALID, 409),
        (errors.RangeInvalid(42, 7), ErrorCode.RANGE_INVALID, 416),
        (errors.RangeNotSatisfiable(10), ErrorCode.RANGE_INVALID, 416),
        (errors.SizeInvalid(1, 2), ErrorCode.SIZE_INVALID, 400),
        (errors.LayerTooLarge(10), ErrorCode.SIZE_INVALID, 413),
        (errors.ManifestTooLarge(10), ErrorCode.SIZE_INVALID, 413),
        (errors.TooManyTags(10, 11), ErrorCode.MANIFEST_INVALID, 414),
        (errors.ManifestInvalid("why"), ErrorCode.MANIFEST_INVALID, 400),
        (errors.ManifestUnknown("latest"), ErrorCode.MANIFEST_UNKNOWN, 404),
        (errors.ManifestBlobUnknown([A, B]), ErrorCode.MANIFEST_BLOB_UNKNOWN, 400),
        (errors.Unsupported("this"), ErrorCode.UNSUPPORTED, 405),
        (errors.ParameterInvalid("artifactType", "x", "y"), ErrorCode.UNSUPPORTED, 400),
        (errors.PageInvalid("n", "a number", "abc"), ErrorCode.PAGINATION_NUMBER_INVALID, 400),
        (errors.Unauthorized("why", 'Bearer realm="r"'), ErrorCode.UNAUTHORIZED, 401),
        (errors.Denied("write", ["read"], "Ask an owner."), ErrorCode.DENIED, 403),
        (errors.TooManyRequests(30), ErrorCode.TOOMANYREQUESTS, 429),
        (errors.UnavailableNow(5), ErrorCode.UNAVAILABLE, 503),
        (RegistryError("our fault"), ErrorCode.UNKNOWN, 500),
    ]


def subclasses(of: type[RegistryError]) -> Iterator[type[RegistryError]]:
    for cls in of.__subclasses__():
        yield cls
        yield from subclasses(cls)


def test_every_code_has_a_status() -> None:
    assert STATUS.keys() == set(ErrorCode)


def test_the_table_of_the_specification_is_whole() -> None:
    spec = """BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID
        MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS"""
    assert set(spec.split()) <= set(ErrorCode)


@pytest.mark.parametrize(("error", "code", "status"), conditions(), ids=lambda value: type(value).__name__)
def test_a_condition_has_its_code_status_and_body(error: RegistryError, code: ErrorCode, status: int) -> None:
    assert (error.code, error.status) == (code, status)
    (shown,) = orjson.loads(error.body())["errors"]
    assert shown["code"] == code
    assert shown["message"] == error.message == str(error)
    assert shown.get("detail") == error.detail
    assert all("\n" not in value and "\r" not in value for value in error.headers.values())


def test_every_condition_is_in_this_table_and_exported() -> None:
    found = {cls for cls in subclasses(RegistryError) if cls.__module__.startswith("registry.")}
    ours = {cls for cls in found if not cls.__module__.startswith("registry.http.")}  # tests/v2/test_http_edge.py
    assert ours <= {type(error) for error, _, _ in conditions()}
    assert {cls.__name__ for cls in ours} <= set(errors.__all__)


def test_headers_that_clients_act_on() -> None:
    assert errors.RangeInvalid(42, 7).headers == {"Range": "0-41"}
    assert errors.RangeInvalid(0, 7, "/v2/u").headers == {"Range": "0-0", "Location": "/v2/u"}
    assert errors.RangeNotSatisfiable(10).headers == {"Content-Range": "bytes */10"}
    assert errors.TooManyRequests(30).headers == {"Retry-After": "30"}
    assert errors.UnavailableNow(5).headers == {"Retry-After": "5"}
    assert errors.Unsupported("this", allow=("GET", "HEAD")).headers == {"Allow": "GET, HEAD"}
    assert errors.Unauthorized("why", 'Bearer realm="r"').headers == {"WWW-Authenticate": 'Bearer realm="r"'}
    assert errors.Unauthorized("why").headers == {}


def test_hostile_text_is_cut_and_escaped() -> None:
    message = errors.EndpointUnknown("\x1b[31m\r\n\u202e" + "x" * 10_000).message
    assert len(message) < 200
    assert message.isprintable()
    assert message.isascii()
