"""Verification of the JWTs of other issuers (OpenID Connect) that the configuration trusts: workloads and people.

Pure: the issuer's keys come in as an argument (registry.accounts.issuer_keys fetches them, from configured issuers
only). Nothing that a token carries is ever followed: a header with ``jwk``, ``jku``, ``x5c``, ``x5u`` or ``crit`` is
refused, and ``iss`` is only a key into the table of issuers. Times are seconds since the epoch.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import jwt
import msgspec

from auth.errors import Unauthenticated
from auth.issuers import PLACE, OidcIssuer, SignInProvider, Trusted

TOKEN_MAX: Final = 16_384  # characters
_KEYS_MAX: Final = 100
_RSA_BITS_MIN: Final = 2048
_LEEWAY_SECONDS: Final = 30
_END_OF_TIME: Final = 1e11  # no sane claim is past the year 5138, and neither NaN nor infinity are before it
_SUBJECT_MAX: Final = 255  # OpenID Connect Core §2
#: PostgreSQL has no place for these, which JSON can escape: U+0000, and halves of pairs.
_UNSTORED: Final = re.compile("[\0\ud800-\udfff]")
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f\ud800-\udfff]{1,64}@[A-Za-z0-9.-]{1,189}", re.ASCII)
_FORBIDDEN_HEADERS: Final = frozenset({"jwk", "jku", "x5c", "x5u", "crit", "b64", "zip", "enc"})
_ACCOUNT_SECONDS: Final = 24 * 3600.0
#: A namespace is a label, a service account a subdomain (RFC 1123), as Kubernetes has them.
_NAMED: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_FULL_NAME: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,38})/([A-Za-z0-9._-]{1,100})", re.ASCII)
#: PyJWT asks the clock of the process; the checks are here, with the time that came in.
_OWN_CHECKS: Final = ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti")
#: Never the private ones, should an issuer publish them by mistake.
_JWK_FIELDS: Final = ("kty", "alg", "kid", "use", "n", "e", "crv", "x", "y")


@dataclass(frozen=True, slots=True)
class Workload:
    """The workload of a verified token: its repository (``owner`` in lower case), subject and expiry."""

    owner: str
    repository: str
    subject: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The service account of a verified token of a Kubernetes cluster; the token is good until ``expires_at``."""

    namespace: str
    name: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Person:
    """The person of a verified ID token, who is ``issuer`` and ``subject``; ``email`` only if it was verified."""

    issuer: str
    subject: str
    email: str | None
    login: str  # as the provider names the person, or ""
    groups: frozenset[str]
    proved_at: float  # Unix seconds


class _Claims(msgspec.Struct):
    """Required claims and their types."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: int | float
    iat: int | float
    nbf: int | float = 0


def issuer_of(token: str) -> str:
    """The ``iss`` that an unverified token claims, to look up in the table of issuers. Raises Unauthenticated."""
    if len(token) > TOKEN_MAX:
        raise Unauthenticated(f"the identity token is longer than {TOKEN_MAX} characters")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Unauthenticated("the identity token is malformed") from error
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise Unauthenticated("the identity token has no issuer")
    return issuer


def key_id(token: str, issuer: Trusted) -> str:
    """Check a token's header (algorithm, forbidden fields) and return its ``kid``. Raises Unauthenticated."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Unauthenticated("the identity token's header is malformed") from error
    if header.get("alg") not in issuer.algorithms:
        raise Unauthenticated(f"the identity token must be signed with {' or '.join(issuer.algorithms)}")
    # x5t only names a certificate, and common providers send it: it is not looked at.
    if _FORBIDDEN_HEADERS & header.keys():
        raise Unauthenticated("the identity token's header brings its own key, or extensions")
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise Unauthenticated("the identity token's header names no key")
    return kid


def keys_of(document: bytes) -> Mapping[str, jwt.PyJWK]:
    """The public signing keys of a JWKS (RFC 7517), by ``kid``; unusable keys are left out. Raises ValueError."""
    found: dict[str, jwt.PyJWK] = {}
    entries = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    for entry in entries[:_KEYS_MAX] if isinstance(entries, list) else []:
        key = _key(entry)
        if key is not None and isinstance(key.key_id, str):
            found[key.key_id] = key
    return found


