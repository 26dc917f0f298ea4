"""Traces as a collector gets them: of which requests, with what in them, and at whose expense."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from registry.devservers.processes import free_ports
from tests.support.collector import Collector, Span, collecting
from tests.support.raw import Wire, ask, request
from tests.support.server import Registry, basic, running, until
from tests.support.tcp import TcpProxy
from tests.v2.test_access_log import lines_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as listening:
        yield listening


@pytest.fixture
def traced_env(env: dict[str, str], collector: Collector) -> dict[str, str]:
    return {**env, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}


@pytest.fixture
async def traced(traced_env: dict[str, str]) -> AsyncIterator[Registry]:
    """A registry that sends its traces to the collector."""
    async with running(traced_env) as served:
        yield served


async def bearer(registry: Registry, package: str, token: str) -> dict[str, str]:
    """The header of a pull without a task of its own."""
    answer = await registry.call("GET", f"/token?scope=repository:{package}:pull", token)
    return {"Authorization": f"Bearer {answer.json['token']}"}  # type: ignore[index]


def waits(collector: Collector, span: Span) -> list[str]:
    return [below.name for below in collector.below(span)]


async def test_a_push_goes_on_with_the_trace_of_its_caller(
    traced: Registry, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    token = await traced.user("alice")
    await traced.push_image("alice/app", "v1", token)
    traced.http.headers.update(SAMPLED)
    await traced.push_image("alice/app", "v2", token, size=70_000)
    spans = await collector.got(7)
    assert {(span.trace, span.parent) for span in spans} == {(TRACE, PARENT)}
    assert [span.name for span in spans] == [
        *2
        * ["POST /v2/{name}/blobs/uploads/", *(f"{how} /v2/{{name}}/blobs/uploads/{{id}}" for how in ("PATCH", "PUT"))],
        "PUT /v2/{name}/manifests/{reference}",
    ]
    assert waits(collector, spans[0]) == [
        "look-up tokens.BY_HASH",
        "look-up packages.ACCESS_FACTS_FAST",
        "uploads.START",
    ]
    layer, manifest = spans[4], spans[6]
    assert [name for name in waits(collector, layer) if "look-up" not in name] == [
        "uploads.CLAIM",
        "S3.PutObject",
        "uploads.RECORD",
    ]
    assert waits(collector, manifest)[-1] == "manifests.INSERT"
    told = dict(manifest.attributes)
    assert str(told.pop("moorage.request.id")) in capsys.readouterr().err
    assert told.pop("http.response.size") > 300  # type: ignore[operator]
    assert told.pop("http.request.body.size") == pytest.approx(400, abs=20)
    assert told == {
        "http.request.method": "PUT", "http.route": "/v2/{name}/manifests/{reference}", "http.response.status_code": 201,
        "url.path": "/v2/alice/app/manifests/v2", "url.scheme": "http", "network.peer.address": "127.0.0.1",
        "server.address": "127.0.0.1", "server.port": int(traced.url.rpartition(":")[2]),
        "user_agent.original": traced.http.headers.get("User-Agent", told["user_agent.original"]),
        "moorage.package": "alice/app", "moorage.account.id": 1, "moorage.token.id": 1,
    }  # fmt: skip
    (stored,) = [span for span in collector.below(layer) if span.name == "S3.PutObject"]
    assert stored.attributes == {"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": "PutObject"}
    assert layer.raw.start_time_unix_nano < stored.raw.start_time_unix_nano < layer.raw.end_time_unix_nano
    assert {span.resource["service.name"] for span in spans} == {"moorage"}
    assert not any(span.failed for span in collector.spans)


async def test_no_span_has_a_secret_or_a_query(traced: Registry, collector: Collector) -> None:
    token = await traced.user("alice")
    traced.http.headers.update(SAMPLED)
    await traced.push_image("alice/app", "v1", token, size=70_000)
    headers = await bearer(traced, "alice/app", token)
    await traced.call("GET", "/v2/alice/app/manifests/v1", headers=headers)
    await traced.call("GET", "/api/v3/user?secret=in-the-query", token)
    await collector.got(10)
    sent = b"".join(collector.bodies)
    for secret in (
        token,
        headers["Authorization"][7:],
        basic(token)["Authorization"],
        "digest=",
        "in-the-query",
        "SELECT",
    ):
        assert secret.encode() not in sent, secret


async def test_a_slow_pull_is_kept_with_what_it_waited_for(env: dict[str, str], collector: Collector) -> None:
    """Nobody asked for a trace: it is slowness that makes one, of the pull and not of others."""
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy:
        settings = {
            **env, "MOORAGE_DATABASE_URL": proxy.through(env["MOORAGE_DATABASE_URL"]), "MOORAGE_TRACE_SLOW_MS": "300",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }  # fmt: skip
        async with running(settings) as registry:
            token = await registry.user("alice")
            await registry.push_image("alice/app", "v1", token)
            layer = await registry.push_blob("alice/app", bytes(70_000), token)  # in the store, so behind a task
            headers = await bearer(registry, "alice/app", token)
            fast = await registry.call("GET", "/v2/alice/app/manifests/v1", headers=headers)
            proxy.slow(0.4)
            slow = await registry.call("HEAD", "/v2/alice/app/manifests/v1", headers=headers)
            blob = await registry.call("GET", f"/v2/alice/app/blobs/{layer}", headers=headers)
            assert (fast.status, slow.status, blob.status) == (200, 200, 200)
            await collector.got(2)
    by_name = {span.name: span for span in collector.requests()}
    pulls = {
        "HEAD /v2/{name}/manifests/{reference}": "manifests.BY_TAG",
        "GET /v2/{name}/blobs/{digest}": "blobs.LOCATE",
    }
    assert by_name.keys() >= pulls.keys()
    for name, span in ((name, by_name[name]) for name in pulls):
        assert span.parent == ""
        assert span.milliseconds > 300
        waited = [below for below in collector.below(span) if below.milliseconds > 300]
        assert waited, waits(collector, span)
        for below in waited:
            assert below.attributes["db.system.name"] == "postgresql"
            assert below.name in {"snapshot_cache.NAME", pulls[name], f"{pulls[name]}_FAST"}
    assert "S3.GetObject" in waits(collector, by_name["GET /v2/{name}/blobs/{digest}"])


async def test_what_fails_is_kept(
    env: dict[str, str], collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy:
        through = proxy.through(env["MOORAGE_DATABASE_URL"])
        async with running(
            {**env, "MOORAGE_DATABASE_URL": through, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        ) as registry:
            token = await registry.user("alice")
            await proxy.refuse()
            failed = await registry.call("GET", "/v2/alice/app/manifests/v1", token)
            assert failed.status == 503
            (span,) = await collector.got(1)
    assert span.failed
    assert (span.attributes["http.response.status_code"], span.attributes["error.type"]) == (503, "503")
    assert any(
        below.failed and str(below.attributes["error.type"]).endswith("Unavailable") for below in collector.below(span)
    )
    (line,) = [line for line in lines_of(capsys.readouterr().err) if line["status"] == 503]
    assert (line["trace_id"], line["span_id"]) == (span.trace, span.id)
    assert line["request_id"] == failed.headers["X-Moorage-Request-Id"] == span.attributes["moorage.request.id"]


@pytest.mark.parametrize(
    ("sampler", "sampled", "unsampled", "alone"),
    [
        ("", True, False, False),
        ("always_off", False, False, False),
        ("always_on", True, True, True),
        ("parentbased_always_on", True, False, True),
        ("parentbased_traceidratio", True, False, True),
    ],
)
async def test_the_sampler_decides(
    traced_env: dict[str, str], collector: Collector, sampler: str, *, sampled: bool, unsampled: bool, alone: bool
) -> None:
    async with running({**traced_env, "OTEL_TRACES_SAMPLER": sampler}) as registry:
        for headers in (SAMPLED, UNSAMPLED, {}):
            assert (await registry.call("GET", "/v2/", headers=headers)).status == 401
    traces = [(span.trace == TRACE, span.parent == PARENT) for span in collector.requests()]
    assert traces == sampled * [(True, True)] + unsampled * [(True, True)] + alone * [(False, False)]


async def test_a_share_is_taken_by_the_random_bits_of_the_id(traced_env: dict[str, str], collector: Collector) -> None:
    """Whoever else judges by the same bits takes the same traces."""
    env = {**traced_env, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    async with running(env) as registry:
        for bits in ("00000000000000", "bfffffffffffff", "c0000000000000", "ffffffffffffff"):
            parent = {"traceparent": f"00-{'a' * 18}{bits}-{PARENT}-00"}
            assert (await registry.call("GET", "/v2/", headers=parent)).status == 401
    assert [span.trace[18:] for span in collector.requests()] == ["c0000000000000", "ffffffffffffff"]


@pytest.mark.parametrize(
    "sent",
    [
        "", "nonsense", f"00-{TRACE}-{PARENT}", f"00-{TRACE.upper()}-{PARENT}-01", f"00-{TRACE}-{PARENT}-01-more",
        f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{PARENT}-1",
    ],
)  # fmt: skip
async def test_what_is_no_traceparent_begins_a_trace(
    traced_env: dict[str, str], collector: Collector, sent: str
) -> None:
    async with running({**traced_env, "OTEL_TRACES_SAMPLER": "parentbased_always_on"}) as registry:
        assert (await registry.call("GET", "/v2/", headers={"traceparent": sent})).status == 401
    (span,) = collector.requests()
    assert (len(span.trace), span.parent) == (32, "")
    assert span.trace != TRACE


async def test_a_later_version_of_traceparent_is_read_as_far_as_it_is_known(
    traced: Registry, collector: Collector
) -> None:
    assert (await traced.call("GET", "/v2/", headers={"traceparent": f"01-{TRACE}-{PARENT}-03-more"})).status == 401
    (span,) = await collector.got(1)
    assert (span.trace, span.parent) == (TRACE, PARENT)


async def test_each_request_has_its_own_spans(traced: Registry, collector: Collector) -> None:
    """Look-ups share statements, and are answered in the tasks of these; requests that came together, one by one."""
    token = await traced.user("alice")
    await traced.push_image("alice/app", "v1", token)
    authorization = (await bearer(traced, "alice/app", token))["Authorization"]
    both = [f"Authorization: {authorization}", f"traceparent: {SAMPLED['traceparent']}"]
    async with Wire.to(traced.url) as wire:
        mine = [f"Authorization: {basic(token)['Authorization']}", both[1]]
        await wire.send(
            request("GET", "/v2/alice/app/tags/list", *mine)
            + request("HEAD", "/v2/alice/app/manifests/v1", *both)
            + request("GET", "/v2/alice/app/manifests/none", *both)
        )
        assert [(await wire.answer()).status, (await wire.answer(head=True)).status, (await wire.answer()).status] == [
            200,
            200,
            404,
        ]
    listed, head, missing = await collector.got(3)
    assert any(name.startswith("tags.") for name in waits(collector, listed))
    for pull in (head, missing):
        assert set(waits(collector, pull)) <= {"snapshot_cache.NAME", "manifests.BY_TAG_FAST", "manifests.BY_TAG"}
    ids = [span.id for span in collector.spans]
    assert len(ids) == len(set(ids))


async def test_requests_of_the_api_and_of_pages_are_traced(traced: Registry, collector: Collector) -> None:
    token = await traced.user("alice")
    for path in ("/api/v3/users/alice", "/alice", "/nowhere/at/all?q=1"):
        await traced.call("GET", path, token, headers=SAMPLED)
    api, page, nowhere = await collector.got(3)
    assert api.name == "GET /api/v3/users/{username}"
    assert "look-up tokens.BY_HASH" in waits(collector, api)
    assert len(waits(collector, api)) > 1
    assert page.name == nowhere.name == "GET"
    assert nowhere.attributes["url.path"] == "/nowhere/at/all"
    assert "http.route" not in page.attributes


async def test_a_method_of_a_clients_own_is_no_name(traced: Registry, collector: Collector) -> None:
    answer = await ask(traced.url, request("PROPFIND", "/v2/", f"traceparent: {SAMPLED['traceparent']}"))
    assert answer.status >= 400
    (span,) = await collector.got(1)
    assert span.name.split()[0] == "HTTP"
    assert span.attributes["http.request.method"] == "_OTHER"
    assert span.attributes["http.request.method_original"] == "PROPFIND"


async def test_a_collector_that_is_away_for_a_while_gets_the_spans_later(
    traced: Registry, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.status = 503
    await traced.call("GET", "/v2/", headers=SAMPLED)
    exporter = traced.routers[0].tracer.exporter  # type: ignore[union-attr]
    await until(lambda: bool(collector.bodies))
    collector.status = 200
    await until(lambda: exporter.sent > 0)
    assert (exporter.sent, exporter.dropped, len(collector.requests())) == (1, 0, 1)
    said = capsys.readouterr()
    assert (said.out + said.err).count("traces.not_sent") == 1
    assert (said.out + said.err).count("traces.sent_again") == 1


@pytest.mark.parametrize("status", [400, 401, 413])
async def test_what_the_collector_refuses_is_dropped(traced: Registry, collector: Collector, status: int) -> None:
    collector.status = status
    await traced.call("GET", "/v2/", headers=SAMPLED)
    exporter = traced.routers[0].tracer.exporter  # type: ignore[union-attr]
    await until(lambda: exporter.dropped > 0)
    assert (exporter.sent, exporter.dropped) == (0, 1)


async def test_without_a_collector_spans_are_dropped_and_nothing_else(env: dict[str, str]) -> None:
    """The queue has 2,048 at most; pulls are answered as ever."""
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"
    async with running({**env, "OTEL_EXPORTER_OTLP_ENDPOINT": nobody}) as registry:
        for _ in range(2100):
            assert (await registry.call("GET", "/v2/", headers=SAMPLED)).status == 401
        await asyncio.sleep(0.3)
        exporter = registry.routers[0].tracer.exporter  # type: ignore[union-attr]
        assert exporter.room >= 0
        assert (exporter.sent, exporter.dropped) == (0, 2100 - 2048)
    assert exporter.dropped == 2100  # the process has stopped: nobody will ever get them


async def test_a_silent_collector_holds_up_no_stop_for_long(traced_env: dict[str, str], collector: Collector) -> None:
    collector.silent = True
    async with running(traced_env) as registry:
        await registry.call("GET", "/v2/", headers=SAMPLED)
        exporter = registry.routers[0].tracer.exporter  # type: ignore[union-attr]
        await until(lambda: bool(collector.bodies))
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 6
    assert (exporter.sent, exporter.dropped) == (0, 1), "none is lost without being counted"


async def test_the_resource_and_the_headers_are_those_of_the_environment(
    traced_env: dict[str, str], collector: Collector
) -> None:
    env = {
        **traced_env,
        "OTEL_SERVICE_NAME": "registry-of-acme",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production,k8s.pod.name=moorage%2D1",
        "OTEL_EXPORTER_OTLP_HEADERS": "X-Tenant=acme,Authorization=Bearer%20secret",
    }
    async with running(env) as registry:
        await registry.call("GET", "/v2/", headers=SAMPLED)
    (span,) = collector.requests()
    assert span.resource["service.name"] == "registry-of-acme"
    assert span.resource["deployment.environment.name"] == "production"
    assert span.resource["k8s.pod.name"] == "moorage-1"
    assert {"service.version", "service.instance.id"} <= span.resource.keys()
    assert collector.headers[0]["Authorization"] == "Bearer secret"
    assert collector.headers[0]["X-Tenant"] == "acme"


def test_nothing_of_it_is_imported_where_it_is_off() -> None:
    names = "registry.http.tracing registry.http.spans registry.process.otlp storage.metadata.recorded"
    program = f"import sys, registry.app, registry.cli.serve; print([name for name in {names.split()} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
