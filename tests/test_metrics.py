"""Metrics as Prometheus reads them: of all processes of a node, at an address of their own."""

import asyncio
import os
import re
import shutil
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

from registry.config import Settings, SettingsInvalid
from registry.devservers.processes import free_ports
from registry.monitoring import WORKER, Monitoring
from storage.metadata import read_only
from tests.support import metrics_reference
from tests.support.cluster import Cluster
from tests.support.processes import children_of, serving, worker
from tests.support.raw import RawAnswer, Wire, ask, request
from tests.support.server import Registry, basic, on_disk
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
        async with asyncio.timeout(20):
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


async def test_identity_tokens_are_counted(node: Node, registry: Registry) -> None:
    token, cluster = await registry.user("alice", ("user",)), Cluster()
    made = {"issuer": cluster.issuer, "jwks": cluster.jwks}
    assert (await registry.call("PUT", "/api/v3/user/clusters/prod", token, json=made)).status == 201
    for given, status in ((cluster.signed(), 200), (cluster.signed(), 200), (cluster.signed(exp=1), 401)):
        authorization = f"Authorization: {basic(given, 'oidc')['Authorization']}"
        answer = await ask(node.url, request("GET", "/token", authorization, "Connection: close"))
        assert answer.status == status, answer.body
    await node.settled(2, "moorage_identity_tokens_total", result="admitted")
    await node.settled(1, "moorage_identity_tokens_total", result="refused")


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
    get = request("GET", f"/v2/alice/app/blobs/{blob}", f"Authorization: {basic(token)['Authorization']}")
    assert [(await ask(node.url, get)).status for _ in range(2)] == [307, 307]
    await node.settled(200_000, "moorage_bytes_total", direction="redirected", kind="blob")
    await node.settled(2, "moorage_http_requests_total", route="blob_get", status="3xx")
    assert await node.value("moorage_bytes_total", direction="out", kind="blob") < 10_000, "two heads"


async def test_both_formats_are_what_their_parsers_take(node: Node) -> None:
    plain, modern = await node.text(), await node.text("Accept: application/openmetrics-text; version=1.0.0")
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert modern.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    names = {family.name for family in parse(plain.body.decode())}
    strict: Iterable[Metric] = parse_openmetrics(modern.body.decode())  # type: ignore[no-untyped-call]
    assert names == {family.name for family in strict}
    assert {"moorage_build_info", "moorage_db_pool_size", "moorage_store_requests", "moorage_loop_lag_seconds"} <= names


