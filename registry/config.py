"""The settings: read once, from the environment, and nowhere else.

``Settings.from_env`` names every error at once, so that a deployment is mended in one go.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from auth.issuers import OidcIssuer, SignInProvider, parse_issuers, parse_providers
from registry.packages.deletion_rules import LifetimeSettings
from registry.packages.linking import LinkSettings
from registry.process.certificates import TlsSettings
from registry.process.metrics import parse_owners
from registry.process.room import Room
from registry.process.settings_reader import Reader
from registry.process.trace_settings import TraceSettings, read_trace_settings
from registry.rate_limits import Policy, parse_policies
from registry.redirects.rules import Direct, Rule, ToS3, parse_rules, to_s3
from registry.uploads.sessions import UploadSettings
from storage.metadata.connections import parse_url
from storage.metadata.database import DatabaseSettings
from storage.objects.local.store import LocalSettings
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings

T = TypeVar("T")
Network = IPv4Network | IPv6Network

_UPLOADS: Final = UploadSettings()

_TOKEN_SECONDS_MIN: Final = 60
_SECRET_BYTES: Final = 32
_DAYS_MAX: Final = 36_500
_PORT_MAX: Final = 65535


class SettingsInvalid(Exception):
    """Some settings are missing or wrong; ``errors`` has a line for each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Deadlines of connections, in seconds: for the headers of a request from their first byte (and for a TLS
    handshake), between requests (longer than proxies keep theirs), for a whole manifest or form, and for a client
    that takes nothing of a blob. Uploads have a rate instead.
    """

    head_seconds: float = 15.0
    idle_seconds: float = 180.0
    body_seconds: float = 60.0
    stall_seconds: float = 60.0
    access_log: bool = True


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The audit log, its sink (a whole path or an https URL) and months; and the days of the pull log, None: off."""

    sink: str | None = None
    token: str | None = field(default=None, repr=False)
    months: int = 6
    pull_days: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a process."""

    database: DatabaseSettings
    store: S3Settings | LocalSettings
    uploads: UploadSettings
    secrets: tuple[bytes, ...] = field(repr=False)
    host: str
    port: int
    processes: int
    public_url: str | None
    api_url: str | None
    tls: TlsSettings | None
    http: HttpSettings
    #: Where metrics are shown; None: nowhere, and nothing is counted.
    admin_address: tuple[str, int] | None
    #: The owners that have series of their own.
    metrics_owners: tuple[str, ...]
    #: Where callers fetch blobs: the first rule that matches, and the last one does.
    redirects: tuple[Rule, ...]
    #: Whose X-Forwarded-For, -Proto and -Host are believed.
    trusted_proxies: tuple[Network, ...]
    egress_allow: tuple[Network, ...]  # where users' URLs may lead beside the internet
    oidc_issuers: tuple[OidcIssuer, ...]
    sign_in_providers: tuple[SignInProvider, ...]
    token_seconds: int
    drain_seconds: float
    stop_seconds: float
    lifetimes: LifetimeSettings
    linking: LinkSettings
    audit: AuditSettings
    tracing: TraceSettings | None
    #: The disk that pushes must leave room on; None: the stores are elsewhere, and look after themselves.
    room: Room | None = None
    rate_limits: tuple[Policy, ...] = ()

    @property
    def api_host(self) -> str:
        """The host of ``api_url`` with its port, in lower case; "" without one."""
        return (self.api_url or "").partition("://")[2].lower()

    @property
    def own_hosts(self) -> frozenset[str]:
        """The hosts of ``public_url`` and ``api_url`` with their ports, in lower case."""
        return frozenset(url.partition("://")[2].lower() for url in (self.public_url, self.api_url) if url)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> "Settings":
        """Reads ``MOORAGE_*``. Raises SettingsInvalid."""
        read = Reader(env)
        host, port = read("MOORAGE_LISTEN", _address, ("0.0.0.0", 5000))  # noqa: S104 - a server listens
        settings = cls(
            database=_database(read),
            store=_store(read),
            uploads=UploadSettings(
                layer_limit_bytes=read("MOORAGE_LAYER_LIMIT_BYTES", _positive, _UPLOADS.layer_limit_bytes),
                upload_seconds=read("MOORAGE_UPLOAD_SECONDS", _seconds, _UPLOADS.upload_seconds),
                lease_seconds=read("MOORAGE_UPLOAD_LEASE_SECONDS", _seconds, _UPLOADS.lease_seconds),
                sessions_max=read("MOORAGE_UPLOADS_PER_ACCOUNT", _positive, _UPLOADS.sessions_max),
                buffer_bytes=read("MOORAGE_BUFFER_BYTES", _positive, _UPLOADS.buffer_bytes),
                link_grace_seconds=read("MOORAGE_GC_GRACE_SECONDS", _seconds, _UPLOADS.link_grace_seconds),
            ),
            secrets=read.required(
                "MOORAGE_SECRET_KEY", _secrets, f"at least {_SECRET_BYTES} random characters; old ones after a comma"
            ),
            host=host,
            port=port,
            processes=read("MOORAGE_WORKERS", _positive, os.cpu_count() or 1),
            api_url=read.optional("MOORAGE_API_URL", _origin),
            public_url=read.optional("MOORAGE_PUBLIC_URL", _origin),
            tls=_tls(read),
            http=HttpSettings(
                head_seconds=read("MOORAGE_HEAD_SECONDS", _some_seconds, _HTTP.head_seconds),
                idle_seconds=read("MOORAGE_IDLE_SECONDS", _some_seconds, _HTTP.idle_seconds),
                body_seconds=read("MOORAGE_BODY_SECONDS", _some_seconds, _HTTP.body_seconds),
                access_log=read("MOORAGE_ACCESS_LOG", _switch, _HTTP.access_log),
            ),
            admin_address=read.optional("MOORAGE_ADMIN_LISTEN", _address),
            metrics_owners=read("MOORAGE_METRICS_OWNERS", parse_owners, ()),
            redirects=_redirects(read),
            trusted_proxies=read("MOORAGE_TRUSTED_PROXIES", _networks, ()),
            egress_allow=read("MOORAGE_EGRESS_ALLOW", _networks, ()),
            oidc_issuers=read("MOORAGE_OIDC_ISSUERS", lambda text: parse_issuers(_json(text)), ()),
            sign_in_providers=read("MOORAGE_OIDC_SIGN_IN", lambda text: parse_providers(_json(text)), ()),
            token_seconds=read("MOORAGE_TOKEN_TTL", _token_seconds, 300),
            drain_seconds=read("MOORAGE_DRAIN_SECONDS", _seconds, 0.0),
            stop_seconds=read("MOORAGE_STOP_SECONDS", _seconds, 30.0),
            lifetimes=LifetimeSettings(
                restore_days=read("MOORAGE_RESTORE_DAYS", _days, 30.0),
                downloads_lock=read("MOORAGE_DOWNLOADS_LOCK", _or_off, None),
            ),
            rate_limits=read("MOORAGE_LIMITS", parse_policies, ()),
            audit=AuditSettings(
                sink=read.optional("MOORAGE_AUDIT_SINK", _sink),
                token=read.optional("MOORAGE_AUDIT_TOKEN", str),
                months=read("MOORAGE_AUDIT_MONTHS", _positive, AuditSettings().months),
                pull_days=read("MOORAGE_PULL_LOG", _or_off, None),
            ),
            tracing=read_trace_settings(read),
            linking=LinkSettings(read("MOORAGE_FORGE_ORIGINS", _origins, LinkSettings().forge_origins)),
        )
        return _checked(read, settings)


_HTTP: Final = HttpSettings()


def database_from_env(env: Mapping[str, str] | None = None) -> DatabaseSettings:
    """Read the settings of the database alone, all that operators' commands need. Raises SettingsInvalid."""
    return _checked(read := Reader(env), _database(read))


