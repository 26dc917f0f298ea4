"""`moorage serve` with traces: what its metrics tell of them, and what becomes of the last ones."""

import asyncio
import signal
from pathlib import Path

import orjson
from prometheus_client.parser import text_string_to_metric_families as parse

from registry.devservers.processes import free_ports
from tests.support.collector import collecting
from tests.support.processes import serving
from tests.support.raw import ask, request
from tests.support.tcp import TcpProxy
from tests.tracing.test_traces import PARENT, TRACE

SAMPLED = f"traceparent: 00-{TRACE}-{PARENT}-01"


async def _spans(admin: str) -> dict[str, float]:
    """The spans of all processes, by what became of them."""
    answer = await ask(admin, request("GET", "/metrics"))
    families = parse(answer.body.decode())
    (family,) = (family for family in families if family.name == "moorage_trace_spans")
    return {sample.labels["result"]: sample.value for sample in family.samples}


async def test_what_is_logged_of_a_request_names_its_trace(env: dict[str, str], tmp_path: Path) -> None:
    async with collecting() as collector, TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy:
        through = proxy.through(env["MOORAGE_DATABASE_URL"])
        settings = {**env, "MOORAGE_DATABASE_URL": through, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        async with serving(settings, tmp_path / "log") as (_, url):
            await proxy.refuse()
            answer = await ask(url, request("GET", "/v2/alice/app/tags/list"))
            assert answer.status == 503
            (span,) = [span for span in await collector.got(1) if span.attributes["http.route"] != "/readyz"]
    lines = [orjson.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    told = {line["event"]: line for line in lines if line.get("request_id") == answer.headers["x-moorage-request-id"]}
    assert told.keys() == {"storage.unavailable", "http.request"}
    assert {line["trace_id"] for line in told.values()} == {span.trace}


async def test_metrics_count_spans_that_were_sent_and_dropped(env: dict[str, str], tmp_path: Path) -> None:
    async with collecting() as collector:
        (port,) = free_ports(1)
        settings = {
            **env, "MOORAGE_WORKERS": "2", "MOORAGE_ADMIN_LISTEN": f"127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }  # fmt: skip
        async with serving(settings, tmp_path / "log") as (process, url):
            admin = f"http://127.0.0.1:{port}"
            assert await _spans(admin) == {"sent": 0, "dropped": 0}
            for _ in range(5):
                assert (await ask(url, request("GET", "/v2/", SAMPLED))).status == 401
            await collector.got(5)
            async with asyncio.timeout(10):
                while await _spans(admin) != {"sent": 5, "dropped": 0}:  # noqa: ASYNC110 - they are read once a second
                    await asyncio.sleep(0.1)
            collector.status = 400
            assert (await ask(url, request("GET", "/v2/", SAMPLED))).status == 401
            async with asyncio.timeout(10):
                while await _spans(admin) != {"sent": 5, "dropped": 1}:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.1)
            collector.status = 200
            assert (await ask(url, request("GET", "/v2/", SAMPLED))).status == 401
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(20):
                assert await process.wait() == 0
        assert len(collector.requests()) == 6, "the last one was sent when the process stopped"
        assert {span.trace for span in collector.spans} == {TRACE}
    log = (tmp_path / "log").read_text()
    assert log.count("traces.not_sent") == 1
    assert TRACE in log
