"""The effective settings of a process as administrators see them, without a secret in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from registry.config import Settings
from registry.redirects.rules import shown_rule
from storage.objects.s3.store import S3Settings

Value = str | int | float | bool | list[str] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting by the name of its environment variable; None: it is not set, and nothing stands in its place."""

    name: str
    value: Value


def shown(settings: Settings) -> Sequence[Shown]:
    """Return the effective settings. Of what holds secrets, only what is none of them."""
    values: dict[str, Value] = {
        "MOORAGE_PUBLIC_URL": settings.public_url,
        "MOORAGE_API_URL": settings.api_url,
        "MOORAGE_LISTEN": f"{settings.host}:{settings.port}",
        "MOORAGE_WORKERS": settings.processes,
        "MOORAGE_TRUSTED_PROXIES": [str(network) for network in settings.trusted_proxies],
        "MOORAGE_EGRESS_ALLOW": [str(network) for network in settings.egress_allow],
        "MOORAGE_TLS_CERT": None if settings.tls is None else settings.tls.certificate,
        "MOORAGE_DATABASE_URL": _place(settings.database.url),
        "MOORAGE_DATABASE_POOL": settings.database.pool_size,
        **_store(settings),
        "MOORAGE_REDIRECTS": [shown_rule(rule) for rule in settings.redirects],
        "MOORAGE_TOKEN_TTL": settings.token_seconds,
        "MOORAGE_OIDC_ISSUERS": [one.issuer for one in settings.oidc_issuers],
        "MOORAGE_OIDC_SIGN_IN": [f"{one.name}: {one.issuer}" for one in settings.sign_in_providers],
        "MOORAGE_LAYER_LIMIT_BYTES": settings.uploads.layer_limit_bytes,
        "MOORAGE_UPLOAD_SECONDS": settings.uploads.upload_seconds,
        "MOORAGE_UPLOAD_LEASE_SECONDS": settings.uploads.lease_seconds,
        "MOORAGE_UPLOADS_PER_ACCOUNT": settings.uploads.sessions_max,
        "MOORAGE_BUFFER_BYTES": settings.uploads.buffer_bytes,
        "MOORAGE_GC_GRACE_SECONDS": settings.uploads.link_grace_seconds,
        "MOORAGE_RESTORE_DAYS": settings.lifetimes.restore_days,
        "MOORAGE_DOWNLOADS_LOCK": settings.lifetimes.downloads_lock,
        "MOORAGE_FORGE_ORIGINS": list(settings.linking.forge_origins),
        "MOORAGE_HEAD_SECONDS": settings.http.head_seconds,
        "MOORAGE_IDLE_SECONDS": settings.http.idle_seconds,
        "MOORAGE_BODY_SECONDS": settings.http.body_seconds,
        "MOORAGE_ACCESS_LOG": settings.http.access_log,
        "MOORAGE_ADMIN_LISTEN": None if settings.admin_address is None else "{}:{}".format(*settings.admin_address),
        "OTEL_EXPORTER_OTLP_ENDPOINT": None if settings.tracing is None else settings.tracing.endpoint,
        "MOORAGE_TRACE_SLOW_MS": None if settings.tracing is None else round(settings.tracing.slow_seconds * 1000),
        "MOORAGE_METRICS_OWNERS": list(settings.metrics_owners),
        "MOORAGE_LIMITS": [str(policy) for policy in settings.rate_limits],
        "MOORAGE_AUDIT_SINK": settings.audit.sink,
        "MOORAGE_AUDIT_MONTHS": settings.audit.months,
        "MOORAGE_PULL_LOG": settings.audit.pull_days,
        "MOORAGE_DRAIN_SECONDS": settings.drain_seconds,
        "MOORAGE_STOP_SECONDS": settings.stop_seconds,
    }
    return [Shown(name, value) for name, value in values.items()]


def _place(url: str) -> str:
    """Return the hosts and the name of a database, without user, password and parameters."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"


def _store(settings: Settings) -> dict[str, Value]:
    store = settings.store
    if not isinstance(store, S3Settings):
        return {"MOORAGE_STORE_PATH": str(store.path)}
    return {
        "MOORAGE_S3_BUCKET": store.bucket,
        "MOORAGE_S3_REGION": store.region,
        "MOORAGE_S3_ENDPOINT": store.endpoint,
        "MOORAGE_S3_PUBLIC_ENDPOINT": store.public_endpoint,
        "MOORAGE_S3_PATH_STYLE": store.path_style,
    }
