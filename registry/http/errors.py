"""What a client is told about its HTTP, before any dialect has understood it; rendered like every error of ours."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson

from registry.errors import TooManyRequests
from registry.oci.errors import ErrorCode, RegistryError

API_PREFIX: Final = "/api/v3/"


def api_body(message: str, status: int, more: Mapping[str, object] | None = None) -> bytes:
    """An error in the JSON of GitHub; ``more`` goes beside the message."""
    told = {"message": message, **(more or {}), "documentation_url": f"{API_PREFIX}openapi.json", "status": str(status)}
    return orjson.dumps(told)


class MessageInvalid(RegistryError):
    """What came is no HTTP/1.1. The message says nothing of what came: it may be a secret sent to the wrong place."""

    code = ErrorCode.UNSUPPORTED
    own_status = HTTPStatus.BAD_REQUEST

    def __init__(self, why: str = "expected a well-formed HTTP/1.1 request") -> None:
        super().__init__(why)


class TargetTooLong(MessageInvalid):
    """RFC 9112 §3."""

    own_status = HTTPStatus.REQUEST_URI_TOO_LONG

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"expected a URL of at most {limit_bytes} bytes")


class HeadersTooLarge(MessageInvalid):
    """RFC 6585 §5."""

    own_status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE

    def __init__(self, limit_bytes: int, limit_count: int) -> None:
        super().__init__(f"expected at most {limit_count} headers of at most {limit_bytes} bytes each")


class BodyTooSlow(RegistryError):
    """The whole body was due within ``limit_seconds``."""

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
    """Whether it would be answered in the JSON of GitHub. ``host`` as it was asked; ``api_host`` as in the settings."""
    return target.startswith(API_PREFIX) or (api_host != "" and host.lower() == api_host)


def too_many(retry_after_seconds: int, *, api: bool) -> TooManyRequests:
    """Of a request that no dialect has seen, in the one it is for."""
    return (TooManyApiRequests if api else TooManyRequests)(retry_after_seconds)


class NothingHere(RegistryError):
    """No dialect has this path."""

    code = ErrorCode.UNSUPPORTED
    own_status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("there is nothing at this path; the registry is at /v2/")


class Refused(RegistryError):
    """An answer of the framework in our words."""

    code = ErrorCode.UNSUPPORTED

    def __init__(self, status: int) -> None:
        super().__init__(HTTPStatus(status).phrase)
        self.own_status = status  # type: ignore[misc]  # of this one only
