"""Error responses of S3 translated into StorageErrors, and retries with backoff."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from storage.errors import ObjectCorrupt, ObjectNotFound, StorageError, StoreUnavailable, UploadGone
from storage.operations import record
from storage.timings import Timings

_T = TypeVar("_T")

_BACKOFF_SECONDS: Final = 0.1
_BACKOFF_MAX_SECONDS: Final = 2.0

#: How much of an error's body is read for its code.
ERROR_BODY_BYTES: Final = 16 * 1024
_CODE: Final = re.compile(rb"<Code>([A-Za-z0-9._-]{1,80})</Code>")

_NOT_NOW: Final = frozenset({429, 500, 502, 503, 504})
_NOT_NOW_CODES: Final = frozenset(
    {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling", "IncompleteBody"}
)
_NO_OBJECT: Final = frozenset({"NoSuchKey", "NotFound", "404"})
_WRONG_KEY: Final = "the credentials are refused"
_NO_RIGHT: Final = "the credentials are refused, or have no right to do so"
#: What an operator is told beside the code; by status where there is no code.
_REASONS: Final = {
    "InvalidAccessKeyId": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "XAdminUserNotFound": _WRONG_KEY,  # versitygw
    "InvalidToken": _WRONG_KEY,
    "ExpiredToken": _WRONG_KEY,
    "AccessDenied": _NO_RIGHT,
    "403": _NO_RIGHT,
    "NoSuchBucket": "there is no such bucket",
    "RequestTimeTooSkewed": "its clock and ours differ",
}
_NOT_FOUND: Final = 404
_RANGE_NOT_SATISFIABLE: Final = 416


class Transient(StoreUnavailable):
    """A temporary failure: the next attempt may well succeed."""


class InvalidArgument(StoreUnavailable):
    """S3 does not take a parameter of the request."""


class Unnamed(StoreUnavailable):
    """S3 refuses without a code, as it does where HEAD was asked."""


class AlreadyThere(StoreUnavailable):
    """The bucket to be created exists already, and is ours."""


_ERRORS: Final[dict[str, type[StorageError]]] = {
    "NoSuchUpload": UploadGone,
    "BucketAlreadyOwnedByYou": AlreadyThere,
    "InvalidArgument": InvalidArgument,
    "InvalidPart": ObjectCorrupt,
    "InvalidPartOrder": ObjectCorrupt,
    "EntityTooSmall": ObjectCorrupt,
}


def code_in(body: bytes) -> str:
    """S3's error code in the body of an error, as far as the body was read; "" where there is none yet."""
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def refusal(where: str, status: int, code: str, *, head: bool = False) -> StorageError:
    """The error for an error response of S3: ``where`` names operation and bucket, ``code`` is S3's («SlowDown»).

    S3's own message stays out of it: it may quote the request. An answer to ``head`` has no code; where another has
    none, a gateway gave it, perhaps, and a 404 is not of the object.
    """
    said = f"{where}: S3 answered {f'{code} (HTTP {status})' if code else f'HTTP {status} without a code'}"
    if reason := _REASONS.get(code or str(status)):
        said = f"{said}: {reason}"
    if status == _NOT_FOUND and (code in _NO_OBJECT or (head and not code)):
        return ObjectNotFound(said)
    if status == _RANGE_NOT_SATISFIABLE:
        return ObjectCorrupt(said)
    if code in _ERRORS:
        return _ERRORS[code](said)
    if status in _NOT_NOW or code in _NOT_NOW_CODES:
        return Transient(said)
    return StoreUnavailable(said) if code else Unnamed(said)


@dataclass(frozen=True, slots=True)
class Attempts:
    """The retry policy of operations; ``jitter`` returns a number in [0, 1). Each attempt is counted in ``timings``."""

    most: int
    jitter: Callable[[], float]
    timings: Timings = field(default_factory=Timings)

    async def run(self, where: str, attempt: Callable[[], Awaitable[_T]], *, seconds: float) -> _T:
        """Run ``attempt``, again after Transient, with all attempts within ``seconds``.

        Raises Unavailable in the end, and whatever else ``attempt`` raises at once.
        """
        try:
            async with asyncio.timeout(seconds):
                for done in range(1, self.most):
                    try:
                        return await self._timed(where, attempt)
                    except Transient:
                        await asyncio.sleep(self._pause(done))
                return await self._timed(where, attempt)
        except TimeoutError as error:
            raise StoreUnavailable(f"{where}: no success within {seconds:g} s") from error

    async def _timed(self, where: str, attempt: Callable[[], Awaitable[_T]]) -> _T:
        started, result = time.monotonic(), "cancelled"
        try:
            found = await attempt()
        except ObjectNotFound:
            result = "ok"
            raise
        except StorageError:
            result = "failed"
            raise
        else:
            result = "ok"
            return found
        finally:
            operation = where.split(maxsplit=1)[0]
            self.timings.note(operation, result, time.monotonic() - started)
            record("store", operation, started, "" if result == "ok" else result)

    def _pause(self, done: int) -> float:
        """The backoff in seconds, with «full jitter», so that clients that failed together do not retry together."""
        return self.jitter() * min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2.0**done)
