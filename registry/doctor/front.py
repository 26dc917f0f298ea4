"""Checks the way of clients to the registry: its name, its certificate, the proxies before it, and who answers."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from auth.bearer import Bearer, BearerKeys, BearerSettings
from registry.config import Settings
from registry.doctor.http import FAILURES, Reply, announce, ask
from registry.doctor.report import LARGE_BODIES, Check, clock, hint, reason_of, right, wrong
from registry.process.certificates import TlsSettings

_PART: Final = "clients"
_PROXY: Final = "proxy"
#: What the registry calls itself in its responses (registry/http/server/message.py).
_SERVER: Final = "Moorage"
_OK, _CONTINUE, _UNAUTHORIZED, _TOO_LARGE = 200, 100, 401, 413
_GATEWAY: Final = (502, 503, 504)
_REALM: Final = re.compile(r'Bearer realm="([^"]*)/token",service="([^"]*)"')
_WARNED_DAYS: Final = 21
_ANNOUNCED: Final = "/v2/moorage/doctor/blobs/uploads/00000000-0000-4000-8000-000000000000"
_ANNOUNCED_SECONDS: Final = 3.0
_MIB: Final = 1024 * 1024
#: Bodies that are announced where the largest was refused, to tell the limit.
_SIZES: Final = tuple(mib * _MIB for mib in (1, 2, 8, 32, 100, 512, 1024, 5120))
#: What mends a certificate that is refused, by what OpenSSL says.
_UNBELIEVED: Final = {
    "expired": "renew the certificate",
    "mismatch": "give the server a certificate for this very name, or correct MOORAGE_PUBLIC_URL",
    "certificate": (
        "give the server the whole chain; with an authority of your own name its file here, SSL_CERT_FILE=FILE, and "
        "give it to all clients"
    ),
}
_HEADERS: Final = "X-Forwarded-Proto and X-Forwarded-For (docs/operate/proxies.md)"


def address_of(settings: Settings, url: str | None) -> str:
    """Return the origin that is checked: the one asked for, or that of clients, or where the server listens here."""
    asked = url or settings.public_url
    if asked:
        return _normal(asked if "://" in asked else f"https://{asked}")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - compared
    scheme = "http" if settings.tls is None else "https"
    return f"{scheme}://[{host}]:{settings.port}" if ":" in host else f"{scheme}://{host}:{settings.port}"


def _normal(origin: str) -> str:
    """Return an origin as browsers write it: in lower case, without the port that its scheme has anyway."""
    parts = urlsplit(origin)
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return f"{parts.scheme.lower()}://{parts.netloc.lower().removesuffix(usual)}"


async def check_front(settings: Settings, origin: str, now: Callable[[], float]) -> list[Check]:
    """Check that ``origin`` is this registry, as its clients see it. Nothing is changed there."""
    checks = [] if settings.tls is None else [_own_certificate(settings.tls, now())]
    try:
        reply = await asyncio.to_thread(ask, f"{origin}/v2/", now=now)
    except FAILURES as error:
        return [*checks, _unreachable(origin, error)]
    if reply.certificate_ends is not None:
        checks.append(_days(f"the certificate of {origin}", reply.certificate_ends, now()))
    challenge = _REALM.match(reply.header("www-authenticate"))
    if reply.status != _UNAUTHORIZED or challenge is None:
        return [*checks, _not_ours(origin, reply)]
    checks.append(right(_PART, f"a registry answers at {origin}"))
    if reply.ahead_seconds is not None:
        checks.append(clock(_PART, reply.ahead_seconds))
    checks.append(_realm(settings, origin, challenge[1]))
    checks.append(await _same(settings, origin, challenge[2], now))
    checks += await _ready(origin)
    checks += _proxies(settings, origin, reply)
    return [*checks, *await _limit(settings, origin)]


def _own_certificate(tls: TlsSettings, now: float) -> Check:
    with open(tls.certificate, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    return _days("MOORAGE_TLS_CERT", certificate.not_valid_after_utc, now)


def _days(what: str, ends: datetime, now: float) -> Check:
    days = (ends - datetime.fromtimestamp(now, UTC)).days
    cure = "renew it; a file in MOORAGE_TLS_CERT is read again as it changes"
    if days < 0:
        return wrong("certificate", f"{what} ended {-days} days ago", cure)
    if days < _WARNED_DAYS:
        return hint("certificate", f"{what} ends in {days} days", cure)
    return right("certificate", f"{what} is good for {days} days")


def _unreachable(origin: str, error: Exception) -> Check:
    reason = reason_of(error)
    cure = next((cure for word, cure in _UNBELIEVED.items() if word in reason), None)
    if cure is not None:
        return wrong("certificate", f"{origin} is not believed: {reason.rstrip('.')}", cure)
    if "TLS" in reason:
        return wrong(_PART, f"{origin}: {reason}", "make the scheme of MOORAGE_PUBLIC_URL what is spoken there")
    cure = "start moorage serve (and the proxy), correct MOORAGE_PUBLIC_URL or its name in DNS, open the port"
    return wrong(_PART, f"{origin} does not answer: {reason}", cure)


def _not_ours(origin: str, reply: Reply) -> Check:
    who = reply.header("server") or "a server that does not say its name"
    if reply.status in _GATEWAY:
        told = f"{origin} answers HTTP {reply.status} ({who}): the proxy finds no server of ours"
        return wrong(_PART, told, "start moorage serve; correct its address in the proxy (docs/operate/proxies.md)")
    told = f"{origin} is no registry: GET /v2/ is HTTP {reply.status} without our challenge ({who})"
    return wrong(_PART, told, "correct MOORAGE_PUBLIC_URL, or have the proxy pass /v2/ and /token as they come")


def _realm(settings: Settings, origin: str, realm: str) -> Check:
    if _normal(realm) == origin:
        return right(_PART, f"they are sent to {realm}/token to log in")
    told = f"they are sent to {realm}/token to log in, and came to {origin}"
    if settings.public_url is not None:
        return wrong(_PART, told, f"set MOORAGE_PUBLIC_URL={origin}, if this is how clients reach it")
    trusted = ", ".join(map(str, settings.trusted_proxies)) or "nobody"
    cure = (
        f"set MOORAGE_PUBLIC_URL={origin}; or have the proxy send {_HEADERS} and its network be in "
        f"MOORAGE_TRUSTED_PROXIES ({trusted} is trusted now)"
    )
    return wrong(_PART, told, cure)


async def _same(settings: Settings, origin: str, service: str, now: Callable[[], float]) -> Check:
    """Show a token of nobody, signed here: who takes it has our secret."""
    bearer = Bearer(
        BearerKeys.from_secrets(settings.secrets), BearerSettings(issuer="moorage", service=service, leeway_seconds=0)
    )
    token = bearer.issue(account_id=None, token_id=None, grants=(), now=now(), ttl_seconds=60)
    try:
        reply = await asyncio.to_thread(ask, f"{origin}/v2/", "GET", {"Authorization": f"Bearer {token}"})
    except FAILURES as error:
        return _unreachable(origin, error)
    if reply.status == _OK:
        return right(_PART, "it is this registry: it takes a token signed with MOORAGE_SECRET_KEY")
    return wrong(
        _PART,
        f"{origin} does not take a token signed with MOORAGE_SECRET_KEY (HTTP {reply.status})",
        "give all replicas the same MOORAGE_SECRET_KEY; have the proxy pass Authorization; or it is another registry",
    )


async def _ready(origin: str) -> list[Check]:
    try:
        reply = await asyncio.to_thread(ask, f"{origin}/readyz")
    except FAILURES as error:
        return [_unreachable(origin, error)]
    text = reply.body.decode("utf-8", "replace").strip()[:200]
    if reply.status == _OK and text.startswith("ready"):
        return [right(_PART, "the replica that answers is ready")]
    if reply.status in _GATEWAY:
        return [wrong(_PART, f"the replica that answers is not ready: {text}", "mend what it names; see its log")]
    return []  # a proxy may keep /readyz from clients


def _proxies(settings: Settings, origin: str, reply: Reply) -> list[Check]:
    """Tell of a proxy that is not trusted. A proxy shows by TLS that is not ours, or by the headers that it writes."""
    named = reply.header("via") or (reply.header("server") if reply.header("server") != _SERVER else "")
    terminates = origin.startswith("https:") and settings.tls is None
    if not named and not terminates:
        return []
    if settings.trusted_proxies:
        networks = ", ".join(map(str, settings.trusted_proxies))
        return [right(_PROXY, f"{networks} may tell the addresses of clients")]
    told = f"{named or 'whoever ends TLS'} is before the server, and MOORAGE_TRUSTED_PROXIES trusts nobody"
    cure = (
        f"set MOORAGE_TRUSTED_PROXIES to its network: else one client's bad passwords lock out those of all; {_HEADERS}"
    )
    return [hint(_PROXY, told, cure)]


async def _limit(settings: Settings, origin: str) -> list[Check]:
    """Announce the largest layer, without credentials: who has a limit says so, the registry asks who it is."""
    size = settings.uploads.layer_limit_bytes
    try:
        status = await _announced(origin, size)
        if status == _UNAUTHORIZED:
            return [right(_PROXY, f"a layer of {_human(size)} may come")]
        if status == _CONTINUE:
            told = (
                "it takes the whole body of a request before the server sees any: an upload that is cut keeps nothing"
            )
            return [hint(_PROXY, told, "nginx: proxy_request_buffering off; see docs/operate/proxies.md")]
        passed = 0
        if status == _TOO_LARGE:
            for smaller in _SIZES:
                if smaller >= size or await _announced(origin, smaller) == _TOO_LARGE:
                    break
                passed = smaller
    except FAILURES as error:
        return [_unreachable(origin, error)]
    if status == _TOO_LARGE:
        some = f"takes bodies of {_human(passed)}, and not much more" if passed else "takes next to no body"
        return [wrong(_PROXY, f"it {some}: layers up to {_human(size)} are refused with HTTP 413", LARGE_BODIES)]
    told = f"a layer of {_human(size)} is answered with HTTP {status} instead of being let through"
    return [wrong(_PROXY, told, f"have the proxy pass large bodies as they come: {LARGE_BODIES}")]


async def _announced(origin: str, size: int) -> int:
    return await asyncio.to_thread(announce, origin + _ANNOUNCED, "PATCH", size, _ANNOUNCED_SECONDS)


def _human(size: int) -> str:
    return f"{size / _MIB / 1024:g} GiB" if size >= 1024 * _MIB else f"{size / _MIB:g} MiB"
