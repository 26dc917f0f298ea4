"""Authorization of API routes: the resource of the path, and the viewer's rights; missing and hidden are one answer.

For packages this is ``ApiCall.authorize``; here it is for accounts, organizations and repositories.
"""

import re
from typing import Final

from auth.permissions import READ
from auth.tokens import TokenKind, effective
from registry.accounts import organizations as organization_rules
from registry.accounts import repositories as repository_rules
from registry.accounts.names import is_login
from registry.accounts.repositories import is_name
from registry.errors import Denied, Moved, MovedForNow, NotFound
from registry.http.api.call import ApiCall
from storage.metadata import accounts, organizations, repositories
from storage.metadata.accounts import Account
from storage.metadata.organizations import Organization
from storage.metadata.repositories import Repository
from storage.metadata.tokens import StoredToken

#: In a target: what is before the name of a repository, and the name.
_NAMED: Final = re.compile(r"^([^?]*?/repos/)[^/?]+/[^/?]+")


def myself(call: ApiCall) -> int:
    """The caller's account. Raises 403 for a repository's token, which has no account."""
    if call.me.repository_id is not None:
        raise Denied("an access token of a user", [f"a {call.me.kind} token"], "Use a personal access token.")
    return call.me.account_id


def workload(call: ApiCall) -> StoredToken:
    """The token of a repository that calls. Raises 403 for tokens of users."""
    if call.me.repository_id is None:
        fix = "Revoke your own tokens with DELETE /api/v3/user/tokens/TOKEN_ID."
        raise Denied("a workflow or workspace token", [f"a {call.me.kind} token"], fix)
    return call.me


async def account(call: ApiCall, parameter: str = "username") -> Account:
    """The user or organization that the path names. Raises 404."""
    login = call.param(parameter)
    found = await accounts.by_login(call.services.db, login) if is_login(login) else None
    if found is None:
        raise NotFound
    return found


async def user(call: ApiCall, parameter: str = "username") -> Account:
    """The user that the path names. Raises 404."""
    found = await account(call, parameter)
    if found.kind != "User":
        raise NotFound
    return found


async def own_user(call: ApiCall) -> Account:
    """The user that the path names, for that user and for site administrators. Raises 404."""
    found = await user(call)
    if not is_own(call, found):
        raise NotFound
    return found


async def organization(call: ApiCall) -> Organization:
    """The organization ``{org}``, for routes open to every token. Raises 404."""
    login = call.param("org")
    found = await organizations.seen(call.services.db, call.token_id, login) if is_login(login) else None
    if found is None:
        raise NotFound
    return found


async def member_of(call: ApiCall) -> Organization:
    """The organization ``{org}``, for members. Raises 404 for others, 403 for a token without SSO authorization."""
    return await organization_rules.for_member(call.services.db, call.token_id, call.param("org"))


async def owner_of(call: ApiCall) -> Organization:
    """The organization ``{org}``, for its owners. Raises 404 for others than members, 403."""
    return await organization_rules.for_owner(call.services.db, call.token_id, call.param("org"))


async def owned_account(call: ApiCall) -> int:
    """The organization ``{org}``, for its owners; without one in the path the caller's account. Raises 404, 403."""
    return (await owner_of(call)).id if "org" in call.http.match_info else myself(call)


async def owner_or_self(call: ApiCall, login: str) -> Organization:
    """The organization ``{org}``, for its owners and for the member ``login``. Raises 404 for others, 403."""
    found = await member_of(call)
    myself(call)
    return found if login.lower() == call.me.login.lower() else organization_rules.owned(found)


async def repository(call: ApiCall, needed: int = READ) -> Repository:
    """The repository ``{owner}/{repo}``, for the role ``needed`` (1 read, 2 write, 3 admin). Raises 404, 403."""
    owner, name = call.param("owner"), call.param("repo")
    if not (is_login(owner) and is_name(name)):
        raise NotFound
    found = await repositories.seen(call.services.db, call.token_id, owner, name)
    if not _shown(call, found):
        # Asked for what is hidden too: that takes as long as what is missing.
        await _lead_on(call, owner, name)
    return checked(call, found, needed)


async def _lead_on(call: ApiCall, owner: str, name: str) -> None:
    """Tell where the repository is that had this name. Raises Moved, if the viewer may see the repository."""
    repository_id = await repositories.formerly(call.services.db, owner, name)
    if repository_id is None:
        return
    found = await repositories.by_id(call.services.db, call.token_id, repository_id)
    if found is None or not _shown(call, found) or found.full_name.lower() == f"{owner}/{name}".lower():
        return
    target = _NAMED.sub(lambda here: f"{here[1]}{found.full_name}", call.request.target, count=1)
    raise (Moved if call.request.method in {"GET", "HEAD"} else MovedForNow)(f"{call.served_at}{target}")


def checked(call: ApiCall, found: Repository | None, needed: int) -> Repository:
    """Return the repository, if the viewer has the role ``needed``. Raises 404 (hidden and missing), 403."""
    return repository_rules.checked(found, needed, private=found is not None and _shows_private(call, found))


def _shown(call: ApiCall, found: Repository | None) -> bool:
    return found is not None and repository_rules.is_shown(found, private=_shows_private(call, found))


def is_own(call: ApiCall, found: Account) -> bool:
    """Return whether the viewer is the account, or may see all of every account as a site administrator."""
    viewer = call.me
    return viewer.repository_id is None and (viewer.account_id == found.id or viewer.site_admin)


def shows_settings(call: ApiCall, found: Organization) -> bool:
    """Return whether the viewer may see the organization's settings."""
    return found.role == "admin" and not found.sso_missing and has_scope(call, "read:org")


def has_scope(call: ApiCall, scope: str) -> bool:
    """Return whether the viewer's token is a classic token with the scope."""
    viewer = call.viewer
    return viewer is not None and viewer.kind == TokenKind.CLASSIC and scope in effective(viewer.scopes)


def shows_private(call: ApiCall) -> bool:
    """Return whether the viewer's token has access to private repositories: the scope ``repo``."""
    return has_scope(call, "repo")


def _shows_private(call: ApiCall, found: Repository) -> bool:
    own = call.viewer is not None and call.viewer.repository_id == found.id
    return own or shows_private(call)
