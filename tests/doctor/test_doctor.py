"""`moorage doctor`: a right deployment is right throughout; of a wrong one it names the fault and the cure."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import orjson
import pytest

from registry.devservers.certificates import write_certificate
from registry.devservers.processes import free_ports
from registry.doctor.report import Mark
from registry.jobs.runner import run_once
from storage.metadata import read_only
from tests.doctor.servers import canned, front
from tests.support.collector import collecting
from tests.support.doctor import doctor, lines
from tests.support.faults import Fault, FaultProxy
from tests.support.server import Registry, on_disk, running
from tests.support.uploading import NOTHING, kept


async def wrong(env: dict[str, str], *arguments: str) -> str:
    """The one fault that the doctor finds, with its cure."""
    status, said = await doctor(env, *arguments)
    (only,) = lines(said, "✗")
    assert status == 1
    assert " → " in only
    return only


@asynccontextmanager
async def deployed(env: dict[str, str], folder: Path) -> AsyncIterator[tuple[Registry, dict[str, str]]]:
    """A registry behind a proxy that ends TLS, with redirects to an S3 server behind another."""
    files = write_certificate(folder / "tls", datetime.now(UTC) + timedelta(days=90), names=["localhost"])
    (port,) = free_ports(1)
    async with front(env["MOORAGE_S3_ENDPOINT"], tls=files) as s3:
        env = {
            **env,
            "MOORAGE_PUBLIC_URL": f"https://localhost:{port}",
            "MOORAGE_TRUSTED_PROXIES": "127.0.0.1/32",
            "MOORAGE_REDIRECT": "on",
            "MOORAGE_S3_PUBLIC_ENDPOINT": s3,
            "SSL_CERT_FILE": str(files.certificate),
        }
        async with running(env) as registry, front(registry.url, port, tls=files):
            yield registry, env


@pytest.fixture
async def behind(env: dict[str, str]) -> AsyncIterator[Registry]:
    async with running(env) as registry:
        yield registry


async def test_a_right_deployment(env: dict[str, str], tmp_path: Path) -> None:
    async with deployed(env, tmp_path) as (registry, told):
        token = await registry.user("alice")
        status, said = await doctor(told, "--token-file", "-", sent=token)
        assert (status, lines(said, "✗"), lines(said, "!")) == (0, [], [])
        assert token not in said
        for part in (
            "PostgreSQL: version 1", "a primary that writes", "may change the schema", "the schema is of this release",
            "31 at most", "S3: the bucket", "several parts", "aborted", "which answers signed URLs", "worker: nothing",
            "is good for 89 days", "its clock and the clock here agree",
            "they are sent to https://localhost", "it is this registry", "is ready", "127.0.0.1/32 may tell",
            "a layer of 10 GiB may come", "push: alice logs in, and a chunk of 4 MiB comes whole",
        ):  # fmt: skip
            assert part in said, part
        await run_once(registry.services)  # a worker clears the upload that was cancelled
        left = await kept(registry)
        assert (left.objects, left.multiparts) == ([], 0)
        status, said = await doctor(told, "--json")
        report = orjson.loads(said)
        assert (status, report["ok"]) == (0, True)
        assert {check["mark"] for check in report["checks"]} == {Mark.RIGHT}


async def test_nothing_of_its_own_stays(env: dict[str, str], behind: Registry) -> None:
    assert (await doctor(env, behind.url))[0] == 0
    assert await kept(behind) == NOTHING
    counts = await behind.services.db.fetchrow("SELECT count(*) FROM (TABLE accounts) AS a FULL JOIN packages ON false")
    assert counts is not None
    assert counts[0] == 0


async def test_the_disk_of_one_node(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    told = on_disk(env, tmp_path / "store")
    async with running(told) as registry:
        status, said = await doctor(told, registry.url)
        assert (status, lines(said, "!")) == (0, [])
        assert not [path for path in (tmp_path / "store").rglob("*doctor*") if path.is_file()]
        lost = on_disk(env, tmp_path / "lost")
        assert "MOORAGE_STORE_PATH" in await wrong(lost, registry.url)


async def test_a_worker_that_does_not_run(env: dict[str, str], behind: Registry) -> None:
    await behind.services.db.execute("INSERT INTO dead_objects VALUES ('b/xx/xx', now() - interval '1 hour')")
    status, said = await doctor(env, behind.url)
    assert status == 0
    assert "start moorage worker" in "".join(lines(said, "!"))


async def test_the_collector_of_traces(env: dict[str, str], behind: Registry) -> None:
    async with collecting() as collector:
        told = {**env, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "X-Key=hunter2"}
        status, said = await doctor(told, behind.url)
        assert (status, collector.headers[0]["X-Key"]) == (0, "hunter2")
        assert f"✓ traces: {collector.url}/v1/traces takes spans" in said
        for refused, cure in ((401, "OTEL_EXPORTER_OTLP_HEADERS"), (404, "port 4318")):
            collector.status = refused
            status, said = await doctor(told, behind.url)
            assert status == 0, "a registry works without it"
            (only,) = (line for line in lines(said, "!") if "traces" in line)
            assert f"answers {refused}" in only
            assert cure in only
            assert "hunter2" not in said
    _, said = await doctor(told, behind.url)
    (only,) = (line for line in lines(said, "!") if "traces" in line)
    assert "cannot be reached" in only


async def test_a_registry_that_is_read_only(env: dict[str, str], behind: Registry) -> None:
    await read_only.switch_on(behind.services.db, "we move the disks")
    _, said = await doctor({**env, "MOORAGE_PUBLIC_URL": behind.url})
    (only,) = (line for line in lines(said, "!") if "read-only" in line)
    assert only.startswith("! registry: read-only since 20")
    assert only.endswith("we move the disks → moorage readonly off ends it")


class TestSettings:
    async def test_all_that_is_missing_is_named_and_the_database_still_examined(self, env: dict[str, str]) -> None:
        del env["MOORAGE_SECRET_KEY"], env["MOORAGE_S3_BUCKET"]
        status, said = await doctor(env)
        assert status == 1
        assert len(lines(said, "✗ settings: MOORAGE_")) == 2
        assert lines(said, "✓ PostgreSQL")


class TestPostgres:
    async def test_nobody_listens(self, env: dict[str, str], behind: Registry) -> None:
        url = f"postgresql://moorage:geheim@127.0.0.1:{free_ports(1)[0]}/moorage"
        said = await wrong(env | {"MOORAGE_DATABASE_URL": url}, behind.url)
        assert ": Connection refused → " in said
        assert "firewall" in said

    async def test_another_password(self, env: dict[str, str], behind: Registry) -> None:
        head, _, tail = env["MOORAGE_DATABASE_URL"].partition("@")
        url = f"{head.rpartition(':')[0]}:falsch@{tail}"
        assert "correct user and password" in await wrong(env | {"MOORAGE_DATABASE_URL": url}, behind.url)

    async def test_no_such_database(self, env: dict[str, str], behind: Registry) -> None:
        url = env["MOORAGE_DATABASE_URL"].rpartition("/")[0] + "/nowhere"
        assert "CREATE DATABASE" in await wrong(env | {"MOORAGE_DATABASE_URL": url}, behind.url)

    async def test_no_schema(self, env: dict[str, str], behind: Registry, postgres_empty: str) -> None:
        said = await wrong(env | {"MOORAGE_DATABASE_URL": postgres_empty}, behind.url)
        assert "has no schema of ours → run moorage migrate" in said

    async def test_a_schema_of_another_release(self, env: dict[str, str], behind: Registry) -> None:
        await behind.services.db.execute("INSERT INTO migrations (name, checksum) VALUES ('9999_later', '')")
        status, said = await doctor(env, behind.url)
        assert status == 0
        assert "newer release: 9999_later" in "".join(lines(said, "!"))
        await behind.services.db.execute("DELETE FROM migrations WHERE name > '0020'")
        status, said = await doctor(env, behind.url)
        faults = lines(said, "✗")
        assert "older than this release: 0020_repository_orders" in faults[0]
        assert " → run moorage migrate" in faults[0]
        assert "the replica that answers is not ready" in faults[1]
        assert status == 1

    async def test_read_only(self, env: dict[str, str], behind: Registry) -> None:
        row = await behind.services.db.fetchrow("SELECT current_database()")
        assert row is not None
        await behind.services.db.execute(f"ALTER DATABASE {row[0]} SET default_transaction_read_only = on")
        assert "it is read-only → find out who set" in await wrong(env, behind.url)

    async def test_a_role_without_rights(self, env: dict[str, str], behind: Registry) -> None:
        db, role = behind.services.db, f"poor_{os.getpid()}"
        await db.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'arm'")
        try:
            poor = env | {"MOORAGE_DATABASE_URL": env["MOORAGE_DATABASE_URL"].replace("moorage:", f"{role}:", 1)}
            url = poor["MOORAGE_DATABASE_URL"]
            poor["MOORAGE_DATABASE_URL"] = f"postgresql://{role}:arm@{url.partition('@')[2]}"
            assert f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}" in await wrong(
                poor, behind.url
            )
            await db.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
            await db.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role}")
            status, said = await doctor(poor, behind.url)
            assert status == 0
            assert "run migrate and worker as the owner" in "".join(lines(said, "!"))
        finally:
            await db.execute(f"DROP OWNED BY {role}")
            await db.execute(f"DROP ROLE {role}")

    async def test_too_few_connections(self, env: dict[str, str], behind: Registry) -> None:
        said = await wrong(env | {"MOORAGE_DATABASE_POOL": "100"}, behind.url)
        assert "take 301 at most" in said
        assert "max_connections" in said


class TestStore:
    async def test_another_clock(self, env: dict[str, str], behind: Registry) -> None:
        late = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        body = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
        async with canned(403, "application/xml", body, Date=late) as s3:
            status, said = await doctor(env | {"MOORAGE_S3_ENDPOINT": s3}, behind.url)
        first, second = lines(said, "✗ S3")
        assert status == 1
        assert "RequestTimeTooSkewed" in first
        assert "s ahead of the clock here" in second
        assert "NTP" in first
        assert "NTP" in second

    async def test_no_such_bucket(self, env: dict[str, str], behind: Registry) -> None:
        said = await wrong(env | {"MOORAGE_S3_BUCKET": "no-such-bucket"}, behind.url)
        assert "NoSuchBucket" in said
        assert "create the bucket" in said

    async def test_another_secret_and_another_key(self, env: dict[str, str], behind: Registry) -> None:
        said = await wrong(env | {"AWS_SECRET_ACCESS_KEY": "x" * 40}, behind.url)
        assert "correct AWS_SECRET_ACCESS_KEY" in said
        said = await wrong(env | {"AWS_ACCESS_KEY_ID": "nobody"}, behind.url)
        assert "correct AWS_ACCESS_KEY_ID" in said

    async def test_nobody_listens(self, env: dict[str, str], behind: Registry) -> None:
        dead = f"http://127.0.0.1:{free_ports(1)[0]}"
        assert "correct MOORAGE_S3_ENDPOINT" in await wrong(env | {"MOORAGE_S3_ENDPOINT": dead}, behind.url)

    async def test_a_right_is_missing(self, env: dict[str, str], behind: Registry) -> None:
        async with front(env["MOORAGE_S3_ENDPOINT"], refuses="?uploads=") as s3:
            status, said = await doctor(env | {"MOORAGE_S3_ENDPOINT": s3}, behind.url)
        assert status == 1
        assert all("s3:AbortMultipartUpload" in line for line in lines(said, "✗"))
        assert lines(said, "✓ S3: an object is stored")

    async def test_it_is_full(self, env: dict[str, str]) -> None:
        """Neither a proxy nor a right is blamed, where clients come and here."""
        with FaultProxy(env["MOORAGE_S3_ENDPOINT"]) as s3:
            env = env | {"MOORAGE_S3_ENDPOINT": s3.url}
            async with running(env) as registry:
                token = await registry.user("alice")
                for op in ("PutObject", "CreateMultipartUpload", "UploadPart"):
                    s3.inject(Fault.FULL, op=op, times=None)
                status, said = await doctor(env, registry.url, "--token-file", "-", sent=token)
        assert status == 1
        assert all("make room in the S3 server" in line for line in lines(said, "✗ S3"))
        (push,) = lines(said, "✗ push")
        assert "(HTTP 503) → mend what is wrong above" in push
        assert "disk-full.md" in push

    async def test_redirects_lead_nowhere(self, env: dict[str, str], behind: Registry) -> None:
        env = env | {"MOORAGE_REDIRECT": "on", "MOORAGE_S3_PUBLIC_ENDPOINT": f"http://127.0.0.1:{free_ports(1)[0]}"}
        said = await wrong(env, behind.url)
        assert "MOORAGE_S3_PUBLIC_ENDPOINT" in said
        assert "MOORAGE_REDIRECT=off" in said

    async def test_redirects_lead_elsewhere(self, env: dict[str, str], behind: Registry) -> None:
        async with canned(200, "text/html", b"Welcome") as other:
            env = env | {"MOORAGE_REDIRECT": "on", "MOORAGE_S3_PUBLIC_ENDPOINT": other}
            assert "to a signed URL" in await wrong(env, behind.url)

    async def test_each_rule_is_tried(self, env: dict[str, str], behind: Registry) -> None:
        dead = f"http://127.0.0.1:{free_ports(1)[0]}"
        rules = [
            {"to": "direct", "user_agents": ["ollama/*"]},
            {"to": "s3", "networks": ["10.0.0.0/8"], "endpoint": dead},
            {"to": "s3", "networks": ["127.0.0.0/8"], "endpoint": env["MOORAGE_S3_ENDPOINT"]},
        ]
        _, said = await doctor(
            env | {"MOORAGE_REDIRECT": "off", "MOORAGE_REDIRECTS": orjson.dumps(rules).decode()}, behind.url
        )
        off, good, rest = lines(said, "✓ redirect")
        assert "off for clients named ollama/*: blobs go through the server" in off
        assert f"clients in 127.0.0.0/8 are sent to {env['MOORAGE_S3_ENDPOINT']}, which answers signed URLs" in good
        assert "off: blobs go through the server" in rest
        (told,) = lines(said, "! redirect")
        assert f"clients in 10.0.0.0/8 are sent to {dead}, which does not answer here" in told
        assert "run moorage doctor in these networks" in told


class TestFront:
    async def test_nobody_listens(self, env: dict[str, str]) -> None:
        async with running(env):
            said = await wrong(env | {"MOORAGE_PUBLIC_URL": f"http://127.0.0.1:{free_ports(1)[0]}"})
        assert "start moorage serve" in said

    async def test_another_server(self, env: dict[str, str], behind: Registry) -> None:
        assert behind.url
        async with canned(200, "text/html", b"Welcome to nginx!", Server="nginx") as other:
            said = await wrong(env, other)
        assert "is no registry" in said
        assert "(nginx)" in said

    async def test_a_proxy_without_a_server(self, env: dict[str, str], behind: Registry) -> None:
        assert behind.url
        async with canned(502, "text/html", b"Bad Gateway", Server="nginx") as other:
            assert "the proxy finds no server of ours" in await wrong(env, other)

    async def test_another_registry(self, env: dict[str, str], behind: Registry) -> None:
        assert "MOORAGE_SECRET_KEY" in await wrong(env | {"MOORAGE_SECRET_KEY": "another-secret-" * 4}, behind.url)

    async def test_http_is_told_behind_tls(self, env: dict[str, str], behind: Registry, tmp_path: Path) -> None:
        files = write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=90), names=["localhost"])
        env = env | {"SSL_CERT_FILE": str(files.certificate)}
        async with front(behind.url, tls=files, header="X-Forwarded-Proto: https") as url:
            said = await wrong(env, url)
        assert "they are sent to http://localhost" in said
        assert f"set MOORAGE_PUBLIC_URL={url}" in said
        assert "MOORAGE_TRUSTED_PROXIES (nobody is trusted now)" in said

    async def test_a_proxy_that_is_not_trusted(self, env: dict[str, str], tmp_path: Path) -> None:
        async with deployed(env, tmp_path) as (_, told):
            del told["MOORAGE_TRUSTED_PROXIES"]
            status, said = await doctor(told)
        assert status == 0
        assert "set MOORAGE_TRUSTED_PROXIES to its network" in "".join(lines(said, "!"))

    @pytest.mark.parametrize(
        ("days", "names", "told"), [(-0.5, "localhost", "expired → renew"), (9, "elsewhere", "for this very name")]
    )
    async def test_a_wrong_certificate(
        self, env: dict[str, str], behind: Registry, tmp_path: Path, days: float, names: str, told: str
    ) -> None:
        files = write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=days), names=[names])
        async with front(behind.url, tls=files) as url:
            said = await wrong(env | {"SSL_CERT_FILE": str(files.certificate)}, url)
            assert told in said
            assert "self-signed certificate → give the server the whole chain" in await wrong(env, url)

    async def test_a_certificate_that_ends_soon(self, env: dict[str, str], tmp_path: Path) -> None:
        files = write_certificate(tmp_path / "tls", datetime.now(UTC) + timedelta(days=9.5), names=["localhost"])
        env |= {"MOORAGE_TLS_CERT": str(files.certificate), "MOORAGE_TLS_KEY": str(files.key)}
        async with running(env) as registry:
            url = registry.url.replace("http://127.0.0.1", "https://localhost")
            status, said = await doctor(env | {"SSL_CERT_FILE": str(files.certificate)}, url)
        assert status == 0
        assert len([line for line in lines(said, "!") if "ends in 9 days" in line]) == 2

    async def test_a_limit_of_bodies(self, env: dict[str, str], behind: Registry, tmp_path: Path) -> None:
        token = await behind.user("alice")
        (tmp_path / "token").write_text(token + "\n")
        async with front(behind.url, limit=1024 * 1024) as url:
            said = await wrong(env, url)
            assert "takes bodies of 1 MiB, and not much more" in said
            assert "client_max_body_size 0" in said
            status, said = await doctor(env, url, "--token-file", str(tmp_path / "token"))
        assert status == 1
        assert "a chunk of 4 MiB is refused by the proxy" in said
        rows = await behind.services.db.fetch("SELECT state FROM uploads")
        assert [row[0] for row in rows] == ["aborted"]

    async def test_a_proxy_that_collects_bodies(self, env: dict[str, str], behind: Registry) -> None:
        async with front(behind.url, collects=True) as url:
            status, said = await doctor(env, url)
        assert status == 0
        assert "proxy_request_buffering off" in "".join(lines(said, "!"))

    async def test_a_proxy_that_asks_for_a_body_by_itself(self, env: dict[str, str], behind: Registry) -> None:
        """Caddy passes a body on as it comes, and an answer of the server once it has 256 KiB of the body."""
        async with front(behind.url, asks=256 * 1024) as url:
            status, said = await doctor(env, url)
        assert (status, lines(said, "!")) == (0, [])

    async def test_a_token_that_may_not_push(self, env: dict[str, str], behind: Registry) -> None:
        token = await behind.user("alice", ["read:packages"])
        status, said = await doctor(env, behind.url, "--token-file", "-", sent=token)
        assert status == 1
        assert "may not push" in said
        status, said = await doctor(env, behind.url, "--token-file", "-", sent="mrp_nonsense")
        assert "the token is refused (HTTP 401)" in said