def verify(token: str, issuer: OidcIssuer, key: jwt.PyJWK, audience: str, now: float) -> Workload:
    """Verify ``token`` and return its workload; ``audience``: of issuers without their own. Raises Unauthenticated."""
    payload, claims = _decoded(token, issuer, key)
    _check(claims, issuer, issuer.audience or audience, now)
    _check_service_account(payload, claims.sub)
    _check_conditions(payload, issuer)
    owner, repository = _repository(payload, issuer)
    return Workload(owner, repository, claims.sub[:255], int(claims.exp))


def verify_service_account(token: str, issuer: Trusted, key: jwt.PyJWK, audience: str, now: float) -> ServiceAccount:
    """Verify the token of a service account, and return whose it is. Raises Unauthenticated.

    A cluster may make tokens of a hundred years: here each ends a day after it was made.
    """
    payload, claims = _decoded(token, issuer, key)
    _check(claims, issuer, audience, now)
    _check_service_account(payload, claims.sub)
    if now >= claims.iat + _ACCOUNT_SECONDS:
        raise Unauthenticated("the identity token was made more than a day ago")
    namespace, name = (_claim(payload, f"/kubernetes.io/{name}") for name in ("namespace", "serviceaccount/name"))
    if not (isinstance(namespace, str) and isinstance(name, str) and _NAMED.fullmatch(f"{namespace}/{name}")):
        raise Unauthenticated("the identity token names no service account of Kubernetes")
    return ServiceAccount(namespace, name, min(claims.exp, claims.iat + _ACCOUNT_SECONDS))


def verify_person(token: str, provider: SignInProvider, key: jwt.PyJWK, nonce: str, now: float) -> Person:
    """Verify the ID token of a sign-in that was begun with ``nonce``, and return its person. Raises Unauthenticated."""
    payload, claims = _decoded(token, provider, key)
    # OpenID Connect Core §3.1.3.7: who is one of several audiences is named as the authorized party.
    several = isinstance(claims.aud, list) and len(claims.aud) > 1 and provider.client_id in claims.aud
    party = payload.get("azp", None if several else provider.client_id)
    if party != provider.client_id:
        raise Unauthenticated("the identity token was made for another client")
    _check(
        msgspec.structs.replace(claims, aud=provider.client_id) if several else claims,
        provider,
        provider.client_id,
        now,
    )
    if not hmac.compare_digest(str(payload.get("nonce", "")).encode("utf-8", "surrogatepass"), nonce.encode()):
        raise Unauthenticated("the identity token is of another sign-in")
    if len(claims.sub) > _SUBJECT_MAX:
        raise Unauthenticated("the identity token's subject is too long")  # cut off, two would be one
    email, login, groups = (payload.get(name) for name in ("email", provider.login_claim, provider.groups_claim))
    proved_at = payload.get("auth_time")
    # Not ``in (True, "true", 1)``: only the claim itself says so, and a missing one says nothing.
    verified = payload.get("email_verified") is True and isinstance(email, str) and _EMAIL.fullmatch(email)
    return Person(
        provider.issuer,
        claims.sub,
        email.lower() if verified and isinstance(email, str) else None,
        login if isinstance(login, str) else "",
        frozenset(name for name in groups if isinstance(name, str)) if isinstance(groups, list) else frozenset(),
        # A time that is none proves nothing; a clock that is ahead proves no more than now.
        min(now, proved_at) if isinstance(proved_at, int | float) and 0 <= proved_at < _END_OF_TIME else now,
    )


def _decoded(token: str, issuer: Trusted, key: jwt.PyJWK) -> tuple[Mapping[str, Any], _Claims]:
    try:
        payload = jwt.decode(
            token,
            key,
            # One algorithm, the key's own: RS256 with an elliptic key, or the like, is not even tried.
            algorithms=[name for name in issuer.algorithms if name == key.algorithm_name],
            options=dict.fromkeys(_OWN_CHECKS, False),  # type: ignore[arg-type]
        )
        return payload, msgspec.convert(payload, _Claims)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Unauthenticated("the identity token's signature or claims are wrong") from error


