"""The access policy for packages: a pure decision over the AccessFacts of a caller and a package.

Effective right = grants of the bearer token ∩ rights of the access token ∩ role over the package.
A caller who may not even read gets the response of a missing package, so that existence is not disclosed.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

import msgspec

from auth.identity import Action, Identity
from auth.tokens import TokenKind, effective
from storage.metadata.access_facts import AccessFacts
from storage.names import PackageName

NONE: Final = 0
READ: Final = 1
WRITE: Final = 2
ADMIN: Final = 3

#: What ``token_kind`` of the access facts says of a service account of a cluster.
SERVICE_ACCOUNT: Final = "service_account"

ROLE_NAMES: Final = ("none", "read", "write", "admin")
_NEEDS: Final = {
    Action.PULL: READ,
    Action.PUSH: WRITE,
    Action.DELETE: ADMIN,
    Action.RESTORE: ADMIN,
    Action.ADMIN: ADMIN,
}
#: As GitHub's: restoring and managing are writes, and only deleting needs a scope of its own.
_SCOPES: Final = {
    Action.PULL: "read:packages",
    Action.PUSH: "write:packages",
    Action.DELETE: "delete:packages",
    Action.RESTORE: "write:packages",
    Action.ADMIN: "write:packages",
}
_RULE_ACTIONS: Final = {
    Action.PULL: "read",
    Action.PUSH: "write",
    Action.DELETE: "delete",
    Action.RESTORE: "write",
    Action.ADMIN: "write",
}


class Allowed(msgspec.Struct, frozen=True):
    """The action is permitted. ``package_id`` is None when this push is to create the package."""

    package_id: int | None


@dataclass(frozen=True, slots=True)
class Challenged:
    """The caller must send (other) credentials: 401. ``error`` is the code of RFC 6750, None without credentials."""

    error: str | None


@dataclass(frozen=True, slots=True)
class Hidden:
    """The caller may not know whether the package exists: the response is that of a missing package."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The action is refused with 403, in GHCR's ``words``, with the missing right, the rights held and a fix."""

    words: str
    missing: str
    have: tuple[str, ...]
    fix: str


@dataclass(frozen=True, slots=True)
class NoSuchOwner(Denied):
    """The push is refused as the owner of the package is no account; any token may learn which accounts there are."""


class Rule(msgspec.Struct, frozen=True):
    """A rule of a fine-grained token: a glob over full package names, and actions (read, write or delete)."""

    packages: str
    actions: list[str]


Decision = Allowed | Challenged | Hidden | Denied


def decide(identity: Identity, action: Action, package: PackageName, standing: AccessFacts) -> Decision:
    """Decide whether ``identity`` may do ``action`` with ``package``."""
    if not standing.token_usable:
        return Challenged("invalid_token")
    role = _role(standing)
    if identity.token_id is None:
        return _for_nobody(action, role, standing, identity)
    if action is Action.PUSH and standing.owner_id is None:
        return _without_owner(package)
    refused = _by_role(action, role, package, standing) or _by_token(identity, action, package, standing)
    if refused is not None:
        return refused
    if not identity.granted(str(package), action):
        # RFC 6750 §3.1: a client that asks for a token of the right scope now will get it.
        return Challenged("insufficient_scope")
    return Allowed(standing.package_id)


def may(identity: Identity, action: Action, package: PackageName, standing: AccessFacts) -> bool:
    """Return whether ``decide`` allows the action, for callers that need no reason (tokens, mounts, lists)."""
    return isinstance(decide(identity, action, package, standing), Allowed)


def spared(identity: Identity, package: PackageName, standing: AccessFacts, *, forced: bool = False) -> str:
    """Return the tag rules that do not bind the caller: "admin", those that spare admins; "" none.

    ``forced``: "all", for an owner of the account, who could lift them. Any other is bound as without force.
    """
    if standing.package_id is None:  # the push is to create it, and who may do that is judged as in its namespace
        standing = msgspec.structs.replace(standing, package_id=0, role=standing.namespace_role)
    if not may(identity, Action.ADMIN, package, standing):
        return ""
    return "all" if forced and standing.namespace_role == ADMIN else "admin"


def role_of_person(package: PackageName, standing: AccessFacts) -> int:
    """Return the role that a person has, by ``decide``, with a token that narrows nothing (and has the SSO, if any)."""
    standing = msgspec.structs.replace(standing, sso_missing=False)
    person = Identity(0, standing.account_id)
    roles = (_NEEDS[action] for action in _NEEDS if may(person, action, package, standing))
    return max(roles, default=NONE) if standing.package_id is not None else NONE


def grantable(identity: Identity, package: PackageName, standing: AccessFacts) -> frozenset[Action]:
    """The actions that a bearer token may be issued for; a package that the caller may create counts as existing."""
    if standing.package_id is None:
        standing = msgspec.structs.replace(standing, package_id=0, role=standing.namespace_role)
    return frozenset(action for action in _NEEDS if may(identity, action, package, standing))


def may_list(identity: Identity) -> bool:
    """Return whether the bearer token, if the caller has one, was issued for the catalog."""
    return identity.grants is None or any(grant.type == "registry" for grant in identity.grants)


def _role(standing: AccessFacts) -> int:
    """The role over the package, or over the namespace when there is no such package yet."""
    if standing.package_id is None:
        return standing.namespace_role
    return max(standing.role, READ) if standing.visibility == "public" else standing.role


