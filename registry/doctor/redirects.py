"""Checks where clients are redirected to for blobs, rule by rule, and judges whether others reach what answers here."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from registry.config import Settings
from registry.doctor.http import FAILURES, Reply, ask
from registry.doctor.report import Check, hint, reason_of, right, wrong
from registry.redirects.rules import Direct, Rule, ToS3
from registry.redirects.targets import Redirects, Target
from storage.errors import StorageError
from storage.objects.base import ObjectKey, Span, Stores
from storage.objects.s3.store import S3Settings

_DATA: Final = bytes(range(256)) * 16
_SPAN: Final = Span(1000, 3000)
_OK, _PARTIAL = 200, 206

_REDIRECT: Final = "redirect"
_OFF: Final = "or MOORAGE_REDIRECT=off, so that blobs go through the server"


async def check_redirects(
    stores: Stores, settings: Settings, key: ObjectKey, front: str, now: Callable[[], float]
) -> list[Check]:
    """Check each rule with an object of its own, which is deleted."""
    targets = Redirects(settings.redirects, stores, now).targets
    try:
        await stores.put(key, [_DATA])
        return [check for target in targets for check in await _check(settings, target, key, front, now)]
    except StorageError:
        return []  # told by check_store already
    finally:
        with suppress(StorageError):
            await stores.delete([key])


async def _check(
    settings: Settings, target: Target, key: ObjectKey, front: str, now: Callable[[], float]
) -> list[Check]:
    rule = target.rule
    url = await target.url(key)
    if url is None:
        whose = "" if rule.is_for_all else f" for {_whose(rule)}"
        return [right(_REDIRECT, f"off{whose}: blobs go through the server")]
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
    found = await _fetched(url, origin, rule, settings, now)
    return [found, *outside(origin, front)] if rule.is_for_all else [found]


async def _fetched(url: str, origin: str, rule: Rule, settings: Settings, now: Callable[[], float]) -> Check:
    place = _place(rule, settings)
    told = f"{_whose(rule)} are sent to {origin}"
    ca_bundle = settings.store.ca_bundle if isinstance(settings.store, S3Settings) else None

    def get(headers: dict[str, str]) -> Reply:
        return ask(url, headers=headers, ca_bundle=ca_bundle, now=now)

    if urlsplit(url).scheme in getproxies() and not proxy_bypass(urlsplit(url).netloc):
        told += ", which was not tried: a proxy of the environment is between"
        return hint(_REDIRECT, told, "run moorage doctor where clients are, without HTTP_PROXY and HTTPS_PROXY")
    try:
        reply = await asyncio.to_thread(get, {})
        part = await asyncio.to_thread(get, {"Range": f"bytes={_SPAN.start}-{_SPAN.stop - 1}"})
    except FAILURES as error:
        told += f", which does not answer here: {reason_of(error)}"
        if rule.networks:
            return hint(_REDIRECT, told, f"run moorage doctor in these networks; if it fails there, correct {place}")
        return wrong(_REDIRECT, told, f"make {place} the address that clients reach, {_OFF}")
    if reply.status != _OK or reply.body != _DATA:
        told += f", which answers HTTP {reply.status} to a signed URL"
        cure = f"let what is between pass Host, path and query as they come; make {place} the same store"
        if not isinstance(rule, ToS3):
            cure = "give it the same key, and let it read the store: see docs/operate/redirects.md"
        return wrong(_REDIRECT, told, f"{cure}, {_OFF}")
    if part.status != _PARTIAL or part.body != _DATA[_SPAN.start : _SPAN.stop]:
        told = f"{origin} answers HTTP {part.status} to a client that asks for a range; pulls are not resumed"
        return wrong(_REDIRECT, told, "MOORAGE_REDIRECT=off: the server sends ranges itself")
    return right(_REDIRECT, f"{told}, which answers signed URLs, and ranges of them")


def _whose(rule: Rule) -> str:
    named = f" named {', '.join(rule.user_agents)}" if rule.user_agents else ""
    return f"clients{named}{' in ' + ', '.join(rule.networks) if rule.networks else ''}"


def _place(rule: Rule, settings: Settings) -> str:
    """Return the setting that has the address of a rule."""
    if isinstance(rule, Direct):
        return "MOORAGE_REDIRECTS"
    if not isinstance(rule, ToS3):
        return f"the url {rule.url} in MOORAGE_REDIRECTS"
    if rule.endpoint is not None:
        return f"the endpoint {rule.endpoint} in MOORAGE_REDIRECTS"
    public = isinstance(settings.store, S3Settings) and settings.store.public_endpoint
    return "MOORAGE_S3_PUBLIC_ENDPOINT" if public else "MOORAGE_S3_ENDPOINT"


def outside(origin: str, front: str) -> list[Check]:
    """Judge by its name whether a host that answers here can be reached by clients."""
    host, door = urlsplit(origin).hostname or "", urlsplit(front).hostname or ""
    cure = f"set MOORAGE_S3_PUBLIC_ENDPOINT to the S3 server as clients reach it, {_OFF}"
    if _reach(host) == "here" and _reach(door) != "here":
        return [wrong(_REDIRECT, f"{host} is this machine to every client, which the S3 server is not", cure)]
    if _reach(host) == "inside" and _reach(door) == "outside":
        return [hint(_REDIRECT, f"{host} may be known in this network only, while {door} is for all", cure)]
    if origin.startswith("http:") and front.startswith("https:"):
        return [hint(_REDIRECT, "blobs come over plain HTTP, while the registry speaks HTTPS", cure)]
    return []


def _reach(host: str) -> str:
    """Return how far a host is known, as its name or address shows: here, inside, or outside."""
    with suppress(ValueError):
        address = ip_address(host)
        return "here" if address.is_loopback else "inside" if address.is_private else "outside"
    if host == "localhost" or host.endswith(".localhost"):
        return "here"
    inside = "." not in host or host.endswith((".svc", ".local", ".internal", ".cluster.local"))
    return "inside" if inside else "outside"
