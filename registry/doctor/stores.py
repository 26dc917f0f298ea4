"""Checks the object store by doing what the registry does there, with objects of its own, which it deletes."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from registry.config import Settings
from registry.doctor.http import FAILURES, Reply, ask
from registry.doctor.report import Check, clock, hint, reason_of, right, wrong
from storage.errors import StorageError
from storage.objects.base import MIN_PART_BYTES, MultipartId, ObjectKey, Span, Stores
from storage.objects.local.store import LocalSettings
from storage.objects.s3.store import S3Settings

_DATA: Final = bytes(range(256)) * 16
_SPAN: Final = Span(1000, 3000)
_TYPE: Final = "application/octet-stream"
_URL_LIFE: Final = timedelta(seconds=60)
_OK, _PARTIAL = 200, 206

_FULL: Final = "make room in the S3 server, or raise its quota (docs/operate/disk-full.md)"
_ENDPOINT: Final = "correct MOORAGE_S3_ENDPOINT, start the S3 server, and let the firewall pass the port"
#: What mends an error of S3, by what stands in its message: codes of S3, and names of errors of the connection.
_CURES: Final = {
    "NoSuchBucket": "create the bucket, or correct MOORAGE_S3_BUCKET",
    "InvalidBucketName": "correct MOORAGE_S3_BUCKET",
    "SignatureDoesNotMatch": "the key id is known, its secret is another: correct AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "correct AWS_ACCESS_KEY_ID: nobody there has this key",
    "XAdminUserNotFound": "correct AWS_ACCESS_KEY_ID: nobody there has this key",
    "InvalidToken": "correct AWS_SESSION_TOKEN, or unset it",
    "ExpiredToken": "renew the credentials: AWS_SESSION_TOKEN has expired",
    "RequestTimeTooSkewed": "set the clocks of both machines by NTP (timedatectl set-ntp true)",
    "AuthorizationHeaderMalformed": "correct MOORAGE_S3_REGION",
    "PermanentRedirect": "correct MOORAGE_S3_REGION and MOORAGE_S3_ENDPOINT: the bucket is in another region",
    "HTTP 301": "correct MOORAGE_S3_REGION and MOORAGE_S3_ENDPOINT: the bucket is in another region",
    "Full": _FULL,
    "Quota": _FULL,
    "HTTP 507": _FULL,
    "Certificate": "name the authority that signed its certificate: AWS_CA_BUNDLE=FILE",
    "SSL": "make the scheme of MOORAGE_S3_ENDPOINT what the server speaks, http or https",
    "DNS": "correct the host in MOORAGE_S3_ENDPOINT: no such name is known here",
    "Connect": _ENDPOINT,
    "Disconnected": _ENDPOINT,
    "no success": _ENDPOINT,
    "Timeout": _ENDPOINT,
}
_RIGHTS: Final = (
    "give the credentials s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on the objects, and "
    "s3:ListBucket, s3:ListBucketMultipartUploads on the bucket"
)
_DISK: Final = "give the user of the server the directory (chown), and room on its disk"


async def check_store(
    stores: Stores, settings: S3Settings | LocalSettings, name: str, now: Callable[[], float]
) -> list[Check]:
    """Check the store: that it answers, and each operation of the registry. ``name``: that of the objects made."""
    examination = _Examination(stores, settings, name)
    times = await _clock(settings, now) if isinstance(settings, S3Settings) else []
    try:
        await stores.ping()
    except StorageError as error:
        return [examination.failed(examination.place, error), *times]
    return [right(examination.part, f"{examination.place} answers"), *times, *await examination.run()]


async def _clock(settings: S3Settings, now: Callable[[], float]) -> list[Check]:
    try:
        reply = await asyncio.to_thread(ask, settings.url, ca_bundle=settings.ca_bundle, now=now)
    except FAILURES:
        return []  # behind a proxy of the environment, which only the store's own client takes
    return [] if reply.ahead_seconds is None else [clock("S3", reply.ahead_seconds)]


def _key(name: str, use: str) -> ObjectKey:
    """Return a key like those of the registry (registry/uploads/sessions.py), so that the same rights hold."""
    return ObjectKey(f"b/{name[:2]}/{name}-doctor-{use}")


class _Examination:
    """The operations on a store, on two keys of their own."""

    def __init__(self, stores: Stores, settings: S3Settings | LocalSettings, name: str) -> None:
        self._stores = stores
        self._local = isinstance(settings, LocalSettings)
        self._whole = _key(name, "whole")
        self._parts = _key(name, "parts")
        self._open: list[MultipartId] = []
        self.part = "disk" if isinstance(settings, LocalSettings) else "S3"
        if isinstance(settings, LocalSettings):
            self.place = f"the directory {settings.path}"
        else:
            self.place = f"the bucket {settings.bucket} at {settings.url}"

    async def run(self) -> list[Check]:
        """Do all that the registry does, and delete what was made."""
        steps: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("an object is stored, read, read in part, and deleted", self._objects),
            ("an object of several parts is put together", self._multipart),
            ("a multipart upload is listed and aborted", self._abort),
        )
        checks: list[Check] = []
        try:
            for told, step in steps:
                try:
                    await step()
                except StorageError as error:
                    checks.append(self.failed(f"not so: {told}", error))
                else:
                    checks.append(right(self.part, told))
        finally:
            left = await self._clean()
        return [*checks, *left]

    async def _objects(self) -> None:
        await self._stores.put(self._whole, [_DATA])
        await self._expect(self._whole, _DATA, None)
        await self._expect(self._whole, _DATA, _SPAN)
        listed = [info.key async for info in self._stores.scan(self._whole)]
        if listed != [self._whole]:
            raise StorageError("the list of objects leaves out one that was just stored")
        await self._stores.delete([self._whole])

    async def _multipart(self) -> None:
        upload = await self._begin()
        first, last = bytes(MIN_PART_BYTES), _DATA
        parts = [await self._stores.put_part(self._parts, upload, n, [data]) for n, data in ((1, first), (2, last))]
        await self._stores.complete(self._parts, upload, parts)
        self._open.remove(upload)
        await self._expect(
            self._parts, first[-100:] + last[:100], Span(len(first) - 100, len(first) + 100), whole=False
        )
        await self._stores.delete([self._parts])

    async def _abort(self) -> None:
        upload = await self._begin()
        await self._stores.put_part(self._parts, upload, 1, [_DATA])
        found = [info.multipart async for info in self._stores.uploads(self._parts)]
        if upload not in found:
            raise StorageError("the list of multipart uploads leaves out one that was just begun")
        await self._stores.abort(self._parts, upload)
        if upload in [info.multipart async for info in self._stores.uploads(self._parts)]:
            raise StorageError("a multipart upload that was aborted is still listed")
        self._open.remove(upload)

    async def _begin(self) -> MultipartId:
        upload = await self._stores.create(self._parts)
        self._open.append(upload)
        return upload

    async def _expect(self, key: ObjectKey, data: bytes, span: Span | None, *, whole: bool = True) -> None:
        async with self._stores.reader(key, span) as reader:
            found = b"".join([piece async for piece in reader])
        if found != (data[span.start : span.stop] if span and whole else data):
            raise StorageError("other bytes came back than were stored")

    async def _clean(self) -> list[Check]:
        try:
            for upload in self._open:
                await self._stores.abort(self._parts, upload)
            await self._stores.delete([self._whole, self._parts])
        except StorageError as error:
            return [self.failed(f"{self._whole} and {self._parts} may be left", error)]
        return []

    def failed(self, told: str, error: StorageError) -> Check:
        """Return the check of an operation that failed, with what mends it."""
        text = str(error)
        if self._local:
            return wrong(self.part, f"{told}: {text}", _DISK)
        cure = next((cure for word, cure in _CURES.items() if word in text), None)
        if cure is None:
            cure = _RIGHTS if "refused" in text else "look into the log of the S3 server; see docs/operate/stores.md"
        return wrong(self.part, f"{told}: {text}", cure)


_REDIRECT: Final = "redirect"
_OFF: Final = "or MOORAGE_REDIRECT=off, so that blobs go through the server"


async def check_redirect(
    stores: Stores, settings: Settings, store: S3Settings, name: str, front: str, now: Callable[[], float]
) -> list[Check]:
    """Check what clients are redirected to for blobs: a signed URL, from here, and whether others reach its host."""
    if not settings.redirect:
        return [right(_REDIRECT, "off: blobs go through the server")]
    key = _key(name, "redirect")
    try:
        await stores.put(key, [_DATA])
        url = await stores.presign(key, ttl=_URL_LIFE, content_type=_TYPE)
        if url is None:
            return []
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        return [await _fetched(url, origin, store, now), *outside(origin, front)]
    except StorageError:
        return []  # told by check_store already
    finally:
        with suppress(StorageError):
            await stores.delete([key])


async def _fetched(url: str, origin: str, store: S3Settings, now: Callable[[], float]) -> Check:
    place = "MOORAGE_S3_PUBLIC_ENDPOINT" if store.public_endpoint else "MOORAGE_S3_ENDPOINT"

    def get(headers: dict[str, str]) -> Reply:
        return ask(url, headers=headers, ca_bundle=store.ca_bundle, now=now)

    if urlsplit(url).scheme in getproxies() and not proxy_bypass(urlsplit(url).netloc):
        told = f"clients are sent to {origin}, which was not tried: a proxy of the environment is between"
        return hint(_REDIRECT, told, "run moorage doctor where clients are, without HTTP_PROXY and HTTPS_PROXY")
    try:
        reply = await asyncio.to_thread(get, {})
        part = await asyncio.to_thread(get, {"Range": f"bytes={_SPAN.start}-{_SPAN.stop - 1}"})
    except FAILURES as error:
        return wrong(
            _REDIRECT,
            f"clients are sent to {origin}, which does not answer here: {reason_of(error)}",
            f"make {place} the address of the S3 server that clients reach, {_OFF}",
        )
    if reply.status != _OK or reply.body != _DATA:
        told = f"clients are sent to {origin}, which answers HTTP {reply.status} to a signed URL"
        cure = f"let what is between pass Host, path and query as they come; make {place} the same server, {_OFF}"
        return wrong(_REDIRECT, told, cure)
    if part.status != _PARTIAL or part.body != _DATA[_SPAN.start : _SPAN.stop]:
        told = f"{origin} answers HTTP {part.status} to a client that asks for a range; pulls are not resumed"
        return wrong(_REDIRECT, told, "MOORAGE_REDIRECT=off: the server sends ranges itself")
    return right(_REDIRECT, f"clients are sent to {origin}, which answers signed URLs, and ranges of them")


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
