"""Durations of statements, by the module that declares them."""

import pkgutil
from collections.abc import Awaitable
from typing import Final, TypeVar

import storage.metadata
from storage.metadata.statement_names import statement_name
from storage.timings import Timings

T = TypeVar("T")

#: What no module declares.
OTHER: Final = "other"


class StatementTimings:
    """The durations of the statements of a process, from the request to the answer, or to the error."""

    def __init__(self) -> None:
        self.timings = Timings()

    def timed(self, query: str, asked: Awaitable[T]) -> Awaitable[T]:
        """Count a statement, and return its result."""
        return self.timings.timed(statement_name(query).rpartition(".")[0] or OTHER, asked)


def modules() -> tuple[str, ...]:
    """Return the names that a statement can be counted under: every module of this folder, imported or not."""
    folder = storage.metadata
    names = {found.name.rpartition(".")[2] for found in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}.")}
    return (*sorted(names), OTHER)
