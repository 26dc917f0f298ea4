"""The conditions of requests that write: If-Match and If-None-Match."""

from registry.http.server.message import Request
from registry.oci.headers import Condition


def condition_of(http: Request) -> Condition | None:
    """Return the condition of a write; None: the request has none, as nearly all."""
    if b"if-match" not in http.fields and b"if-none-match" not in http.fields:
        return None
    match, none = http.headers.getall("If-Match", []), http.headers.getall("If-None-Match", [])
    return Condition(tuple(match), tuple(none))