def _check(claims: _Claims, issuer: Trusted, audience: str, now: float) -> None:
    # Whole strings: a substring or a prefix of an issuer once was enough elsewhere (GHSA-75c5-xw7c-p5pm).
    if claims.iss != issuer.issuer:
        raise Unauthenticated("the identity token is of another issuer")
    # A token for several audiences could be played back here by each of the others.
    if claims.aud not in (audience, [audience]):
        raise Unauthenticated(f"the identity token is for another audience; ask for one for {audience!r}")
    if not claims.sub or _UNSTORED.search(claims.sub):
        raise Unauthenticated("the identity token has no subject, or one that is no text")
    if not all(0 <= time < _END_OF_TIME for time in (claims.exp, claims.iat, claims.nbf)):
        raise Unauthenticated("the identity token has times that are none")
    if now >= claims.exp + _LEEWAY_SECONDS:
        raise Unauthenticated("the identity token has expired")
    if max(claims.nbf, claims.iat) > now + _LEEWAY_SECONDS:
        raise Unauthenticated("the identity token is not valid yet")


def _claim(payload: Mapping[str, Any], name: str) -> object:
    """Return a claim by its name, or by a JSON pointer (RFC 6901), which begins with a slash."""
    if not name.startswith("/"):
        return payload.get(name)
    found: object = payload
    for step in name[1:].split("/"):
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _check_service_account(payload: Mapping[str, Any], subject: str) -> None:
    """Check that a token with the claims of a Kubernetes cluster names one service account, in all places."""
    if "kubernetes.io" not in payload:
        return
    names = [_claim(payload, f"/kubernetes.io/{name}") for name in ("namespace", "serviceaccount/name")]
    if subject.split(":") != ["system", "serviceaccount", *names]:
        raise Unauthenticated("the identity token's subject is not the service account that it names")


def _check_conditions(payload: Mapping[str, Any], issuer: OidcIssuer) -> None:
    for name, pattern in issuer.claims.items():
        value = _claim(payload, name)
        if isinstance(value, bool):
            value = str(value).lower()
        if not isinstance(value, str | int) or not fnmatchcase(str(value), pattern):
            raise Unauthenticated(
                f"the identity token's claim {name!r} is not what this registry is configured to take"
            )


def _repository(payload: Mapping[str, Any], issuer: OidcIssuer) -> tuple[str, str]:
    def value(match: re.Match[str]) -> str:
        found = _claim(payload, match[1])
        # A claim that is no text, or is not there, makes a name that cannot be one.
        return found if isinstance(found, str) else "\0"

    named = _FULL_NAME.fullmatch(PLACE.sub(value, issuer.repository))
    if named is None:
        raise Unauthenticated("the identity token's claims name no repository")
    owner = named[1].lower()
    stated = payload.get("repository_owner", owner)
    if not isinstance(stated, str) or stated.lower() != owner:
        raise Unauthenticated("the identity token's repository belongs to another owner than it says")
    if not any(allowed in ("*", owner) for allowed in map(str.lower, issuer.owners)):
        raise Unauthenticated(
            f"the issuer may not speak for repositories of {owner!r} here: see owners in MOORAGE_OIDC_ISSUERS"
        )
    return owner, named[2]


def _key(entry: object) -> jwt.PyJWK | None:
    # A symmetric key in a public document is no secret, so it must not verify anything.
    if not isinstance(entry, dict) or entry.get("kty") not in {"RSA", "EC", "OKP"} or entry.get("use", "sig") != "sig":
        return None
    try:
        key = jwt.PyJWK({name: entry[name] for name in _JWK_FIELDS if name in entry})
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if getattr(key.key, "key_size", _RSA_BITS_MIN) >= _RSA_BITS_MIN or entry["kty"] != "RSA" else None


def known(issuers: Iterable[OidcIssuer]) -> dict[str, list[OidcIssuer]]:
    """The issuers by ``iss``, for lookups with the result of ``issuer_of``."""
    found: dict[str, list[OidcIssuer]] = {}
    for issuer in issuers:
        found.setdefault(issuer.issuer, []).append(issuer)
    return found


def signer_of(token: str, issuers: Iterable[OidcIssuer]) -> OidcIssuer | None:
    """The one of the issuers of one name that may have the key that an unverified token names. Raises Unauthenticated.

    One whose keys are fetched may have any.
    """
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Unauthenticated("the identity token's header is malformed") from error
    fitting = (issuer for issuer in issuers if issuer.jwks is None or (isinstance(kid, str) and kid in issuer.key_ids))
    return next(fitting, None)
