"""Organizations, teams, repositories and their tokens, straight into the database."""

from collections.abc import Mapping, Sequence

from auth.tokens import TokenKind, hash_of, mint
from tests.support.server import Registry

ROLES = {"read": 1, "write": 2, "admin": 3}


async def account_id(registry: Registry, login: str) -> int:
    row = await registry.services.db.fetchrow(
        "SELECT id FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL", login
    )
    assert row is not None
    return int(row["id"])


async def organization(
    registry: Registry, login: str, *, owners: Sequence[str] = (), members: Sequence[str] = ()
) -> int:
    row = await registry.services.db.fetchrow(
        "INSERT INTO accounts (kind, login) VALUES ('Organization', $1) RETURNING id", login
    )
    assert row is not None
    seats = [(name, "admin") for name in owners] + [(name, "member") for name in members]
    for name, role in seats:
        await registry.services.db.execute(
            "INSERT INTO memberships (org_id, user_id, role) VALUES ($1, $2, $3)",
            row["id"],
            await account_id(registry, name),
            role,
        )
    return int(row["id"])


async def team(registry: Registry, org: str, slug: str, members: Sequence[str] = ()) -> int:
    row = await registry.services.db.fetchrow(
        "INSERT INTO teams (org_id, slug, name) VALUES ($1, $2, $2) RETURNING id", await account_id(registry, org), slug
    )
    assert row is not None
    for name in members:
        await registry.services.db.execute(
            "INSERT INTO team_members (team_id, user_id) VALUES ($1, $2)", row["id"], await account_id(registry, name)
        )
    return int(row["id"])


async def repository(
    registry: Registry,
    owner: str,
    name: str,
    *,
    visibility: str = "private",
    people: Mapping[str, str] | None = None,
) -> int:
    row = await registry.services.db.fetchrow(
        "INSERT INTO repositories (owner_id, name, visibility) VALUES ($1, $2, $3) RETURNING id",
        await account_id(registry, owner),
        name,
        visibility,
    )
    assert row is not None
    for login, role in (people or {}).items():
        await registry.services.db.execute(
            "INSERT INTO repository_users (repository_id, user_id, role) VALUES ($1, $2, $3)",
            row["id"],
            await account_id(registry, login),
            ROLES[role],
        )
    return int(row["id"])


async def repository_token(
    registry: Registry, repository_id: int, minter: str, *, kind: TokenKind = TokenKind.WORKFLOW, ceiling: int = 3
) -> str:
    plain = mint(kind)
    await registry.services.db.execute(
        """
        INSERT INTO tokens (account_id, kind, hash, last_eight, repository_id, ceiling, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, now() + interval '1 hour')
        """,
        await account_id(registry, minter),
        kind,
        bytes(hash_of(plain)),
        plain.reveal()[-8:],
        repository_id,
        ceiling,
    )
    return plain.reveal()
