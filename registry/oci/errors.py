"""Error codes, their statuses, and the errors that the pure functions of this package raise.

Sits at the bottom: ``registry.errors`` adds the conditions that only the rules can know, and exports these too.
Table: OCI Distribution 1.1, «Error Codes».
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, Final

import orjson


class ErrorCode(StrEnum):
    """The spec's table, and four codes beside it, each with its reason."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"  # code-1
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"  # code-2
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"  # code-3
    DIGEST_INVALID = "DIGEST_INVALID"  # code-4
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"  # code-5
    MANIFEST_INVALID = "MANIFEST_INVALID"  # code-6
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"  # code-7
    NAME_INVALID = "NAME_INVALID"  # code-8
    NAME_UNKNOWN = "NAME_UNKNOWN"  # code-9
    SIZE_INVALID = "SIZE_INVALID"  # code-10
    UNAUTHORIZED = "UNAUTHORIZED"  # code-11
    DENIED = "DENIED"  # code-12
    UNSUPPORTED = "UNSUPPORTED"  # code-13
    TOOMANYREQUESTS = "TOOMANYREQUESTS"  # code-14

    # The spec asks for 416 and names no code for it; Docker's registry and its clients have this one.
    RANGE_INVALID = "RANGE_INVALID"
    # Docker's registry answers a bad ``n`` with it; the spec says nothing.
    PAGINATION_NUMBER_INVALID = "PAGINATION_NUMBER_INVALID"
    # The spec's table is for 4XX only; clients know these two of Docker's as «try again» and «our fault».
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"


#: The status that goes with a code. Status numbers of errors are written in this module and nowhere else.
STATUS: Final[dict[ErrorCode, int]] = {
    ErrorCode.BLOB_UNKNOWN: 404,
    ErrorCode.BLOB_UPLOAD_INVALID: 400,
    ErrorCode.BLOB_UPLOAD_UNKNOWN: 404,
    ErrorCode.DIGEST_INVALID: 400,
    ErrorCode.MANIFEST_BLOB_UNKNOWN: 400,
    ErrorCode.MANIFEST_INVALID: 400,
    ErrorCode.MANIFEST_UNKNOWN: 404,
    ErrorCode.NAME_INVALID: 400,
    ErrorCode.NAME_UNKNOWN: 404,
    ErrorCode.SIZE_INVALID: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.DENIED: 403,
    ErrorCode.UNSUPPORTED: 405,
    ErrorCode.TOOMANYREQUESTS: 429,
    ErrorCode.RANGE_INVALID: 416,
    ErrorCode.PAGINATION_NUMBER_INVALID: 400,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.UNKNOWN: 500,
}

#: Statuses of the few conditions whose code is shared with another one.
BAD_REQUEST: Final = 400
CONFLICT: Final = 409
TOO_LARGE: Final = 413
URI_TOO_LONG: Final = 414

_SHOWN: Final = 80


def shown(text: str) -> str:
    """Quote hostile text for a message: printable, at most 80 characters."""
    return ascii(text[:_SHOWN] + ("…" if len(text) > _SHOWN else ""))


