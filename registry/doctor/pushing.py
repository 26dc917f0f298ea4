"""Checks a push through all proxies: a chunk of some MiB, in an upload that is cancelled."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import urljoin

import orjson

from registry.doctor.http import FAILURES, Reply, ask
from registry.doctor.report import LARGE_BODIES, Check, reason_of, right, wrong

_PART: Final = "push"
_CHUNK: Final = bytes(4 * 1024 * 1024)
_OK, _ACCEPTED, _TOO_LARGE, _MANY, _UNAVAILABLE = 200, 202, 413, 429, 503
_REFUSED: Final = (401, 403)
_MAKE: Final = "make a token: moorage admin token create --user LOGIN --scope write:packages"
#: What mends a refusal that the registry itself gives for a while.
_BUSY: Final = {
    _MANY: "end uploads of this account, or wait until they end by themselves: MOORAGE_UPLOADS_PER_ACCOUNT",
    _UNAVAILABLE: (
        "mend what is wrong above; else the log of the replica tells what is away, "
        "or which disk is full (docs/operate/disk-full.md)"
    ),
}
_BETWEEN: Final = "have the proxy pass bodies, methods and paths as they come (docs/operate/proxies.md)"


async def check_push(origin: str, token: str) -> Check:
    """Log in with an access token, send a chunk, and cancel the upload, in a package of the token's owner."""
    basic = base64.b64encode(f"doctor:{token}".encode()).decode()
    try:
        user = await _ask(f"{origin}/api/v3/user", "GET", {"Authorization": f"Bearer {token}"})
        if user.status != _OK:
            return wrong(_PART, f"the token is refused (HTTP {user.status})", _MAKE)
        login = str(orjson.loads(user.body)["login"])
        return await _push(origin, {"Authorization": f"Basic {basic}"}, login)
    except FAILURES as error:
        return wrong(_PART, f"a push is cut: {reason_of(error)}", _BETWEEN)
    except (ValueError, LookupError, TypeError):  # no JSON, or not ours
        return wrong(_PART, f"{origin}/api/v3 is not answered by the registry", _BETWEEN)


async def _push(origin: str, headers: Mapping[str, str], login: str) -> Check:
    begun = await _ask(f"{origin}/v2/{login.lower()}/moorage-doctor/blobs/uploads/", "POST", headers)
    if begun.status in _REFUSED:
        return wrong(_PART, f"the token of {login} may not push (HTTP {begun.status})", _MAKE)
    if begun.status != _ACCEPTED:
        return wrong(_PART, f"an upload cannot be begun (HTTP {begun.status})", _BUSY.get(begun.status, _BETWEEN))
    place = urljoin(origin, begun.header("location"))
    if not place.startswith(f"{origin}/"):
        told = f"uploads go on at {place.partition('/v2/')[0]}, which is not {origin}"
        return wrong(_PART, told, f"set MOORAGE_PUBLIC_URL={origin}")
    return await _chunk(place, headers, login)


async def _chunk(place: str, headers: Mapping[str, str], login: str) -> Check:
    mib = len(_CHUNK) // 1024 // 1024
    sent = None
    try:
        typed = {**headers, "Content-Type": "application/octet-stream"}
        sent = await _ask(place, "PATCH", typed, _CHUNK)
    finally:
        cancelled = await _ask(_here(place, sent), "DELETE", headers)
    if sent.status == _TOO_LARGE:
        return wrong(_PART, f"a chunk of {mib} MiB is refused by the proxy (HTTP 413)", LARGE_BODIES)
    if sent.status != _ACCEPTED or sent.header("range") != f"0-{len(_CHUNK) - 1}":
        told = f"a chunk of {mib} MiB is not taken (HTTP {sent.status})"
        return wrong(_PART, told, _BUSY.get(sent.status, _BETWEEN))
    if cancelled.status // 100 != 2:  # noqa: PLR2004 - a success
        return wrong(_PART, f"the upload cannot be cancelled (HTTP {cancelled.status})", _BETWEEN)
    return right(_PART, f"{login} logs in, and a chunk of {mib} MiB comes whole; the upload is cancelled")


def _here(place: str, sent: Reply | None) -> str:
    return urljoin(place, sent.header("location") or place) if sent is not None else place


async def _ask(url: str, method: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
    return await asyncio.to_thread(ask, url, method, headers, body)
