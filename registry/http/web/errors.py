"""Errors as pages: what happened, what to do, and the id of the request. One page for what is hidden and missing."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from aiohttp import web

from registry.errors import Denied, ReadOnlyNow, Refusal, RegistryError
from registry.http.errors import unavailable
from registry.http.statuses import status_of
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.http.web.refusals import FORBIDDEN, LIFTED
from registry.http.web.viewer import stranger
from registry.packages.kept_tags import TagProtected
from registry.process.outages import Outages
from storage.errors import StorageError

log = structlog.get_logger()

#: What pages say of a status: what happened, and what to do.
_WORDS: Final[Mapping[int, tuple[str, str]]] = {
    400: (key("This request cannot be understood"), key("Go back, and try it again.")),
    403: (key("You may not do this"), key("Ask an admin of the package or an owner of the organization.")),
    404: (key("There is nothing here"), key("The address may be mistyped, or you may not see what is here.")),
    405: (key("This address cannot be used like that"), key("Go back, and try it again.")),
    409: (key("Something else was changed first"), key("Open the page again, and look at what is there now.")),
    412: (key("Something else was changed first"), key("Open the page again, and look at what is there now.")),
    413: (key("That was too much to send"), key("Send less at a time.")),
    422: (key("Something in the form is wrong"), key("Go back, and correct it.")),
    429: (key("Too many requests"), key("Wait a little, and try it again.")),
    500: (key("Something went wrong here"), key("It is our fault, and in our log under the number below.")),
    503: (key("The registry cannot do this now"), key("Wait a little, and try it again.")),
}
_READ_ONLY: Final = key("The registry is read-only")
_KEPT: Final = key("A rule keeps this tag")


def error_page(call: PageCall, error: RegistryError) -> web.Response:
    """Render an error as a page; one of the server asks nothing of the database."""
    status = status_of(error)
    told, advice = _WORDS.get(status) or _WORDS[400 if status < HTTPStatus.INTERNAL_SERVER_ERROR else 500]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        call.viewer = stranger(call.http, call.services)
    reason = error.message if isinstance(error, Refusal | Denied) and status != HTTPStatus.NOT_FOUND else None
    match error:
        case ReadOnlyNow():
            told, reason = _READ_ONLY, error.reason
        case TagProtected(refused=refused):
            told, reason = _KEPT, call.say(FORBIDDEN[refused.change], tag=refused.tag)
            advice = call.say(LIFTED, rule=refused.rule)
        case _:
            pass
    return call.page(
        "error.html",
        title=[call.say(told)],
        status=status,
        headers={name: value for name, value in error.headers.items() if name in {"Allow", "Retry-After"}},
        code=status,
        told=call.say(told),
        advice=call.say(advice),
        reason=reason,
        sent=call.http.method == "POST",
        retry_seconds=error.headers.get("Retry-After"),
    )


def told(error: Exception, method: str, path: str, outages: Outages) -> RegistryError:
    """Convert an error to the one that the viewer is told of; an unexpected error is logged."""
    match error:
        case RegistryError():
            return error
        case StorageError():
            return unavailable(error, path, outages)
        case _:
            log.error("request.failed", method=method, path=path, exc_info=error)
            return RegistryError("This is our fault, and it is in our log under the id of this request")
