"""Errors of HTTP itself, before a dialect has parsed the request; rendered like all of the registry's errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson

from registry.errors import TooManyRequests
from registry.oci.errors import ErrorCode, RegistryError

API_PREFIX: Final = "/api/v3/"


def api_body(message: str, status: int, more: Mapping[str, object] | None = None) -> bytes:
    """Render an error in GitHub's JSON; ``more`` has fields beside the message."""
    told = {"message": message, **(more or {}), "documentation_url": f"{API_PREFIX}openapi.json", "status": str(status)}
    return orjson.dumps(told)


class MessageInvalid(RegistryError):
    """The request is malformed HTTP/1.1. The message quotes none of its bytes: they may be a misdirected secret."""

    code = ErrorCode.UNSUPPORTED
    own_status = HTTPStatus.BAD_REQUEST

    def __init__(self, why: str = "expected a well-formed HTTP/1.1 request") -> None:
        super().__init__(why)


class TargetTooLong(MessageInvalid):
    """The request target is too long (RFC 9112 §3)."""

    own_status = HTTPStatus.REQUEST_URI_TOO_LONG

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"expected a URL of at most {limit_bytes} bytes")


class HeadersTooLarge(MessageInvalid):
    """The header fields are too large (RFC 6585 §5)."""

    own_status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE

    def __init__(self, limit_bytes: int, limit_count: int) -> None:
        super().__init__(f"expected at most {limit_count} headers of at most {limit_bytes} bytes each")


class BodyTooSlow(RegistryError):
    """The body was not complete within ``limit_seconds``."""

    code = ErrorCode.UNSUPPORTED
    own_status = HTTPStatus.REQUEST_TIMEOUT

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"expected the whole body within {limit_seconds:g} s")


class FormTooLarge(RegistryError):
    code = ErrorCode.SIZE_INVALID
    own_status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"expected a form of at most {limit_bytes} bytes")


class FormInvalid(RegistryError):
    code = ErrorCode.UNSUPPORTED
    own_status = HTTPStatus.BAD_REQUEST

    def __init__(self, why: str) -> None:
        super().__init__(why)


class TooManyApiRequests(TooManyRequests):
    def body(self) -> bytes:
        return api_body(self.message, self.status)


def is_for_api(target: str, host: str, api_host: str) -> bool:
    """Return whether a request is for the API. ``host``: its Host header; ``api_host``: the setting."""
    return target.startswith(API_PREFIX) or (api_host != "" and host.lower() == api_host)


def too_many(retry_after_seconds: int, *, api: bool) -> TooManyRequests:
    """Create the 429 error in the dialect of the request: ``api`` or OCI."""
    return (TooManyApiRequests if api else TooManyRequests)(retry_after_seconds)


class NothingHere(RegistryError):
    """404: the path belongs to no dialect."""

    code = ErrorCode.UNSUPPORTED
    own_status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("there is nothing at this path; the registry is at /v2/")


class Refused(RegistryError):
    """An HTTP error of aiohttp, rendered as a registry error."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self.own_status = status  # type: ignore[misc]  # of this one only
