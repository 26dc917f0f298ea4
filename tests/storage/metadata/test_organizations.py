"""What is granted to a member while he is being taken out goes with him, whichever came first."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from storage.metadata import access, accounts, collaborators, organizations, packages, repositories, teams
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor

Grant = Callable[[Transaction, int, int], Awaitable[object]]


async def _repository(tx: Transaction, org: int, person: int) -> None:
    await repositories.insert(tx, org, "made", "private", description="", homepage="", creator_id=person)


async def _collaborator(tx: Transaction, org: int, person: int) -> None:
    there = await tx.fetchrow("SELECT id FROM repositories WHERE owner_id = $1", org)
    assert there is not None
    await collaborators.put(tx, there["id"], person, 3)


async def _team(tx: Transaction, org: int, _person: int) -> None:
    there = await teams.by_slug(tx, org, "devs")
    assert there is not None
    await teams.add_member(tx, org, there.id, "member")


async def _package(tx: Transaction, org: int, person: int) -> None:
    await packages.ensure(tx, org, "made", person, None)


async def _access(tx: Transaction, org: int, person: int) -> None:
    there = await tx.fetchrow("SELECT id FROM packages WHERE owner_id = $1", org)
    found = await access.person(tx, org, "member")
    assert there is not None
    assert found is not None
    if found.member:
        await access.grant_user(tx, there["id"], found.id, 3, Actor(person, None))


async def _grants(db: Database, person: int) -> int:
    found = await db.fetchrow(
        "SELECT (SELECT count(*) FROM package_users WHERE user_id = $1) + (SELECT count(*) FROM team_members"
        " WHERE user_id = $1) + (SELECT count(*) FROM repository_users WHERE user_id = $1) AS number",
        person,
    )
    assert found is not None
    return int(found["number"])


async def _made(db: Database) -> tuple[int, int]:
    org = (await accounts.insert(db, "Organization", "acme")).id
    person = (await accounts.insert(db, "User", "member")).id
    await organizations.seat(db, org, person, "member")
    await teams.insert(db, org, "devs", "devs", "")
    await repositories.insert(db, org, "src", "private", description="", homepage="", creator_id=0)
    await packages.ensure(db, org, "app", person, None)
    await db.execute("DELETE FROM package_users")
    return org, person


@pytest.mark.parametrize("grant", [_repository, _collaborator, _team, _package, _access])
async def test_granted_first(db: Database, grant: Grant) -> None:
    org, person = await _made(db)

    async def unseat() -> None:
        async with db.transaction() as tx:
            assert await organizations.unseat(tx, org, person)

    async with asyncio.TaskGroup() as group:
        async with db.transaction() as tx:
            await grant(tx, org, person)
            leaving = group.create_task(unseat())
            await asyncio.sleep(0.2)
            assert not leaving.done()
        await leaving
    assert await _grants(db, person) == 0


@pytest.mark.parametrize("grant", [_repository, _team, _package, _access])
async def test_taken_out_first(db: Database, grant: Grant) -> None:
    org, person = await _made(db)

    async def give() -> None:
        async with db.transaction() as tx:
            await grant(tx, org, person)

    async with asyncio.TaskGroup() as group:
        async with db.transaction() as tx:
            await organizations.unseat(tx, org, person)
            giving = group.create_task(give())
            await asyncio.sleep(0.2)
            assert not giving.done()
        await giving
    assert await _grants(db, person) == 0
