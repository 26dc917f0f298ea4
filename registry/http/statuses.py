"""The statuses and codes of the errors that a client is told of: one table, and an error in the JSON of OCI."""

from collections.abc import Mapping
from typing import Final

import orjson

from registry.errors import (
    AccountError,
    AccountUnknown,
    BadRequest,
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    BodyTooSlow,
    Conflict,
    Denied,
    DigestInvalid,
    DigestMalformed,
    EndpointUnknown,
    HeadersTooLarge,
    InUse,
    Invalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    Moved,
    MovedForNow,
    NameInvalid,
    NameUnknown,
    NotAllowed,
    NotDeletable,
    NotFound,
    PageInvalid,
    PathUnknown,
    PreconditionFailed,
    Protected,
    RangeInvalid,
    RangeNotSatisfiable,
    RegistryError,
    SizeInvalid,
    TargetTooLong,
    TooLarge,
    TooManyRequests,
    TooManyTags,
    Unauthorized,
    UnavailableNow,
    Unsupported,
    UploadBusy,
    UploadExpired,
)

#: The statuses and codes, in the order of the spec's «Error Codes»; a class that is not here has those of its base.
STATUSES: Final[Mapping[type, tuple[int, str]]] = {
    BlobUnknown: (404, "BLOB_UNKNOWN"),  # code-1
    BlobUploadInvalid: (400, "BLOB_UPLOAD_INVALID"),  # code-2
    UploadBusy: (409, "BLOB_UPLOAD_INVALID"),
    BlobUploadUnknown: (404, "BLOB_UPLOAD_UNKNOWN"),  # code-3
    UploadExpired: (404, "BLOB_UPLOAD_UNKNOWN"),
    DigestInvalid: (400, "DIGEST_INVALID"),  # code-4
    DigestMalformed: (400, "DIGEST_INVALID"),
    ManifestBlobUnknown: (400, "MANIFEST_BLOB_UNKNOWN"),  # code-5
    ManifestInvalid: (400, "MANIFEST_INVALID"),  # code-6
    TooManyTags: (414, "MANIFEST_INVALID"),
    ManifestUnknown: (404, "MANIFEST_UNKNOWN"),  # code-7
    NameInvalid: (400, "NAME_INVALID"),  # code-8
    NameUnknown: (404, "NAME_UNKNOWN"),  # code-9
    EndpointUnknown: (404, "NAME_UNKNOWN"),
    NotFound: (404, "NAME_UNKNOWN"),
    AccountUnknown: (404, "NAME_UNKNOWN"),
    SizeInvalid: (400, "SIZE_INVALID"),  # code-10
    TooLarge: (413, "SIZE_INVALID"),
    Unauthorized: (401, "UNAUTHORIZED"),  # code-11
    Denied: (403, "DENIED"),  # code-12
    NotAllowed: (403, "DENIED"),
    Protected: (409, "DENIED"),
    Unsupported: (405, "UNSUPPORTED"),  # code-13; the nearest where the spec has none
    InUse: (405, "UNSUPPORTED"),
    BadRequest: (400, "UNSUPPORTED"),
    NotDeletable: (400, "UNSUPPORTED"),
    PathUnknown: (404, "UNSUPPORTED"),
    BodyTooSlow: (408, "UNSUPPORTED"),
    Conflict: (409, "UNSUPPORTED"),
    PreconditionFailed: (412, "UNSUPPORTED"),
    TargetTooLong: (414, "UNSUPPORTED"),
    Invalid: (422, "UNSUPPORTED"),
    AccountError: (422, "UNSUPPORTED"),
    HeadersTooLarge: (431, "UNSUPPORTED"),
    Moved: (301, "UNSUPPORTED"),
    MovedForNow: (307, "UNSUPPORTED"),
    TooManyRequests: (429, "TOOMANYREQUESTS"),  # code-14
    # The spec names no code for its 416; Docker's registry and its clients have this one.
    RangeInvalid: (416, "RANGE_INVALID"),
    RangeNotSatisfiable: (416, "RANGE_INVALID"),
    # Docker's registry answers a bad ``n`` with it; the spec says nothing.
    PageInvalid: (400, "PAGINATION_NUMBER_INVALID"),
    # The spec's table is for 4XX only; clients know these two of Docker's as «try again» and «our fault».
    UnavailableNow: (503, "UNAVAILABLE"),
    RegistryError: (500, "UNKNOWN"),
}


def status_of(error: RegistryError) -> int:
    """Return the status of the response to an error."""
    return _line(type(error))[0]


def code_of(error: RegistryError) -> str:
    """Return the code of OCI Distribution of an error."""
    return _line(type(error))[1]


def oci_body(error: RegistryError) -> bytes:
    """Render an error in the JSON of OCI Distribution 1.1, «Error Codes»."""
    facts: dict[str, object] = {"code": code_of(error), "message": error.message}
    if error.detail is not None:
        facts["detail"] = error.detail
    return orjson.dumps({"errors": [facts]})


def _line(kind: type) -> tuple[int, str]:
    return STATUSES.get(kind) or _line(kind.__mro__[1])
