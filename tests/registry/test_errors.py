"""Codes, statuses, and what a condition tells the client."""

import importlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from registry import errors
from registry.errors import RegistryError
from registry.http.statuses import STATUSES, code_of, oci_body, status_of
from storage.names import Digest, PackageName

A = Digest.of(b"a")
B = Digest.of(b"b")
ROOT = Path(__file__).parent.parent.parent
NAME = PackageName("octo", "app")
UPLOAD = uuid.UUID("0198f2a0-1111-7222-8333-444455556666")


def conditions() -> list[tuple[RegistryError, str, int]]:
    return [
        (errors.NameInvalid("why"), "NAME_INVALID", 400),
        (errors.OwnerNotNamed("app"), "NAME_INVALID", 400),
        (errors.NameUnknown(NAME), "NAME_UNKNOWN", 404),
        (errors.EndpointUnknown("/v2/\udc80"), "NAME_UNKNOWN", 404),
        (errors.TagInvalid("why"), "NAME_INVALID", 400),
        (errors.DigestInvalid(A, B), "DIGEST_INVALID", 400),
        (errors.DigestMalformed("why"), "DIGEST_INVALID", 400),
        (errors.DigestUnsupported("why"), "DIGEST_INVALID", 400),
        (errors.BlobUnknown(A), "BLOB_UNKNOWN", 404),
        (errors.InUse("why"), "UNSUPPORTED", 405),
        (errors.BlobUploadUnknown("x"), "BLOB_UPLOAD_UNKNOWN", 404),
        (errors.UploadExpired(UPLOAD), "BLOB_UPLOAD_UNKNOWN", 404),
        (errors.BlobUploadInvalid("why"), "BLOB_UPLOAD_INVALID", 400),
        (errors.UploadBusy(UPLOAD), "BLOB_UPLOAD_INVALID", 409),
        (errors.RangeInvalid(42, 7), "RANGE_INVALID", 416),
        (errors.RangeNotSatisfiable(10), "RANGE_INVALID", 416),
        (errors.SizeInvalid(1, 2), "SIZE_INVALID", 400),
        (errors.LayerTooLarge(10), "SIZE_INVALID", 413),
        (errors.ManifestTooLarge(10), "SIZE_INVALID", 413),
        (errors.PreconditionFailed(None), "UNSUPPORTED", 412),
        (errors.TooManyTags(10, 11), "MANIFEST_INVALID", 414),
        (errors.ManifestInvalid("why"), "MANIFEST_INVALID", 400),
        (errors.ManifestUnknown("latest"), "MANIFEST_UNKNOWN", 404),
        (errors.ManifestBlobUnknown([A, B]), "MANIFEST_BLOB_UNKNOWN", 400),
        (errors.Unsupported("this"), "UNSUPPORTED", 405),
        (errors.ParameterInvalid("artifactType", "x", "y"), "UNSUPPORTED", 400),
        (errors.PageInvalid("n", "a number", "abc"), "PAGINATION_NUMBER_INVALID", 400),
        (errors.Unauthorized("why", 'Bearer realm="r"'), "UNAUTHORIZED", 401),
        (errors.Denied("write", ["read"], "Ask an owner."), "DENIED", 403),
        (errors.TooManyRequests(30), "TOOMANYREQUESTS", 429),
        (errors.UnavailableNow(5), "UNAVAILABLE", 503),
        (errors.ReadOnlyNow("why"), "UNAVAILABLE", 503),
        (errors.IssuerUnavailable(), "UNAVAILABLE", 503),
        (RegistryError("our fault"), "UNKNOWN", 500),
        (errors.BadRequest("why"), "UNSUPPORTED", 400),
        (errors.MessageInvalid(), "UNSUPPORTED", 400),
        (errors.TargetTooLong(10), "UNSUPPORTED", 414),
        (errors.HeadersTooLarge(10, 5), "UNSUPPORTED", 431),
        (errors.BodyTooSlow(30), "UNSUPPORTED", 408),
        (errors.TooLarge("why"), "SIZE_INVALID", 413),
        (errors.PathUnknown(), "UNSUPPORTED", 404),
        (errors.NotFound(), "NAME_UNKNOWN", 404),
        (errors.Moved("https://x/y"), "UNSUPPORTED", 301),
        (errors.MovedForNow("https://x/y"), "UNSUPPORTED", 307),
        (errors.NotDeletable("why"), "UNSUPPORTED", 400),
        (errors.Conflict("why", "do this"), "UNSUPPORTED", 409),
        (errors.Protected("why", "do this"), "DENIED", 409),
        (errors.NotAllowed("why"), "DENIED", 403),
        (errors.SsoMissing("acme"), "DENIED", 403),
        (errors.Invalid("why"), "UNSUPPORTED", 422),
        (errors.AccountError("why"), "UNSUPPORTED", 422),
        (errors.AccountUnknown("why"), "NAME_UNKNOWN", 404),
    ]


