"""The errors that a client is told of: one tree.

A class is one condition; its constructor takes the facts and makes the sentence and the headers. Parsers and rules
raise errors and know no status; the dialects read it from the table of ``registry.http.statuses``. A condition of one
rule alone is a subclass beside that rule, and has the status of its base class.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from storage.names import Digest, PackageName

_SHOWN: Final = 80
_READ_ONLY_SECONDS: Final = 60


def shown(text: str) -> str:
    """Quote hostile text for a message: printable, at most 80 characters."""
    return ascii(text[:_SHOWN] + ("…" if len(text) > _SHOWN else ""))


class RegistryError(Exception):
    """An error that a client is told of; by itself, a fault of ours.

    ``message`` says what was expected and what came, ``detail`` has facts for JSON, ``headers`` go on the response.
    """

    def __init__(
        self, message: str, detail: Mapping[str, object] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.headers: dict[str, str] = dict(headers or {})


class BadRequest(RegistryError):
    """The request is well-formed HTTP, and its content is not; the spec's table has no code for such requests."""


class MessageInvalid(BadRequest):
    """The request is malformed HTTP/1.1. The message quotes none of its bytes: they may be a misdirected secret."""

    def __init__(self, why: str = "expected a well-formed HTTP/1.1 request") -> None:
        super().__init__(why)


class TargetTooLong(MessageInvalid):
    """The request target is too long (RFC 9112 §3)."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"expected a URL of at most {limit_bytes} bytes")


class HeadersTooLarge(MessageInvalid):
    """The header fields are too large (RFC 6585 §5)."""

    def __init__(self, limit_bytes: int, limit_count: int) -> None:
        super().__init__(f"expected at most {limit_count} headers of at most {limit_bytes} bytes each")


class BodyTooSlow(RegistryError):
    """The body was not complete within ``limit_seconds``."""

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"expected the whole body within {limit_seconds:g} s")


class TooLarge(RegistryError):
    """413: the body is too large. SIZE_INVALID is the code of the spec's table that docker prints best."""


class PathUnknown(RegistryError):
    """404: the path belongs to no dialect."""

    def __init__(self) -> None:
        super().__init__("there is nothing at this path; the registry is at /v2/")


class EndpointUnknown(RegistryError):
    """No endpoint of the specification has this path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no endpoint of the distribution API has the path {shown(path)}")


class Unsupported(RegistryError):
    """The path does not have the method: 405. ``allow``: the methods it has (RFC 9110 §15.5.6)."""

    def __init__(self, what: str, allow: Sequence[str] = ()) -> None:
        methods = ", ".join(allow)
        message = f"{what} is not supported" + (f"; use one of {methods}" if allow else "")
        super().__init__(message, headers={"Allow": methods})


class ParameterInvalid(BadRequest):
    """A query parameter other than a digest or a tag is invalid."""

    def __init__(self, parameter: str, expected: str, got: str) -> None:
        message = f"expected {expected} in the parameter {parameter}, got {shown(got)}"
        super().__init__(message, {"parameter": parameter})


class PageInvalid(ParameterInvalid):
    """A page parameter, ``n`` or ``last``, is invalid."""


class NameInvalid(RegistryError):
    """The name of the package violates the grammar."""


class OwnerNotNamed(NameInvalid):
    """The name of the package has no owner: ``image`` is all of it."""

    def __init__(self, image: str) -> None:
        super().__init__(f"expected OWNER/IMAGE, got {shown(image)}")
        self.image = image


class TagInvalid(NameInvalid):
    """The tag violates the grammar. The spec has no code for tags; a manifest's URL names both «name»."""


class DigestMalformed(RegistryError):
    """The digest violates the grammar."""


class DigestUnsupported(DigestMalformed):
    """A digest, or ``digest-algorithm``, of an algorithm that is not kept here: 400 by «Pushing blobs»."""


class RangeNotSatisfiable(RegistryError):
    """416 of a download (RFC 9110 §15.5.17); ``size`` of the blob in bytes."""

    def __init__(self, size: int) -> None:
        message = f"the range holds no byte of this blob of {size} bytes"
        super().__init__(message, {"size": size}, {"Content-Range": f"bytes */{size}"})


