"""Operations on PostgreSQL and S3, recorded for the request that waits for their results.

Invariants: nothing is recorded where no recording is set; a recording holds the last ``_MOST`` operations, and counts
the others. Collaborators: ``StatementWatch`` records statements, ``Attempts`` the requests to S3.
"""

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Literal, TypeVar

import msgspec

T = TypeVar("T")

#: What a span is made of: a statement, a request to the store, the wait for a connection or for a shared look-up.
Kind = Literal["statement", "connection", "look-up", "store"]

_MOST: Final = 128


class Operation(msgspec.Struct, frozen=True, gc=False):
    """A finished operation; ``name`` is S3's operation, or the SQL of a statement of ours, which has no values in it.

    ``error`` names the class of what the operation failed with.
    """

    kind: Kind
    name: str
    started: float  # time.monotonic(), as ``ended``
    ended: float
    error: str = ""


class Recording:
    """The operations of a request, or of batches that serve many; ``dropped`` counts those that were too many.

    ``trace_id`` is of the trace that a request is in, for what is logged meanwhile; None: it is of many.
    """

    __slots__ = ("_operations", "dropped")

    def __init__(self) -> None:
        self.dropped = 0
        self._operations: list[Operation] = []

    @property
    def trace_id(self) -> str | None:
        return None

    def add(self, operation: Operation) -> None:
        """Record an operation; the oldest of too many goes."""
        operations = self._operations
        operations.append(operation)
        if len(operations) > _MOST:
            del operations[0]
            self.dropped += 1

    def within(self, started: float, ended: float) -> list[Operation]:
        """Return the operations during which a request of this time waited."""
        return [one for one in self._operations if one.ended > started and one.started < ended]


#: Where the operations of the current task are recorded.
RECORDING: Final[ContextVar[Recording | None]] = ContextVar("recording", default=None)


def record(kind: Kind, name: str, started: float, error: str = "") -> None:
    """Record an operation that has ended now."""
    recording = RECORDING.get()
    if recording is not None:
        recording.add(Operation(kind, name, started, time.monotonic(), error))


async def recorded(kind: Kind, name: str, operation: Awaitable[T]) -> T:
    """Wait for ``operation``, and record it."""
    started = time.monotonic()
    try:
        result = await operation
    except BaseException as failure:
        record(kind, name, started, type(failure).__name__)
        raise
    record(kind, name, started)
    return result


class RecordedTasks(asyncio.TaskGroup):
    """A task group for batches: what a task waits for is recorded as the batches', not as the first asker's."""

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        apart = copy_context() if context is None else context.copy()
        apart.run(RECORDING.set, Recording())
        return super().create_task(coro, name=name, context=apart)
