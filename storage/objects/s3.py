"""Objects in S3, or in what speaks its protocol.

Bytes go over ``wire`` (aiohttp, own signature), everything else over aiobotocore. Credentials come by boto's usual
chain (environment, profile, web identity, container, instance). Rights needed on the bucket: s3:GetObject,
s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket, s3:ListBucketMultipartUploads.

Set a lifecycle rule that aborts multipart uploads after some days: a process that dies right after ``create`` leaves
one that nobody knows.
"""

import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import get_environ_proxies

from storage.errors import ObjectCorrupt, ObjectNotFound, Unavailable, UploadGone
from storage.objects.attempts import Attempts, Transient, refusal
from storage.objects.base import MultipartId, MultipartInfo, ObjectInfo, ObjectKey, ObjectReader, Part, Pieces, Span
from storage.objects.signing import Address, Credentials, Request, Signer
from storage.objects.sockets import Sockets
from storage.objects.wire import Wire, client_session

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client

_T = TypeVar("_T")

_DELETE_MAX: Final = 1000  # keys of one DeleteObjects


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Which bucket, how it is addressed, and how long to wait.

    ``endpoint`` is a URL, None for AWS; ``public_endpoint`` is how clients reach the same server, for presigned URLs.
    ``silence_seconds``: no byte in or out. ``call_seconds`` and ``transfer_seconds``: one operation with all its
    attempts, without and with a body.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint: str | None = None
    public_endpoint: str | None = None
    path_style: bool = True
    connect_seconds: float = 5.0
    silence_seconds: float = 20.0
    call_seconds: float = 30.0
    transfer_seconds: float = 120.0
    attempts: int = 4
    max_connections: int = 100

    @property
    def url(self) -> str:
        """The endpoint, or that of AWS in the region."""
        if self.endpoint is not None:
            return self.endpoint
        return f"https://s3.{self.region}.amazonaws.com{'.cn' if self.region.startswith('cn-') else ''}"