class BlobUnknown(RegistryError):
    """The package has no such blob."""

    def __init__(self, digest: Digest) -> None:
        super().__init__("this package has no blob with this digest", {"digest": digest})


class InUse(RegistryError):
    """The content is part of other content and cannot be deleted: 405 by «Deleting Blobs»."""


class BlobUploadUnknown(RegistryError):
    """No such upload is open in the package."""

    def __init__(self, upload: object) -> None:
        super().__init__(
            f"no upload with the id {shown(str(upload))} is open in this package; begin a new one with POST"
        )


class UploadExpired(RegistryError):
    """The upload existed and has ended: cancelled, finished or expired."""

    def __init__(self, upload: UUID) -> None:
        super().__init__(f"the upload {upload} is over; begin a new one with POST")


class BlobUploadInvalid(RegistryError):
    """The request does not fit the upload."""


class UploadBusy(RegistryError):
    """The upload is held by another request. go-containerregistry tries again on this code."""

    def __init__(self, upload: UUID, retry_after_seconds: int = 1) -> None:
        message = f"another request is writing to the upload {upload}; try again when it is over"
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})


class RangeInvalid(RegistryError):
    """A chunk out of order: ``expected`` is the offset in bytes where the next one must begin, ``got`` where it began.

    The response carries the ``Range`` of the bytes kept so far, and ``Location`` if given, so that a client can go on
    at once («Pushing a blob in chunks»: 416).
    """

    def __init__(self, expected: int, got: int, location: str | None = None) -> None:
        headers = {"Range": f"0-{max(expected - 1, 0)}"}  # docker and the spec have no other way to say «none»
        if location is not None:
            headers["Location"] = location
        message = f"expected the next chunk to begin at byte {expected}, got {got}"
        super().__init__(message, {"expected": expected, "got": got}, headers)


class DigestInvalid(RegistryError):
    """The received bytes have another digest than the client stated."""

    def __init__(self, expected: Digest, got: Digest) -> None:
        super().__init__(f"expected content of {expected}, got {got}", {"expected": expected, "got": got})


class SizeInvalid(RegistryError):
    """Content-Length and Content-Range, or Content-Length and the body, disagree; sizes in bytes."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"expected {expected} bytes, got {got}", {"expected": expected, "got": got})


class LayerTooLarge(TooLarge):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"a blob has at most {limit_bytes} bytes, this one has more", {"limit_bytes": limit_bytes})


class ManifestInvalid(RegistryError):
    """The manifest violates the specification of images."""


class ManifestTooLarge(TooLarge):
    """The spec's 413 of end-7."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"a manifest has at most {limit_bytes} bytes, this one has more", {"limit_bytes": limit_bytes})


class ManifestUnknown(RegistryError):
    """The package has no such manifest; ``reference`` is the tag or the digest asked for."""

    def __init__(self, reference: str) -> None:
        super().__init__("this package has no manifest with this tag or digest", {"reference": reference})


class ManifestBlobUnknown(RegistryError):
    """The manifest names blobs or manifests that the package does not have: push them first."""

    def __init__(self, digests: Sequence[Digest]) -> None:
        named = ", ".join(digests[:3]) + (", …" if len(digests) > 3 else "")  # noqa: PLR2004 - three fit on a line
        message = (
            f"the manifest names {len(digests)} blobs or manifests that this package does not have: {named}; "
            "push them first"
        )
        super().__init__(message, {"digests": list(digests)})


class TooManyTags(RegistryError):
    """«Pushing Manifests» lets a registry answer 414 when too many ``tag`` parameters come."""

    def __init__(self, limit: int, got: int) -> None:
        super().__init__(f"expected at most {limit} tag parameters, got {got}", {"limit": limit, "got": got})


class NameUnknown(RegistryError):
    """The package does not exist, or this identity may not know that it does."""

    def __init__(self, name: PackageName) -> None:
        super().__init__("no package with this name is here, or these credentials may not see it", {"name": str(name)})


class Refusal(RegistryError):
    """A rule refuses the change, and nothing was changed. ``fix``: advice for the caller, if there is any."""

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message, {"fix": fix} if fix else None)
        self.fix = fix


