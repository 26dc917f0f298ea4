"""The errors of the OCI API: one class per condition, raised by the rules and by ``registry.oci``.

Import errors from here. The constructor takes the facts; the sentence, the code and the headers are written here
or in ``registry.oci.errors``, never by the caller.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from registry.oci.errors import (
    CONFLICT,
    TOO_LARGE,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestMalformed,
    DigestUnsupported,
    EndpointUnknown,
    ErrorCode,
    ManifestInvalid,
    ManifestTooLarge,
    NameInvalid,
    PageInvalid,
    ParameterInvalid,
    RangeNotSatisfiable,
    RegistryError,
    TagInvalid,
    TooManyTags,
    Unsupported,
)
from registry.oci.headers import upload_range
from storage.names import Digest, PackageName

__all__ = [
    "BlobInUse",
    "BlobUnknown",
    "BlobUploadInvalid",
    "BlobUploadUnknown",
    "Denied",
    "DigestInvalid",
    "DigestMalformed",
    "DigestUnsupported",
    "EndpointUnknown",
    "ErrorCode",
    "LayerTooLarge",
    "ManifestBlobUnknown",
    "ManifestInvalid",
    "ManifestTooLarge",
    "ManifestUnknown",
    "NameInvalid",
    "NameUnknown",
    "PageInvalid",
    "ParameterInvalid",
    "RangeInvalid",
    "RangeNotSatisfiable",
    "RegistryError",
    "SizeInvalid",
    "TagInvalid",
    "TooManyRequests",
    "TooManyTags",
    "Unauthorized",
    "UnavailableNow",
    "Unsupported",
    "UploadBusy",
    "UploadExpired",
]


class NameUnknown(RegistryError):
    """The package does not exist, or this identity may not know that it does."""

    code = ErrorCode.NAME_UNKNOWN

    def __init__(self, name: PackageName) -> None:
        super().__init__("no package with this name is known to you", {"name": str(name)})


class BlobUnknown(RegistryError):
    code = ErrorCode.BLOB_UNKNOWN

    def __init__(self, digest: Digest) -> None:
        super().__init__("this package has no blob with this digest", {"digest": digest})


class BlobInUse(RegistryError):
    """A blob that manifests of the package name cannot be deleted: 405 by «Deleting Blobs»."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, digest: Digest, manifests: Sequence[Digest]) -> None:
        message = f"manifests of this package need the blob ({len(manifests)} named in detail); delete them first"
        super().__init__(message, {"digest": digest, "manifests": list(manifests)}, {"Allow": "GET, HEAD"})


class UploadExpired(RegistryError):
    """The upload existed and has ended: cancelled, finished or expired."""

    code = ErrorCode.BLOB_UPLOAD_UNKNOWN

    def __init__(self, upload: UUID) -> None:
        super().__init__(f"the upload {upload} is over; begin a new one with POST")


class UploadBusy(RegistryError):
    """The upload is held by another request. go-containerregistry tries again on this code."""

    code = ErrorCode.BLOB_UPLOAD_INVALID
    own_status = CONFLICT

    def __init__(self, upload: UUID, retry_after_seconds: int = 1) -> None:
        message = f"another request is writing to the upload {upload}; try again when it is over"
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})


class RangeInvalid(RegistryError):
    """A chunk out of order: ``expected`` is the offset in bytes where the next one must begin, ``got`` where it began.

    The response carries the ``Range`` of the bytes kept so far, and ``Location`` if given, so that a client can go on
    at once («Pushing a blob in chunks»: 416).
    """

    code = ErrorCode.RANGE_INVALID

    def __init__(self, expected: int, got: int, location: str | None = None) -> None:
        headers = {"Range": upload_range(expected)}
        if location is not None:
            headers["Location"] = location
        message = f"expected the next chunk to begin at byte {expected}, got {got}"
        super().__init__(message, {"expected": expected, "got": got}, headers)


class DigestInvalid(RegistryError):
    """The received bytes have another digest than the client stated."""

    code = ErrorCode.DIGEST_INVALID

    def __init__(self, expected: Digest, got: Digest) -> None:
        super().__init__(f"expected content of {expected}, got {got}", {"expected": expected, "got": got})


class SizeInvalid(RegistryError):
    """Content-Length and Content-Range, or Content-Length and the body, disagree; sizes in bytes."""

    code = ErrorCode.SIZE_INVALID

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"expected {expected} bytes, got {got}", {"expected": expected, "got": got})


class LayerTooLarge(RegistryError):
    code = ErrorCode.SIZE_INVALID
    own_status = TOO_LARGE

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"a blob has at most {limit_bytes} bytes, this one has more", {"limit_bytes": limit_bytes})


class ManifestUnknown(RegistryError):
    """The package has no such manifest; ``reference`` is the tag or the digest asked for."""

    code = ErrorCode.MANIFEST_UNKNOWN

    def __init__(self, reference: str) -> None:
        super().__init__("this package has no manifest with this tag or digest", {"reference": reference})


class ManifestBlobUnknown(RegistryError):
    """The manifest names blobs or manifests that the package does not have: push them first."""

    code = ErrorCode.MANIFEST_BLOB_UNKNOWN

    def __init__(self, digests: Sequence[Digest]) -> None:
        named = ", ".join(digests[:3]) + (", …" if len(digests) > 3 else "")  # noqa: PLR2004 - three fit on a line
        message = f"the manifest names {len(digests)} blobs or manifests that this package does not have: {named}"
        super().__init__(message, {"digests": list(digests)})


class Unauthorized(RegistryError):
    """The request needs credentials; ``challenge`` is the value of WWW-Authenticate."""

    code = ErrorCode.UNAUTHORIZED

    def __init__(self, why: str, challenge: str | None = None) -> None:
        super().__init__(why, headers=None if challenge is None else {"WWW-Authenticate": challenge})


class Denied(RegistryError):
    """The caller lacks a right. ``missing``: the right; ``have``: the rights held; ``fix``: how to get the missing one.

    ``words``: what GHCR says in this case, which scripts and people search for.
    """

    code = ErrorCode.DENIED

    def __init__(self, missing: str, have: Sequence[str], fix: str, words: str = "permission_denied") -> None:
        held = ", ".join(have) or "nothing"
        detail: Mapping[str, object] = {"missing": missing, "have": list(have), "fix": fix}
        super().__init__(f"{words}; this needs {missing}, and these credentials give {held}. {fix}", detail)


class TooManyRequests(RegistryError):
    code = ErrorCode.TOOMANYREQUESTS

    def __init__(self, retry_after_seconds: int) -> None:
        message = f"too many requests; try again in {retry_after_seconds} seconds"
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})


class UnavailableNow(RegistryError):
    """Postgres or S3 is unreachable, or the server is overloaded or stopping."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self, retry_after_seconds: int) -> None:
        message = f"the registry cannot do this now; try again in {retry_after_seconds} seconds"
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})
