"""A commit that stands still, as one does that waits for a standby which is not there: its rows stay locked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from storage.errors import Unavailable
from tests.support.server import Registry

_HOLD, _FIRST = 7001, 7002  # advisory locks: of who stalls the commit, of the commit that stalls


@dataclass(frozen=True)
class Commit:
    """The commits of transactions that do ``event`` to a row of ``table`` for which ``when`` is true."""

    table: str
    event: str
    when: str = "true"


@dataclass
class Stall:
    """The first such commit stands still until ``let_go``; those that come meanwhile do not."""

    registry: Registry
    over: asyncio.Event

    async def reached(self) -> None:
        """Wait until a commit stands still."""
        async with asyncio.timeout(10):
            while not await self._standing():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    async def _standing(self) -> bool:
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted"
        return bool(await self.registry.services.db.fetch(waiting, _HOLD))

    def let_go(self) -> None:
        """Have the commit go on."""
        self.over.set()


@asynccontextmanager
async def stalled(registry: Registry, commit: Commit) -> AsyncIterator[Stall]:
    """Have the first commit of this kind within the block stand still."""
    db = registry.services.db
    await db.execute(
        f"""
        CREATE OR REPLACE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
        BEGIN
            IF pg_try_advisory_xact_lock({_FIRST}) THEN
                PERFORM pg_advisory_xact_lock_shared({_HOLD});
            END IF;
            RETURN NULL;
        END $$
        """
    )
    await db.execute(
        f"CREATE CONSTRAINT TRIGGER stall AFTER {commit.event} ON {commit.table} DEFERRABLE INITIALLY DEFERRED"
        f" FOR EACH ROW WHEN ({commit.when}) EXECUTE FUNCTION stall()"
    )
    held, over = asyncio.Event(), asyncio.Event()
    stall = Stall(registry, over)

    async def hold() -> None:
        async with db.transaction() as holder:
            await holder.fetch("SELECT pg_advisory_xact_lock($1)", _HOLD)
            held.set()
            await over.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hold())
        await held.wait()
        try:
            yield stall
        finally:
            over.set()
    async with asyncio.timeout(20):
        while True:  # until nobody holds the table, which a busy machine takes longer for than a statement waits
            with suppress(Unavailable):
                await db.execute(f"DROP TRIGGER stall ON {commit.table}")
                return
