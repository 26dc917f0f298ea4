"""The whole policy: who may do what with a package. Pure; the facts come in a Standing.

Effective right = what the bearer token was issued for ∩ scope of the access token ∩ role over the package.
"""

from dataclasses import dataclass, replace
from typing import Final

from auth.identity import Action, Identity
from auth.tokens import effective
from storage.metadata.standing import Standing
from storage.names import PackageName

NONE: Final = 0
READ: Final = 1
WRITE: Final = 2
ADMIN: Final = 3

_ROLE_NAMES: Final = ("none", "read", "write", "admin")
_NEEDS: Final = {Action.PULL: READ, Action.PUSH: WRITE, Action.DELETE: ADMIN, Action.ADMIN: ADMIN}
_SCOPES: Final = {
    Action.PULL: "read:packages",
    Action.PUSH: "write:packages",
    Action.DELETE: "delete:packages",
    Action.ADMIN: "write:packages",
}

@dataclass(frozen=True, slots=True)
class Allowed:
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
    """The caller may see it, but not do this: 403, with what is missing, what there is, and what to do."""

    missing: str
    have: str
    fix: str


Decision = Allowed | Challenged | Hidden | Denied


def decide(identity: Identity, action: Action, package: PackageName, standing: Standing) -> Decision:
    """Whether ``identity`` may do ``action`` with ``package``."""
    if not standing.token_usable:
        return Challenged("invalid_token")
    role = _role(standing)
    if identity.token_id is None:
        return _for_nobody(action, role, standing, identity)
    if not identity.granted(str(package), action) and role >= _NEEDS[action]:
        # RFC 6750 §3.1: a client that asks for a token of the right scope now will get it.
        return Challenged("insufficient_scope")
    refused = _by_role(action, role, package, standing) or _by_scope(action, package, standing)
    return refused or Allowed(standing.package_id)


def may(identity: Identity, action: Action, package: PackageName, standing: Standing) -> bool:
    """``decide`` for those who only ask (tokens, mounts, lists)."""
    return isinstance(decide(identity, action, package, standing), Allowed)


def grantable(identity: Identity, package: PackageName, standing: Standing) -> frozenset[Action]:
    """All that a bearer token may be issued for now; for a package that the caller may make, as if it were there."""
    if standing.package_id is None:
        standing = replace(standing, package_id=0, role=standing.namespace_role)
    return frozenset(action for action in _NEEDS if may(identity, action, package, standing))


def _role(standing: Standing) -> int:
    """The role over the package, or over the namespace when there is no such package yet."""
    if standing.package_id is None:
        return standing.namespace_role
    return max(standing.role, READ) if standing.visibility == "public" else standing.role


def _for_nobody(action: Action, role: int, standing: Standing, identity: Identity) -> Decision:
    if action is Action.PULL and role >= READ and standing.package_id is not None:
        return Allowed(standing.package_id)
    return Challenged(None if identity.grants is None else "insufficient_scope")


def _by_role(action: Action, role: int, package: PackageName, standing: Standing) -> Decision | None:
    if standing.package_id is None and (role == NONE or action is not Action.PUSH):
        return Hidden() if action is not Action.PUSH else _no_namespace(package)
    if role >= _NEEDS[action]:
        return None
    if role == NONE and action is Action.PULL:
        return Hidden()
    if role == NONE and action is Action.PUSH:
        return _no_namespace(package)
    if role == NONE:
        return Hidden()
    needed = _ROLE_NAMES[_NEEDS[action]]
    return Denied(
        missing=f"{needed} role on {package}",
        have=f"{_ROLE_NAMES[role]} role",
        fix=f"ask an admin of {package} to grant you {needed}",
    )


def _no_namespace(package: PackageName) -> Denied:
    # One answer for a namespace, a package and nothing at all, so that a push does not tell what is there.
    return Denied(
        missing=f"write role on {package}",
        have="none",
        fix=f"push to a namespace of your own, or ask an admin of {package} to grant you write",
    )


def _by_scope(action: Action, package: PackageName, standing: Standing) -> Decision | None:
    if action is Action.PULL and standing.visibility == "public":
        return None
    scopes = effective(standing.scopes or ())
    needed = _SCOPES[action]
    if needed in scopes:
        return None
    if "read:packages" not in scopes and standing.visibility != "public" and standing.package_id is not None:
        return Hidden() if action is Action.PULL else _scope_denied(needed, scopes, package)
    return _scope_denied(needed, scopes, package)


def _scope_denied(needed: str, scopes: frozenset[str], package: PackageName) -> Denied:
    return Denied(
        missing=f"scope {needed}",
        have=f"scopes {', '.join(sorted(scopes)) or 'none'}",
        fix=f"use a token with the scope {needed} for {package}",
    )