def public_url_from_env() -> str | None:
    """Read the registry's own URL alone. Raises SettingsInvalid."""
    return _checked(read := Reader(), read.optional("MOORAGE_PUBLIC_URL", _origin))


def secrets_from_env() -> tuple[bytes, ...]:
    """Read the secrets alone; there may be none. Raises SettingsInvalid."""
    return _checked(read := Reader(), read("MOORAGE_SECRET_KEY", _secrets, ()))


def _checked(read: Reader, value: T) -> T:
    """Return a value that was read. Raises SettingsInvalid, with all errors of the reader."""
    if read.errors:
        raise SettingsInvalid(read.errors)
    return value


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) <= _PORT_MAX:
        raise ValueError(f"expected host:port, got {text!r}")
    return host.strip("[]"), int(port)


def _database(read: Reader) -> DatabaseSettings:
    return DatabaseSettings(
        url=read.required("MOORAGE_DATABASE_URL", _postgres_url, "postgresql://user:password@host/database"),
        pool_size=read("MOORAGE_DATABASE_POOL", _positive, 10),
    )


def _store(read: Reader) -> S3Settings | LocalSettings:
    path = read.optional("MOORAGE_STORE_PATH", _absolute)
    if path is not None:
        if read.optional("MOORAGE_S3_BUCKET", str) is not None:
            read.errors.append("MOORAGE_STORE_PATH and MOORAGE_S3_BUCKET are two stores: set one of them")
        return LocalSettings(path)
    endpoint = read.optional("MOORAGE_S3_ENDPOINT", _origin)
    return S3Settings(
        endpoint=endpoint,
        region=read("MOORAGE_S3_REGION", str, "us-east-1"),
        bucket=read.required("MOORAGE_S3_BUCKET", str, "the name of the bucket; or set MOORAGE_STORE_PATH"),
        public_endpoint=read.optional("MOORAGE_S3_PUBLIC_ENDPOINT", _origin),
        path_style=read("MOORAGE_S3_PATH_STYLE", _switch, default=endpoint is not None),
        credentials=_credentials(read),
        ca_bundle=read.optional("AWS_CA_BUNDLE", str),
    )


