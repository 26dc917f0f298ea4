"""The settings of tracing: OpenTelemetry's variables, and ours."""

import pytest

from registry.config import Settings, SettingsInvalid
from registry.process.trace_settings import Sampler, TraceSettings
from tests.registry.test_config import GOOD, errors_of

COLLECTOR = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


def read(**more: str) -> TraceSettings | None:
    return Settings.from_env({**GOOD, **COLLECTOR, **more}).tracing


def test_without_a_collector_there_are_no_traces() -> None:
    assert Settings.from_env({**GOOD, "OTEL_TRACES_SAMPLER": "always_on", "MOORAGE_TRACE_SLOW_MS": "1"}).tracing is None
    assert read(OTEL_SDK_DISABLED="True") is None
    assert read(OTEL_TRACES_EXPORTER="none") is None


def test_a_collector_alone_is_enough() -> None:
    assert read() == TraceSettings(
        "http://collector:4318/v1/traces", (), (("service.name", "moorage"),), Sampler(follows=True, ratio=0.0), 1.0
    )


@pytest.mark.parametrize(
    ("base", "own", "endpoint"),
    [
        ("https://c.example/otlp/", "", "https://c.example/otlp/v1/traces"),
        ("", "http://[::1]:9/anything", "http://[::1]:9/anything"),
        ("http://other", "http://c/own", "http://c/own"),
    ],
)
def test_the_url_is_the_base_with_a_path_or_that_of_traces(base: str, own: str, endpoint: str) -> None:
    found = read(OTEL_EXPORTER_OTLP_ENDPOINT=base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=own)
    assert found is not None
    assert found.endpoint == endpoint


def test_what_is_of_traces_goes_before_what_is_of_all_signals() -> None:
    found = read(OTEL_EXPORTER_OTLP_HEADERS="a=1", OTEL_EXPORTER_OTLP_TRACES_HEADERS="b=%3D2, c=")
    assert found is not None
    assert found.headers == (("b", "=2"), ("c", ""))


def test_the_name_of_the_service_goes_before_its_attribute() -> None:
    found = read(OTEL_RESOURCE_ATTRIBUTES="service.name=one,x=y")
    assert found is not None
    assert dict(found.resource) == {"service.name": "one", "x": "y"}
    found = read(OTEL_RESOURCE_ATTRIBUTES="service.name=one", OTEL_SERVICE_NAME="two")
    assert found is not None
    assert dict(found.resource) == {"service.name": "two"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "expected http(s)://host[:port]"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://me:hunter2@collector",
            "credentials go into OTEL_EXPORTER_OTLP_HEADERS",
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:port", "expected http(s)://host[:port]"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector?token=hunter2", "expected http(s)://host[:port]"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "expected http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2", "expected name=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hunter2%0Ab", "expected printable"),
        ("OTEL_TRACES_EXPORTER", "console", "expected otlp or none"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "expected one of always_on, always_off, traceidratio, parentbased_"),
        ("MOORAGE_TRACE_SLOW_MS", "0", "expected a whole number of milliseconds"),
        ("MOORAGE_TRACE_SLOW_MS", "1s", "expected a whole number of milliseconds"),
    ],
)
def test_what_is_wrong_is_named_without_its_secret(name: str, text: str, said: str) -> None:
    (error,) = errors_of({**GOOD, **COLLECTOR, name: text})
    assert error.startswith(f"{name}: ")
    assert said in error
    assert "hunter2" not in error


@pytest.mark.parametrize("share", ["2", "-0.1", "nan", "half"])
def test_a_share_is_between_nothing_and_all(share: str) -> None:
    with pytest.raises(SettingsInvalid, match="OTEL_TRACES_SAMPLER_ARG: expected a share"):
        read(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG=share)


def test_settings_do_not_print_the_headers() -> None:
    assert "hunter2" not in repr(read(OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20hunter2"))
