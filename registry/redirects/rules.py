"""The rules of ``MOORAGE_REDIRECTS``: who fetches blobs where, by network and by program. The first that matches holds.

The last rule is that of ``MOORAGE_REDIRECT``, and matches everybody. Keys and secrets are in files, so that a rule can
be shown.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

from registry.redirects.signing import cloudfront_signer, secure_link_signer

Address: TypeAlias = IPv4Address | IPv6Address


class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="to"):
    """A rule for callers from ``networks`` (none: any) whose program is one of ``user_agents``, by globs."""

    networks: list[str] = []
    user_agents: list[str] = []

    def __post_init__(self) -> None:
        """Validate the fields. Raises ValueError, which msgspec reports as a ValidationError."""
        for text in self.networks:
            _network(text)

    def matches(self, address: Address | None, agent: str) -> bool:
        """Return whether a caller from ``address`` with this user agent is meant."""
        if self.networks and (address is None or not any(address in _network(text) for text in self.networks)):
            return False
        return not self.user_agents or any(fnmatchcase(agent, glob) for glob in self.user_agents)

    @property
    def is_for_all(self) -> bool:
        """The rule matches everybody."""
        return not self.networks and not self.user_agents


class Direct(_Rule, frozen=True, tag="direct"):
    """Blobs go through the server."""


class ToS3(_Rule, frozen=True, tag="s3"):
    """Blobs come from S3 by a presigned URL; ``endpoint`` is how these callers reach the S3 server, None: as all."""

    endpoint: str | None = None

    def __post_init__(self) -> None:
        """Validate the fields. Raises ValueError."""
        super().__post_init__()
        if self.endpoint is not None:
            _check_url(self.endpoint, path=False)


class ToCloudFront(_Rule, frozen=True, tag="cloudfront"):
    """Blobs come from CloudFront at ``url``, signed by the private key of ``key_file``, there ``key_id``."""

    url: str
    key_id: str
    key_file: str

    def __post_init__(self) -> None:
        """Validate the fields, and read the key. Raises ValueError."""
        super().__post_init__()
        _check_url(self.url)
        if not self.key_id.isalnum():
            raise ValueError(f"expected a key_id as CloudFront gives them, such as K2JCJMDEHXQW5F; got {self.key_id!r}")
        cloudfront_signer(self.url, self.key_id, self.key_file)


class ToSecureLink(_Rule, frozen=True, tag="secure_link"):
    """Blobs come from an nginx at ``url``, whose ``secure_link_md5`` has the secret in ``secret_file``."""

    url: str
    secret_file: str

    def __post_init__(self) -> None:
        """Validate the fields, and read the secret. Raises ValueError."""
        super().__post_init__()
        _check_url(self.url)
        secure_link_signer(self.url, self.secret_file)


Rule: TypeAlias = Direct | ToS3 | ToCloudFront | ToSecureLink


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Parse a configuration's JSON list of rules. Raises ValueError that names the fault and its place."""
    try:
        rules = msgspec.json.decode(text, type=list[Rule])
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(f"expected a JSON list of redirects: {error}") from None
    for number, rule in enumerate(rules[:-1]):
        if rule.is_for_all:
            raise ValueError(f"$[{number}] matches everybody, so what is behind it never holds: give it networks")
    return tuple(rules)


def to_s3(rules: Sequence[Rule]) -> bool:
    """Return whether a rule leads to S3."""
    return any(isinstance(rule, ToS3) for rule in rules)


def shown_rule(rule: Rule) -> str:
    """Return the JSON of a rule, in which there is no secret: those are in files."""
    return msgspec.json.encode(rule).decode()


@lru_cache(maxsize=1024)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text)


def _check_url(text: str, *, path: bool = True) -> None:
    expected = f"expected http(s)://host[:port]{'[/path]' if path else ''}"
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for what is no port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ValueError(expected)
    if parts.query or parts.fragment or (parts.path.strip("/") and not path) or not text.isprintable() or " " in text:
        raise ValueError(f"{expected}, got {text!r}")
