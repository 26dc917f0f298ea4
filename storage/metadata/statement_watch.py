"""The watch over the statements of a process: their durations, by the module that declares them, and their spans.

Invariant: the SQL of a statement is a constant of ours, so that what is kept for each has a bound.
"""

import pkgutil
import time
from bisect import bisect_left
from collections.abc import Awaitable
from typing import Final, TypeVar

import storage.metadata
from storage.metadata.statement_names import statement_name
from storage.operations import RECORDING, Operation
from storage.timings import SECONDS, Timings

T = TypeVar("T")

#: What no module declares.
OTHER: Final = "other"


class StatementWatch:
    """Counts the statements of a process, and records each in the recording of the current task, if there is one."""

    def __init__(self) -> None:
        self.timings = Timings()
        self._durations: dict[str, list[float]] = {}  # those of the module, by SQL

    async def noted(self, query: str, asked: Awaitable[T]) -> T:
        """Wait for a statement, and note it however it ends."""
        began = time.monotonic()
        try:
            result = await asked
        except BaseException as error:
            self.note(query, began, error)
            raise
        self.note(query, began)
        return result

    def note(self, query: str, began: float, failure: BaseException | None = None) -> None:
        """Note a statement that has ended now; ``began`` is of time.monotonic()."""
        ended = time.monotonic()
        durations = self._durations.get(query)
        if durations is None:
            module = statement_name(query).rpartition(".")[0] or OTHER
            durations = self._durations[query] = self.timings.durations[module]
        seconds = ended - began
        durations[bisect_left(SECONDS, seconds)] += 1.0
        durations[-1] += seconds
        recording = RECORDING.get()
        if recording is not None:
            error = "" if failure is None else type(failure).__name__
            recording.add(Operation("statement", query, began, ended, error))


def modules() -> tuple[str, ...]:
    """Return the names that a statement can be counted under: every module of this folder, imported or not."""
    folder = storage.metadata
    names = {found.name.rpartition(".")[2] for found in pkgutil.walk_packages(folder.__path__, f"{folder.__name__}.")}
    return (*sorted(names), OTHER)
