"""The settings of tracing: OpenTelemetry's own environment variables, and MOORAGE_TRACE_SLOW_MS.

Apart from ``registry.process.otlp``, so that nothing of tracing is imported where it is off.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from registry.process.settings_reader import Reader

T = TypeVar("T")
Pairs = tuple[tuple[str, str], ...]

#: The random bits of a trace's id (W3C Trace Context, level 2): by these everybody takes the same share of all traces.
_RANDOM_BITS: Final = 56
_NO_PAIRS: Final[Pairs] = ()
_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SLOW_MS: Final = "MOORAGE_TRACE_SLOW_MS"
_SLOW_DEFAULT_MS: Final = 1000
_RATIOS: Final = {"always_on": 1.0, "always_off": 0.0, "traceidratio": None}
#: OpenTelemetry's default is parentbased_always_on: a registry has thousands of pulls a second, all alike.
_SAMPLER_DEFAULT: Final = "parentbased_always_off"


@dataclass(frozen=True, slots=True)
class Sampler:
    """The decision whether a request is traced that is neither slow nor failed.

    ``follows``: the caller's decision holds where there is one. ``ratio``: the share of all other requests.
    """

    follows: bool
    ratio: float

    def takes(self, trace_id: str, wanted: bool | None) -> bool:
        """Return whether a trace is taken; ``wanted``: whether its caller does, None where there is no caller."""
        if self.follows and wanted is not None:
            return wanted
        return self.ratio > 0 and int(trace_id[-_RANDOM_BITS // 4 :], 16) >= round(
            (1 - self.ratio) * (1 << _RANDOM_BITS)
        )


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """The collector of traces, and the requests that are traced; ``endpoint`` is a URL of OTLP over HTTP."""

    endpoint: str
    headers: Pairs = field(repr=False)  # may hold a token
    resource: Pairs
    sampler: Sampler
    slow_seconds: float


def read_trace_settings(read: Reader) -> TraceSettings | None:
    """Read the settings of tracing; None: no traces are wanted."""
    slow_ms = read(_SLOW_MS, _milliseconds, _SLOW_DEFAULT_MS)
    base = read(_ENDPOINT, _url, "")
    endpoint = read("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", _url, base and f"{base.rstrip('/')}/v1/traces")
    off = read("OTEL_SDK_DISABLED", str.lower, "") == "true"
    if off or not endpoint or read("OTEL_TRACES_EXPORTER", _exporter, "otlp") == "none":
        return None
    _signal(read, "PROTOCOL", _protocol, "")
    resource = dict(read("OTEL_RESOURCE_ATTRIBUTES", _pairs, _NO_PAIRS))
    resource["service.name"] = read("OTEL_SERVICE_NAME", str, resource.get("service.name", "moorage"))
    return TraceSettings(
        endpoint=endpoint,
        headers=_signal(read, "HEADERS", _pairs, _NO_PAIRS),
        resource=tuple(resource.items()),
        sampler=_sampler(read),
        slow_seconds=slow_ms / 1000,
    )


def _signal(read: Reader, name: str, parse: Callable[[str], T], default: T) -> T:
    """Read OTEL_EXPORTER_OTLP_<name>, before which the variable of traces alone goes."""
    return read(f"OTEL_EXPORTER_OTLP_TRACES_{name}", parse, read(f"OTEL_EXPORTER_OTLP_{name}", parse, default))


def _sampler(read: Reader) -> Sampler:
    name = read("OTEL_TRACES_SAMPLER", _known_sampler, _SAMPLER_DEFAULT)
    ratio = _RATIOS[name.removeprefix("parentbased_")]
    if ratio is None:
        ratio = read("OTEL_TRACES_SAMPLER_ARG", _share, 1.0)
    return Sampler(name.startswith("parentbased_"), ratio)


def _known_sampler(text: str) -> str:
    if text.removeprefix("parentbased_") not in _RATIOS:
        known = ", ".join(f"{parent}{name}" for parent in ("", "parentbased_") for name in _RATIOS)
        raise ValueError(f"expected one of {known}, got {text!r}")
    return text


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share, 0 to 1, got {text!r}")
    return share


def _milliseconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(f"expected a whole number of milliseconds above 0, got {text!r}")
    return int(text)


def _exporter(text: str) -> str:
    if text not in {"otlp", "none"}:
        raise ValueError(f"expected otlp or none, got {text!r}")
    return text


def _protocol(text: str) -> str:
    if text != "http/protobuf":
        raise ValueError(f"expected http/protobuf, the only protocol that is spoken here, got {text!r}")
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises for what is no port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
        raise ValueError("expected http(s)://host[:port][/path]; credentials go into OTEL_EXPORTER_OTLP_HEADERS")
    return text


def _pairs(text: str) -> Pairs:
    """Parse ``name=value,name=value`` of percent-encoded values (W3C Baggage)."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    found = tuple((name.strip(), unquote(value.strip())) for name, _, value in pairs)
    if not all(equals and name for (name, _), (_, equals, _) in zip(found, pairs, strict=True)):
        raise ValueError("expected name=value, with commas between them")
    if any(not letter.isprintable() for name, value in found for letter in name + value):
        raise ValueError("expected printable names and values")
    return found
