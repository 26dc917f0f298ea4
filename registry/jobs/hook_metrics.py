"""Metrics of webhooks: the attempts of a worker, and how many deliveries wait."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final

from registry.process.gauges import Gauges
from registry.process.metrics import Catalog, Family
from registry.services import Services
from storage.errors import StorageError
from storage.metadata import deliveries

_SECONDS: Final = 30.0
#: How an attempt ends: it is taken, tried again later, or given up.
_RESULTS: Final = ("delivered", "again", "failed")


class HookMetrics:
    """The families of webhooks."""

    def __init__(self, catalog: Catalog) -> None:
        self._attempts = catalog.add(
            Family("moorage_hook_attempts", "counter", "Attempts to deliver to a webhook.", ("result",))
        )
        catalog.slots(self._attempts, _RESULTS)
        text = "Deliveries of webhooks that wait, counted as far as 10,000."
        self._waiting = catalog.add(Family("moorage_hook_deliveries_waiting", "gauge", text, merge="max")).slot
        self._count = 0

    async def watch(self, gauges: Gauges, services: Services) -> None:
        """Have the measures of a worker read, and count again and again, until cancelled."""
        for (result,), slot in self._attempts.series.items():
            gauges.counter(slot, partial(services.sender.results.__getitem__, result))
        gauges.gauge(self._waiting, lambda: float(self._count))
        while True:
            with suppress(StorageError):
                self._count = await deliveries.waiting(services.db)
            await asyncio.sleep(_SECONDS)
