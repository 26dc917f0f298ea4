"""The rules of roles over a package: grants to people, teams and repositories."""

from dataclasses import dataclass
from typing import Final

from auth.permissions import role_of_person
from registry.errors import Conflict, Invalid, NotFound
from registry.packages import conditions
from registry.packages.conditions import Check
from storage.metadata import access, access_reasons, links
from storage.metadata.access import RepositoryGrant, TeamGrant, UserGrant
from storage.metadata.access_reasons import Reason
from storage.metadata.accounts import Account
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.links import Target
from storage.metadata.packages import Held
from storage.names import PackageName

ROLES: Final = {"read": 1, "write": 2, "admin": 3}
AUDIENCES: Final = ("actions", "codespaces")


@dataclass(frozen=True, slots=True)
class EffectiveRole:
    """A person's role over a package (0 none to 3 admin) and its reasons, of which the highest counts.

    ``sso_required``: besides the role a token needs to be authorized for the organization.
    """

    role: int
    sso_required: bool
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Granted:
    """The roles over a package that people, teams and tokens of repositories were granted, or inherit."""

    users: list[UserGrant]
    teams: list[TeamGrant]
    repositories: list[RepositoryGrant]


@dataclass(frozen=True, slots=True)
class Accesses:
    """The rules of roles; the callers check access before. The role None revokes a role.

    ``check``: a condition of the change, looked at when the package is locked.
    """

    db: Database

    async def effective(self, package: PackageName, package_id: int, person: Account) -> EffectiveRole:
        """Return a person's role over a package as ``decide`` finds it, with its reasons."""
        facts, found = await access_reasons.of_person(self.db, person.id, package, package_id)
        return EffectiveRole(role_of_person(package, facts), facts.sso_missing, found)

    async def granted(self, package_id: int, tx: Transaction | None = None) -> Granted:
        """Return all roles over a package but those of its owners, who need none; as ``tx`` sees them if given."""
        return Granted(*await access.granted(tx or self.db, package_id))

    async def set_user(
        self, package_id: int, login: str, role: int | None, actor: Actor, check: Check | None = None
    ) -> None:
        """Set a user's role. Raises NotFound, Conflict (inherited), Invalid (no member of the organization)."""

        async def work(tx: Transaction) -> None:
            held = await _granular(tx, package_id, check)
            person = await access.person(tx, held.owner_id, login)
            if person is None:
                raise NotFound
            if role is None:
                _there(await access.revoke_user(tx, package_id, person.id, actor))
                return
            if held.owner_kind == "Organization" and held.visibility != "public" and not person.member:
                raise Invalid(
                    f"Only members of the organization can have a role over a package that is {held.visibility}.",
                    "Make the person a member first.",
                )
            await access.grant_user(tx, package_id, person.id, role, actor)

        await self.db.repeat(work, package_id)

    async def set_team(
        self, package_id: int, slug: str, role: int | None, actor: Actor, check: Check | None = None
    ) -> None:
        """Set a team's role. Raises NotFound, Conflict (inherited), Invalid (a package of a user)."""

        async def work(tx: Transaction) -> None:
            held = await _granular(tx, package_id, check)
            if held.owner_kind != "Organization":
                raise Invalid("Teams can have roles only over packages of their organization.")
            team = await access.team(tx, held.owner_id, slug)
            if team is None:
                raise NotFound
            if role is None:
                _there(await access.revoke_team(tx, package_id, team.id, actor))
            else:
                await access.grant_team(tx, package_id, team.id, role, actor)

        await self.db.repeat(work, package_id)

    async def grant_repository(
        self,
        package_id: int,
        actor: Actor,
        repository: tuple[str, str],
        role: int,
        audience: str,
        check: Check | None = None,
    ) -> None:
        """Grant a role to the tokens of an owner's repository, beside inherited roles. Raises NotFound, Invalid."""

        async def work(tx: Transaction) -> None:
            target = await _target(tx, package_id, actor, repository, check)
            await access.grant_repository(tx, package_id, target.id, role, audience, actor)

        await self.db.repeat(work, package_id)

    async def revoke_repository(
        self,
        package_id: int,
        actor: Actor,
        repository: tuple[str, str],
        audience: str | None,
        check: Check | None = None,
    ) -> None:
        """Revoke a repository's role for one audience, or for both. Raises NotFound, Invalid."""

        async def work(tx: Transaction) -> None:
            target = await _target(tx, package_id, actor, repository, check)
            _there(await access.revoke_repository(tx, package_id, target.id, audience, actor))

        await self.db.repeat(work, package_id)


def _there(found: bool) -> None:
    if not found:
        raise NotFound


async def _granular(tx: Transaction, package_id: int, check: Check | None) -> Held:
    held = await conditions.held(tx, package_id, check)
    if held.inherit_access:
        raise Conflict(
            "This package inherits its access from its repository.",
            'Change the roles over the repository, or PATCH the package with {"inherit_access": false}.',
        )
    return held


async def _target(
    tx: Transaction, package_id: int, actor: Actor, repository: tuple[str, str], check: Check | None
) -> Target:
    held = await conditions.held(tx, package_id, check)
    target = await links.target(tx, actor.token_id, *repository)
    if target is None:
        raise NotFound
    if target.owner_id != held.owner_id:
        raise Invalid("Only repositories of the account that owns the package can have a role over it.")
    return target
