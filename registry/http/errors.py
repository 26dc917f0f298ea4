"""Errors on their way to the client: in GitHub's JSON, and those of the stores."""

from typing import Final

import orjson
import structlog

from registry.errors import (
    AccountError,
    AccountUnknown,
    BodyTooSlow,
    Denied,
    MessageInvalid,
    NotFound,
    RegistryError,
    UnavailableNow,
)
from registry.http.statuses import status_of
from storage.errors import StorageError, Unavailable

log = structlog.get_logger()

API_PREFIX: Final = "/api/v3/"


def is_for_api(target: str, host: str, api_host: str) -> bool:
    """Return whether a request is for the API. ``host``: its Host header; ``api_host``: the setting."""
    return target.startswith(API_PREFIX) or (api_host != "" and host.lower() == api_host)


def github_body(error: RegistryError, base: str) -> bytes:
    """Render an error in GitHub's JSON: the facts of ``detail`` are fields beside the message.

    ``base`` is the URL of the API.
    """
    message, facts = error.message, error.detail or {}
    match error:
        case AccountUnknown():
            return github_body(NotFound(), base)
        case AccountError(resource=resource, field=field, problem=problem):
            facts = {"errors": [{"resource": resource, "field": field, "code": problem, "message": message}]}
            message = "Validation Failed"
        case Denied():
            message = error.words
        case BodyTooSlow() | MessageInvalid():
            message = message[:1].upper() + message[1:]
        case UnavailableNow():
            message = "Try again later"
        case _:
            pass
    documentation = f"{base}/openapi.json"
    return orjson.dumps(
        {"message": message, **facts, "documentation_url": documentation, "status": str(status_of(error))}
    )


def unavailable(error: StorageError, path: str) -> UnavailableNow:
    """Log a failure of the stores, and convert the failure to the error that a client is told of."""
    if isinstance(error, Unavailable):
        log.warning("storage.unavailable", error=str(error), path=path)
        return UnavailableNow(retry_after_seconds=2)
    log.error("storage.failed", error=str(error), path=path, exc_info=error)
    return UnavailableNow(retry_after_seconds=5)
