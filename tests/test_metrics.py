"""Metrics as Prometheus reads them: of all processes of a node, at an address of their own."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from registry.devservers.processes import free_ports
from registry.monitoring import WORKER, Monitoring
from tests.support.processes import serving, worker
from tests.support.raw import RawAnswer, Wire, ask, request
from tests.support.server import Registry, basic
from tests.support.tcp import TcpProxy


@dataclass
class Node:
    """A running node; ``admin`` is where it shows its metrics."""

    process: asyncio.subprocess.Process
    url: str
    admin: str

    async def text(self, *headers: str) -> RawAnswer:
        return await ask(self.admin, request("GET", "/metrics", *headers))

    async def value(self, name: str, **labels: str) -> float:
        """The sum of the series that have these labels among theirs."""
        families = parse((await self.text()).body.decode())
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def settled(self, expected: float, name: str, **labels: str) -> None:
        """Wait until a series has the value: processes count what they have answered five times a second."""
        async with asyncio.timeout(5):
            while (found := await self.value(name, **labels)) != expected:
                assert found <= expected, (name, labels, found)
                await asyncio.sleep(0.05)


@pytest.fixture
async def node(env: dict[str, str], registry: Registry, tmp_path: Path) -> AsyncIterator[Node]:
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    assert registry.url  # its bucket is there
    settings = {**env, "MOORAGE_WORKERS": "3", "MOORAGE_REDIRECT": "on", "MOORAGE_ADMIN_LISTEN": admin}
    async with serving(settings, tmp_path / "log") as (process, url):
        yield Node(process, url, f"http://{admin}")


async def pull(node: Node, target: str, times: int, token: str | None = None) -> None:
    headers = [] if token is None else [f"Authorization: {basic(token)['Authorization']}"]
    for _ in range(times):
        await ask(node.url, request("GET", target, "Connection: close", *headers))


async def test_changes_that_tag_rules_refuse_are_counted(node: Node, registry: Registry) -> None:
    token = await registry.user("alice", ("read:packages", "write:packages", "delete:packages", "user"))
    await registry.push_image("alice/app", "v1", token)
    rule = {"tags": ["v*"], "forbid": ["delete"]}
    assert (await registry.call("PUT", "/api/v3/user/tag-rules/kept", token, json=rule)).status == 201
    for _ in range(2):
        authorization = f"Authorization: {basic(token)['Authorization']}"
        answer = await ask(
            node.url, request("DELETE", "/v2/alice/app/manifests/v1", authorization, "Connection: close")
        )
        assert answer.status == 409
    await node.settled(2, "moorage_tag_changes_refused_total", change="delete")
    assert await node.value("moorage_tag_changes_refused_total", change="move") == 0


async def test_the_processes_of_a_node_are_added_up(node: Node, registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    size = len((await registry.call("GET", "/v2/alice/app/manifests/v1", token)).body)
    await asyncio.gather(*(pull(node, "/v2/alice/app/manifests/v1", 10, token) for _ in range(9)))
    await node.settled(90, "moorage_http_requests_total", route="manifest_get", method="GET", status="2xx")
    await node.settled(90, "moorage_http_request_duration_seconds_count", route="manifest_get")
    assert await node.value("moorage_bytes_total", direction="out", kind="manifest") > 90 * size
    await pull(node, "/v2/alice/app/manifests/no", 2, token)
    await pull(node, "/v2/alice/app/manifests/v1", 3, "wrong")
    await node.settled(2, "moorage_http_requests_total", route="manifest_get", status="404")
    await node.settled(3, "moorage_http_requests_total", route="manifest_get", status="401")
    await node.settled(3, "moorage_failed_logins_total", result="failed")
    processes = {
        sample.labels["process"]
        for family in parse((await node.text()).body.decode())
        for sample in family.samples
        if sample.name == "moorage_process_resident_bytes" and sample.value > 1e6
    }
    assert processes == {"server-0", "server-1", "server-2"}


async def test_a_redirected_blob_counts_the_bytes_that_the_store_sends(node: Node, registry: Registry) -> None:
    token = await registry.user("alice")
    blob = await registry.push_blob("alice/app", b"x" * 100_000, token)
    await pull(node, f"/v2/alice/app/blobs/{blob}", 2, token)
    await node.settled(200_000, "moorage_bytes_total", direction="redirected", kind="blob")
    await node.settled(2, "moorage_http_requests_total", route="blob_get", status="3xx")


async def test_both_formats_are_what_their_parsers_take(node: Node) -> None:
    plain, modern = await node.text(), await node.text("Accept: application/openmetrics-text; version=1.0.0")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert modern.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    names = {family.name for family in parse(plain.body.decode())}
    strict: Iterable[Metric] = parse_openmetrics(modern.body.decode())  # type: ignore[no-untyped-call]
    assert names == {family.name for family in strict}
    assert {"moorage_build_info", "moorage_db_pool_size", "moorage_store_requests", "moorage_loop_lag_seconds"} <= names


async def test_what_clients_ask_for_adds_no_series(node: Node) -> None:
    for method in ("GET", "BREW"):
        await ask(node.url, request(method, "/v2/a/b/manifests/c", "Connection: close"))
    await ask(node.url, request("GET", "/alice/app", "Connection: close"))
    await node.settled(1, "moorage_http_requests_total", route="page")
    before = len((await node.text()).body.splitlines())
    for number in range(100):
        await ask(node.url, request("GET", f"/v2/o{number}/p/manifests/t{number}", "Connection: close"))
        await ask(node.url, request(f"BREW{number}", f"/{number}", "Connection: close"))
    await node.settled(101, "moorage_http_requests_total", route="manifest_get")
    assert len((await node.text()).body.splitlines()) <= before + 1, "the first of a kind, if it came first here"


async def test_counters_outlive_a_killed_process(node: Node) -> None:
    for _ in range(30):
        await ask(node.url, request("GET", "/v2/", "Connection: close"))
    await node.settled(30, "moorage_http_requests_total", route="base")
    children = children_of(node.process.pid)
    before = await node.value("moorage_process_cpu_seconds_total")
    for child in children:
        os.kill(child, signal.SIGKILL)
    async with asyncio.timeout(10):
        while True:
            try:
                assert await node.value("moorage_http_requests_total", route="base") == 30
                break
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.05)
    assert await node.value("moorage_process_cpu_seconds_total") >= before


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_clients_see_no_metrics(node: Node, registry: Registry) -> None:
    token = await registry.user("boss", site_admin=True)
    for headers in ([], [f"Authorization: {basic(token)['Authorization']}"]):
        answer = await ask(node.url, request("GET", "/metrics", "Connection: close", *headers))
        assert (answer.status, b"moorage_" in answer.body) == (404, False)
    assert (await ask(node.admin, request("GET", "/healthz"))).status == 200
    assert (await ask(node.admin, request("GET", "/v2/"))).status == 404


async def test_a_worker_shows_its_jobs_and_what_waits(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    async with worker({**env, "MOORAGE_ADMIN_LISTEN": admin}, tmp_path / "log") as process:
        node = Node(process, "", f"http://{admin}")
        async with asyncio.timeout(20):
            while True:
                try:
                    if await node.value("moorage_packages") == 1:
                        break
                except OSError:
                    pass
                await asyncio.sleep(0.05)
        assert await node.value("moorage_job_runs_total", job="collect_garbage", result="ok") >= 1
        assert await node.value("moorage_job_last_success_timestamp_seconds", job="expire_uploads") > 1e9
        assert await node.value("moorage_storage_bytes") > 1000
        assert await node.value("moorage_http_requests_total") == 0


def test_alerts_and_dashboard_name_metrics_that_there_are() -> None:
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    families = Monitoring(["server-0", WORKER]).slabs.catalog.families
    there = {family.name + ending for family in families for ending in endings[family.kind]}
    files = Path(__file__).parent.parent / "helm" / "files"
    for name in ("alerts.yaml", "dashboard.json"):
        named = set(re.findall(r"\bmoorage_[a-z_]+", (files / name).read_text()))
        assert len(named) >= 9
        assert named - there == set(), name


async def test_slow_and_odd_operators_keep_nothing(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    assert registry.url
    settings = {**env, "MOORAGE_WORKERS": "1", "MOORAGE_ADMIN_LISTEN": admin}
    async with serving(settings, tmp_path / "log") as (process, url):
        node = Node(process, url, f"http://{admin}")
        for method, status in (("HEAD", 200), ("OPTIONS", 405), ("BREW", 400)):
            async with Wire.to(node.admin) as wire:
                await wire.send(request(method, "/metrics?x=1"))
                assert (await wire.answer(head=method == "HEAD")).status == status, method
        for accept in ("x" * 7000, "application/openmetrics-text;q=0, */*", "\xff\xfe"):
            assert (await node.text(f"Accept: {accept}")).status == 200
        async with AsyncExitStack() as stack:
            slow = [await stack.enter_async_context(Wire.to(node.admin)) for _ in range(80)]
            for wire in slow:
                with suppress(OSError):  # they are too many
                    await wire.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nX-")
            assert await slow[79].closed(2)
            assert await slow[0].rest(20), "408"
        assert (await node.text()).status == 200
        with socket.create_connection(("127.0.0.1", int(admin.partition(":")[2]))) as deaf:
            deaf.setblocking(False)
            with suppress(BlockingIOError):
                while deaf.send(request("GET", "/metrics") * 50):
                    pass
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0


async def test_metrics_outlive_the_database(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    assert registry.url
    admins = [f"http://127.0.0.1:{port}" for port in free_ports(2)]
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as proxy, AsyncExitStack() as stack:
        through = {**env, "MOORAGE_WORKERS": "1", "MOORAGE_DATABASE_URL": proxy.through(env["MOORAGE_DATABASE_URL"])}
        settings = [{**through, "MOORAGE_ADMIN_LISTEN": admin.removeprefix("http://")} for admin in admins]
        process, url = await stack.enter_async_context(serving(settings[0], tmp_path / "serve"))
        jobs = await stack.enter_async_context(worker(settings[1], tmp_path / "worker"))
        nodes = Node(process, url, admins[0]), Node(jobs, "", admins[1])
        async with asyncio.timeout(20):
            while True:
                with suppress(OSError):
                    if await nodes[1].value("moorage_job_runs_total", result="ok") >= 1:
                        break
                await asyncio.sleep(0.05)
        await proxy.refuse()
        for _ in range(5):
            await ask(url, request("GET", "/readyz", "Connection: close"))
            await asyncio.sleep(1)
            for node in nodes:
                assert await node.value("moorage_process_resident_bytes") > 1e6
        assert await nodes[0].value("moorage_http_requests_total", route="readyz", status="5xx") >= 4
        assert (process.returncode, jobs.returncode) == (None, None)
