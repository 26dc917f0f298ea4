"""Accounts: users and organizations, site administrators, renames and deletion."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import access_facts, events
from storage.metadata.events import Actor
from storage.metadata.query import Executor, command, select
from storage.metadata.uploads import ABORT


@dataclass(frozen=True, slots=True)
class Account:
    id: int
    kind: str  # User or Organization
    login: str
    name: str | None
    email: str | None
    description: str | None
    site_admin: bool
    suspended_at: datetime | None
    created_at: datetime
    updated_at: datetime


#: The fields of Account.
COLUMNS: Final[LiteralString] = (
    "id, kind, login, name, email, description, site_admin, suspended_at, created_at, updated_at"
)

_INSERT: Final = select(
    Account,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$6")}),
    made AS (
        INSERT INTO accounts (kind, login, name, email, site_admin) VALUES ($1, $2, $3, $4, $5)
        RETURNING {COLUMNS}),
    recorded AS ({
        events.note(
            "CASE made.kind WHEN 'User' THEN 'user.create' ELSE 'org.create' END",
            "made",
            owner="made.id",
            data="jsonb_build_object('login', made.login, 'site_admin', nullif(made.site_admin, false))",
        )
    })
    SELECT {COLUMNS} FROM made
    """,
)


async def insert(
    db: Executor,
    kind: str,
    login: str,
    *,
    name: str | None = None,
    email: str | None = None,
    site_admin: bool = False,
) -> Account:
    """Insert an account. Raises AlreadyThere when the login is taken, in whatever case."""
    return await _INSERT.one(db, kind, login, name, email, site_admin, events.by())


_BY_LOGIN: Final = select(
    Account,
    f"SELECT {COLUMNS} FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL",
)


async def by_login(db: Executor, login: str) -> Account | None:
    """Find an account by login, case-insensitively."""
    return await _BY_LOGIN.maybe(db, login)


_BY_ID: Final = select(Account, f"SELECT {COLUMNS} FROM accounts WHERE id = $1 AND deleted_at IS NULL")


async def by_id(db: Executor, account_id: int) -> Account | None:
    """Find an account by id."""
    return await _BY_ID.maybe(db, account_id)


@dataclass(frozen=True, slots=True)
class Near:
    """An account that a caller belongs to; ``own``: the caller's own."""

    login: str
    own: bool


#: More than these an error does not name.
_NEAR_MAX: Final = 10

_NEAR: Final = select(
    Near,
    f"""
    SELECT account.login, account.id = caller.id AND token.repository_id IS NULL AS own
      FROM {access_facts.HOLDER}
      JOIN LATERAL (
            SELECT caller.id AS id WHERE token.repository_id IS NULL
             UNION ALL
            SELECT org_id FROM memberships WHERE user_id = caller.id AND token.repository_id IS NULL
             UNION ALL
            SELECT owner_id FROM repositories WHERE repositories.id = token.repository_id
           ) AS near ON true
      JOIN accounts account ON account.id = near.id AND account.deleted_at IS NULL
     WHERE token.id = $1
     LIMIT {_NEAR_MAX}
    """,
)


async def near(db: Executor, token_id: int) -> list[str]:
    """List logins of the account behind a token and of its organizations, the own one first; not all, if many."""
    found = await _NEAR.all(db, token_id)
    return [one.login for one in sorted(found, key=lambda one: (not one.own, one.login.lower()))]


_LISTED: Final = select(
    Account, f"SELECT {COLUMNS} FROM accounts WHERE id > $1 AND deleted_at IS NULL ORDER BY id LIMIT $2"
)
_LISTED_ORGANIZATIONS: Final = select(
    Account,
    f"""
    SELECT {COLUMNS} FROM accounts
     WHERE id > $1 AND kind = 'Organization' AND deleted_at IS NULL ORDER BY id LIMIT $2
    """,
)


async def listed(db: Executor, since: int, limit: int, *, organizations_only: bool) -> list[Account]:
    """Accounts with an id above ``since``, in the order in which they were made."""
    statement = _LISTED_ORGANIZATIONS if organizations_only else _LISTED
    return await statement.all(db, since, limit)


# Not FOR UPDATE: whoever refers to the account by a foreign key need not wait.
_LOCK: Final = select(
    Account,
    f"SELECT {COLUMNS} FROM accounts WHERE lower(login) = lower($1) AND deleted_at IS NULL FOR NO KEY UPDATE",
)


async def lock(db: Executor, login: str) -> Account | None:
    """Find and lock an account by login: the account and its memberships do not change before the transaction ends."""
    return await _LOCK.maybe(db, login)


