"""Checks the object store by doing what the registry does there, with objects of its own, which it deletes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from registry.doctor.http import FAILURES, ask
from registry.doctor.report import Check, clock, right, wrong
from storage.errors import StorageError
from storage.objects.base import MIN_PART_BYTES, MultipartId, ObjectKey, Span, Stores
from storage.objects.local.store import LocalSettings
from storage.objects.s3.store import S3Settings

_DATA: Final = bytes(range(256)) * 16
_SPAN: Final = Span(1000, 3000)

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


def key_of(name: str, use: str) -> ObjectKey:
    """Return a key like those of the registry (registry/uploads/sessions.py), so that the same rights hold."""
    return ObjectKey(f"b/{name[:2]}/{name}-doctor-{use}")


class _Examination:
    """The operations on a store, on two keys of their own."""

    def __init__(self, stores: Stores, settings: S3Settings | LocalSettings, name: str) -> None:
        self._stores = stores
        self._local = isinstance(settings, LocalSettings)
        self._whole = key_of(name, "whole")
        self._parts = key_of(name, "parts")
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
