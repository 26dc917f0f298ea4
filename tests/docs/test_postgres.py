"""What docs/operate/postgres.md tells of roles: one owns, another serves, with the rights that the page grants."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from registry.devservers.postgres import EmbeddedPostgres
from tests.docs.operated import run, section
from tests.support.doctor import doctor, lines
from tests.support.server import running

_PAGE: Final = "operate/postgres.md"
_ROLES: Final = ("moorage_owner", "moorage_serve")


@pytest.fixture
async def urls(postgres: EmbeddedPostgres) -> AsyncIterator[dict[str, str]]:
    """The URLs of the owner and of whom serves, whose roles and database are dropped at the end."""
    admin = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        host = postgres.dsn("registry").partition("@")[2]
        yield {role: f"postgresql://{role}:geheim@{host}" for role in _ROLES}
    finally:
        await admin.execute("DROP DATABASE IF EXISTS registry WITH (FORCE)")
        for role in _ROLES:
            await admin.execute(f"DROP ROLE IF EXISTS {role}")
        await admin.close()


async def test_least_rights(
    env: dict[str, str], urls: dict[str, str], postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    owner, serve = urls.values()
    told = {"ADMIN_URL": postgres.dsn("postgres"), "OWNER_URL": owner}
    passwords = {"OWNER_PASSWORD": "geheim", "SERVE_PASSWORD": "geheim"}
    assert "applied 0001_registry" in await run(section(_PAGE, "Roles"), told | passwords, tmp_path)
    env["MOORAGE_DATABASE_URL"] = serve
    async with running(env) as registry:
        token = await registry.user("alice")
        await registry.push_image("alice/app", "v1", token)
        assert (await registry.call("GET", "/v2/alice/app/manifests/v1", token)).status == 200
        status, said = await doctor(env, registry.url)
        (hint,) = lines(said, "!")
        assert (status, lines(said, "✗")) == (0, [])
        assert "run migrate and worker as the owner" in hint
        status, said = await doctor(env | {"MOORAGE_DATABASE_URL": owner}, registry.url)
        assert (status, lines(said, "!")) == (0, [])
