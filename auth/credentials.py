"""Parse the Authorization header into Credentials; pure: no lookup, no check of signatures.

A personal access token is sent in one of four ways: as the password of Basic (docker login), as ``Bearer <token>`` and
``token <token>`` (GitHub's REST API), and as ``Bearer base64(<token>)`` (what scripts send to ghcr.io).
The identity token of another issuer is sent as the password of the user ``oidc``, or as Bearer.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from auth.errors import Nobody, Unauthenticated
from auth.tokens import PlainToken, recognise

_HEADER_MAX: Final = 16_384  # characters
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")  # RFC 7515 §7.1
_JWE: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){4}")  # RFC 7516 §7.1
_OIDC_USER: Final = "oidc"  # reserved as a login
_NOT_OURS: Final = (
    "this is no access token of this registry: one is made on its page /settings/tokens, and sent as the password"
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class BearerCredentials:
    """An unverified JWT sent as Bearer; only ``reveal()`` returns its text (no dataclass: see PlainToken)."""

    __slots__ = ("_jwt",)

    def __init__(self, jwt: str) -> None:
        self._jwt: Final = jwt

    def reveal(self) -> str:
        """The token, for auth.bearer to verify."""
        return self._jwt

    def __repr__(self) -> str:
        return "<BearerCredentials …>"


class OidcCredentials:
    """An unverified identity token of an OpenID Connect issuer; only ``reveal()`` returns its text."""

    __slots__ = ("_jwt",)

    def __init__(self, jwt: str) -> None:
        self._jwt: Final = jwt

    def reveal(self) -> str:
        """The token, for auth.oidc to verify."""
        return self._jwt

    def __repr__(self) -> str:
        return "<OidcCredentials …>"


@dataclass(frozen=True, slots=True)
class TokenCredentials:
    """A well-formed personal access token, which may not exist, with the user name and scheme of the request.

    ``username`` is that of Basic, else None; it need not be the token's account: as on ghcr.io the token decides.
    """

    token: PlainToken
    username: str | None
    scheme: Literal["basic", "bearer", "token"]


Credentials = BearerCredentials | OidcCredentials | TokenCredentials


def parse_authorization(values: Sequence[str]) -> Credentials | None:
    """Parse the credentials of a request's Authorization headers; None when there is no header.

    Raises Unauthenticated for anything else, also for several headers (one proxy may read the first, and the next the
    last); Nobody for a header without credentials, and for a bearer token that has the form of none.
    """
    if not values:
        return None
    if len(values) > 1:
        raise Unauthenticated("more than one Authorization header", "invalid_request")
    if len(values[0]) > _HEADER_MAX:
        raise Unauthenticated("the Authorization header is too long", "invalid_request")
    scheme, _, rest = values[0].strip(" \t").partition(" ")
    text = rest.lstrip(" ")  # RFC 9110 §11.4: one or more spaces
    if not scheme:
        raise Nobody("an empty Authorization header", "invalid_request")
    match scheme.lower():
        case "basic":
            return _basic(text)
        case "bearer":
            return _bearer(text)
        case "token":
            return TokenCredentials(_recognised(text), None, "token")
        case _:
            raise Unauthenticated("expected Authorization: Basic, Bearer or token", "invalid_request")


def parse_for_registry(values: Sequence[str]) -> Credentials | None:
    """Parse as ``parse_authorization`` does, with None for Nobody: as on ghcr.io, where many clients rely on it.

    Homebrew sends ``Bearer QQ==``, WUD a colon in base64, scripts the credentials of ``docker login``.
    """
    try:
        return parse_authorization(values)
    except Nobody:
        return None


def of_password(username: str, password: str) -> OidcCredentials | TokenCredentials:
    """Parse the password of Basic or of a form: an identity token or an access token. Raises Unauthenticated."""
    if username.lower() == _OIDC_USER and _JWT.fullmatch(password):
        return OidcCredentials(password)
    return TokenCredentials(_recognised(password, username), username, "basic")


def _basic(text: str) -> Credentials:
    decoded = _decoded(text)
    if decoded == "" or (decoded is not None and decoded.startswith(":")):
        raise Nobody("Basic credentials without a user", "invalid_request")
    if decoded is None:
        raise Unauthenticated("Basic credentials are not base64 of UTF-8", "invalid_request")
    username, colon, password = decoded.partition(":")  # a password may hold colons: RFC 7617 §2
    if not colon or _CONTROL.search(decoded):
        raise Unauthenticated("Basic credentials are not user:password", "invalid_request")
    return of_password(username, password)


def _bearer(text: str) -> Credentials:
    if _JWT.fullmatch(text):
        return BearerCredentials(text)
    token = recognise(text)
    if token is None:
        # `echo $TOKEN | base64` is in many a script, and leaves a line feed at the end.
        token = recognise((_decoded(text) or "").removesuffix("\n"))
    if token is None and _JWE.fullmatch(text):
        raise Unauthenticated(_NOT_OURS)
    if token is None:
        raise Nobody(_NOT_OURS)
    return TokenCredentials(token, None, "bearer")


def _recognised(text: str, username: str | None = None) -> PlainToken:
    token = recognise(text)
    if token is None:
        raise Unauthenticated(_NOT_OURS, username=username)
    return token


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return None
