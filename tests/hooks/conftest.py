"""A registry whose hooks may lead to this machine, an organization in it, and a receiver."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from auth.tokens import SCOPES
from registry.jobs.runner import run_once
from tests.support.receiver import ALLOWED, SECRET, Receiver, receiving
from tests.support.server import Registry, running

JOBS = ("tell_hooks", "deliver_hooks")


class World:
    """A registry with alice, who owns acme."""

    def __init__(self, registry: Registry, receiver: Receiver, alice: str, admin: str = "") -> None:
        self.registry = registry
        self.receiver = receiver
        self.alice = alice
        self.admin = admin

    async def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """Call the API as alice; its answer, which has this status."""
        answer = await self.registry.call(method, f"/api/v3{path}", self.alice, json=body)
        assert answer.status == status, answer.body
        return orjson.loads(answer.body) if answer.body else None

    async def hook(self, path: str = "/in", whose: str = "orgs/acme", **more: object) -> int:
        """Make a hook, which has had its ping; its id."""
        config = {"url": self.receiver.url + path, "content_type": "json", "secret": SECRET}
        body = {"config": config, "events": ["package", "moorage.package"], **more}
        made = await self.call("POST", f"/{whose}/hooks", body, status=201)
        await self.deliver()
        return int(made["id"])

    async def push(self, name: str, tag: str) -> str:
        """Push an image to a package of acme; its digest."""
        return await self.registry.push_image(f"acme/{name}", tag, self.alice)

    async def deliver(self) -> None:
        """Run the jobs of hooks until there is nothing to do."""
        await run_once(self.registry.services, JOBS)

    async def due(self) -> None:
        """As if the time of everything that waits had come."""
        await self.registry.services.db.execute("UPDATE hooks SET rests_until = now()")
        await self.registry.services.db.execute("UPDATE hook_deliveries SET due_at = now() WHERE due_at > now()")

    async def deliveries(self, hook: int) -> list[Any]:
        """The deliveries of a hook, the newest first."""
        return list(await self.call("GET", f"/orgs/acme/hooks/{hook}/deliveries"))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as got:
        yield got


@pytest.fixture
async def world(env: dict[str, str], receiver: Receiver) -> AsyncIterator[World]:
    async with running({**env, **ALLOWED}) as registry:
        yield await made(registry, receiver)


async def made(registry: Registry, receiver: Receiver) -> World:
    """Make the world in a registry."""
    admin = await registry.admin()
    alice = await registry.user("alice", sorted(SCOPES - {"site_admin"}))
    org = {"login": "acme", "admin": "alice"}
    assert (await registry.call("POST", "/api/v3/admin/organizations", admin, json=org)).status == 201
    return World(registry, receiver, alice, admin)
