"""Chooses the place from which a caller fetches a blob, by address, as trusted proxies tell it, and program."""

from typing import Final

from registry.http.proxies import caller
from registry.http.v2.call import Call
from registry.redirects.targets import Target

#: stargz-snapshotter's, which has no name of its own. It asks for one range to learn where a layer is, and asks that
#: place for several ranges at once; where the answer is here, it follows no redirect any more.
_STARGZ: Final = b"Go-http-client/"


def target_of(call: Call) -> Target | None:
    """Return the target of the caller; None: ranges for a program that needs a place which knows several of them."""
    redirects, http = call.services.redirects, call.http
    target = redirects.only
    if target is None:
        address = caller(http, call.services.settings.trusted_proxies)
        target = redirects.target(address, http.field(b"user-agent") or "")
    if target.knows_ranges or b"range" not in http.fields:
        return target
    return None if http.fields.get(b"user-agent", b"").startswith(_STARGZ) else target
