"""What a request has just read the id of is deleted before it writes: never a fault of ours (F41)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import pytest

from tests.support import forge
from tests.support.server import Answer, Registry
from tests.support.uploading import noise, sha256, streamed

_DATA: Final = noise(1000)
_AT_ONCE: Final = f"/v2/alice/begun/blobs/uploads/?digest={sha256(_DATA)}"
_MOUNT: Final = f"/v2/alice/begun/blobs/uploads/?mount={sha256(_DATA)}&from=alice/other"


async def _while_going(registry: Registry, delete: str, argument: int, *call: Any, **more: Any) -> Answer:
    """The answer to a request that comes while ``delete`` is on its way, and waits for it."""
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        async with registry.services.db.transaction() as deleting:
            assert await deleting.execute(delete, argument) == "DELETE 1"
            asked = tasks.create_task(registry.call(*call, **more))
            await asyncio.sleep(0.5)
            assert not asked.done()
        return await asked


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/v2/alice/begun/blobs/uploads/", None, 202),
        (_AT_ONCE, _DATA, 201),
        (_AT_ONCE, streamed, 201),
        (_MOUNT, None, 201),
    ],
    ids=["session", "at once", "at once in chunks", "mount"],
)
async def test_f41_a_push_to_a_package_that_is_being_forgotten(
    registry: Registry, path: str, data: bytes | Callable[[bytes], AsyncIterator[bytes]] | None, status: int
) -> None:
    """It is begun again."""

    def body() -> object:
        return data(_DATA) if callable(data) else data

    token = await registry.user("alice")
    await registry.push_blob("alice/other", _DATA, token)
    (begun,) = await registry.services.db.fetch(
        "INSERT INTO packages (owner_id, name) SELECT id, 'begun' FROM accounts WHERE login = 'alice' RETURNING id"
    )
    forget = "DELETE FROM packages WHERE id = $1"
    answer = await _while_going(registry, forget, begun["id"], "POST", path, token, data=body())
    assert answer.status == status, answer.body
    again = await registry.call("POST", path, token, data=body())
    assert again.status == status, again.body
    (now,) = await registry.services.db.fetch("SELECT id FROM packages WHERE name = 'begun'")
    assert now["id"] != begun["id"]


@pytest.mark.parametrize(
    ("path", "json", "status"),
    [
        ("/api/v3/orgs/acme/packages/container/app/access/teams/crew", {"role": "read"}, 404),
        ("/api/v3/orgs/acme/teams/crew/memberships/bob", None, 422),
        ("/api/v3/orgs/acme/teams/crew/repos/acme/code", {"permission": "pull"}, 422),
    ],
    ids=["package", "member", "repository"],
)
async def test_f41_a_team_that_is_being_deleted(registry: Registry, path: str, json: object, status: int) -> None:
    token = await registry.user("alice", ["write:packages", "delete:packages", "admin:org", "repo"])
    await registry.user("bob")
    await forge.organization(registry, "acme", owners=["alice"], members=["bob"])
    await forge.repository(registry, "acme", "code")
    await registry.push_image("acme/app", "v1", token)
    crew = await forge.team(registry, "acme", "crew")
    delete = "DELETE FROM teams WHERE id = $1"
    answer = await _while_going(registry, delete, crew, "PUT", path, token, json=json)
    assert answer.status == status, answer.body
    assert (await registry.call("PUT", path, token, json=json)).status == 404