def _for_nobody(action: Action, role: int, standing: AccessFacts, identity: Identity) -> Decision:
    if action is Action.PULL and role >= READ and standing.package_id is not None:
        return Allowed(standing.package_id)
    return Challenged(None if identity.grants is None else "insufficient_scope")


def _without_owner(package: PackageName) -> Decision:
    return NoSuchOwner(
        words=f"permission_denied: there is no account {package.owner} here",
        missing=f"an account named {package.owner}",
        have=(),
        fix="Use a namespace of your own.",
    )


def _by_role(action: Action, role: int, package: PackageName, standing: AccessFacts) -> Decision | None:
    if action is not Action.PUSH and (standing.package_id is None or role == NONE):
        # One answer for a package and for none, to a workload of a cluster that the owner knows.
        return _without_grant(package, standing) if role == NONE and standing.ceiling == READ else Hidden()
    if role >= _NEEDS[action]:
        return None
    needed = ROLE_NAMES[_NEEDS[action]]
    if standing.token_kind == SERVICE_ACCOUNT:
        return _read_only(package, role)
    if standing.token_repository_id is not None:
        return Denied(
            words=f"permission_denied: {'write' if action is Action.PUSH else 'admin'}_package",
            missing=f"{needed} role on {package} for the repository of this token",
            have=(f"role {ROLE_NAMES[role]}",),
            fix=f"An admin of {package} can grant it: PUT …/packages/container/{package.image}/access/repositories/"
            f'OWNER/REPO {{"role": "{needed}"}}, or link the package to that repository.',
        )
    # One answer for a package and for none, so that a push does not tell which packages a namespace has.
    return Denied(
        words=f"permission_denied: {'write' if action is Action.PUSH else 'admin'}_package",
        missing=f"{needed} role on {package}",
        have=(f"role {ROLE_NAMES[role]}",),
        fix=f"Ask an admin of {package} to grant you {needed}, or use a namespace of your own.",
    )


def _without_grant(package: PackageName, standing: AccessFacts) -> Decision:
    if standing.token_kind != SERVICE_ACCOUNT:
        return Hidden()
    return Denied(
        words="permission_denied: read_package",
        missing=f"a grant that lets this service account read {package}",
        have=("a verified token of the service account",),
        fix=f"An owner of {package.owner} can give one: moorage cluster grant {package.owner} CLUSTER "
        f"--namespace NAMESPACE --account ACCOUNT --package '{package.image}'",
    )


def _read_only(package: PackageName, role: int) -> Denied:
    return Denied(
        words="permission_denied: write_package",
        missing=f"an access token that may change {package}",
        have=(f"role {ROLE_NAMES[role]} of a service account",),
        fix="Service accounts of clusters pull only: push with an access token.",
    )


def _by_token(identity: Identity, action: Action, package: PackageName, standing: AccessFacts) -> Decision | None:
    if action is Action.PULL and standing.visibility == "public" and standing.package_id is not None:
        return None
    if standing.sso_missing:
        return Denied(
            words="permission_denied: resource protected by organization SSO",
            missing=f"authorisation of this token for the organization {package.owner}",
            have=("a token that is not authorised for it",),
            fix=f"Authorise it with PUT /api/v3/user/tokens/{identity.token_id}/organizations/{package.owner}, "
            "with a classic token that has the scope user.",
        )
    if standing.token_kind == TokenKind.FINE_GRAINED:
        return _by_rules(action, package, standing)
    if standing.token_repository_id is not None:
        return _by_ceiling(action, package, standing)
    return _by_scope(action, package, standing)


def _by_rules(action: Action, package: PackageName, standing: AccessFacts) -> Decision | None:
    needed = _RULE_ACTIONS[action]
    held = [rule for rule in _rules(standing.rules or "[]") if fnmatchcase(str(package), rule.packages)]
    actions = sorted({name for rule in held for name in rule.actions})
    # Who may write may read what is there to be written upon, as with classic scopes.
    if needed in actions or (needed == "read" and "write" in actions):
        return None
    if not actions and action is not Action.PUSH and standing.visibility != "public":
        return Hidden()
    return Denied(
        words="permission_denied: The token provided does not match expected scopes.",
        missing=f"{needed} on {package}",
        have=tuple(actions),
        fix=f"Use a token with a rule for {package} that has {needed}.",
    )


@lru_cache(maxsize=1024)
def _rules(text: str) -> list[Rule]:
    return msgspec.json.decode(text, type=list[Rule])


def _by_ceiling(action: Action, package: PackageName, standing: AccessFacts) -> Decision | None:
    if (standing.ceiling or NONE) >= _NEEDS[action]:
        return None
    verb = "Create" if standing.package_id is None else "Write"
    return Denied(
        words=f"installation not allowed to {verb} {(standing.owner_kind or 'user').lower()} package",
        missing="permission packages: write of the workflow token",
        have=(f"packages: {ROLE_NAMES[standing.ceiling or NONE]}",),
        fix=f"Mint the token with packages: write to change {package}.",
    )


def _by_scope(action: Action, package: PackageName, standing: AccessFacts) -> Decision | None:
    scopes = effective(standing.scopes or ())
    needed = _SCOPES[action]
    if needed in scopes:
        return None
    if action is not Action.PUSH and _SCOPES[Action.PULL] not in scopes and standing.visibility != "public":
        return Hidden()
    return Denied(
        words="permission_denied: The token provided does not match expected scopes.",
        missing=f"scope {needed}",
        have=tuple(sorted(scopes)),
        fix=f"Use a token with the scope {needed} for {package}.",
    )
