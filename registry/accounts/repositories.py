"""Source repositories and their collaborators: the rules to create, update, transfer and delete them."""

import re
from typing import Final

from auth.permissions import READ, ROLE_NAMES
from registry.accounts.names import is_login
from registry.errors import AccountError, Denied, NotFound, SsoMissing
from storage.metadata import accounts, collaborators, organizations, repositories
from storage.metadata.accounts import Account
from storage.metadata.database import AlreadyThere, Database, Transaction
from storage.metadata.query import Executor
from storage.metadata.repositories import Repository
from storage.metadata.tokens import StoredToken

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
#: GitHub's words; here there are three roles, and the two between are the nearest below.
PERMISSIONS: Final = {"pull": 1, "triage": 1, "push": 2, "maintain": 2, "admin": 3}


class RepositoryError(AccountError):
    """An invalid request about a repository."""

    resource, field, problem = "Repository", "name", "custom"


class RepositoryNameInvalid(RepositoryError):
    """The name violates GitHub's syntax of repository names."""


class RepositoryTaken(RepositoryError):
    """The owner has another repository with the same name."""


class VisibilityInvalid(RepositoryError):
    """A user's repository cannot be internal: only an organization has members."""

    field = "visibility"


class CollaboratorInvalid(RepositoryError):
    """The account cannot be a collaborator: an organization, the owner, or a team of another organization."""

    resource, field = "Collaborator", "user"


class ReceiverInvalid(RepositoryError):
    """The repository cannot be transferred to the account."""

    field, problem = "new_owner", "invalid"


class ReceiverUnknown(ReceiverInvalid):
    """No account has the login."""

    problem = "missing"


class RepositoryMoved(RepositoryError):
    """The repository was moved or deleted by another request meanwhile."""


def is_name(text: str) -> bool:
    """Return whether the text is a repository name by GitHub's syntax."""
    return _NAME.fullmatch(text) is not None and text not in {".", ".."} and not text.lower().endswith(".git")


def checked_name(name: str) -> str:
    """Return ``name`` if a repository may have it. Raises RepositoryNameInvalid."""
    if not is_name(name):
        raise RepositoryNameInvalid(
            "the name of a repository has 1 to 100 letters, digits, '.', '-' and '_', and does not end with .git"
        )
    return name


def checked_visibility(visibility: str | None, private: bool | None, owner_kind: str) -> str | None:
    """Return the visibility by ``visibility``, else by ``private``; None without either. Raises VisibilityInvalid."""
    if visibility == "internal" and owner_kind != "Organization":
        raise VisibilityInvalid("only a repository of an organization can be internal")
    if visibility is not None or private is None:
        return visibility
    return "private" if private else "public"


def is_shown(found: Repository, *, private: bool) -> bool:
    """Return whether the viewer may know of a repository; ``private``: the viewer's token shows private ones."""
    return (found.visibility == "public" or private) and found.role >= READ


def checked(found: Repository | None, needed: int, *, private: bool) -> Repository:
    """Return a repository, if the viewer has the role ``needed``. Raises NotFound (hidden and missing), Denied."""
    if found is None or not is_shown(found, private=private):
        raise NotFound
    if found.sso_missing and (needed > READ or found.visibility != "public"):
        raise SsoMissing(found.owner_login)
    if found.role < needed:
        missing = f"{ROLE_NAMES[needed]} role on {found.full_name}"
        raise Denied(missing, [f"role {ROLE_NAMES[found.role]}"], f"Ask an admin of {found.full_name}.")
    return found


async def create(
    db: Executor, owner: Account, name: str, visibility: str, *, description: str, homepage: str, creator_id: int
) -> None:
    """Create a repository. Raises RepositoryNameInvalid, RepositoryTaken."""
    try:
        await repositories.insert(
            db,
            owner.id,
            checked_name(name),
            visibility,
            description=description,
            homepage=homepage,
            creator_id=creator_id,
        )
    except AlreadyThere as error:
        raise _taken() from error


async def update(
    db: Executor,
    repository: Repository,
    *,
    name: str | None,
    visibility: str | None,
    description: str | None,
    homepage: str | None,
) -> None:
    """Update a repository; its packages stay linked. Raises RepositoryNameInvalid, RepositoryTaken."""
    if name is not None:
        checked_name(name)
    try:
        await repositories.update(
            db, repository.id, name=name, visibility=visibility, description=description, homepage=homepage
        )
    except AlreadyThere as error:
        raise _taken() from error


async def delete(db: Database, repository: Repository) -> None:
    """Delete a repository. Its packages stay, unlinked, and lose the access they inherited. Raises RepositoryMoved."""

    async def work(tx: Transaction) -> None:
        await _lock(tx, repository)
        await repositories.unlink(tx, repository.id)
        await repositories.delete(tx, repository.id)

    await db.repeat(work)


async def receiver(db: Executor, mover: StoredToken, repository: Repository, login: str) -> Account:
    """Return an account where the mover may create repositories. Raises ReceiverUnknown, ReceiverInvalid, Denied."""
    owner = await accounts.by_login(db, login) if is_login(login) else None
    if owner is None:
        raise ReceiverUnknown(f"nobody has the login {login[:60]!r}")
    if owner.kind == "Organization":
        org = await organizations.seen(db, mover.id, owner.login)
        may = org is not None and org.role is not None and not org.sso_missing
    else:
        may = owner.id == mover.account_id or mover.site_admin
    if not may:
        missing = f"the right to make repositories of {owner.login}"
        raise Denied(missing, [], "Transfer it to your own account, or to an organization whose member you are.")
    if owner.id == repository.owner_id:
        raise ReceiverInvalid(f"{owner.login} is its owner already")
    return owner


async def transfer(db: Database, repository: Repository, owner: Account, name: str | None, mover_id: int) -> None:
    """Transfer a repository to another account, under the new name ``name`` if given. Its packages stay, unlinked.

    Raises RepositoryNameInvalid, RepositoryTaken, VisibilityInvalid, RepositoryMoved.
    """
    checked_visibility(repository.visibility, None, owner.kind)
    new_name = repository.name if name is None else checked_name(name)

    async def work(tx: Transaction) -> None:
        await _lock(tx, repository)
        await repositories.unlink(tx, repository.id)
        await repositories.transfer(tx, repository.id, owner.id, new_name, mover_id)

    try:
        await db.repeat(work)
    except AlreadyThere as error:
        raise _taken() from error


async def put_collaborator(db: Executor, repository: Repository, person: Account, role: int) -> None:
    """Grant a user a role over a repository; an organization's has outside collaborators, too.

    Raises CollaboratorInvalid.
    """
    if person.kind != "User":
        raise CollaboratorInvalid(f"{person.login} is an organization: only users are collaborators")
    if person.id == repository.owner_id:
        raise CollaboratorInvalid("the owner of a repository cannot be its collaborator")
    await collaborators.put(db, repository.id, person.id, role)


async def grant_team(db: Executor, repository: Repository, organization: str, team_id: int, role: int) -> None:
    """Grant a team of an organization a role over a repository. Raises CollaboratorInvalid."""
    if not await collaborators.put_team(db, repository.id, team_id, role):
        raise CollaboratorInvalid(f"a team of {organization} can be given repositories of {organization} only")


async def _lock(tx: Transaction, repository: Repository) -> None:
    if not await repositories.lock(tx, repository.id, repository.owner_id):
        raise RepositoryMoved("the repository was moved or deleted meanwhile: read it again")


def _taken() -> RepositoryTaken:
    return RepositoryTaken("name already exists on this account")
