"""Exit statuses of commands, and errors with their reason and a remedy."""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
NOT_SIGNED_IN: Final = 4
DENIED: Final = 5
REFUSED: Final = 6
UNREACHABLE: Final = 7
PARTIAL: Final = 8
INTERRUPTED: Final = 130


class CommandError(Exception):
    """A failure that the user is told of: ``what`` failed, ``why``, one command to ``attempt``, the id of a request.

    ``wait``: in so many seconds the registry wants to be asked again. ``instead``: the name to push to. ``origin``:
    the registry that refused.
    """

    def __init__(
        self, what: str, *, status: int = FAILED, why: str = "", attempt: str = "", request: str = "", wait: float = 0,
        instead: str = "", origin: str = "",
    ) -> None:  # fmt: skip
        super().__init__(what)
        self.status = status
        self.what = what
        self.why = why
        self.attempt = attempt
        self.request = request
        self.wait = wait
        self.instead = instead
        self.origin = origin

    def facts(self) -> dict[str, str]:
        """Return what is known of the failure, in the order in which it is shown."""
        told = {"error": self.what, "why": self.why, "try": self.attempt, "request": self.request}
        return {name: text for name, text in told.items() if text}
