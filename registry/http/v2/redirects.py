"""Chooses the place from which a caller fetches a blob, by address, as trusted proxies tell it, and program."""

from typing import Final

from registry.http.proxies import caller
from registry.http.v2.call import Call
from registry.redirects.targets import Target

#: What stargz-snapshotter, and who has its code, asks once to learn where a layer is, to ask there for several ranges.
_PROBE: Final = b"bytes=0-1"


def target_of(call: Call) -> Target | None:
    """Return the target of the caller; None: who looks for a place that knows several ranges has found one here."""
    redirects, http = call.services.redirects, call.http
    target = redirects.only
    if target is None:
        address = caller(http, call.services.settings.trusted_proxies)
        target = redirects.target(address, http.field(b"user-agent") or "")
    if not target.knows_ranges and http.fields.get(b"range") == _PROBE:
        return None
    return target
