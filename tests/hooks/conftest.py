"""A registry whose hooks may lead to this machine, an organization in it, and a receiver."""

from collections.abc import AsyncIterator

import pytest

from auth.tokens import SCOPES
from registry.jobs.runner import run_once
from tests.support.receiver import ALLOWED, SECRET, Receiver, receiving
from tests.support.server import Registry, running


class World:
    """A registry with alice, who owns acme."""

    def __init__(self, registry: Registry, receiver: Receiver, alice: str) -> None:
        self.registry = registry
        self.receiver = receiver
        self.alice = alice

    async def hook(self, path: str = "/in", whose: str = "orgs/acme", **more: object) -> int:
        """Make a hook; its id."""
        config = {"url": self.receiver.url + path, "content_type": "json", "secret": SECRET}
        body = {"config": config, "events": ["package", "moorage.package"], **more}
        made = await self.registry.call("POST", f"/api/v3/{whose}/hooks", self.alice, json=body)
        assert made.status == 201, made.body
        return int(made.json["id"])  # type: ignore[index]

    async def deliver(self) -> None:
        """Run the jobs of hooks until there is nothing to do."""
        await run_once(self.registry.services, ["tell_hooks", "deliver_hooks"])


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as got:
        yield got


@pytest.fixture
async def world(env: dict[str, str], receiver: Receiver) -> AsyncIterator[World]:
    async with running({**env, **ALLOWED}) as registry:
        admin = await registry.admin()
        alice = await registry.user("alice", sorted(SCOPES - {"site_admin"}))
        org = {"login": "acme", "admin": "alice"}
        assert (await registry.call("POST", "/api/v3/admin/organizations", admin, json=org)).status == 201
        yield World(registry, receiver, alice)
