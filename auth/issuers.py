"""Configuration of the trusted issuers of identity tokens (OpenID Connect), and the limits of the trust.

Their tokens are verified by ``auth.oidc``, which is only imported where an issuer is configured.
"""

import ipaddress
import re
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

#: Where a claim stands in ``repository``.
PLACE: Final = re.compile(r"\{([A-Za-z0-9_.:/-]{1,100})\}")

Algorithm = Literal["RS256", "ES256", "EdDSA"]


class OidcIssuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trusted issuer of identity tokens, and the limits of the trust.

    ``owners`` are the accounts here that it may speak for, or ["*"]: an account of the same name there need not be the
    same people. ``repository`` makes owner/name from its claims; ``claims`` are globs that claims must match;
    ``audience`` None is the registry's own host. ``insecure_http`` is for an issuer on this very machine.
    """

    issuer: str
    owners: list[str]
    audience: str | None = None
    repository: str = "{repository}"  # as GitHub Actions' claims have it
    permissions: Literal["read", "write"] = "read"
    algorithms: list[Algorithm] = msgspec.field(default_factory=lambda: ["RS256", "ES256", "EdDSA"])
    claims: dict[str, str] = {}
    insecure_http: bool = False

    def __post_init__(self) -> None:
        """Validate the fields. Raises ValueError, which msgspec reports as a ValidationError."""
        check_url(self.issuer, insecure_http=self.insecure_http)
        if not (self.owners and self.algorithms):
            raise ValueError("owners and algorithms must not be empty")
        if not PLACE.search(self.repository):
            raise ValueError(f"repository needs a claim in braces, such as {{repository}}; got {self.repository!r}")


def parse_issuers(text: str) -> tuple[OidcIssuer, ...]:
    """Parse a configuration's JSON list of issuers. Raises ValueError that names the fault and its place."""
    try:
        issuers = msgspec.json.decode(text, type=list[OidcIssuer])
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(f"expected a JSON list of issuers: {error}") from error
    if len({issuer.issuer for issuer in issuers}) != len(issuers):
        raise ValueError("an issuer is named twice")
    return tuple(issuers)


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
