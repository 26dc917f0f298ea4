"""The client of an upstream: another registry, asked as a mirror's settings say.

Where its tokens come from is pinned: credentials are sent to the upstream's own host and to the hosts that the mirror
names, whatever a challenge says.
"""

import asyncio
import base64
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, get_args
from urllib.parse import urlencode, urlsplit

import orjson

from registry.egress.streams import Stream, Streams
from registry.mirror.mirrors import Mirror
from registry.oci.manifest import MAX_MANIFEST_BYTES
from registry.oci.media_types import DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX
from storage.errors import Unavailable
from storage.names import Digest, InvalidName

_ACCEPT: Final = f"{OCI_INDEX}, {DOCKER_LIST}, {OCI_IMAGE}, {DOCKER_IMAGE}"
_TOKEN_BYTES: Final = 64 * 1024
_TOKEN_SECONDS: Final = 60
_TOKENS_MAX: Final = 4096
_RETRY_MOST: Final = 3600
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')

#: For which a token is good: mirrors do not share any, and new settings begin anew.
_Key = tuple[int, datetime, str | None, str]

Kind = Literal["missing", "denied", "limited", "away", "wrong"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class UpstreamError(Exception):
    """The upstream does not give what it is asked for. ``retry_after``: seconds, if it said so."""

    def __init__(self, kind: Kind, why: str, retry_after: int | None = None) -> None:
        super().__init__(why)
        self.kind: Final = kind
        self.why: Final = why
        self.retry_after: Final = retry_after

    @classmethod
    def of(cls, kind: str | None, why: str, rests: int) -> "UpstreamError":
        """Return the failure that was noted a while ago, and how long nobody asks again."""
        return cls(next((known for known in KINDS if known == kind), "away"), why, rests)


@dataclass(frozen=True, slots=True)
class UpstreamManifest:
    """A manifest of the upstream; its bytes have the digest."""

    digest: Digest
    media_type: str
    body: bytes


class Upstream:
    """The upstreams of all mirrors, as one process asks them. ``answers``: how they answered, by class."""

    def __init__(self, streams: Streams) -> None:
        self._streams: Final = streams
        self._tokens: dict[_Key, tuple[float, str]] = {}
        self._dances: dict[_Key, asyncio.Lock] = {}
        self.answers: Final[Counter[str]] = Counter()

    async def resolve(self, mirror: Mirror, repository: str, tag: str) -> Digest | None:
        """Return the digest of a tag; None: the upstream does not say. Raises UpstreamError."""
        async with self._asked("HEAD", mirror, repository, f"manifests/{tag}", {"Accept": _ACCEPT}) as stream:
            try:
                return Digest.parse(stream.headers.get("docker-content-digest", ""))
            except InvalidName:
                return None

    async def manifest(self, mirror: Mirror, repository: str, reference: str) -> UpstreamManifest:
        """Fetch a manifest; one that was asked for by its digest has that. Raises UpstreamError."""
        async with self._asked("GET", mirror, repository, f"manifests/{reference}", {"Accept": _ACCEPT}) as stream:
            try:
                body = await stream.read(MAX_MANIFEST_BYTES)
            except Unavailable as error:
                raise UpstreamError("away", str(error)) from error
            told = reference if ":" in reference else stream.headers.get("docker-content-digest")
            media_type = stream.headers.get("content-type", "")
        try:
            expected = Digest.of(body, "sha256") if told is None else Digest.parse(told)
        except InvalidName as error:
            raise UpstreamError("wrong", "it tells a digest that is none") from error
        if Digest.of(body, expected.algorithm) != expected:
            raise UpstreamError("wrong", "it gave other bytes than their digest says")
        return UpstreamManifest(expected, media_type, body)

    @asynccontextmanager
    async def blob(self, mirror: Mirror, repository: str, digest: Digest, begin: int) -> AsyncIterator[Stream]:
        """Open a blob from the byte ``begin`` on; an upstream may answer 200 with all of it. Raises UpstreamError."""
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        async with self._asked("GET", mirror, repository, f"blobs/{digest}", headers) as stream:
            yield stream

    async def referrers(self, mirror: Mirror, repository: str, subject: Digest) -> list[Digest]:
        """List what refers to a manifest there: by its API, or the tag that stands for that. Raises UpstreamError."""
        fallback = f"manifests/{subject.algorithm}-{subject.hex}"
        for path in (f"referrers/{subject}", fallback):
            try:
                async with self._asked("GET", mirror, repository, path, {"Accept": OCI_INDEX}) as stream:
                    return _referrers(await stream.read(MAX_MANIFEST_BYTES))
            except UpstreamError as error:
                if error.kind != "missing":
                    raise
            except Unavailable as error:
                raise UpstreamError("away", str(error)) from error
        return []

    async def is_open(self, mirror: Mirror, repository: str, reference: str) -> bool:
        """Return whether anybody may read an image there. Raises UpstreamError."""
        if mirror.username is None:
            return True
        nobody = replace(mirror, username=None, password=None)
        try:
            await self.resolve(nobody, repository, reference)
        except UpstreamError as error:
            if error.kind in {"denied", "missing"}:
                return False
            raise
        return True

    async def introduce(self, mirror: Mirror) -> Sequence[str]:
        """Ask the upstream who it is, with the credentials of a mirror-to-be.

        Returns the hosts beside its own that its tokens come from: to be pinned. Raises UpstreamError.
        """
        try:
            return await self._introduced(mirror)
        except Unavailable as error:
            raise UpstreamError("away", f"{error}, or it has no address that mirrors may reach") from error
        except UpstreamError as error:
            if error.kind != "denied":
                raise
            why = "it refuses the user name and password" if mirror.username else "it wants a user name"
            raise UpstreamError("denied", why) from error

    async def _introduced(self, mirror: Mirror) -> Sequence[str]:
        url = f"{mirror.url.rstrip('/')}/v2/"
        async with self._streams.open("GET", url, {}) as stream:
            status, told = stream.status, stream.headers.get("www-authenticate", "")
        if status == 200:  # noqa: PLR2004
            return ()
        if status != 401:  # noqa: PLR2004
            raise UpstreamError("wrong", f"it answers /v2/ with {status}, as no registry does")
        if told.partition(" ")[0].lower() == "basic":
            async with self._streams.open("GET", url, {} if mirror.username is None else _signed(mirror)) as stream:
                failure = _failure(stream)
            if failure is not None:
                raise failure
            return ()
        where = urlsplit(_given(told).get("realm", "")).netloc
        hosts = () if where in {"", urlsplit(mirror.url).netloc} else (where,)
        await self._dance(replace(mirror, realm_hosts=hosts), "", told)
        return hosts

    @asynccontextmanager
    async def _asked(
        self, method: str, mirror: Mirror, repository: str, path: str, headers: Mapping[str, str]
    ) -> AsyncIterator[Stream]:
        url = f"{mirror.url.rstrip('/')}/v2/{repository}/{path}"
        if mirror.is_locked:
            raise UpstreamError("denied", "the password of this mirror cannot be opened: its key is gone")
        key = (mirror.owner_id, mirror.changed_at, mirror.username, repository)
        async with AsyncExitStack() as stack:
            try:
                sent = {**headers, **self._authorization(key)}
                stream = await stack.enter_async_context(self._streams.open(method, url, sent))
                if stream.status == 401:  # noqa: PLR2004
                    await stack.aclose()
                    sent = {**headers, **await self._authorized(mirror, key, stream.headers, sent.get("Authorization"))}
                    stream = await stack.enter_async_context(self._streams.open(method, url, sent))
            except Unavailable as error:
                self.answers["away"] += 1
                raise UpstreamError("away", str(error)) from error
            failure = _failure(stream)
            self.answers["ok" if failure is None else failure.kind] += 1
            if failure is not None:
                raise failure
            yield stream

    def _authorization(self, key: _Key) -> dict[str, str]:
        until, value = self._tokens.get(key, (0.0, ""))
        return {"Authorization": value} if until > time.monotonic() else {}

    async def _authorized(
        self, mirror: Mirror, key: _Key, headers: Mapping[str, str], refused: str | None
    ) -> dict[str, str]:
        """Get what a challenge asks for, once for all who wait for it. Raises UpstreamError, Unavailable."""
        if len(self._tokens) > _TOKENS_MAX:
            self._tokens.clear()
            self._dances.clear()
        async with self._dances.setdefault(key, asyncio.Lock()):
            known = self._authorization(key)
            if known and known.get("Authorization") != refused:
                return known
            self._tokens[key] = await self._dance(mirror, key[3], headers.get("www-authenticate", ""))
            return self._authorization(key)

    async def _dance(self, mirror: Mirror, repository: str, challenge: str) -> tuple[float, str]:
        scheme = challenge.partition(" ")[0].lower()
        if scheme == "basic" and mirror.username is not None:
            return time.monotonic() + _TOKEN_SECONDS, _basic(mirror)
        given = _given(challenge)
        realm = given.get("realm", "")
        if scheme != "bearer":
            raise UpstreamError("denied", "401")
        if not _is_pinned(mirror, realm):
            raise UpstreamError("denied", "it sends to a realm that this mirror does not name")
        query = {"service": given.get("service", "")}
        if repository:
            query["scope"] = f"repository:{repository}:pull"
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
        headers = {} if mirror.username is None else _signed(mirror)
        async with self._streams.open("GET", url, headers) as stream:
            failure = _failure(stream)
            if failure is not None:
                raise failure
            body = await stream.read(_TOKEN_BYTES)
        try:
            document = orjson.loads(body)
            token = document.get("token") or document["access_token"]
            seconds = float(document.get("expires_in") or _TOKEN_SECONDS) * 0.9
        except (orjson.JSONDecodeError, KeyError, AttributeError, TypeError, ValueError) as error:
            raise UpstreamError("wrong", "the realm of the upstream gave no token") from error
        return time.monotonic() + seconds, f"Bearer {token}"


def _referrers(body: bytes) -> list[Digest]:
    try:
        return [Digest.parse(found["digest"]) for found in orjson.loads(body)["manifests"]]
    except (orjson.JSONDecodeError, KeyError, TypeError, InvalidName) as error:
        raise UpstreamError("wrong", "it gave no list of referrers") from error


def _basic(mirror: Mirror) -> str:
    return "Basic " + base64.b64encode(f"{mirror.username}:{mirror.password or ''}".encode()).decode()


def _signed(mirror: Mirror) -> dict[str, str]:
    return {"Authorization": _basic(mirror)}


def _given(challenge: str) -> Mapping[str, str]:
    return dict(_PARAMETER.findall(challenge))


def _is_pinned(mirror: Mirror, realm: str) -> bool:
    """Return whether credentials may be sent to the realm: on the upstream's host, or one that the mirror names."""
    try:
        here, there = urlsplit(mirror.url), urlsplit(realm)
        name = there.hostname or ""
    except ValueError:
        return False
    if there.scheme not in {"https", here.scheme} or "@" in there.netloc:
        return False
    return there.netloc == here.netloc or not {there.netloc, name}.isdisjoint(mirror.realm_hosts)


def _failure(stream: Stream) -> UpstreamError | None:
    status = stream.status
    if status in {200, 206}:
        return None
    if status == 404:  # noqa: PLR2004
        return UpstreamError("missing", "404")
    if status in {401, 403}:
        return UpstreamError("denied", str(status))
    if status == 429:  # noqa: PLR2004
        return UpstreamError("limited", "429", _seconds(stream.headers.get("retry-after")))
    return UpstreamError("away", str(status), _seconds(stream.headers.get("retry-after")))


def _seconds(text: str | None) -> int | None:
    return min(int(text), _RETRY_MOST) if text is not None and text.isascii() and text.isdigit() else None
