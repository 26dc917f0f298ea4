"""Configuration of the trusted issuers of identity tokens (OpenID Connect), and the limits of the trust.

Their tokens are verified by ``auth.oidc``, which is only imported where an issuer is configured.
"""

import ipaddress
import re
from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, Literal, Protocol
from urllib.parse import urlsplit

import msgspec

#: Where a claim stands in ``repository``: its name, or a JSON pointer (RFC 6901) to it.
PLACE: Final = re.compile(r"\{([A-Za-z0-9_.:/~-]{1,100})\}")

Algorithm = Literal["RS256", "ES256", "ES384", "ES512", "EdDSA"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "ES256", "ES384", "ES512", "EdDSA")
_PROVIDER_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
_TARGET: Final = re.compile(r"[A-Za-z0-9_-]{1,39}(?::admin|/[a-z0-9_-]{1,100})?", re.ASCII)


class Trusted(Protocol):
    """The fields of an issuer that the verification of a signature needs."""

    @property
    def issuer(self) -> str: ...
    @property
    def algorithms(self) -> list[Algorithm]: ...
    @property
    def insecure_http(self) -> bool: ...


class OidcIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trusted issuer of identity tokens, and the limits of the trust.

    ``owners`` are the accounts here that it may speak for, or ["*"]: an account of the same name there need not be the
    same people. ``repository`` makes owner/name from its claims; ``claims`` are globs that claims must match;
    ``audience`` None is the registry's own host. ``insecure_http`` is for an issuer on this very machine.

    The keys are what ``jwks`` has, or are fetched from ``jwks_url``, or from where the issuer's discovery document
    tells. ``ca_file``: the authorities (PEM) of its certificate; ``token_file``: the bearer token that ``jwks_url``
    asks for. Both files are read anew with each fetch.
    """

    issuer: str
    owners: list[str]
    audience: str | None = None
    repository: str = "{repository}"  # as GitHub Actions' claims have it
    permissions: Literal["read", "write"] = "read"
    algorithms: list[Algorithm] = msgspec.field(default_factory=lambda: list(ALGORITHMS))
    claims: dict[str, str] = {}
    insecure_http: bool = False
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    ca_file: str | None = None
    token_file: str | None = None

    def __post_init__(self) -> None:
        """Validate the fields. Raises ValueError, which msgspec reports as a ValidationError."""
        if self.jwks is not None:
            check_given(self.jwks, [self.jwks_url, self.ca_file, self.token_file])
        else:
            # Where the keys do not come from the issuer's own address, that is only a name.
            check_url(self.jwks_url or self.issuer, insecure_http=self.insecure_http)
        if self.token_file and not self.jwks_url:
            raise ValueError("token_file needs jwks_url: no other address is sent the token")
        if not (self.issuer and self.owners and self.algorithms):
            raise ValueError("issuer, owners and algorithms must not be empty")
        if not (PLACE.search(self.repository) or self.claims):
            raise ValueError(
                f"repository needs a claim in braces, such as {{repository}}, or claims; got {self.repository!r}"
            )

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of the keys that the configuration gives."""
        return frozenset(key["kid"] for key in (self.jwks or {}).get("keys", ()))


class SignInProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenID Connect provider by which people sign in to the pages.

    ``name`` stands in addresses, ``title`` on the button. Who is unknown here gets an account only with a verified
    e-mail of one of ``domains`` ("*": of any), or in one of ``groups``. ``organizations``: what membership of a group
    gives here, "acme" or "acme:admin" or "acme/team"; the organizations and teams that it names have nobody of this
    provider who is not in such a group.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str = ""
    title: str = ""
    scopes: list[str] = msgspec.field(default_factory=lambda: ["openid", "profile", "email"])
    login_claim: str = "preferred_username"
    groups_claim: str = "groups"
    domains: list[str] = []
    groups: list[str] = []
    organizations: dict[str, list[str]] = {}
    algorithms: list[Algorithm] = msgspec.field(default_factory=lambda: list(ALGORITHMS))
    insecure_http: bool = False

    def __post_init__(self) -> None:
        """Validate the fields. Raises ValueError, which msgspec reports as a ValidationError."""
        check_url(self.issuer, insecure_http=self.insecure_http)
        if not _PROVIDER_NAME.fullmatch(self.name):
            raise ValueError(f"expected a name of small letters, digits and hyphens; got {self.name[:60]!r}")
        if not (self.client_id and self.algorithms and "openid" in self.scopes):
            raise ValueError("client_id and algorithms must not be empty, and scopes have openid")
        for target in (target for several in self.organizations.values() for target in several):
            if not _TARGET.fullmatch(target):
                raise ValueError(f"expected ORG, ORG:admin or ORG/TEAM in organizations, got {target[:60]!r}")

    def __repr__(self) -> str:
        return f"<SignInProvider {self.name}>"  # never the secret

    @property
    def shown(self) -> str:
        """The name of the provider for people."""
        return self.title or self.name


def parse_providers(text: str) -> tuple[SignInProvider, ...]:
    """Parse a configuration's JSON list of providers. Raises ValueError that names the fault and its place."""
    try:
        providers = msgspec.json.decode(text, type=list[SignInProvider])
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(f"expected a JSON list of providers: {error}") from None  # its text may hold a secret
    if len({provider.name for provider in providers}) != len(providers):
        raise ValueError("a provider is named twice")
    return tuple(providers)


def parse_issuers(text: str) -> tuple[OidcIssuer, ...]:
    """Parse a configuration's JSON list of issuers. Raises ValueError that names the fault and its place."""
    try:
        issuers = msgspec.json.decode(text, type=list[OidcIssuer])
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(f"expected a JSON list of issuers: {error}") from error
    for name, same in groupby(sorted(issuers, key=attrgetter("issuer")), key=attrgetter("issuer")):
        _check_apart(name, list(same))
    return tuple(issuers)


def check_given(jwks: Mapping[str, Any], other_sources: list[str | None]) -> None:
    """Check that a JWKS that was given has public keys, each with its id, and is the only source. Raises ValueError."""
    keys = jwks.get("keys")
    if any(other_sources):
        raise ValueError("with jwks nothing is fetched: leave jwks_url, ca_file and token_file out")
    if not isinstance(keys, list) or not keys:
        raise ValueError('jwks needs "keys": a list of public keys, as an API server tells them')
    for key in keys:
        if not isinstance(key, dict) or not isinstance(key.get("kid"), str) or not key["kid"]:
            raise ValueError("each key of jwks needs a kid")
        if "d" in key or "k" in key:
            raise ValueError("jwks has a private key; it takes public ones only")


def _check_apart(name: str, issuers: list[OidcIssuer]) -> None:
    """Check that a key tells which of the issuers of one name has signed. Raises ValueError."""
    if len(issuers) == 1:
        return
    if not all(issuer.jwks for issuer in issuers):
        raise ValueError(f"an issuer is named twice: {name[:200]!r}; each of them needs jwks, by which they differ")
    if sum(len(issuer.key_ids) for issuer in issuers) != len(frozenset().union(*(one.key_ids for one in issuers))):
        raise ValueError(f"two issuers named {name[:200]!r} have a key of the same kid")


def check_url(url: str, *, insecure_http: bool) -> None:
    """Check that the registry may fetch from ``url``: https, or http to this machine with ``insecure_http``.

    Raises ValueError.
    """
    parts = urlsplit(url)
    if parts.username is not None or parts.fragment or not parts.hostname:
        raise ValueError(f"expected https://host/path, got {url[:200]!r}")
    loopback = parts.hostname == "localhost" or _is_loopback(parts.hostname)
    if parts.scheme != "https" and not (insecure_http and parts.scheme == "http" and loopback):
        raise ValueError(f"expected https (http only to this machine, with insecure_http), got {url[:200]!r}")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