_HOLD: Final = command("SELECT FROM accounts WHERE id = $1 FOR NO KEY UPDATE")


async def hold(db: Executor, account_id: int) -> None:
    """Lock an account by id, so that its rules are changed one after another."""
    await _HOLD.run(db, account_id)


@dataclass(frozen=True, slots=True)
class Number:
    count: int


_REPOSITORIES: Final = select(
    Number,
    """
    SELECT count(*) AS count FROM repositories
     WHERE owner_id = $1 AND visibility = 'public' AND deleted_at IS NULL
    """,
)


async def public_repositories(db: Executor, account_id: int) -> int:
    """Count the account's public repositories."""
    return (await _REPOSITORIES.one(db, account_id)).count


@dataclass(frozen=True, slots=True)
class Administrator:
    id: int


_ADMINISTRATORS: Final = select(
    Administrator,
    """
    SELECT id FROM accounts WHERE site_admin AND suspended_at IS NULL AND deleted_at IS NULL
     ORDER BY id FOR NO KEY UPDATE
    """,
)


async def lock_administrators(db: Executor) -> list[int]:
    """Lock the active site administrators until the transaction ends, and return their ids."""
    return [row.id for row in await _ADMINISTRATORS.all(db)]


_SUSPEND: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    sessions AS (DELETE FROM tokens WHERE account_id = $1 AND kind = 'session' AND $2),
    changed AS (
        UPDATE accounts account
           SET suspended_at = CASE WHEN $2 THEN coalesce(account.suspended_at, now()) END, updated_at = now()
          FROM accounts old
         WHERE account.id = $1 AND old.id = account.id
        RETURNING account.id, account.login, old.suspended_at IS NOT NULL AS before)
    {
        events.note(
            "CASE WHEN $2 THEN 'user.suspend' ELSE 'user.unsuspend' END",
            "changed",
            owner="changed.id",
            data="jsonb_build_object('login', changed.login)",
            where="changed.before <> $2",
        )
    }
    """
)


async def suspend(db: Executor, account_id: int, *, suspended: bool) -> None:
    """Suspend a user, or end the suspension; the tokens of a suspended user are refused, and work again afterwards.

    Sessions of browsers end.
    """
    await _SUSPEND.run(db, account_id, suspended, events.by())


_PROMOTE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    changed AS (
        UPDATE accounts account SET site_admin = $2, updated_at = now()
          FROM accounts old
         WHERE account.id = $1 AND old.id = account.id
        RETURNING account.id, account.login, old.site_admin AS before)
    {
        events.note(
            "CASE WHEN $2 THEN 'user.promote' ELSE 'user.demote' END",
            "changed",
            owner="changed.id",
            data="jsonb_build_object('login', changed.login)",
            where="changed.before <> $2",
        )
    }
    """
)


async def promote(db: Executor, account_id: int, *, site_admin: bool) -> None:
    """Make a user an administrator of this registry, or an ordinary user again."""
    await _PROMOTE.run(db, account_id, site_admin, events.by())


@dataclass(frozen=True, slots=True)
class Name:
    name: str


_TAKEN_FROM_EVERYBODY: Final = select(
    Name,
    """
    SELECT retired.name
      FROM packages package
      JOIN retired_names retired ON retired.owner_login = lower($2) AND retired.name = package.name
     WHERE package.owner_id = $1 AND package.deleted_at IS NULL
     ORDER BY retired.name LIMIT 10
    """,
)


async def retired_under(db: Executor, account_id: int, login: str) -> list[str]:
    """At most ten packages of the account whose full names would be retired names under the login ``login``."""
    return [row.name for row in await _TAKEN_FROM_EVERYBODY.all(db, account_id, login)]


_RETIRE: Final = command(
    """
    INSERT INTO retired_names (owner_login, name)
    SELECT lower(owner.login), package.name
      FROM accounts owner
      JOIN packages package ON package.owner_id = owner.id
     WHERE owner.id = $1 AND package.visibility = 'public' AND package.deleted_at IS NULL
       AND EXISTS (SELECT 1 FROM download_totals WHERE package_id = package.id AND count > $2)
    ON CONFLICT DO NOTHING
    """
)


async def retire_names(db: Executor, account_id: int, downloads: int) -> int:
    """Retire the full names of public packages with a version above ``downloads`` downloads; returns the number."""
    return await _RETIRE.run(db, account_id, downloads)


