"""A worker beside a server of a test, for what somebody waits for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from registry.jobs.keep_retention import keep_retention
from registry.services import Services


@asynccontextmanager
async def working(services: Services) -> AsyncIterator[None]:
    """Goes on with plans of retention within the block, as `moorage worker` does."""

    async def work() -> None:
        while True:
            if not await keep_retention(services):
                await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(work())
        try:
            yield
        finally:
            worker.cancel()
