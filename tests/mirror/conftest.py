"""A registry with a mirror, and another registry that is its upstream."""

import itertools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.seaweed import EmbeddedS3
from tests.support.server import Registry, running, settings_env
from tests.support.upstream import Upstream, upstream_before

_numbers = itertools.count(1)


@pytest.fixture
async def origin(postgres: EmbeddedPostgres, s3: EmbeddedS3) -> AsyncIterator[Registry]:
    """The registry that is mirrored."""
    name = f"origin_{os.getpid()}_{next(_numbers)}"
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE template_moorage STRATEGY FILE_COPY")
    finally:
        await admin.close()
    async with running(settings_env(postgres.dsn(name), s3, name.replace("_", "-"))) as served:
        yield served


@pytest.fixture
async def upstream(origin: Registry) -> AsyncIterator[Upstream]:
    async with upstream_before(origin.url) as upstream:
        yield upstream


@dataclass
class Mirrored:
    """``owner``: a token of an owner of the organization ``hub``; ``member``: of one who may only read."""

    registry: Registry
    origin: Registry
    upstream: Upstream
    pusher: str  # to the origin
    owner: str
    member: str

    async def push(self, image: str, tag: str = "1", *, layers: int = 1, size: int = 1000) -> str:
        """Push a public image to the origin; its digest."""
        digest = await self.origin.push_image(f"library/{image}", tag, self.pusher, layers=layers, size=size)
        await self.origin.services.db.execute("UPDATE packages SET visibility = 'public'")
        return digest

    async def set(self, what: str) -> None:
        """Change the settings of the mirror."""
        for replica in self.registry.replicas:
            await replica.db.execute(f"UPDATE mirrors SET {what}, changed_at = now()")
            await replica.mirroring.look()


@pytest.fixture
def replicas() -> int:
    return 1


@pytest.fixture
async def mirrored(env: dict[str, str], origin: Registry, upstream: Upstream, replicas: int) -> AsyncIterator[Mirrored]:
    async with running({**env, "MOORAGE_EGRESS_ALLOW": "127.0.0.0/8"}, replicas) as registry:
        yield await mirror_of(registry, origin, upstream)


async def mirror_at(registry: Registry, url: str) -> None:
    """Make the organization ``hub`` a mirror of docker.io, which is at this URL."""
    db = registry.services.db
    await db.execute("INSERT INTO accounts (kind, login) VALUES ('Organization', 'hub')")
    await db.execute(
        "WITH made AS (INSERT INTO mirrors (owner_id, url) SELECT id, $1 FROM accounts WHERE login = 'hub' RETURNING *)"
        " INSERT INTO mirror_names (name, is_host, owner_id, place) SELECT 'docker.io', false, owner_id, 1 FROM made",
        url,
    )
    for replica in registry.replicas:
        await replica.mirroring.look()


async def mirror_of(registry: Registry, origin: Registry, upstream: Upstream) -> Mirrored:
    pusher = await origin.user("library")
    owner, member = await registry.user("olga"), await registry.user("mona")
    await mirror_at(registry, upstream.url)
    await registry.services.db.execute(
        "INSERT INTO memberships (org_id, user_id, role)"
        " SELECT org.id, person.id, CASE person.login WHEN 'olga' THEN 'admin' ELSE 'member' END"
        "   FROM accounts org, accounts person WHERE org.login = 'hub' AND person.login IN ('olga', 'mona')"
    )
    return Mirrored(registry, origin, upstream, pusher, owner, member)
