"""Error responses of S3 translated into StorageErrors, and retries with backoff."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from storage.errors import ObjectCorrupt, ObjectNotFound, StorageError, Unavailable, UploadGone

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
_NOT_WHAT_WAS_SENT: Final = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "InvalidRange"})
_NO_OBJECT: Final = frozenset({"NoSuchKey", "NotFound", "404", ""})
_NOT_FOUND: Final = 404


class Transient(Unavailable):
    """A temporary failure: the next attempt may well succeed."""


class AlreadyThere(Unavailable):
    """The bucket to be created exists already, and is ours."""


def code_in(body: bytes) -> str:
    """S3's error code in the body of an error, as far as the body was read; "" where there is none yet."""
    found = _CODE.search(body)
    return found[1].decode() if found else ""


def refusal(where: str, status: int, code: str) -> StorageError:
    """The error for an error response of S3: ``where`` names operation and bucket, ``code`` is S3's («SlowDown»).

    S3's own message stays out of it: it may quote the request.
    """
    said = f"{where}: S3 answered {code or 'nothing'} (HTTP {status})"
    if code == "NoSuchUpload":
        return UploadGone(said)
    if status == _NOT_FOUND and code in _NO_OBJECT:
        return ObjectNotFound(said)
    if code == "BucketAlreadyOwnedByYou":
        return AlreadyThere(said)
    if code in _NOT_WHAT_WAS_SENT:
        return ObjectCorrupt(said)
    if status in _NOT_NOW or code in _NOT_NOW_CODES:
        return Transient(said)
    return Unavailable(said)


@dataclass(frozen=True, slots=True)
class Attempts:
    """The retry policy of operations; ``jitter`` returns a number in [0, 1)."""

    most: int
    jitter: Callable[[], float]

    async def run(self, where: str, attempt: Callable[[], Awaitable[_T]], *, seconds: float) -> _T:
        """Run ``attempt``, again after Transient, with all attempts within ``seconds``.

        Raises Unavailable in the end, and whatever else ``attempt`` raises at once.
        """
        try:
            async with asyncio.timeout(seconds):
                for done in range(1, self.most):
                    try:
                        return await attempt()
                    except Transient:
                        await asyncio.sleep(self._pause(done))
                return await attempt()
        except TimeoutError as error:
            raise Unavailable(f"{where}: no success within {seconds:g} s") from error

    def _pause(self, done: int) -> float:
        """The backoff in seconds, with «full jitter», so that clients that failed together do not retry together."""
        return self.jitter() * min(_BACKOFF_MAX_SECONDS, _BACKOFF_SECONDS * 2.0**done)