class RegistryError(Exception):
    """An error response of the API. A subclass is one condition; its constructor makes the message from the facts.

    ``message`` says what was expected and what came, ``detail`` is any JSON value, ``headers`` go on the response.
    """

    code: ClassVar[ErrorCode] = ErrorCode.UNKNOWN
    own_status: ClassVar[int | None] = None

    def __init__(self, message: str, detail: object = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.headers: dict[str, str] = dict(headers or {})

    @property
    def status(self) -> int:
        """The status of the response."""
        return STATUS[self.code] if self.own_status is None else self.own_status

    def body(self) -> bytes:
        """The JSON of OCI Distribution 1.1, «Error Codes»."""
        error: dict[str, object] = {"code": self.code.value, "message": self.message}
        if self.detail is not None:
            error["detail"] = self.detail
        return orjson.dumps({"errors": [error]})


class NameInvalid(RegistryError):
    code = ErrorCode.NAME_INVALID

    def __init__(self, why: str) -> None:
        super().__init__(why)


class EndpointUnknown(RegistryError):
    """No endpoint of the specification has this path."""

    code = ErrorCode.NAME_UNKNOWN

    def __init__(self, path: str) -> None:
        super().__init__(f"no endpoint of the distribution API has the path {shown(path)}")


class TagInvalid(RegistryError):
    """The tag violates the grammar. The spec has no code for tags; a manifest's URL names both «name»."""

    code = ErrorCode.NAME_INVALID

    def __init__(self, why: str) -> None:
        super().__init__(why)


class DigestMalformed(RegistryError):
    code = ErrorCode.DIGEST_INVALID

    def __init__(self, why: str) -> None:
        super().__init__(why)


class DigestUnsupported(RegistryError):
    """A digest, or ``digest-algorithm``, of an algorithm that is not kept here: 400 by «Pushing blobs»."""

    code = ErrorCode.DIGEST_INVALID

    def __init__(self, why: str) -> None:
        super().__init__(why)


class Unsupported(RegistryError):
    """The path does not have the method: 405. ``allow``: the methods it has (RFC 9110 §15.5.6)."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, what: str, allow: Sequence[str] = ()) -> None:
        methods = ", ".join(allow)
        message = f"{what} is not supported" + (f"; use one of {methods}" if allow else "")
        super().__init__(message, headers={"Allow": methods})


class ParameterInvalid(RegistryError):
    """A query parameter other than a digest or a tag; the spec's table has no code for it."""

    code = ErrorCode.UNSUPPORTED
    own_status = BAD_REQUEST

    def __init__(self, parameter: str, expected: str, got: str) -> None:
        super().__init__(
            f"expected {expected} in the parameter {parameter}, got {shown(got)}", {"parameter": parameter}
        )


class PageInvalid(ParameterInvalid):
    """A page parameter, ``n`` or ``last``, is invalid."""

    code = ErrorCode.PAGINATION_NUMBER_INVALID


class TooManyTags(RegistryError):
    """«Pushing Manifests» lets a registry answer 414 when too many ``tag`` parameters come."""

    code = ErrorCode.MANIFEST_INVALID
    own_status = URI_TOO_LONG

    def __init__(self, limit: int, got: int) -> None:
        super().__init__(f"expected at most {limit} tag parameters, got {got}", {"limit": limit, "got": got})


class BlobUploadUnknown(RegistryError):
    code = ErrorCode.BLOB_UPLOAD_UNKNOWN

    def __init__(self, upload: object) -> None:
        super().__init__(f"no upload with the id {shown(str(upload))} is open in this package")


class BlobUploadInvalid(RegistryError):
    code = ErrorCode.BLOB_UPLOAD_INVALID

    def __init__(self, why: str) -> None:
        super().__init__(why)


class RangeNotSatisfiable(RegistryError):
    """416 of a download (RFC 9110 §15.5.17); ``size`` of the blob in bytes."""

    code = ErrorCode.RANGE_INVALID

    def __init__(self, size: int) -> None:
        message = f"the range holds no byte of this blob of {size} bytes"
        super().__init__(message, {"size": size}, {"Content-Range": f"bytes */{size}"})


class ManifestInvalid(RegistryError):
    code = ErrorCode.MANIFEST_INVALID

    def __init__(self, why: str) -> None:
        super().__init__(why)


class ManifestTooLarge(RegistryError):
    """The spec's 413 of end-7. SIZE_INVALID is the code of its table that docker prints best: «size invalid: …»."""

    code = ErrorCode.SIZE_INVALID
    own_status = TOO_LARGE

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"a manifest has at most {limit_bytes} bytes, this one has more", {"limit_bytes": limit_bytes})