def _credentials(read: Reader) -> Credentials | None:
    """Return the S3 credentials of the environment, where boto looks first; None leaves the search to boto."""
    key, secret = read.optional("AWS_ACCESS_KEY_ID", str), read.optional("AWS_SECRET_ACCESS_KEY", str)
    if key is None or secret is None:
        return None
    return Credentials(key, secret, read.optional("AWS_SESSION_TOKEN", str))


def _redirects(read: Reader) -> tuple[Rule, ...]:
    """Return the rules that were set, and behind them the one for all others."""
    rules = read.optional("MOORAGE_REDIRECTS", lambda text: parse_rules(_json(text))) or ()
    on_disk = read.optional("MOORAGE_STORE_PATH", str) is not None
    if on_disk and to_s3(rules):
        read.errors.append('MOORAGE_REDIRECTS: "s3" needs a bucket, and blobs are in the directory MOORAGE_STORE_PATH')
    redirect = read("MOORAGE_REDIRECT", _switch, default=True)
    if rules and rules[-1].is_for_all:
        return rules
    return (*rules, ToS3() if redirect and not on_disk else Direct())


def _absolute(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"expected the whole path of a directory, from / on, got {text!r}")
    return path


def _tls(read: Reader) -> TlsSettings | None:
    certificate, key = read.optional("MOORAGE_TLS_CERT", str), read.optional("MOORAGE_TLS_KEY", str)
    poll_seconds = read("MOORAGE_TLS_POLL_SECONDS", _some_seconds, 5.0)
    if certificate is None or key is None:
        if certificate or key:
            read.errors.append("MOORAGE_TLS_CERT and MOORAGE_TLS_KEY go together: only one of them is set")
        return None
    settings = TlsSettings(certificate, key, poll_seconds)
    try:
        settings.load(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    except OSError as error:
        why = error.strerror or "no certificate and its key, in PEM"
        read.errors.append(f"MOORAGE_TLS_CERT {certificate!r} and MOORAGE_TLS_KEY {key!r} cannot be used: {why}")
    return settings


def _origin(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for what is no port
    except ValueError:
        raise ValueError(f"expected http(s)://host[:port], got {_shown(text)}") from None
    extra = parts.path.rstrip("/") or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not parts.hostname or extra or "@" in parts.netloc:
        raise ValueError(f"expected http(s)://host[:port], got {_shown(text)}")
    return f"{parts.scheme}://{parts.netloc}"


def _sink(text: str) -> str:
    """Return the whole path of a file, or a URL; what is secret has a setting of its own."""
    parts = urlsplit(text)
    here = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if text.startswith("/") or ((here or (parts.scheme == "https" and parts.hostname)) and "@" not in parts.netloc):
        return text
    raise ValueError(f"expected the whole path of a file, or https://host/path, got {_shown(text)}")


def _shown(text: str) -> str:
    """Return ``text`` for a message, without a password in it."""
    scheme, _, rest = text.rpartition("://")
    return repr(f"{scheme}://…@{rest.rpartition('@')[2]}") if "@" in rest else repr(text)


def _postgres_url(text: str) -> str:
    parse_url(text)
    return text


def _switch(text: str) -> bool:
    known = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}
    if text.lower() not in known:
        raise ValueError(f"expected on or off, got {text!r}")
    return known[text.lower()]


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0  # which nothing may be


def _seconds(text: str) -> float:
    seconds = _number(text.removesuffix("s"))
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"expected seconds, got {text!r}")
    return seconds


def _some_seconds(text: str) -> float:
    seconds = _seconds(text)
    if seconds == 0:
        raise ValueError(f"expected more than 0 seconds, got {text!r}")
    return seconds


def _token_seconds(text: str) -> int:
    """Parse the lifetime of bearer tokens: docker's specification lets no token be shorter, and clients rely on it."""
    seconds = _positive(text.removesuffix("s"))
    if seconds < _TOKEN_SECONDS_MIN:
        raise ValueError(
            f"expected {_TOKEN_SECONDS_MIN} seconds or more, for clients take no token for shorter, got {text!r}"
        )
    return seconds


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(","))


def _json(text: str) -> str:
    """Return the JSON list that a text is, or that the file has whose path it is."""
    if text.startswith("["):
        return text
    try:
        return Path(text).read_text("utf-8")
    except OSError as error:
        raise ValueError(f"expected a JSON list, or the path of a file with one: {error}") from error


def _days(text: str) -> float:
    days = _number(text)
    if not 0 <= days <= _DAYS_MAX:
        raise ValueError(f"expected days, 0 to {_DAYS_MAX}, got {text!r}")
    return days


def _or_off(text: str) -> int | None:
    return None if text.lower() == "off" else _positive(text)


def _origins(text: str) -> tuple[str, ...]:
    return tuple(_origin(part.strip()) for part in text.split(",") if part.strip())


def _secrets(text: str) -> tuple[bytes, ...]:
    secrets = tuple(part.strip().encode() for part in text.split(","))
    if any(len(secret) < _SECRET_BYTES for secret in secrets):
        raise ValueError(f"expected at least {_SECRET_BYTES} random characters")
    return secrets
