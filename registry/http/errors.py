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
    ReadOnlyNow,
    RegistryError,
    UnavailableNow,
)
from registry.http.statuses import status_of
from registry.process.outages import Outages
from storage.errors import ReadOnly, StorageError, Unavailable

log = structlog.get_logger()

API_PREFIX: Final = "/api/v3/"


#: First words of paths of the protocols: below them nothing is a page.
_PROTOCOLS: Final = frozenset({"v2", "token", "api", "healthz", "readyz", "metrics"})
_BUSY: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Too many requests · Moorage</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body><h1>Too many requests</h1><p>Try it again in {seconds} seconds.</p>
<p lang="ko">요청이 너무 많습니다. {seconds}초 뒤에 다시 시도하세요.</p></body></html>
"""


def is_for_pages(path: str) -> bool:
    """Return whether a path is at none of the protocols."""
    first = path[1:].partition("/")[0]
    return first not in _PROTOCOLS and not first.startswith("v2")


def busy_page(retry_after_seconds: int) -> bytes:
    """Render 429 for a browser, without what pages are made with: there is no room for that now."""
    return _BUSY.format(seconds=retry_after_seconds).encode()


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
        case BodyTooSlow() | MessageInvalid() | ReadOnlyNow():
            message = message[:1].upper() + message[1:]
        case UnavailableNow():
            message = "Try again later"
        case _:
            pass
    documentation = f"{base}/openapi.json"
    return orjson.dumps(
        {"message": message, **facts, "documentation_url": documentation, "status": str(status_of(error))}
    )


def unavailable(error: StorageError, path: str, outages: Outages) -> UnavailableNow:
    """Note a failure of the stores in the log, and convert the failure to the error that a client is told of."""
    if isinstance(error, ReadOnly):
        return ReadOnlyNow(error.reason)
    if isinstance(error, Unavailable):
        outages.note(error, path=path)
        return UnavailableNow(retry_after_seconds=2)
    log.error("storage.failed", error=str(error), path=path, exc_info=error)
    return UnavailableNow(retry_after_seconds=5)
