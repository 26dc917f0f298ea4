"""The whole policy: who may do what with a package. Pure; the facts come in a AccessFacts.

Effective right = what the bearer token was issued for ∩ what the access token may ∩ the role over the package.
Who may not even read is told what somebody is told who asks for a package that is not there.
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
    """Go on. ``package_id`` is None when the package is to be made by this push."""

    package_id: int | None


@dataclass(frozen=True, slots=True)
class Challenged:
    """Ask again with (other) credentials: 401. ``error`` is the code of RFC 6750, None when nothing was sent."""

    error: str | None


@dataclass(frozen=True, slots=True)
class Hidden:
    """The caller may not even know whether it is there: the answer of a missing package."""


@dataclass(frozen=True, slots=True)
class Denied:
    """403: in GHCR's ``words``, with what is missing, what there is, and what to do."""

    words: str
    missing: str
    have: tuple[str, ...]
    fix: str


class Rule(msgspec.Struct, frozen=True):
    """Of a fine-grained token: a glob over full package names, and read, write or delete."""

    packages: str
    actions: list[str]


Decision = Allowed | Challenged | Hidden | Denied


def decide(identity: Identity, action: Action, package: PackageName, standing: AccessFacts) -> Decision:
    """Whether ``identity`` may do ``action`` with ``package``."""
    if not standing.token_usable:
        return Challenged("invalid_token")
    role = _role(standing)
    if identity.token_id is None:
        return _for_nobody(action, role, standing, identity)
    refused = _by_role(action, role, package, standing) or _by_token(identity, action, package, standing)
    if refused is not None:
        return refused
    if not identity.granted(str(package), action):
        # RFC 6750 §3.1: a client that asks for a token of the right scope now will get it.
        return Challenged("insufficient_scope")
    return Allowed(standing.package_id)


def may(identity: Identity, action: Action, package: PackageName, standing: AccessFacts) -> bool:
    """``decide`` for those who only ask (tokens, mounts, lists)."""
    return isinstance(decide(identity, action, package, standing), Allowed)


def grantable(identity: Identity, package: PackageName, standing: AccessFacts) -> frozenset[Action]:
    """All that a bearer token may be issued for now; for a package that the caller may make, as if it were there."""
    if standing.package_id is None:
        standing = msgspec.structs.replace(standing, package_id=0, role=standing.namespace_role)
    return frozenset(action for action in _NEEDS if may(identity, action, package, standing))


def _role(standing: AccessFacts) -> int:
    """The role over the package, or over the namespace when there is no such package yet."""
    if standing.package_id is None:
        return standing.namespace_role
    return max(standing.role, READ) if standing.visibility == "public" else standing.role


def _for_nobody(action: Action, role: int, standing: AccessFacts, identity: Identity) -> Decision:
    if action is Action.PULL and role >= READ and standing.package_id is not None:
        return Allowed(standing.package_id)
    return Challenged(None if identity.grants is None else "insufficient_scope")


def _by_role(action: Action, role: int, package: PackageName, standing: AccessFacts) -> Decision | None:
    if action is not Action.PUSH and (standing.package_id is None or role == NONE):
        return Hidden()
    if role >= _NEEDS[action]:
        return None
    needed = ROLE_NAMES[_NEEDS[action]]
    if standing.token_repository_id is not None:
        return Denied(
            words=f"permission_denied: {'write' if action is Action.PUSH else 'admin'}_package",
            missing=f"{needed} role on {package} for the repository of this token",
            have=(f"role {ROLE_NAMES[role]}",),
            fix=f"An admin of {package} can grant it: PUT …/packages/container/{package.image}/access/repositories/"
            f'OWNER/REPO {{"role": "{needed}"}}, or link the package to that repository.',
        )
    # One answer for a namespace, a package and nothing at all, so that a push does not tell what is there.
    return Denied(
        words=f"permission_denied: {'write' if action is Action.PUSH else 'admin'}_package",
        missing=f"{needed} role on {package}",
        have=(f"role {ROLE_NAMES[role]}",),
        fix=f"Ask an admin of {package} to grant you {needed}, or use a namespace of your own.",
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
