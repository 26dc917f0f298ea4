"""Object store in S3, or in a server that speaks its protocol.

All requests go over ``wire`` (own signature): boto's client takes 14 MiB of memory in each process, and several times
the CPU. Without configured credentials boto's usual chain is searched (``chain``).
Rights needed on the bucket: s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket,
s3:ListBucketMultipartUploads.

Set a lifecycle rule that aborts multipart uploads after some days: a process that dies right after ``create`` leaves
one that nobody knows.
"""

import hashlib
import random
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from storage.errors import ObjectCorrupt, ObjectNotFound, StoreUnavailable, Unavailable, UploadGone
from storage.objects.base import MultipartId, MultipartInfo, ObjectInfo, ObjectKey, ObjectReader, Part, Pieces, Span
from storage.objects.s3 import messages
from storage.objects.s3.attempts import AlreadyThere, Attempts, InvalidArgument, Unnamed
from storage.objects.s3.resuming import ResumingReader
from storage.objects.s3.signing import Address, Credentials, Request, Signer
from storage.objects.s3.sockets import SocketReader, Sockets
from storage.objects.s3.wire import BINARY, Answer, Wire, WireReader, client_session

_DELETE_MAX: Final = 1000  # keys of one DeleteObjects


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Settings of the S3 store: the bucket, its address, the credentials and the timeouts.

    ``endpoint`` is a URL, None for AWS; ``public_endpoint`` is how clients reach the same server, for presigned URLs.
    ``credentials`` None: whatever boto finds. ``ca_bundle``: the path of the authorities that are believed.
    ``silence_seconds``: no byte in or out. ``call_seconds`` and ``transfer_seconds``: one operation with all its
    attempts, without and with a body.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint: str | None = None
    public_endpoint: str | None = None
    path_style: bool = True
    credentials: Credentials | None = None
    ca_bundle: str | None = None
    connect_seconds: float = 5.0
    silence_seconds: float = 20.0
    call_seconds: float = 30.0
    transfer_seconds: float = 120.0
    attempts: int = 4
    #: A client that is slow to take a blob holds one for as long as that lasts.
    max_connections: int = 1000

    @property
    def url(self) -> str:
        """The endpoint, or that of AWS in the region."""
        if self.endpoint is not None:
            return self.endpoint
        return f"https://s3.{self.region}.amazonaws.com{'.cn' if self.region.startswith('cn-') else ''}"


