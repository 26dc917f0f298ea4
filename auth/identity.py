"""The caller's identity as the credentials state it, before Postgres supplies the caller's rights."""

from enum import StrEnum
from typing import Final

import msgspec

from auth.scopes import Grant


class Action(StrEnum):
    """An action on a package that needs a right."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    RESTORE = "restore"
    ADMIN = "admin"


class Identity(msgspec.Struct, frozen=True):
    """A caller. ``token_id`` None: anonymous. ``grants`` None: no bearer token narrows the rights of the access token.

    ``expired_at`` (Unix seconds): when the bearer token expired; such a caller may go on with the upload sessions that
    it opened before, and may do nothing else. None: it has not.
    """

    token_id: int | None = None
    account_id: int | None = None
    grants: tuple[Grant, ...] | None = None
    expired_at: int | None = None

    @property
    def granted_names(self) -> list[str] | None:
        """The packages that the bearer token names; None without a bearer token."""
        return None if self.grants is None else [grant.name for grant in self.grants]

    def granted(self, name: str, action: Action) -> bool:
        """Return whether the bearer token grants ``action`` on the package ``name``; True without a bearer token."""
        if self.grants is None:
            return True
        for grant in self.grants:  # no generator: this runs for every request
            if grant.type == "repository" and grant.name == name and (action in grant.actions or "*" in grant.actions):
                return True
        return False


ANONYMOUS: Final = Identity()
