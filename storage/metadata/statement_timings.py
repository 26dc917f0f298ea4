"""Durations of statements by the module that declares them, as asyncpg tells of them to whoever measures a process."""

import pkgutil
from typing import Final, Protocol

import storage.metadata
from storage.metadata.query import MODULES
from storage.timings import Timings

#: BEGIN, COMMIT and ROLLBACK, which wait for the disk; and what asyncpg and the start of a session ask.
TRANSACTION: Final = "transaction"
OTHER: Final = "other"
_OF_TRANSACTIONS: Final = ("BEGIN", "COMMIT", "ROLLBACK")


class Logged(Protocol):
    """A statement that was answered, or failed; ``elapsed`` in seconds."""

    @property
    def query(self) -> str: ...
    @property
    def elapsed(self) -> float: ...


class StatementTimings:
    """The durations of the statements of a process."""

    def __init__(self) -> None:
        self.timings = Timings()

    def note(self, logged: Logged) -> None:
        """Count a statement."""
        module = MODULES.get(logged.query)
        if module is None:
            module = TRANSACTION if logged.query.startswith(_OF_TRANSACTIONS) else OTHER
        self.timings.note(module, "", logged.elapsed)


def modules() -> tuple[str, ...]:
    """Return the names that a statement can be counted under: every module of this folder, imported or not."""
    folder = storage.metadata
    names = {found.name.rpartition(".")[2] for found in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}.")}
    return (*sorted(names), TRANSACTION, OTHER)