class S3Store:
    """An ``ObjectStore`` and ``MultipartStore`` over one bucket. Create with ``open``."""

    def __init__(self, settings: S3Settings, wire: Wire, attempts: Attempts) -> None:
        self.timings = attempts.timings
        self._settings = settings
        self._wire = wire
        self._attempts = attempts
        self._address = Address.of(settings.url, settings.bucket, path_style=settings.path_style)
        public = settings.public_endpoint or settings.url
        self._public = Address.of(public, settings.bucket, path_style=settings.path_style)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: S3Settings,
        *,
        now: Callable[[], datetime] = _utc_now,
        jitter: Callable[[], float] = random.random,
    ) -> AsyncIterator["S3Store"]:
        """Open the store with its connections until the block ends; no request is sent yet.

        ``now`` is aware and in UTC. Raises Unavailable when there are no credentials, ValueError for a bad endpoint.
        """
        async with AsyncExitStack() as stack:
            credentials, at_hand, ca_bundle = await _trust(settings)
            http = await stack.enter_async_context(
                client_session(
                    connect_seconds=settings.connect_seconds,
                    silence_seconds=settings.silence_seconds,
                    connections=settings.max_connections,
                    tls=ssl.create_default_context(cafile=ca_bundle) if settings.url.startswith("https:") else None,
                )
            )
            proxy = _proxy(settings.url)
            sockets = None
            if settings.url.startswith("http:") and proxy is None:
                sockets = Sockets(
                    Address.of(settings.url, settings.bucket, path_style=settings.path_style).origin,
                    connect_seconds=settings.connect_seconds,
                    silence_seconds=settings.silence_seconds,
                    connections=settings.max_connections,
                )
                stack.callback(sockets.close)
            wire = Wire(
                http=http,
                signer=Signer(settings.region),
                credentials=credentials,
                credentials_at_hand=at_hand,
                now=now,
                stall_seconds=settings.silence_seconds,
                proxy=proxy,
                sockets=sockets,
            )
            yield cls(settings, wire, Attempts(settings.attempts, jitter))

    # ObjectStore

    async def put(self, key: ObjectKey, data: Pieces) -> None:
        """Store ``data``, all of it or nothing. Raises Unavailable."""
        await self._send("PutObject", key, {}, data)

    @asynccontextmanager
    async def reader(self, key: ObjectKey, span: Span | None = None) -> AsyncIterator[ObjectReader]:
        """The bytes of ``span``, or all. Raises ObjectNotFound, ObjectCorrupt when the object ends within ``span``."""
        if span is not None and span.size == 0:  # HTTP has no empty range
            size = (await self.stat(key)).size
            if size < span.stop:
                raise ObjectCorrupt(f"{self._where('GetObject')}: the object ends before byte {span.stop}")
            yield _Nothing(size)
            return
        where = self._where("GetObject")
        request = Request("GET", self._address, self._address.path(key), {})

        async def opened(span: Span | None, etag: str = "") -> WireReader | SocketReader:
            return await self._attempts.run(
                where, lambda: self._wire.get(where, request, span, etag), seconds=self._settings.call_seconds
            )

        first = await opened(span)
        stop = first.size if span is None else span.stop
        reader = ResumingReader(
            first, lambda left, etag: opened(Span(stop - left, stop), etag), most=self._settings.attempts
        )
        try:
            if span is not None and reader.size != span.size:
                raise ObjectCorrupt(f"{where}: asked for {span.size} bytes, the object has {reader.size} there")
            yield reader
        finally:
            reader.close()

    async def presign(self, key: ObjectKey, *, ttl: timedelta, content_type: str, endpoint: str | None = None) -> str:
        """A URL for GET, not HEAD, that answers with ``content_type``; no request is made. Raises ValueError by ttl."""
        return self._presigned(await self._wire.credentials(), key, ttl, content_type, endpoint)

    def presign_now(
        self, key: ObjectKey, *, ttl: timedelta, content_type: str, endpoint: str | None = None
    ) -> str | None:
        """Presign without waiting; None: the credentials have to be renewed first."""
        credentials = self._wire.credentials_at_hand()
        return None if credentials is None else self._presigned(credentials, key, ttl, content_type, endpoint)

    def _presigned(
        self, credentials: Credentials, key: ObjectKey, ttl: timedelta, content_type: str, endpoint: str | None
    ) -> str:
        address = self._public
        if endpoint is not None:
            address = Address.of(endpoint, self._settings.bucket, path_style=self._settings.path_style)
        request = Request("GET", address, address.path(key), {"response-content-type": content_type})
        return self._wire.signer.presigned(credentials, request, self._wire.now(), ttl)

    async def stat(self, key: ObjectKey) -> ObjectInfo:
        """The size and modification time of an object. Raises ObjectNotFound."""
        request = Request("HEAD", self._address, self._address.path(key), {})
        try:
            answer = await self._ask("HeadObject", request)
        except (ObjectNotFound, Unavailable):
            await self._ask(
                "HeadObject", self._reason
            )  # an answer to HEAD does not tell a missing bucket or a wrong key
            raise
        return ObjectInfo(
            key, int(answer.headers["Content-Length"]), parsedate_to_datetime(answer.headers["Last-Modified"])
        )

    async def delete(self, keys: Sequence[ObjectKey]) -> None:
        """Delete the objects ``keys``, ignoring missing ones. Raises Unavailable; some may be deleted then."""
        for start in range(0, len(keys), _DELETE_MAX):
            await self._delete(keys[start : start + _DELETE_MAX])

    async def _delete(self, keys: Sequence[ObjectKey]) -> None:
        body = messages.keys_to_delete(keys)
        md5 = b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()  # S3 wants to be told
        answer = await self._ask("DeleteObjects", self._bucket("POST", {"delete": ""}), body, {"content-md5": md5})
        codes = [failed.text("Code") for failed in answer.document().all("Error")]
        failed = [code for code in codes if code != "NoSuchKey"]
        if failed:
            where = self._where("DeleteObjects")
            raise StoreUnavailable(
                f"{where}: {len(failed)} of {len(keys)} keys stayed, first: {failed[0] or 'no code'}"
            )

    async def scan(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects under ``prefix``, in the order of their keys."""
        query = {"list-type": "2", "prefix": prefix}
        while True:
            page = (await self._ask("ListObjectsV2", self._bucket("GET", query))).document()
            for found in page.objects():
                yield found
            after = page.text("NextContinuationToken")
            if page.text("IsTruncated") != "true" or not after:
                return
            query = {**query, "continuation-token": after}

    # MultipartStore

    async def create(self, key: ObjectKey) -> MultipartId:
        """Create a multipart upload; a retry after a lost response may leave one more upload behind."""
        extra = {"content-type": BINARY}
        request = Request("POST", self._address, self._address.path(key), {"uploads": ""})
        answer = await self._ask("CreateMultipartUpload", request, extra=extra)
        return MultipartId(answer.document().text("UploadId"))

    async def put_part(self, key: ObjectKey, multipart: MultipartId, number: int, data: Pieces) -> Part:
        """Store ``data`` as part ``number``, with retries. Raises UploadGone."""
        etag = await self._send("UploadPart", key, {"partNumber": str(number), "uploadId": multipart}, data)
        return Part(number, etag, sum(map(len, data)))

    async def complete(self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]) -> int:
        """Assemble the object of ``parts``, by number; its size in bytes, as the store reports it.

        Success is what the store shows afterwards, not what it answered: the answer may be lost, and then a second
        attempt finds no upload. Raises UploadGone when there is neither upload nor object, ObjectCorrupt when the
        object's size is not that of ``parts`` or a part is not what was recorded, ValueError without parts.
        """
        if not parts:
            raise ValueError("a multipart upload has at least one part")
        doubt: UploadGone | Unavailable | None = None
        try:
            await self._complete(key, multipart, sorted(parts, key=lambda part: part.number))
        except (UploadGone, Unavailable) as error:
            doubt = error
        except ObjectNotFound as error:  # some stores answer 404 without saying of what
            doubt = UploadGone(str(error))
        try:
            size = (await self.stat(key)).size
        except ObjectNotFound as error:
            raise doubt or StoreUnavailable(f"{error}, though the upload was completed") from error
        expected = sum(part.size for part in parts)
        if size != expected:
            where = self._where("CompleteMultipartUpload")
            raise ObjectCorrupt(f"{where}: sent {expected} bytes, the object has {size}")
        return size

    async def _complete(self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]) -> None:
        # S3 may take minutes to put many parts together.
        seconds = self._settings.transfer_seconds
        request = self._multipart("POST", key, multipart)
        await self._ask("CompleteMultipartUpload", request, messages.parts_to_complete(parts), seconds=seconds)

    async def abort(self, key: ObjectKey, multipart: MultipartId) -> None:
        """Abort an upload and delete its parts; a missing or completed upload is ignored."""
        with suppress(UploadGone, ObjectNotFound):
            await self._ask("AbortMultipartUpload", self._multipart("DELETE", key, multipart))

    async def uploads(self, prefix: str) -> AsyncIterator[MultipartInfo]:
        """All multipart uploads under ``prefix`` that are neither completed nor aborted."""
        query = {"uploads": "", "prefix": prefix}
        while True:
            try:
                answer = await self._ask("ListMultipartUploads", self._bucket("GET", query))
            except InvalidArgument:  # versitygw takes the key that it names, and not the upload
                if not query.pop("upload-id-marker", ""):
                    raise
                continue
            page = answer.document()
            for found in page.multiparts():
                yield found
            after = {"key-marker": page.text("NextKeyMarker"), "upload-id-marker": page.text("NextUploadIdMarker")}
            if page.text("IsTruncated") != "true":
                return
            if after.items() <= query.items():
                raise StoreUnavailable(f"{answer.where}: the list does not go on")
            query = {**query, **after}

    # The bucket

    async def ping(self) -> None:
        """Check once that the bucket responds. Raises Unavailable."""
        once, where = Attempts(1, self._attempts.jitter), self._where("HeadBucket")

        async def ask(request: Request) -> None:
            await once.run(where, lambda: self._wire.ask(where, request), seconds=self._settings.connect_seconds)

        try:
            await ask(self._bucket("HEAD", {}))
        except (ObjectNotFound, Unnamed) as error:
            await ask(self._reason)
            raise StoreUnavailable(str(error)) from error

    async def ensure_bucket(self) -> None:
        """Create the bucket when it is missing: for a store that is ours alone. Raises Unavailable."""
        try:
            await self._ask("HeadBucket", self._bucket("HEAD", {}))
        except ObjectNotFound:
            with suppress(AlreadyThere):  # another process was faster
                await self._ask("CreateBucket", self._bucket("PUT", {}), messages.location(self._settings.region))

    # How S3 is asked

    def _where(self, operation: str) -> str:
        return f"{operation} in bucket {self._settings.bucket}"

    @property
    def _reason(self) -> Request:
        """A request that S3 refuses with a code, in a body, whenever credentials or bucket are why HEAD was refused."""
        return self._bucket("GET", {"list-type": "2", "max-keys": "1"})

    def _bucket(self, method: str, query: Mapping[str, str]) -> Request:
        return Request(method, self._address, self._address.prefix or "/", query)

    def _multipart(self, method: str, key: ObjectKey, multipart: MultipartId) -> Request:
        return Request(method, self._address, self._address.path(key), {"uploadId": multipart})

    async def _ask(
        self,
        operation: str,
        request: Request,
        body: bytes = b"",
        extra: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """Send a request, with retries, and return the answer. Raises errors of ``refusal``, Unavailable in the end."""
        where = self._where(operation)
        return await self._attempts.run(
            where, lambda: self._wire.ask(where, request, body, extra), seconds=seconds or self._settings.call_seconds
        )

    async def _send(self, operation: str, key: ObjectKey, query: Mapping[str, str], data: Pieces) -> str:
        """PUT ``data``, with retries, and return the ETag. Raises Unavailable, and UploadGone for a part."""
        where = self._where(operation)
        request = Request("PUT", self._address, self._address.path(key), query)
        try:
            return await self._attempts.run(
                where, lambda: self._wire.put(where, request, data), seconds=self._settings.transfer_seconds
            )
        except ObjectNotFound as error:
            raise (UploadGone(str(error)) if query else StoreUnavailable(str(error))) from error


@dataclass(frozen=True, slots=True)
class _Nothing:
    """A reader of no bytes of an object."""

    object_size: int
    size: int = 0

    def source(self) -> None:
        """Return None: there is nothing to read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        return
        yield b""


async def _trust(
    settings: S3Settings,
) -> tuple[Callable[[], Awaitable[Credentials]], Callable[[], Credentials | None], str | None]:
    """Find the credentials, with and without waiting, and whom to believe. Raises Unavailable without any."""
    given = settings.credentials
    if given is None:
        from storage.objects.s3.chain import Chain  # noqa: PLC0415 - see there what it costs

        chain = await Chain.search()
        return chain.current, chain.at_hand, settings.ca_bundle or chain.ca_bundle

    async def current() -> Credentials:
        return given

    return current, lambda: given, settings.ca_bundle


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for ``url``."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