def subclasses(of: type[RegistryError]) -> Iterator[type[RegistryError]]:
    for cls in of.__subclasses__():
        yield cls
        yield from subclasses(cls)


def test_the_table_of_the_specification_is_whole() -> None:
    spec = """BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID
        MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS"""
    assert set(spec.split()) <= {code for _, code in STATUSES.values()}


@pytest.mark.parametrize(("error", "code", "status"), conditions(), ids=lambda value: type(value).__name__)
def test_a_condition_has_its_code_status_and_body(error: RegistryError, code: str, status: int) -> None:
    assert (code_of(error), status_of(error)) == (code, status)
    (shown,) = orjson.loads(oci_body(error))["errors"]
    assert shown["code"] == code
    assert shown["message"] == error.message == str(error)
    assert shown.get("detail") == error.detail
    assert all("\n" not in value and "\r" not in value for value in error.headers.values())


def test_every_condition_is_in_this_table() -> None:
    ours = {cls for cls in subclasses(RegistryError) if cls.__module__ == errors.__name__}
    assert ours - {errors.Refusal} == {type(error) for error, _, _ in conditions()} - {RegistryError}
    assert ours | {RegistryError} >= STATUSES.keys()


@pytest.mark.parametrize("folder", ["http/api", "http/v2", "oci", "packages", "accounts", "uploads", "jobs", "cli"])
def test_the_errors_of_a_rule_have_the_status_of_a_base(folder: str) -> None:
    """And not that of RegistryError, which says that the fault is ours."""
    for path in (ROOT / "registry" / folder).glob("*.py"):
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert {cls for cls in subclasses(RegistryError) if status_of(cls.__new__(cls)) == 500} <= {errors.Refusal}


def test_headers_that_clients_act_on() -> None:
    assert errors.RangeInvalid(42, 7).headers == {"Range": "0-41"}
    assert errors.RangeInvalid(0, 7, "/v2/u").headers == {"Range": "0-0", "Location": "/v2/u"}
    assert errors.RangeNotSatisfiable(10).headers == {"Content-Range": "bytes */10"}
    assert errors.TooManyRequests(30).headers == {"Retry-After": "30"}
    assert errors.UnavailableNow(5).headers == {"Retry-After": "5"}
    assert errors.ReadOnlyNow("why").headers == {"Retry-After": "60"}
    assert errors.Unsupported("this", allow=("GET", "HEAD")).headers == {"Allow": "GET, HEAD"}
    assert errors.Unauthorized("why", 'Bearer realm="r"').headers == {"WWW-Authenticate": 'Bearer realm="r"'}
    assert errors.Unauthorized("why").headers == {}


def test_hostile_text_is_cut_and_escaped() -> None:
    message = errors.EndpointUnknown("\x1b[31m\r\n\u202e" + "x" * 10_000).message
    assert len(message) < 200
    assert message.isprintable()
    assert message.isascii()
