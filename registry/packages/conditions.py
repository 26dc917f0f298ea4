"""The condition of a change, as its caller has put it."""

from collections.abc import Awaitable, Callable

from storage.metadata.database import Transaction

#: Looks at a condition when the package is locked; raises what the change is refused with.
Check = Callable[[Transaction], Awaitable[None]]
