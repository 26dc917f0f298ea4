"""What a collector gets of a push by a real docker, and of a pull that was slow."""

from pathlib import Path

import pytest

from tests.scenarios.conftest import Person
from tests.support.collector import collecting
from tests.support.docker_engine import Engine
from tests.support.server import running
from tests.support.tcp import TcpProxy

pytestmark = [pytest.mark.scenarios, pytest.mark.timeout(300)]


async def test_a_push_and_a_slow_pull_of_docker(env: dict[str, str], engine: Engine, tmp_path: Path) -> None:
    async with collecting() as collector, TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy:
        settings = {
            **env, "MOORAGE_DATABASE_URL": proxy.through(env["MOORAGE_DATABASE_URL"]), "MOORAGE_TRACE_SLOW_MS": "400",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "always_on",
        }  # fmt: skip
        async with running(settings) as registry:
            token = await registry.user("alice")
            alice = Person(engine, registry.url.removeprefix("http://"), tmp_path)
            await alice.login("alice", token)
            await alice.push("alice/app")
        names = [span.name for span in collector.requests()]
        assert names[-1] == "PUT /v2/{name}/manifests/{reference}"
        assert names.count("PATCH /v2/{name}/blobs/uploads/{id}") == 2
        assert {"GET /v2/", "GET /token", "HEAD /v2/{name}/blobs/{digest}"} <= set(names)
        (manifest,) = [span for span in collector.requests() if span.name == names[-1]]
        assert str(manifest.attributes["user_agent.original"]).startswith("docker/")
        assert "manifests.INSERT" in [below.name for below in collector.below(manifest)]
        collector.spans.clear()
        async with running({**settings, "OTEL_TRACES_SAMPLER": "always_off"}) as registry:
            alice = Person(engine, registry.url.removeprefix("http://"), tmp_path)
            await alice.login("alice", token)
            proxy.slow(0.5)
            await alice.pull("alice/app")
        pulls = [span for span in collector.requests() if "{name}" in span.name]
        assert pulls
        for pull in pulls:
            assert pull.milliseconds >= 400
            assert max(below.milliseconds for below in collector.below(pull)) >= 400, pull.name
