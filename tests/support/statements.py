"""The statements that this process runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from storage.metadata.database import Database


@contextmanager
def counted() -> Iterator[list[str]]:
    """Gathers the statements that are run meanwhile."""
    found: list[str] = []
    kept = {name: getattr(Database, name) for name in ("fetch", "fetchrow", "execute")}

    def counting(name: str) -> Any:
        async def run(self: Database, query: str, *args: object) -> Any:
            found.append(" ".join(query.split())[:80])
            return await kept[name](self, query, *args)

        return run

    for name in kept:
        setattr(Database, name, counting(name))
    try:
        yield found
    finally:
        for name, method in kept.items():
            setattr(Database, name, method)
