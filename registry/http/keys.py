"""The typed keys of the application's and the requests' storage."""

import msgspec
from aiohttp import web

from registry.services import Services

SERVICES = web.AppKey("services", Services)


class Visit(msgspec.Struct):
    """The context of a request: id, start and account; one object, as each key look-up costs time."""

    id: str
    started: float  # time.monotonic(): the clock of uvloop has milliseconds
    account_id: int | None = None


#: Of every request.
VISIT = web.RequestKey("visit", Visit)

#: Of the requests whose response has begun: what goes wrong now can only be told by cutting the connection.
BEGUN = web.RequestKey("begun", bool)
