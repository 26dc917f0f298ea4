"""`moorage readonly`: a switch over all replicas, under load; what clients, people and jobs get while it is on."""

import asyncio
import itertools
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson
import pytest

from registry.jobs.runner import run_once
from storage.errors import ReadOnly
from storage.metadata import read_only
from tests.support.processes import measured
from tests.support.server import Answer, Registry, running
from tests.support.uploading import Session, noise, sha256

REASON = "we move to the new disks until 14:00"


@pytest.fixture
async def replicas(env: dict[str, str]) -> AsyncIterator[Registry]:
    async with running(env, replicas=3) as registry:
        yield registry


async def moorage(env: dict[str, str], *arguments: str, of: str = "readonly") -> tuple[int, str]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "registry", of, *arguments, env={"PATH": os.defpath, **measured(), **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await child.communicate()
    return child.returncode or 0, output.decode().strip()


def refused(answer: Answer) -> None:
    assert (answer.status, answer.headers.get("Retry-After")) == (503, "60"), answer.body
    assert REASON in answer.body.decode()


async def test_the_command(env: dict[str, str], registry: Registry) -> None:
    assert await moorage(env, "status") == (0, "writable")
    assert await moorage(env, "on", "--reason", REASON) == (0, "read-only; moorage readonly off ends it")
    status, said = await moorage(env, "status")
    assert (status, said.startswith("read-only since 20"), said.endswith(f"UTC: {REASON}")) == (0, True, True)
    assert orjson.loads((await moorage(env, "status", "--json"))[1])["reason"] == REASON
    ready = await registry.call("GET", "/readyz")
    assert (ready.status, ready.body.decode().strip()) == (200, f"ready; read-only: {REASON}")
    assert await moorage(env, "off") == (0, "writable")
    assert await moorage(env, "off") == (0, "writable, as it was")
    status, said = await moorage(env, "on", "--reason", "two\nlines")
    assert (status, "one line of 1 to 200 characters" in said) == (2, True)


async def test_what_is_refused_and_what_goes_on(registry: Registry) -> None:
    token = await registry.user("alice", ["repo", "write:packages", "delete:packages", "admin:org"])
    boss = await registry.user("boss", ["site_admin"], site_admin=True)
    digest = await registry.push_image("alice/app", "v1", token)
    data = noise(300_000)
    begun = await Session.begin(registry, "alice/app", token)
    await read_only.switch_on(registry.services.db, REASON)
    for method, path in (
        ("POST", "/v2/alice/app/blobs/uploads/"),
        ("POST", "/v2/alice/new/blobs/uploads/"),
        ("DELETE", "/v2/alice/app/manifests/v1"),
        ("DELETE", f"/v2/alice/app/manifests/{digest}"),
        ("DELETE", "/api/v3/user/packages/container/app"),
    ):
        refused(await registry.call(method, path, token))
    manifest = await registry.call("GET", f"/v2/alice/app/manifests/{digest}", token)
    assert manifest.status == 200
    headers = {"Content-Type": manifest.headers["Content-Type"]}
    refused(await registry.call("PUT", "/v2/alice/app/manifests/v2", token, data=manifest.body, headers=headers))
    told = await registry.call("PATCH", "/api/v3/user/packages/container/app", token, json={"visibility": "public"})
    refused(told)
    assert orjson.loads(told.body)["message"] == f"The registry is read-only: {REASON}"
    assert (await begun.patch(data)).status == 202
    assert (await begun.put(sha256(data))).status == 201, "an upload that had begun is finished"
    assert (await registry.call("GET", "/token?service=moorage&scope=repository:alice/app:pull", token)).status == 200
    health = orjson.loads((await registry.call("GET", "/api/v3/admin/health", boss)).body)
    assert (health["status"], health["read_only"]["reason"]) == ("ok", REASON)
    with pytest.raises(ReadOnly, match=REASON):
        await run_once(registry.services)
    assert await read_only.switch_off(registry.services.db)
    assert (await registry.call("DELETE", "/v2/alice/app/manifests/v1", token)).status == 202
    await run_once(registry.services)


async def test_a_user_is_suspended_in_an_emergency(env: dict[str, str], registry: Registry) -> None:
    token = await registry.user("mallory")
    assert await moorage(env, "on", "--reason", REASON) == (0, "read-only; moorage readonly off ends it")
    for command, status in (("suspend", 401), ("suspend", 401), ("unsuspend", 200), ("suspend", 401)):
        assert (await moorage(env, "user", command, "mallory", of="admin"))[0] == 0, command
        assert (await registry.call("GET", "/api/v3/user", token)).status == status, command
    done = await registry.services.db.fetch("SELECT action FROM events WHERE action ~ 'suspend' ORDER BY id")
    assert [row["action"] for row in done] == ["user.suspend", "user.unsuspend", "user.suspend"]
    status, said = await moorage(env, "user", "promote", "mallory", of="admin")
    assert (status, REASON in said) == (1, True)
    row = await registry.services.db.fetchrow("SELECT max(id)::text AS id FROM tokens")
    assert row is not None
    assert (await moorage(env, "token", "revoke", row["id"], of="admin"))[0] == 0


async def test_all_else_of_an_account_is_kept(registry: Registry) -> None:
    """A column that an account gets later has to be added to the trigger."""
    free = await registry.services.db.fetch(
        """
        SELECT attname FROM pg_attribute
         WHERE attrelid = 'accounts'::regclass AND attnum > 0 AND NOT attisdropped
           AND attnum <> ALL (SELECT unnest(tgattr) FROM pg_trigger
                               WHERE tgrelid = 'accounts'::regclass AND tgname = 'read_only')
         ORDER BY attname
        """
    )
    assert [row["attname"] for row in free] == ["suspended_at", "updated_at"]


@dataclass
class Load:
    """Pushes and pulls through every replica; ``told`` has the statuses of the pushes by the phase they were in."""

    registry: Registry
    token: str
    manifest: Answer
    phase: str = "before"
    over: bool = False
    told: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    pulls: Counter[int] = field(default_factory=Counter)

    async def push(self, replica: int) -> None:
        headers = {"Content-Type": self.manifest.headers["Content-Type"]}
        for number in itertools.count():
            begun, path = self.phase, f"/v2/alice/app/manifests/t{replica}-{number}"
            answer = await self.registry.call(
                "PUT", path, self.token, replica=replica, data=self.manifest.body, headers=headers
            )
            if begun == self.phase:  # else it was under way at the switch
                self.told[begun][answer.status] += 1
            if self.over:
                return

    async def pull(self, replica: int) -> None:
        while not self.over:
            answer = await self.registry.call("GET", "/v2/alice/app/manifests/v1", self.token, replica=replica)
            self.pulls[answer.status] += 1

    async def go_on(self, phase: str) -> None:
        """Until thirty pushes were answered in this phase."""
        self.phase = phase
        async with asyncio.timeout(20):
            while self.told[phase].total() < 30:  # noqa: ASYNC110 - of what runs beside
                await asyncio.sleep(0.01)


async def test_under_load_on_three_replicas(replicas: Registry) -> None:
    token = await replicas.user("alice")
    await replicas.push_image("alice/app", "v1", token)
    load = Load(replicas, token, await replicas.call("GET", "/v2/alice/app/manifests/v1", token))
    async with asyncio.TaskGroup() as tasks:
        for replica in range(3):
            tasks.create_task(load.push(replica))
            tasks.create_task(load.pull(replica))
        await load.go_on("before")
        await read_only.switch_on(replicas.services.db, REASON)
        await load.go_on("on")
        await read_only.switch_off(replicas.services.db)
        await load.go_on("after")
        load.over = True
    assert {phase: set(statuses) for phase, statuses in load.told.items()} == {
        "before": {201}, "on": {503}, "after": {201},
    }  # fmt: skip
    assert set(load.pulls) == {200}
