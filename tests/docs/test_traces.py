"""docs/howto/traces.md with OpenTelemetry's own Collector, which `make operate` builds, and crane."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Kinds

from registry.devservers.processes import free_ports, is_free
from tests.support.collector import collecting
from tests.support.server import running, until
from tests.support.tcp import TcpProxy

pytestmark = [pytest.mark.operate, pytest.mark.timeout(240)]
_COLLECTOR: Final = "otlp-collector"
_CONFIG: Final = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters:
  otlp_http: {{endpoint: "{url}", compression: none, sending_queue: {{enabled: false}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_http]}}}}
"""


@asynccontextmanager
async def _collector(folder: Path, url: str) -> AsyncIterator[str]:
    """The Collector, which passes on to ``url`` what it has read; its address."""
    assert shutil.which(_COLLECTOR), f"there is no {_COLLECTOR}: make operate builds it"
    (port,) = free_ports(1)
    config = folder / "collector.yaml"
    config.write_text(_CONFIG.format(port=port, url=url))
    process = await asyncio.create_subprocess_exec(
        _COLLECTOR, "--config", str(config), stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await until(lambda: not is_free(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _run(*words: str, home: Path) -> None:
    child = await asyncio.create_subprocess_exec(*words, env={"HOME": str(home)}, stdin=asyncio.subprocess.DEVNULL)
    assert await child.wait() == 0, words


async def test_the_collector_reads_a_push_and_a_slow_pull(env: dict[str, str], tmp_path: Path) -> None:
    crane = shutil.which("crane")
    assert crane, "there is no crane: make operate builds it"
    async with (
        TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy,
        collecting() as behind,
        _collector(tmp_path, behind.url) as collector,
    ):
        settings = {
            **env, "MOORAGE_DATABASE_URL": proxy.through(env["MOORAGE_DATABASE_URL"]), "MOORAGE_TRACE_SLOW_MS": "400",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector, "OTEL_TRACES_SAMPLER": "always_on",
        }  # fmt: skip
        async with running(settings) as registry:
            host, token = registry.url.removeprefix("http://"), await registry.user("alice")
            await _run(crane, "auth", "login", host, "-u", "alice", "-p", token, home=tmp_path)
            await registry.push_image("alice/base", "v1", token, layers=2, size=70_000)
            await _run(crane, "copy", f"{host}/alice/base:v1", f"{host}/alice/app:v1", home=tmp_path)
        pushed = [span for span in behind.requests() if "crane" in str(span.attributes.get("user_agent.original"))]
        (manifest,) = [span for span in pushed if span.name == "PUT /v2/{name}/manifests/{reference}"]
        assert manifest.attributes["moorage.package"] == "alice/app"
        (written,) = [below for below in behind.below(manifest) if below.name == "manifests.INSERT"]
        assert written.raw.kind == Kinds.SPAN_KIND_CLIENT
        behind.spans.clear()
        async with running({**settings, "OTEL_TRACES_SAMPLER": "always_off"}) as registry:
            host = registry.url.removeprefix("http://")
            await _run(crane, "auth", "login", host, "-u", "alice", "-p", token, home=tmp_path)
            proxy.slow(0.5)
            await _run(crane, "pull", f"{host}/alice/app:v1", str(tmp_path / "app.tar"), home=tmp_path)
        pulls = [span for span in behind.requests() if "{name}" in span.name]
        assert "GET /v2/{name}/manifests/{reference}" in {pull.name for pull in pulls}
        for pull in pulls:
            assert max(below.milliseconds for below in behind.below(pull)) >= 400, pull.name
