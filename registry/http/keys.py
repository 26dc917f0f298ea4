"""The typed keys under which the application, and a request, keep things."""

import msgspec
from aiohttp import web

from registry.services import Services

SERVICES = web.AppKey("services", Services)


class Visit(msgspec.Struct):
    """What is known of a request besides what it says: one object, as looking up keys is not for nothing."""

    id: str
    started: float  # time.monotonic(): the clock of uvloop has milliseconds
    account_id: int | None = None


#: Of every request.
VISIT = web.RequestKey("visit", Visit)

#: Of the requests whose response has begun: what goes wrong now can only be told by cutting the connection.
BEGUN = web.RequestKey("begun", bool)