async def test_owners_that_the_operator_names_have_series_of_their_own(
    env: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    alice, bob = await registry.user("Alice"), await registry.user("bob")
    blob = await registry.push_blob("alice/app", b"x" * 100_000, alice)
    for owner, token in (("alice", alice), ("bob", bob)):
        await registry.push_image(f"{owner}/app", "v1", token)
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    more = {"MOORAGE_WORKERS": "2", "MOORAGE_ADMIN_LISTEN": admin, "MOORAGE_METRICS_OWNERS": "Alice, quiet"}
    async with serving({**env, **more}, tmp_path / "log") as (process, url):
        node = Node(process, url, f"http://{admin}")
        await pull(node, "/v2/alice/app/manifests/v1", 3, alice)
        await pull(node, "/v2/%61lice/app/manifests/v1", 1, alice)
        await pull(node, f"/v2/alice/app/blobs/{blob}", 2, alice)
        await pull(node, "/v2/bob/app/manifests/v1", 2, bob)
        await pull(node, "/v2/alice/app/manifests/none", 2, alice)
        await pull(node, "/v2/alice/app/manifests/v1", 2, bob)
        await node.settled(2, "moorage_owner_manifests_total", owner="_other", action="pull")
        await node.settled(4, "moorage_owner_manifests_total", owner="alice", action="pull")
        assert 200_000 < await node.value("moorage_owner_bytes_total", owner="alice", direction="out") < 210_000
        assert await node.value("moorage_owner_bytes_total", owner="_other", direction="out") < 10_000
        shown = (await node.text()).body.decode()
        assert set(re.findall(r'owner="([^"]*)"', shown)) == {"alice", "quiet", "_other"}


async def test_a_lease_of_a_process_that_died_is_stolen(
    env: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    token = await registry.user("alice")
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    more = {"MOORAGE_WORKERS": "1", "MOORAGE_ADMIN_LISTEN": admin, "MOORAGE_UPLOAD_LEASE_SECONDS": "1"}
    async with serving({**env, **more}, tmp_path / "log") as (process, url):
        node = Node(process, url, f"http://{admin}")
        secret = f"Authorization: {basic(token)['Authorization']}"
        begun = await ask(url, request("POST", "/v2/alice/app/blobs/uploads/", secret, "Content-Length: 0"))
        place = begun.headers["Location"]
        assert await node.value("moorage_upload_leases_stolen_total") == 0
        async with Wire.to(url) as wire:
            await wire.send(request("PATCH", place, secret, "Content-Length: 100000") + b"x" * 1000)
            await asyncio.sleep(0.5)  # it holds the lease now
            os.kill(children_of(process.pid)[0], signal.SIGKILL)
        await asyncio.sleep(1.5)
        async with asyncio.timeout(20):
            while True:
                with suppress(OSError, asyncio.IncompleteReadError):
                    answer = await ask(url, request("PATCH", place, secret, "Content-Length: 100000") + b"x" * 100_000)
                    assert answer.status == 202
                    break
                await asyncio.sleep(0.1)
        await node.settled(1, "moorage_upload_leases_stolen_total")


async def test_what_a_node_reaches(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    assert registry.url
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    async with TcpProxy(env["MOORAGE_DATABASE_URL"]) as postgres, TcpProxy(env["MOORAGE_S3_ENDPOINT"]) as store:
        through = {
            "MOORAGE_DATABASE_URL": postgres.through(env["MOORAGE_DATABASE_URL"]),
            "MOORAGE_S3_ENDPOINT": store.through(env["MOORAGE_S3_ENDPOINT"]),
        }
        settings = {**env, **through, "MOORAGE_WORKERS": "1", "MOORAGE_ADMIN_LISTEN": admin}
        async with serving(settings, tmp_path / "log") as (process, url):
            node = Node(process, url, f"http://{admin}")

            async def reached(database: int, stores: int, read_only_now: int) -> None:
                wanted = (database, stores, read_only_now)
                names = ("moorage_database_up", "moorage_store_up", "moorage_read_only")
                async with asyncio.timeout(30):
                    while tuple([await node.value(name) for name in names]) != wanted:  # noqa: ASYNC110 - it polls, too
                        await asyncio.sleep(0.2)

            await reached(1, 1, 0)
            await read_only.switch_on(registry.services.db, "while we move")
            await reached(1, 1, 1)
            await store.refuse()
            await reached(1, 0, 1)
            await read_only.switch_off(registry.services.db)
            await store.heal()
            await reached(1, 1, 0)
            await postgres.refuse()
            await reached(0, 1, 0)
            await postgres.heal()
            await reached(1, 1, 0)
            assert b"while we move" not in (await node.text()).body


async def test_what_starts_again_is_not_taken_for_what_reaches_nothing(node: Node) -> None:
    async with asyncio.timeout(20):
        while await node.value("moorage_database_up") + await node.value("moorage_store_up") < 6:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    for child in children_of(node.process.pid)[:2]:
        os.kill(child, signal.SIGKILL)
    ends = asyncio.get_running_loop().time() + 4
    while asyncio.get_running_loop().time() < ends:
        with suppress(OSError, asyncio.IncompleteReadError):
            shown = {
                (sample.name, sample.value)
                for family in parse((await node.text()).body.decode())
                for sample in family.samples
                if sample.name in {"moorage_database_up", "moorage_store_up"}
            }
            assert shown == {("moorage_database_up", 1), ("moorage_store_up", 1)}
        await asyncio.sleep(0.02)


async def test_the_time_that_postgresql_takes(node: Node, registry: Registry) -> None:
    token = await registry.user("alice")
    await registry.push_image("alice/app", "v1", token)
    await pull(node, "/v2/alice/app/manifests/v1", 30, token)
    await asyncio.sleep(1.2)  # it is read once a second
    for module in ("manifests", "snapshot_cache", "tokens", "readiness"):
        assert await node.value("moorage_db_statement_seconds_count", module=module) >= 1, module
    for module in ("sign_in", "access_facts"):  # which renders statements that others declare
        assert await node.value("moorage_db_statement_seconds_count", module=module) == 0, module
    assert 0 < await node.value("moorage_db_statement_seconds_sum", module="manifests") < 5
    assert await node.value("moorage_db_pool_wait_seconds_count") >= 1


async def test_the_disk_of_the_store(env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    assert registry.url
    admin = f"127.0.0.1:{free_ports(1)[0]}"
    settings = on_disk({**env, "MOORAGE_WORKERS": "1", "MOORAGE_ADMIN_LISTEN": admin}, tmp_path)
    async with serving(settings, tmp_path / "log") as (process, url):
        node = Node(process, url, f"http://{admin}")
        await asyncio.sleep(1.5)
        size = await node.value("moorage_store_disk_bytes")
        assert size == shutil.disk_usage(tmp_path).total
        assert 0 < await node.value("moorage_store_free_bytes") <= size


@pytest.mark.parametrize("text", ["a_b", "a b", "-a", ",".join(f"o{number}" for number in range(101))])
def test_owners_that_cannot_be_named(env: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsInvalid, match="MOORAGE_METRICS_OWNERS"):
        Settings.from_env({**env, "MOORAGE_METRICS_OWNERS": text})


async def test_what_clients_ask_for_adds_no_series(node: Node) -> None:
    for method, target in (("GET", "/v2/a/b/manifests/c"), ("BREW", "/0"), ("GET", "/alice/app")):
        await ask(node.url, request(method, target, "Connection: close"))
    await node.settled(1, "moorage_http_requests_total", route="page")
    await node.settled(1, "moorage_http_requests_total", route="other")
    await asyncio.sleep(1.2)  # what is read and not counted is read once a second
    before = len((await node.text()).body.splitlines())
    for number in range(100):
        await ask(node.url, request("GET", f"/v2/o{number}/p/manifests/t{number}", "Connection: close"))
        await ask(node.url, request(f"BREW{number}", f"/{number}", "Connection: close"))
    await node.settled(101, "moorage_http_requests_total", route="manifest_get")
    assert len((await node.text()).body.splitlines()) == before


async def test_the_first_failure_is_an_increase(node: Node) -> None:
    """Prometheus takes the first value that it sees for the beginning: what came before zero was shown never was."""

    async def zeros() -> set[tuple[str, str, str]]:
        return {
            (sample.labels["route"], sample.labels["method"], sample.labels["status"])
            for family in parse((await node.text()).body.decode())
            for sample in family.samples
            if sample.name == "moorage_http_requests_total" and sample.value == 0
        }

    shown = await zeros()
    assert {("manifest_get", "GET", "5xx"), ("upload_status", "HEAD", "404"), ("token", "GET", "5xx")} <= shown
    assert ("/meta", "GET", "5xx") not in shown, "of the API, what was asked for only"
    await ask(node.url, request("GET", "/api/v3/meta", "Connection: close"))
    await node.settled(1, "moorage_http_requests_total", route="/meta", status="2xx")
    assert {("/meta", "GET", "5xx"), ("/meta", "GET", "404")} <= await zeros()


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
                with suppress(OSError):
                    ran = await node.value("moorage_job_last_success_timestamp_seconds", job_name="expire_uploads")
                    collected = await node.value("moorage_job_runs_total", job_name="collect_garbage", result="ok")
                    if await node.value("moorage_packages") == 1 and ran > 1e9 and collected >= 1:
                        break
                await asyncio.sleep(0.05)
        assert await node.value("moorage_storage_bytes") > 1000
        assert await node.value("moorage_http_requests_total") == 0


def test_alerts_and_dashboard_name_metrics_that_there_are() -> None:
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    families = Monitoring(["server-0", WORKER], ["alice"], Path("/")).slabs.catalog.families
    there = {family.name + ending for family in families for ending in endings[family.kind]}
    files = Path(__file__).parent.parent / "helm" / "files"
    for name in ("alerts.yaml", "dashboard.json"):
        named = set(re.findall(r"\bmoorage_[a-z_]+", (files / name).read_text()))
        assert len(named) >= 9
        assert named - there == set(), name


def test_the_reference_is_as_the_code_makes_it() -> None:
    assert metrics_reference.FILE.read_text() == metrics_reference.text(), "run `make reference`"


def test_no_label_is_one_that_prometheus_gives_itself() -> None:
    """It calls ours ``exported_job`` then, and a query by ``job`` makes one of all."""
    catalog = Monitoring(["server-0", WORKER], ["alice"], Path("/")).slabs.catalog
    assert not {label for family in catalog.families for label in family.labels} & {"job", "instance"}


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
