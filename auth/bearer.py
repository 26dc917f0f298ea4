"""The registry's own JWTs: issued by the token endpoint, verified on each request of ``/v2`` without I/O.

The tokens are EdDSA (RFC 8037) only. The header of a key's tokens is constant, so verification begins with a lookup in
the table of those few headers: a token with any other header is refused unread. Thus ``alg``, ``kid``, ``jwk``,
``jku``, ``x5c``, ``x5u`` and ``crit`` of foreign tokens are never parsed, and claims are parsed only after the
signature is verified.

A verified token is an upper bound of what its bearer may do; rights are read again for each request.
Times are seconds since the epoch.
"""

import base64
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import uuid4

import msgspec
import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from auth.errors import MalformedScope, Unauthenticated
from auth.scopes import Grant, from_access, to_access

TOKEN_MAX: Final = 4096  # characters; clients, proxies and this server take a header of 8 KiB, with what else is in it
_CACHE_MAX: Final = 4096  # verified tokens, of a few hundred bytes each (32 MiB at the very worst)
_LEEWAY_MAX: Final = 60  # seconds
_SECRET_MIN: Final = 32  # bytes
_HKDF_INFO: Final = b"moorage bearer ed25519 1"  # changing it changes every key
_ALL: Final = "*"
_SUBJECT: Final = re.compile(r"(?:[1-9][0-9]{0,18})?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerSettings:
    """Settings of bearer tokens: issuer (``iss``), service (``aud``), lifetime and clock leeway (at most 60 s)."""

    issuer: str
    service: str
    ttl_seconds: int = 300
    leeway_seconds: int = 30

    def __post_init__(self) -> None:
        if not 0 <= self.leeway_seconds <= _LEEWAY_MAX:
            raise ValueError(f"leeway_seconds is at most {_LEEWAY_MAX}, got {self.leeway_seconds}")
        if self.ttl_seconds <= 0:
            raise ValueError(f"ttl_seconds is at least 1, got {self.ttl_seconds}")
        if not (self.issuer and self.service):
            raise ValueError("issuer and service must not be empty")


class BearerKeys:
    """Ed25519 keys: the first signs, all verify. To rotate a secret, put the new one first and keep the old one."""

    __slots__ = ("_signing", "_verifying", "signing_header")

    def __init__(self, private: Sequence[Ed25519PrivateKey]) -> None:
        self._signing: Final = private[0]
        self._verifying: Final = {_header(key.public_key()): key.public_key() for key in private}
        self.signing_header: Final = _header(self._signing.public_key())

    @classmethod
    def from_secrets(cls, secrets: Sequence[bytes]) -> "BearerKeys":
        """Keys derived (HKDF-SHA256) from configured secrets of at least 32 bytes. Raises ValueError."""
        if not secrets or min(map(len, secrets)) < _SECRET_MIN:
            raise ValueError(f"bearer tokens need one or more secrets of at least {_SECRET_MIN} bytes")
        return cls([Ed25519PrivateKey.from_private_bytes(_derived(secret)) for secret in secrets])

    def sign(self, data: bytes) -> bytes:
        """Sign ``data``; the signature has 64 bytes."""
        return self._signing.sign(data)

    def verifying(self, header: str) -> Ed25519PublicKey | None:
        """The key whose tokens begin with this header (base64url), or None."""
        return self._verifying.get(header)

    def __repr__(self) -> str:
        return f"<BearerKeys {len(self._verifying)}>"


@dataclass(frozen=True, slots=True)
class BearerClaims:
    """Claims of a verified bearer token.

    ``account_id`` None is an anonymous bearer; ``token_id`` is the access token that the bearer token was fetched with,
    if any. ``grants`` None: the bearer token does not narrow what that access token may do.
    """

    account_id: int | None
    token_id: int | None
    grants: tuple[Grant, ...] | None
    issued_at: int
    expires_at: int
    id: str


class _Payload(msgspec.Struct):
    """Required claims and their types; unknown claims are ignored, so that a newer release may add some."""

    iss: str
    aud: str  # RFC 7519 §4.1.3 would allow a list; nothing here issues one
    sub: str
    exp: int
    nbf: int
    iat: int
    jti: str
    tid: int | None
    access: list[Any] | Literal["*"]  # "*": all that the access token may do


class Bearer:
    """Issues and verifies bearer tokens, for one event loop; verified tokens are cached, for they never change."""

    def __init__(
        self, keys: BearerKeys, settings: BearerSettings, *, new_id: Callable[[], str] = lambda: uuid4().hex
    ) -> None:
        self.settings: Final = settings
        self._keys = keys
        self._new_id = new_id
        self._verified: OrderedDict[str, BearerClaims] = OrderedDict()

    def issue(
        self,
        *,
        account_id: int | None,
        token_id: int | None,
        grants: Iterable[Grant] | None,
        now: float,
        ttl_seconds: int | None = None,
    ) -> str:
        """Issue a signed token, valid from ``now`` for ``ttl_seconds``, at most ``settings.ttl_seconds``.

        ``grants`` None: for all that the access token may do on ``/v2``.
        Raises MalformedScope where the grants make it longer than TOKEN_MAX.
        """
        issued_at = int(now)
        longest = self.settings.ttl_seconds
        claims = {
            "iss": self.settings.issuer,
            "aud": self.settings.service,
            "sub": "" if account_id is None else str(account_id),
            "exp": issued_at + (longest if ttl_seconds is None else min(ttl_seconds, longest)),
            "nbf": issued_at,
            "iat": issued_at,
            "jti": self._new_id(),
            "tid": token_id,
            "access": _ALL if grants is None else to_access(grants),
        }
        signed = f"{self._keys.signing_header}.{_encoded(orjson.dumps(claims))}"
        token = f"{signed}.{_encoded(self._keys.sign(signed.encode()))}"
        if len(token) > TOKEN_MAX:
            raise MalformedScope(f"the scopes make a token of {len(token)} characters, more than {TOKEN_MAX}")
        return token

    def mine(self, token: str) -> bool:
        """Return whether ``token`` has the header of one of our keys; the signature is not verified."""
        return self._keys.verifying(token.partition(".")[0]) is not None

    def verify(self, token: str, now: float, *, expired_ok: bool = False) -> BearerClaims:
        """Verify ``token`` and return its claims. Raises Unauthenticated.

        ``expired_ok``: also when its only defect is that it has expired; the caller looks at ``end(claims)``.
        """
        known = self._verified.get(token)
        if known is not None and now < known.expires_at:
            self._verified.move_to_end(token)
            return known
        claims = self._claims(_payload(self._checked(token)), now)
        if now >= self.end(claims):
            if expired_ok:
                return claims
            raise Unauthenticated("the bearer token has expired")
        self._verified[token] = claims
        if len(self._verified) > _CACHE_MAX:
            self._verified.popitem(last=False)
        return claims

    def end(self, claims: BearerClaims) -> int:
        """The time at which a token is no longer accepted, leeway included (Unix seconds)."""
        return claims.expires_at + self.settings.leeway_seconds

    def _checked(self, token: str) -> bytes:
        """Verify the signature of a token and return its payload (JSON). Raises Unauthenticated."""
        if len(token) > TOKEN_MAX:
            raise Unauthenticated(f"the bearer token is longer than {TOKEN_MAX} characters")
        if not token.isascii():
            raise Unauthenticated("the bearer token is malformed")
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        key = self._keys.verifying(header)
        if key is None:
            raise Unauthenticated("the bearer token was not issued by this registry, or its key was retired")
        try:
            key.verify(_decoded(signature), signed.encode())
            return _decoded(payload)
        except (InvalidSignature, ValueError) as error:
            raise Unauthenticated("the bearer token's signature is wrong") from error

    def _claims(self, payload: _Payload, now: float) -> BearerClaims:
        leeway = self.settings.leeway_seconds
        # Whole strings: a substring or a list of issuers once was enough elsewhere (GHSA-75c5-xw7c-p5pm).
        if payload.iss != self.settings.issuer or payload.aud != self.settings.service:
            raise Unauthenticated("the bearer token is meant for another service")
        if max(payload.nbf, payload.iat) > now + leeway:
            raise Unauthenticated("the bearer token is not valid yet")
        if not _SUBJECT.fullmatch(payload.sub):
            raise Unauthenticated("the bearer token's subject is no account")
        try:
            grants = None if payload.access == _ALL else from_access(payload.access)
        except MalformedScope as error:
            raise Unauthenticated("the bearer token's access is malformed") from error
        account_id = int(payload.sub) if payload.sub else None
        return BearerClaims(account_id, payload.tid, grants, payload.iat, payload.exp, payload.jti)


def _payload(raw: bytes) -> _Payload:
    try:
        claims = orjson.loads(raw)
        payload = msgspec.convert(claims, _Payload)
    except ValueError as error:  # orjson.JSONDecodeError and msgspec.ValidationError are such
        raise Unauthenticated("the bearer token's claims are malformed") from error
    # A parser keeps one of two equal names, another parser the other. What differs from its own re-encoding has such
    # names at some depth, or is not the compact form that we write: refused all the same.
    if orjson.dumps(claims) != raw:
        raise Unauthenticated("the bearer token's claims are not in canonical form")
    return payload


def _derived(secret: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_HKDF_INFO).derive(secret)


def _header(key: Ed25519PublicKey) -> str:
    """The one header of tokens signed by this key, encoded; ``kid`` is derived from the public key."""
    kid = hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]
    return _encoded(orjson.dumps({"alg": "EdDSA", "kid": kid, "typ": "JWT"}))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    """Decode base64url in its canonical form. Raises ValueError for any other text.

    Python's decoder skips characters that it does not know, and base64 has spare bits: one token must have one text.
    """
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encoded(data) != text:
        raise ValueError("not canonical base64url")
    return data