_RENAME: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}),
    former AS (
        INSERT INTO former_logins (login, account_id) SELECT lower(login), id FROM accounts WHERE id = $1
        ON CONFLICT (login) DO UPDATE SET account_id = excluded.account_id),
    changed AS (
        UPDATE accounts account SET login = $2, updated_at = now()
          FROM accounts old
         WHERE account.id = $1 AND old.id = account.id
        RETURNING account.id, account.kind, old.login AS before, account.login AS now)
    {
        events.note(
            "CASE changed.kind WHEN 'User' THEN 'user.rename' ELSE 'org.rename' END",
            "changed",
            owner="changed.id",
            data="jsonb_build_object('before', changed.before, 'after', changed.now)",
        )
    }
    """
)


async def rename(db: Executor, account_id: int, login: str) -> None:
    """Rename an account, and keep its former login. Raises AlreadyThere when the login is taken."""
    await _RENAME.run(db, account_id, login, events.by())


_DELETED: Final = events.event(
    f"'{events.PACKAGE_DELETED}'",
    "links CROSS JOIN actor WHERE links.published_at IS NOT NULL",
    package="links.id",
    owner="$1::bigint",
)
_GONE: Final = events.of_account(
    "CASE gone.kind WHEN 'User' THEN 'user.delete' ELSE 'org.delete' END",
    "accounts gone",
    owner="gone.id",
    data="jsonb_build_object('login', gone.login)",
    where="gone.id = $1 AND gone.deleted_at IS NULL",
)
# Each clause is of another table, and none reads what another writes. What was deleted before has nothing to lose: its
# sessions, grants and tokens went then, and nobody restores it without its owner.
_FORGET: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$2")}),
    owned AS (SELECT id FROM repositories WHERE owner_id = $1 AND deleted_at IS NULL),
    links AS (
        UPDATE packages
           SET deleted_at = now(), deleted_by = (SELECT id FROM actor), repository_id = NULL, inherit_access = false
         WHERE owner_id = $1 AND deleted_at IS NULL
        RETURNING id, published_at),
    recorded AS ({events.record(_DELETED, _GONE)}),
    sessions AS ({ABORT} package_id IN (SELECT id FROM packages WHERE owner_id = $1 AND deleted_at IS NULL)),
    seats AS (DELETE FROM memberships WHERE org_id = $1 OR user_id = $1),
    places AS (DELETE FROM team_members
                WHERE (team_id, user_id) IN (
                    SELECT team_id, user_id FROM team_members WHERE user_id = $1
                     UNION ALL
                    SELECT team_id, user_id FROM team_members
                     WHERE team_id = ANY (ARRAY(SELECT id FROM teams WHERE org_id = $1)))),
    readers AS (DELETE FROM package_users WHERE user_id = $1),
    audiences AS (DELETE FROM package_repositories WHERE repository_id IN (SELECT id FROM owned)),
    collaborators AS (DELETE FROM repository_users
                       WHERE (repository_id, user_id) IN (
                           SELECT repository_id, user_id FROM repository_users WHERE user_id = $1
                            UNION ALL
                           SELECT repository_id, user_id FROM repository_users
                            WHERE repository_id = ANY (ARRAY(SELECT id FROM owned)))),
    sources AS (UPDATE repositories SET deleted_at = now() WHERE owner_id = $1 AND deleted_at IS NULL),
    authorisations AS (DELETE FROM token_organizations WHERE org_id = $1),
    passwords AS (DELETE FROM passwords WHERE account_id = $1),
    codes AS (DELETE FROM sign_in_codes WHERE account_id = $1),
    identities AS (DELETE FROM identities WHERE account_id = $1),
    devices AS (DELETE FROM device_sign_ins WHERE account_id = $1),
    secrets AS (
        UPDATE tokens SET revoked_at = now()
         WHERE revoked_at IS NULL
           AND id IN (SELECT id FROM tokens WHERE account_id = $1
                       UNION ALL
                      SELECT id FROM tokens WHERE repository_id = ANY (ARRAY(SELECT id FROM owned))))
    UPDATE accounts
       SET deleted_at = now(), updated_at = now(), name = NULL, email = NULL, description = NULL, site_admin = false
     WHERE id = $1
    """
)

_FORGET_TEAMS: Final = command("DELETE FROM teams WHERE org_id = $1")


async def forget(db: Executor, account_id: int, actor: Actor) -> None:
    """Delete an account with its packages (as by hand), repositories, tokens, memberships, grants and teams.

    Its login is free from now on; whoever takes it gets another id, and with it none of this.
    """
    await _FORGET.run(db, account_id, events.by(actor))
    await _FORGET_TEAMS.run(db, account_id)
