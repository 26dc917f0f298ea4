"""Errors of authentication and authorization, without HTTP: the renderers above turn the errors into responses.

No message ever holds a credential, or any part of one.
"""

from collections.abc import Collection


class AuthError(Exception):
    """The base class of the errors of auth."""


class Unauthenticated(AuthError):
    """The caller has no valid credentials: 401 with a challenge.

    ``error`` is the code of RFC 6750 §3.1 for the challenge, or None where nothing was sent at all (the same section
    asks that a request without credentials gets no code). ``username``: who it was said to be, if anybody.
    """

    def __init__(self, reason: str, error: str | None = "invalid_token", *, username: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.username = username


class Nobody(Unauthenticated):
    """The Authorization header has nothing that can be a credential here: the sender is nobody on ``/v2``."""


class WorkloadRefused(Unauthenticated):
    """An identity token that names a configured issuer is refused, which too many refusals before do not hide.

    The pods of a node, or the jobs behind one NAT, have one address for all: each is told why it is refused itself.
    """


class NoSuchKey(Unauthenticated):
    """The header of an identity token names a key that is not there."""

    def __init__(self) -> None:
        super().__init__("the identity token is signed with a key that its issuer does not have")


class MalformedScope(AuthError, ValueError):
    """A scope, or an ``access`` claim, is outside the grammar, or the grants are too many for one bearer token."""


class UnknownTokenScope(AuthError, ValueError):
    """Scopes for a new personal access token that do not exist; the message lists the known scopes."""

    def __init__(self, unknown: Collection[str], known: Collection[str]) -> None:
        shown = ", ".join(repr(name[:40]) for name in sorted(unknown)[:5])
        super().__init__(f"no such scope: {shown}; the scopes are {', '.join(sorted(known))}")
        self.unknown = frozenset(unknown)