class S3Store:
    """Both Protocols, ``ObjectStore`` and ``MultipartStore``, over one bucket. Make it with ``open``."""

    def __init__(self, settings: S3Settings, client: "S3Client", wire: Wire, attempts: Attempts) -> None:
        self._settings = settings
        self._bucket = settings.bucket
        self._client = client
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
        """The store, with its connections, until the block ends; the bucket is not asked for anything yet.

        ``now`` is aware and in UTC. Raises Unavailable when there are no credentials, ValueError for a bad endpoint.
        It blocks the event loop for about 0.2 s (boto's service model): call it as the process starts.
        """
        async with AsyncExitStack() as stack:
            session = AioSession()
            credentials = await _credentials(session)
            client = await stack.enter_async_context(_client(session, settings))
            http = await stack.enter_async_context(
                client_session(
                    connect_seconds=settings.connect_seconds,
                    silence_seconds=settings.silence_seconds,
                    connections=settings.max_connections,
                    tls=_tls(settings, session),
                )
            )
            proxy = get_environ_proxies(settings.url).get(settings.url.partition(":")[0])
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
                now=now,
                stall_seconds=settings.silence_seconds,
                proxy=proxy,
                sockets=sockets,
            )
            yield cls(settings, client, wire, Attempts(settings.attempts, jitter))

    # ObjectStore

    async def put(self, key: ObjectKey, data: Pieces) -> None:
        """Store ``data``, all of it or nothing. Raises Unavailable."""
        await self._send("PutObject", key, {}, data)

    @asynccontextmanager
    async def reader(self, key: ObjectKey, span: Span | None = None) -> AsyncIterator[ObjectReader]:
        """The bytes of ``span``, or all. Raises ObjectNotFound, ObjectCorrupt when the object ends within ``span``."""
        if span is not None and span.size == 0:  # HTTP has no empty range
            if (await self.stat(key)).size < span.stop:
                raise ObjectCorrupt(f"{self._where('GetObject')}: the object ends before byte {span.stop}")
            yield _Nothing()
            return
        where = self._where("GetObject")
        request = Request("GET", self._address, self._address.path(key), {})
        reader = await self._attempts.run(
            where, lambda: self._wire.get(where, request, span), seconds=self._settings.call_seconds
        )
        try:
            if span is not None and reader.size != span.size:
                raise ObjectCorrupt(f"{where}: asked for {span.size} bytes, the object has {reader.size} there")
            yield reader
        finally:
            reader.close()

    async def presign(self, key: ObjectKey, *, ttl: timedelta, content_type: str) -> str:
        """A URL for GET, not HEAD, that answers with ``content_type``; no request is made. Raises ValueError by ttl."""
        request = Request("GET", self._public, self._public.path(key), {"response-content-type": content_type})
        return self._wire.signer.presigned(await self._wire.credentials(), request, self._wire.now(), ttl)

    async def stat(self, key: ObjectKey) -> ObjectInfo:
        """Size and time of an object. Raises ObjectNotFound."""
        answer = await self._call("HeadObject", lambda: self._client.head_object(Bucket=self._bucket, Key=key))
        return ObjectInfo(key, answer["ContentLength"], answer["LastModified"])

    async def delete(self, keys: Sequence[ObjectKey]) -> None:
        """Delete what is there of ``keys``. Raises Unavailable; some may be gone then."""
        for start in range(0, len(keys), _DELETE_MAX):
            await self._delete(keys[start : start + _DELETE_MAX])

    async def _delete(self, keys: Sequence[ObjectKey]) -> None:
        answer = await self._call(
            "DeleteObjects",
            lambda: self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            ),
        )
        failed = [error for error in answer.get("Errors", []) if error.get("Code") != "NoSuchKey"]
        if failed:
            code = failed[0].get("Code", "no code")
            raise Unavailable(
                f"{self._where('DeleteObjects')}: {len(failed)} of {len(keys)} keys stayed, first: {code}"
            )

    async def scan(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects under ``prefix``, in the order of their keys."""
        after: dict[str, str] = {}
        while True:
            page = await self._call(
                "ListObjectsV2",
                lambda: self._client.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **after),  # type: ignore[arg-type]  # noqa: B023  called before it changes
            )
            for found in page.get("Contents", []):
                yield ObjectInfo(ObjectKey(found["Key"]), found["Size"], found["LastModified"])
            if not page.get("IsTruncated") or "NextContinuationToken" not in page:
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    # MultipartStore

    async def create(self, key: ObjectKey) -> MultipartId:
        """A new multipart upload. Tried again after a lost answer, so that one more than is returned may be left."""
        answer = await self._call(
            "CreateMultipartUpload",
            lambda: self._client.create_multipart_upload(
                Bucket=self._bucket, Key=key, ContentType="application/octet-stream"
            ),
        )
        return MultipartId(answer["UploadId"])

    async def put_part(self, key: ObjectKey, multipart: MultipartId, number: int, data: Pieces) -> Part:
        """Store ``data`` as part ``number``, again if need be. Raises UploadGone."""
        etag = await self._send("UploadPart", key, {"partNumber": str(number), "uploadId": multipart}, data)
        return Part(number, etag, sum(map(len, data)))

    async def complete(self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]) -> int:
        """Make ``parts``, by their numbers, the object; its size in bytes, as the store tells it.

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
            raise doubt or Unavailable(f"{error}, though the upload was completed") from error
        expected = sum(part.size for part in parts)
        if size != expected:
            where = self._where("CompleteMultipartUpload")
            raise ObjectCorrupt(f"{where}: sent {expected} bytes, the object has {size}")
        return size

    async def _complete(self, key: ObjectKey, multipart: MultipartId, parts: Sequence[Part]) -> None:
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        await self._call(
            "CompleteMultipartUpload",
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=key,
                UploadId=multipart,
                MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
            ),
            seconds=self._settings.transfer_seconds,  # S3 may take minutes to put many parts together
        )

    async def abort(self, key: ObjectKey, multipart: MultipartId) -> None:
        """Drop an upload and its parts; nothing happens when there is none, or it was completed."""
        try:
            await self._call(
                "AbortMultipartUpload",
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=multipart),
            )
        except (UploadGone, ObjectNotFound):
            return

    async def uploads(self, prefix: str) -> AsyncIterator[MultipartInfo]:
        """All multipart uploads under ``prefix`` that are neither completed nor aborted."""
        after: dict[str, str] = {}
        while True:
            page = await self._call(
                "ListMultipartUploads",
                lambda: self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=prefix, **after),  # type: ignore[arg-type]  # noqa: B023  called before it changes
            )
            for found in page.get("Uploads", []):
                yield MultipartInfo(ObjectKey(found["Key"]), MultipartId(found["UploadId"]), found["Initiated"])
            if not page.get("IsTruncated"):
                return
            after = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    # The bucket

    async def ping(self) -> None:
        """Ask once whether the bucket answers. Raises Unavailable."""
        once = Attempts(1, self._attempts.jitter)
        try:
            await once.run(self._where("HeadBucket"), self._head_bucket, seconds=self._settings.connect_seconds)
        except ObjectNotFound as error:
            raise Unavailable(str(error)) from error

    async def ensure_bucket(self) -> None:
        """Create the bucket when it is not there: for a store that is ours alone. Raises Unavailable."""
        try:
            await self._call("HeadBucket", lambda: self._client.head_bucket(Bucket=self._bucket))
        except ObjectNotFound:
            await self._call("CreateBucket", self._create_bucket)

    async def _head_bucket(self) -> None:
        await self._translated("HeadBucket", lambda: self._client.head_bucket(Bucket=self._bucket))

    async def _create_bucket(self) -> None:
        region = self._settings.region
        try:
            if region == "us-east-1":  # which must not be named
                await self._client.create_bucket(Bucket=self._bucket)
            else:
                await self._client.create_bucket(
                    Bucket=self._bucket,
                    CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
                )
        except ClientError as error:
            if error.response["Error"].get("Code") != "BucketAlreadyOwnedByYou":  # another process was faster
                raise

    # How S3 is asked

    def _where(self, operation: str) -> str:
        return f"{operation} in bucket {self._bucket}"

    async def _send(self, operation: str, key: ObjectKey, query: Mapping[str, str], data: Pieces) -> str:
        """PUT ``data`` over the wire; the ETag. Raises Unavailable, and UploadGone for a part."""
        where = self._where(operation)
        request = Request("PUT", self._address, self._address.path(key), query)
        try:
            return await self._attempts.run(
                where, lambda: self._wire.put(where, request, data), seconds=self._settings.transfer_seconds
            )
        except ObjectNotFound as error:
            raise (UploadGone(str(error)) if query else Unavailable(str(error))) from error

    async def _call(self, operation: str, call: Callable[[], Awaitable[_T]], *, seconds: float | None = None) -> _T:
        """What aiobotocore's ``call`` returns, tried again; its errors as ours."""
        return await self._attempts.run(
            self._where(operation),
            lambda: self._translated(operation, call),
            seconds=seconds or self._settings.call_seconds,
        )

    async def _translated(self, operation: str, call: Callable[[], Awaitable[_T]]) -> _T:
        where = self._where(operation)
        try:
            return await call()
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise refusal(where, status, error.response.get("Error", {}).get("Code", "")) from error
        except (BotoCoreError, aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Transient(f"{where}: {type(error).__name__}") from error


class _Nothing:
    """The reader of no bytes."""

    size = 0

    def source(self) -> None:
        """None: there is nothing to read."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        return
        yield b""


async def _credentials(session: AioSession) -> Callable[[], Awaitable[Credentials]]:
    """What gives the credentials of the moment; boto renews those that expire. Raises Unavailable without any."""
    try:
        found = await session.get_credentials()
    except BotoCoreError as error:
        raise Unavailable(f"the credentials for S3 cannot be had: {type(error).__name__}") from error
    if found is None:
        raise Unavailable("no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a role")

    async def current() -> Credentials:
        try:
            frozen = await found.get_frozen_credentials()
        except BotoCoreError as error:
            raise Unavailable(f"the credentials for S3 cannot be renewed: {type(error).__name__}") from error
        if not frozen.access_key or not frozen.secret_key:
            raise Unavailable("the credentials for S3 are empty")
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return current


@asynccontextmanager
async def _client(session: AioSession, settings: S3Settings) -> AsyncIterator["S3Client"]:
    config = AioConfig(
        signature_version="s3v4",  # boto presigns with version 2 otherwise
        connect_timeout=settings.connect_seconds,
        read_timeout=settings.silence_seconds,
        max_pool_connections=settings.max_connections,
        retries={"mode": "standard", "total_max_attempts": 1},  # Attempts tries again, knowing what may be repeated
        request_checksum_calculation="when_required",  # CRC trailers, boto's default, have corrupted other stores
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if settings.path_style else "virtual", "payload_signing_enabled": False},
    )
    async with session.create_client(
        "s3", region_name=settings.region, endpoint_url=settings.endpoint, config=config
    ) as client:
        yield client


def _tls(settings: S3Settings, session: AioSession) -> ssl.SSLContext | None:
    """Whom to believe: AWS_CA_BUNDLE, or the system's authorities."""
    if not settings.url.startswith("https:"):
        return None
    return ssl.create_default_context(cafile=session.get_config_variable("ca_bundle"))