class Moved(RegistryError):
    """The object has another name now; ``url`` is where its reader finds it."""

    def __init__(self, url: str) -> None:
        super().__init__("Moved Permanently", {"url": url}, headers={"Location": url})


class MovedForNow(Moved):
    """The object has another name now; the change is to be sent to ``url`` by the same method."""


class NotFound(Refusal):
    """Not found: no object has the name or id, the caller may not see it, or its restore window is over."""

    def __init__(self) -> None:
        super().__init__("Not Found")


class NotDeletable(Refusal):
    """A rule of deletion forbids the deletion; the messages are GitHub's."""


class Conflict(Refusal):
    """Conflict: the name is taken, or the package inherits its roles."""


class Protected(Conflict):
    """A rule that the owner has made protects the content from the change."""


class NotAllowed(Refusal):
    """A policy of the organization or a missing role over the repository forbids the change."""


class Invalid(Refusal):
    """Invalid: a value of the request, or the package's state or owner, does not allow the change."""


class AccountError(RegistryError):
    """An invalid field of a request about accounts and what they own; GitHub's 422 names resource, field and code."""

    resource: str = "Account"
    field: str = "login"
    problem: str = "invalid"


class AccountUnknown(AccountError):
    """No account has the login."""


class Unauthorized(RegistryError):
    """The request needs credentials; ``challenge`` is the value of WWW-Authenticate."""

    def __init__(self, why: str, challenge: str | None = None) -> None:
        super().__init__(why, headers=None if challenge is None else {"WWW-Authenticate": challenge})


class Denied(RegistryError):
    """The caller lacks a right. ``missing``: the right; ``have``: the rights held; ``fix``: how to get the missing one.

    ``words``: what GHCR says in this case, which scripts and people search for.
    """

    def __init__(self, missing: str, have: Sequence[str], fix: str, words: str | None = None) -> None:
        held = ", ".join(have) or "nothing"
        said = words or "permission_denied"
        joint = " This" if said.endswith(".") else "; this"
        message = f"{said}{joint} needs {missing}, and these credentials give {held}. {fix}"
        super().__init__(message, {"missing": missing, "have": list(have), "fix": fix})
        self.words = words or f"this needs {missing}. {fix}"


class SsoMissing(Denied):
    """The token is not authorized for the organization, which requires that."""

    def __init__(self, login: str) -> None:
        super().__init__(
            f"authorisation of this token for the organization {login}",
            ["a token that is not authorised for it"],
            f"Authorise it with PUT /api/v3/user/tokens/TOKEN_ID/organizations/{login}.",
        )


class PreconditionFailed(RegistryError):
    """The content is not what If-Match or If-None-Match asks for. ``current``: its entity tag, if there is any."""

    def __init__(self, current: str | None) -> None:
        now = "there is none" if current is None else f"it is {current}"
        message = f"the condition of the request does not hold, as {now} now; read it again, and repeat the change"
        super().__init__(message, {"etag": current}, {} if current is None else {"ETag": current})


class TooManyRequests(RegistryError):
    """Too many requests, or too many of what ``of`` names."""

    def __init__(self, retry_after_seconds: int, of: str = "requests") -> None:
        self.retry_after_seconds = retry_after_seconds
        message = f"too many {of}; try again in {retry_after_seconds} seconds"
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})


class UnavailableNow(RegistryError):
    """Postgres or S3 is unreachable, or the server is overloaded or stopping."""

    def __init__(self, retry_after_seconds: int, message: str | None = None) -> None:
        if message is None:
            message = f"the registry cannot do this now; try again in {retry_after_seconds} seconds"
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})


class IssuerUnavailable(UnavailableNow):
    """The keys of the issuer that an identity token names cannot be had; PostgreSQL and the store may be well."""

    def __init__(self) -> None:
        super().__init__(
            5, "the keys of the identity token's issuer cannot be had now: the log of this registry says why"
        )


class ReadOnlyNow(UnavailableNow):
    """The registry is read-only for now; ``reason``: what its operator says about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(_READ_ONLY_SECONDS, f"the registry is read-only: {reason}")
        self.reason = reason
