"""The errors of the rules of packages. The message is for the caller; ``status`` is the HTTP status."""

from typing import ClassVar


class Refusal(Exception):
    """A rule refuses the change, and nothing was changed. ``fix``: advice for the caller, if there is any."""

    status: ClassVar[int] = 422

    def __init__(self, message: str, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class NotThere(Refusal):
    """Not found: no object has the name or id, or its restore window is over."""

    status = 404

    def __init__(self) -> None:
        super().__init__("Not Found")


class NotDeletable(Refusal):
    """A rule of deletion forbids the deletion; the messages are GitHub's."""

    status = 400


class Taken(Refusal):
    """Conflict: the name is taken, or the package inherits its roles."""

    status = 409


class Forbidden(Refusal):
    """Forbidden: a policy of the organization, a missing role over the repository, or a retired name."""

    status = 403


class Invalid(Refusal):
    """Invalid: the package's state or owner does not allow the change."""
