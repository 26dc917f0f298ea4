"""Who is asking: what the credentials say, before Postgres says what they are worth."""

from enum import StrEnum
from typing import Final

import msgspec

from auth.scopes import Grant


class Action(StrEnum):
    """What may be done with a package."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    RESTORE = "restore"
    ADMIN = "admin"


class Identity(msgspec.Struct, frozen=True):
    """A caller. ``token_id`` None: nobody. ``grants`` None: not narrowed by a bearer token (the token itself came).

    ``expired_at`` (Unix seconds): when the bearer token expired; such a caller may go on with the upload sessions that
    it opened before, and may do nothing else. None: it has not.
    """

    token_id: int | None = None
    account_id: int | None = None
    grants: tuple[Grant, ...] | None = None
    expired_at: int | None = None

    def granted(self, name: str, action: Action) -> bool:
        """Whether the bearer token, if it is one, was issued for this."""
        if self.grants is None:
            return True
        for grant in self.grants:  # no generator: this runs for every request
            if grant.type == "repository" and grant.name == name and (action in grant.actions or "*" in grant.actions):
                return True
        return False


ANONYMOUS: Final = Identity()
