"""The fast path of pulls: GET and HEAD of a readable manifest, HEAD of a readable blob, without aiohttp.

HEAD of a missing blob is answered too, for callers who may know: each blob of a push begins with one.

Nearly all requests of a registry are such. Their heads repeat byte for byte, so parsed heads are cached by their bytes;
the row, with the caller's rights, is read for every request. Requests that are
not plain, refusals and all other missing rows go through aiohttp, which answers every request.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeVar

import structlog

from auth.credentials import BearerCredentials, parse_authorization
from auth.errors import Unauthenticated
from auth.identity import ANONYMOUS, Action, Identity
from auth.permissions import Allowed, decide
from registry.errors import BlobUnknown, RegistryError
from registry.http.answers import date_line
from registry.http.asked import read_head
from registry.http.chunked import HEAD_END
from registry.http.connections import LINE_BYTES, REQUEST_ID_HEADER, SERVER, Connection, Shortcut, Told
from registry.http.edge import request_ids
from registry.http.keys import Visit
from registry.http.v2 import blobs, manifests
from registry.http.v2.call import HEADERS
from registry.oci.request import Kind, parse
from registry.services import Services
from storage.metadata.blobs import LocatedBlob
from storage.metadata.manifests import ResolvedManifest
from storage.metadata.reads.lookups import key
from storage.names import Digest, PackageName

log = structlog.get_logger()

Row = TypeVar("Row", ResolvedManifest, LocatedBlob)
_Answer = tuple[int, bytes, bytes]  # status, head, body

_BEGINS: Final = (b"GET /v2/", b"HEAD /v2/")
_OK: Final = 200
_NOT_FOUND: Final = 404
_KINDS: Final = frozenset({Kind.MANIFEST_GET, Kind.MANIFEST_HEAD, Kind.BLOB_HEAD})
#: Headers that change what is answered.
_CHANGES: Final = frozenset(
    {"content-length", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "range"}
)
_HEADS_MAX: Final = 1024  # of about a KiB


@dataclass(frozen=True, slots=True)
class Ask:
    """A parsed request head, not yet authenticated. ``bearer`` None: anonymous."""

    method: str
    target: str
    package: PackageName
    reference: str
    of: Literal["tags", "digests", "blobs"]
    host: str
    bearer: str | None


@lru_cache(maxsize=_HEADS_MAX)
def read(head: bytes) -> Ask | None:
    """Parse a whole head, cached; None: the head is not plain, or the bytes are more than one head."""
    plain = read_head(head)
    if plain is None or plain.target != plain.path or "%" in plain.path:
        return None
    headers = plain.headers
    if any(name.lower() in _CHANGES for name in headers):
        return None
    try:
        oci = parse(plain.method, plain.path, {})
        credentials = parse_authorization(headers.getall("Authorization", ()))
    except (RegistryError, Unauthenticated):
        return None
    if oci.kind not in _KINDS or not (credentials is None or isinstance(credentials, BearerCredentials)):
        return None
    of: Final = "blobs" if oci.kind is Kind.BLOB_HEAD else "digests" if oci.tag is None else "tags"
    bearer = None if credentials is None else credentials.reveal()
    return Ask(plain.method, plain.path, oci.package, str(oci.reference), of, headers["Host"].lower(), bearer)


class Lane:
    """The Shortcut for pulls; other requests are passed to the Shortcut ``other``."""

    def __init__(self, services: Services, other: Shortcut) -> None:
        self._services = services
        self._other = other
        self._api_host = services.settings.api_host
        self._new_id = request_ids()

    def take(self, data: bytes, connection: Connection) -> bool:
        """Accept ``data`` if it is a plain pull, or pass ``data`` to the other Shortcut; False: not accepted."""
        return self._take(data, connection) or self._other.take(data, connection)

    def _take(self, data: bytes, connection: Connection) -> bool:
        if not data.startswith(_BEGINS) or len(data) > LINE_BYTES or not data.endswith(HEAD_END):
            return False
        ask = read(data)
        if ask is None or ask.host == self._api_host or self._services.leaving.is_set():
            return False
        identity = self._identity(ask)
        if identity is None:
            return False
        visit = Visit(self._new_id(), time.monotonic(), identity.account_id)
        turn = _Turn(self, connection, data, ask, identity, visit)
        lookups, asked = self._services.lookups, key(identity.token_id, ask.package, ask.reference)
        if ask.of == "tags":
            lookups.tags.ask(asked, turn.manifest)
        elif ask.of == "digests":
            lookups.digests.ask(asked, turn.manifest)
        else:
            lookups.blobs.ask(asked, turn.blob)
        return True

    def _identity(self, ask: Ask) -> Identity | None:
        if ask.bearer is None:
            return ANONYMOUS
        try:
            claims = self._services.bearer.verify(ask.bearer, self._services.now())
        except Unauthenticated:
            return None  # the long way tells why, and counts it
        return Identity(claims.token_id, claims.account_id, claims.grants)

    def manifest(self, ask: Ask, identity: Identity, found: ResolvedManifest) -> _Answer | None:
        """Render the response to GET or HEAD of a manifest; None: aiohttp must answer."""
        if found.digest is None or found.media_type is None or not _allowed(ask, identity, found):
            return None
        if ask.method == "HEAD":
            return _OK, _manifest_head(found.digest, found.media_type, found.size or 0), b""
        body = self._services.lookups.known_body(found.digest)
        if body is None:
            return None
        if found.version_id is not None:
            self._services.downloads.note(found.version_id, self._services.now())
        return _OK, _manifest_head(found.digest, found.media_type, len(body)), body

    @staticmethod
    def blob(ask: Ask, identity: Identity, found: LocatedBlob) -> _Answer | None:
        """Render the response to HEAD of a blob; None: aiohttp must answer, also to renew a stale link."""
        if found.stale_link or not _allowed(ask, identity, found):
            return None
        if found.size is None:
            return _NOT_FOUND, _absent(ask.reference), b""
        return _OK, _blob_head(ask.reference, found.size), b""


class _Turn:
    """A request in progress, from its look-up to its response."""

    __slots__ = ("_ask", "_connection", "_data", "_identity", "_lane", "_visit")

    def __init__(
        self, lane: Lane, connection: Connection, data: bytes, ask: Ask, identity: Identity, visit: Visit
    ) -> None:
        self._lane = lane
        self._connection = connection
        self._data = data
        self._ask = ask
        self._identity = identity
        self._visit = visit

    def manifest(self, found: ResolvedManifest | Exception) -> None:
        """Answer the request with the manifest's look-up result."""
        self._tell(self._lane.manifest, found)

    def blob(self, found: LocatedBlob | Exception) -> None:
        """Answer the request with the blob's look-up result."""
        self._tell(self._lane.blob, found)

    def _tell(self, render: Callable[[Ask, Identity, Row], _Answer | None], found: Row | Exception) -> None:
        try:
            answer = None if isinstance(found, Exception) else render(self._ask, self._identity, found)
        except Exception:
            log.exception("lane.failed")
            answer = None  # the long way has a last resort
        if answer is None:
            self._connection.answered(self._data, None)
            return
        status, head, body = answer
        response = b"%b%b%b\r\n\r\n%b" % (head, _date(int(time.time())), self._visit.id.encode(), body)
        self._connection.answered(self._data, Told(self._visit, self._ask.method, self._ask.target, status, response))


def _allowed(ask: Ask, identity: Identity, found: LocatedBlob | ResolvedManifest) -> bool:
    return isinstance(decide(identity, Action.PULL, ask.package, found), Allowed)


@lru_cache(maxsize=_HEADS_MAX)
def _manifest_head(digest: str, media_type: str, size: int) -> bytes:
    return _head("200 OK", manifests.headers_of(Digest(digest), media_type), size)


@lru_cache(maxsize=_HEADS_MAX)
def _blob_head(digest: str, size: int) -> bytes:
    return _head("200 OK", blobs.headers_of(Digest(digest), None, size), size)


def _absent(digest: str) -> bytes:
    error = BlobUnknown(Digest(digest))
    headers = {**HEADERS, **error.headers, "Content-Type": "application/json"}
    return _head("404 Not Found", headers, len(error.body()))


def _head(status: str, headers: Mapping[str, str], size: int) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}Content-Length: {size}\r\nServer: {SERVER}\r\n".encode()


@lru_cache(maxsize=2)
def _date(unix: int) -> bytes:
    """Render the Date line of a Unix second, and the name of the request id's header behind the line."""
    return f"{date_line(unix)}{REQUEST_ID_HEADER}: ".encode()
