"""What the rules of packages refuse. The message is for the caller; ``status`` is what HTTP calls such a thing."""

from typing import ClassVar


class Refusal(Exception):
    """Nothing was changed. ``fix``: what would help, if anything does."""

    status: ClassVar[int] = 422

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class NotThere(Refusal):
    """Nothing of that name or id is there, or was deleted too long ago to be restored."""

    status = 404

    def __init__(self) -> None:
        super().__init__("Not Found")


class NotDeletable(Refusal):
    """A rule of deleting stands against it; in GitHub's words."""

    status = 400


class Taken(Refusal):
    """Another thing is in the place."""

    status = 409


class Forbidden(Refusal):
    """The caller's role is enough for less: a policy, or a role over something else, is missing."""

    status = 403


class Invalid(Refusal):
    """It makes no sense for this package."""
