"""Organizations and their teams: memberships, and the invariant that every organization has an owner."""

import re
import unicodedata
from typing import Final

from registry.accounts.names import LoginTaken, checked_login, is_login
from registry.errors import AccountError, AccountUnknown, Denied, NotFound, SsoMissing
from storage.metadata import accounts, organizations, teams
from storage.metadata.accounts import Account
from storage.metadata.database import AlreadyThere, Database, Transaction
from storage.metadata.organizations import Member, Organization
from storage.metadata.query import Executor

_SLUG_GAPS: Final = re.compile(r"[^a-z0-9_]+")


class OwnerUnknown(AccountError):
    """No user has the login of the organization's first owner."""

    resource, field, problem = "Organization", "admin", "missing"


class LastOwner(AccountError):
    """The member is the organization's last owner, and cannot be removed or demoted."""

    resource, field, problem = "Membership", "role", "custom"


class NotMember(AccountError):
    """The user is no member of the organization, which grants roles to members only."""

    resource, field, problem = "Membership", "user", "custom"


class TeamNameInvalid(AccountError):
    """The team's name has no letter or digit, so that its slug would be empty."""

    resource, field = "Team", "name"


class TeamTaken(AccountError):
    """The slug is taken by another team of the organization."""

    resource, field, problem = "Team", "name", "already_exists"


async def for_member(db: Executor, token_id: int | None, login: str) -> Organization:
    """Return the organization with this login, for its members. Raises NotFound for others, SsoMissing."""
    return joined(await organizations.seen(db, token_id, login) if is_login(login) else None)


def joined(found: Organization | None) -> Organization:
    """Return an organization that was looked up, for its members. Raises NotFound for others, SsoMissing."""
    if found is None or found.role is None:
        raise NotFound
    if found.sso_missing:
        raise SsoMissing(found.login)
    return found


async def for_owner(db: Executor, token_id: int | None, login: str) -> Organization:
    """Return the organization with this login, for its owners. Raises NotFound for others than members, Denied."""
    return owned(await for_member(db, token_id, login))


def owned(found: Organization) -> Organization:
    """Return the organization, if its member is an owner. Raises Denied."""
    if found.role != "admin":
        raise Denied(f"owner of {found.login}", ["member"], f"Ask an owner of {found.login}.")
    return found


async def create(db: Database, login: str, owner: str, *, name: str | None = None) -> Account:
    """Create an organization, with the user ``owner`` as its owner. Raises LoginInvalid, LoginTaken, OwnerUnknown."""
    checked_login(login)

    async def work(tx: Transaction) -> Account:
        person = await _person(tx, owner)
        made = await accounts.insert(tx, "Organization", login, name=name)
        await organizations.seat(tx, made.id, person.id, "admin")
        return made

    try:
        return await db.repeat(work)
    except AccountUnknown as error:
        raise OwnerUnknown(error.message) from error
    except AlreadyThere as error:
        raise LoginTaken(f"the login {login!r} is taken: choose another") from error


async def set_role(db: Database, org: str, login: str, role: str) -> Member:
    """Add a member with a role (admin or member), or change a member's role. Raises AccountUnknown, LastOwner."""

    async def work(tx: Transaction) -> Member:
        org_id = await _locked(tx, org)
        person = await _person(tx, login)
        if role != "admin":
            await _spare_last_owner(tx, org_id, person.login)
        await organizations.seat(tx, org_id, person.id, role)
        return Member(person.id, person.login, person.site_admin, role)

    return await db.repeat(work)


async def remove(db: Database, org: str, login: str) -> None:
    """Remove a member and every role the organization granted to the member. Raises AccountUnknown, LastOwner."""

    async def work(tx: Transaction) -> None:
        org_id = await _locked(tx, org)
        member = await _spare_last_owner(tx, org_id, login)
        if member is None:
            raise AccountUnknown(f"{login[:60]!r} is no member")
        await organizations.unseat(tx, org_id, member.id)

    await db.repeat(work)


def slug_of(name: str) -> str:
    """Return the slug of a name by GitHub's rule: «My TEam Näme» is ``my-team-name``. Raises TeamNameInvalid."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = _SLUG_GAPS.sub("-", plain).strip("-")
    if not slug:
        raise TeamNameInvalid(f"the name of a team has a letter or a digit; got {name[:60]!r}")
    return slug


async def create_team(db: Database, org_id: int, name: str, description: str, members: list[str]) -> str:
    """Create a team with its members and return its slug. Raises TeamNameInvalid, TeamTaken, NotMember."""
    slug = slug_of(name)

    async def work(tx: Transaction) -> None:
        await teams.insert(tx, org_id, slug, name, description)
        team = await teams.by_slug(tx, org_id, slug)
        for login in members:
            await add_to_team(tx, org_id, 0 if team is None else team.id, login)

    try:
        await db.repeat(work)
    except AlreadyThere as error:
        raise TeamTaken(f"there is a team {slug!r} already: choose another name") from error
    return slug


async def rename_team(db: Executor, org_id: int, team_id: int, name: str | None, description: str | None) -> str | None:
    """Update a team and return its new slug, or None if the name stays. Raises TeamNameInvalid, TeamTaken."""
    slug = None if name is None else slug_of(name)
    try:
        await teams.update(db, org_id, team_id, slug=slug, name=name, description=description)
    except AlreadyThere as error:
        raise TeamTaken(f"there is a team {slug!r} already: choose another name") from error
    return slug


async def add_to_team(db: Executor, org_id: int, team_id: int, login: str) -> None:
    """Add a member of the organization to a team. Raises NotMember."""
    if not is_login(login) or not await teams.add_member(db, org_id, team_id, login):
        raise NotMember(f"{login[:60]!r} is no member of the organization: make them one first")


async def _locked(tx: Transaction, org: str) -> int:
    account = await accounts.lock(tx, org)
    if account is None or account.kind != "Organization":
        raise AccountUnknown(f"nobody has the login {org[:60]!r}")
    return account.id


async def _person(tx: Transaction, login: str) -> Account:
    # Locked, so that nobody is given a seat while his account is being deleted.
    account = await accounts.lock(tx, login) if is_login(login) else None
    if account is None or account.kind != "User":
        raise AccountUnknown(f"nobody has the login {login[:60]!r}")
    return account


async def _spare_last_owner(tx: Transaction, org_id: int, login: str) -> Member | None:
    member = await organizations.member(tx, org_id, login) if is_login(login) else None
    if member is not None and member.role == "admin" and not await organizations.other_owners(tx, org_id, member.id):
        raise LastOwner(f"{member.login} is the last owner of the organization: make another one first")
    return member
