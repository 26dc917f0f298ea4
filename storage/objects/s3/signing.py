"""AWS Signature Version 4 for S3, without a request object: microseconds, and no I/O.

Source: AWS «Signature Version 4 signing process» and «Authenticating Requests: Using Query Parameters»; the tests hold
it against botocore's signer. Payloads are never signed (``UNSIGNED-PAYLOAD``): the body is hashed once, for its digest.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Self
from urllib.parse import quote, urlsplit

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"
_TTL_MAX: Final = timedelta(days=7)
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; ``token`` belongs to temporary credentials (STS); ``repr`` shows no secret."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@lru_cache(maxsize=256)  # names, content types and scopes come again and again
def escaped(text: str) -> str:
    """Percent-encode ``text`` for a query, by the rules of SigV4."""
    return quote(text, safe="-_.~")


def query_string(query: Mapping[str, str]) -> str:
    """The canonical query string, as signed and as sent: encoded, sorted by encoded name."""
    return "&".join(f"{name}={value}" for name, value in sorted((escaped(n), escaped(v)) for n, v in query.items()))


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket's address: ``origin`` is scheme and host, ``prefix`` the path before a key, no slash at its end."""

    origin: str
    host: str
    prefix: str

    @classmethod
    def of(cls, endpoint: str, bucket: str, *, path_style: bool) -> Self:
        """The address of a bucket at ``endpoint``. Raises ValueError when the URL is not http or https with a host."""
        parts = urlsplit(endpoint)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"expected http://host[:port] or https://host[:port], got {endpoint!r}")
        name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
        base = parts.path.rstrip("/")
        if path_style:
            return cls(f"{parts.scheme}://{name}{port}", f"{name}{port}", f"{base}/{bucket}")
        return cls(f"{parts.scheme}://{bucket}.{name}{port}", f"{bucket}.{name}{port}", base)

    def path(self, key: str) -> str:
        """The encoded path of ``key``."""
        return f"{self.prefix}/{quote(key, safe='/-_.~')}"


class Signer:
    """Signs requests for one region; caches the last signing key, which is valid for a day."""

    __slots__ = ("_key", "_key_of", "_region")

    def __init__(self, region: str) -> None:
        self._region = region
        self._key = b""
        self._key_of = ("", "")

    def headers(
        self, credentials: Credentials, request: "Request", now: datetime, extra: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Sign a request: returns ``extra`` (names in lower case) and the headers of the signature; all are signed.

        ``now`` is aware and in UTC, here and below.
        """
        stamp = _stamp(now)
        headers = {
            **(extra or {}),
            "host": request.address.host,
            "x-amz-content-sha256": _UNSIGNED,
            "x-amz-date": stamp,
        }
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = ";".join(sorted(headers))
        signature = self._signature(credentials, request, stamp, headers)
        scope = f"{credentials.access_key}/{self._scope(stamp)}"
        headers["authorization"] = f"{_ALGORITHM} Credential={scope}, SignedHeaders={names}, Signature={signature}"
        return headers

    def presigned(self, credentials: Credentials, request: "Request", now: datetime, ttl: timedelta) -> str:
        """Presign the URL of ``request``, for its method, valid for ``ttl``. Raises ValueError beyond 1 s to 7 days."""
        if not timedelta(seconds=1) <= ttl <= _TTL_MAX:
            raise ValueError(f"expected a time from 1 s to 7 days, got {ttl}")
        stamp = _stamp(now)
        query = {
            **request.query,
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{credentials.access_key}/{self._scope(stamp)}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": str(int(ttl.total_seconds())),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.token:
            query["X-Amz-Security-Token"] = credentials.token
        signed = Request(request.method, request.address, request.path, query)
        signature = self._signature(credentials, signed, stamp, {"host": request.address.host})
        return f"{signed.url}&X-Amz-Signature={signature}"

    def _scope(self, stamp: str) -> str:
        return f"{stamp[:8]}/{self._region}/s3/aws4_request"

    def _signature(self, credentials: Credentials, request: "Request", stamp: str, headers: Mapping[str, str]) -> str:
        lines = "".join(f"{name}:{' '.join(headers[name].split())}\n" for name in sorted(headers))
        canonical = "\n".join(
            (request.method, request.path, query_string(request.query), lines, ";".join(sorted(headers)), _UNSIGNED)
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{_ALGORITHM}\n{stamp}\n{self._scope(stamp)}\n{digest}"
        return hmac.digest(self._signing_key(credentials.secret_key, stamp[:8]), text.encode(), "sha256").hex()

    def _signing_key(self, secret: str, date: str) -> bytes:
        if self._key_of != (secret, date):
            key = f"AWS4{secret}".encode()
            for part in (date, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key, self._key_of = key, (secret, date)
        return self._key


@dataclass(frozen=True, slots=True)
class Request:
    """The signed fields of a request; ``path`` is encoded, ``query`` is not."""

    method: str
    address: Address
    path: str
    query: Mapping[str, str]

    @property
    def url(self) -> str:
        """The whole URL, encoded as signed: send the URL unchanged."""
        return f"{self.address.origin}{self.target}"

    @property
    def target(self) -> str:
        """Path and query, as signed."""
        query = query_string(self.query)
        return f"{self.path}{'?' if query else ''}{query}"


def _stamp(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}"
