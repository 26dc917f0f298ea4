"""Measures that are read and not counted: each second what objects of the process know goes into its slab.

What is read costs nothing where it happens. A counter that is read continues from the value that a former process left.
"""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from registry.process.metrics import Catalog, Family, Slab

#: One value for each slot of the series, the first of which is named.
Read = Callable[[], float]

_SECONDS: Final = 1.0
_LAG_SAMPLES: Final = 15


class Gauges:
    """The measures of a process; ``slab`` is where they go."""

    def __init__(self, slab: Slab) -> None:
        self._slab = slab
        self._reads: list[tuple[int, float, Read]] = []
        self._reads_of_many: list[tuple[int, Sequence[float], Callable[[], Sequence[float]]]] = []

    def gauge(self, slot: int, read: Read) -> None:
        """Have a value read."""
        self._reads.append((slot, 0.0, read))

    def counter(self, slot: int, read: Read) -> None:
        """Have the value of a counter read, which began at zero in this process."""
        self._reads.append((slot, self._slab[slot], read))

    def histogram(self, slot: int, size: int, read: Callable[[], Sequence[float]]) -> None:
        """Have the ``size`` values of a histogram read, which began at zero in this process."""
        self._reads_of_many.append((slot, self._slab[slot : slot + size].tolist(), read))

    def sample(self) -> None:
        """Read all of them now."""
        slab = self._slab
        for slot, before, read in self._reads:
            slab[slot] = before + read()
        for slot, earlier, read_many in self._reads_of_many:
            for number, value in enumerate(read_many()):
                slab[slot + number] = earlier[number] + value

    async def run(self) -> None:
        """Read all of them each second, until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(_SECONDS)


class ProcessMetrics:
    """The families of what every process knows of itself."""

    def __init__(self, catalog: Catalog) -> None:
        self._lag = catalog.add(
            Family("moorage_loop_lag_seconds", "gauge", "How late the event loop was, at most, in 15 s.", merge="max")
        )
        self._cpu = catalog.add(
            Family("moorage_process_cpu_seconds", "counter", "CPU time of a process.", merge="each")
        )
        self._resident = catalog.add(
            Family("moorage_process_resident_bytes", "gauge", "Resident memory of a process.", merge="each")
        )
        self._open = catalog.add(Family("moorage_process_open_fds", "gauge", "Open files of a process.", merge="each"))

    def read_into(self, gauges: Gauges, lag: "LoopLag") -> None:
        """Have the measures of this process read."""
        gauges.gauge(self._lag.slot, lambda: lag.worst)
        gauges.counter(self._cpu.slot, time.process_time)
        gauges.gauge(self._resident.slot, resident_bytes)
        gauges.gauge(self._open.slot, open_files)


class LoopLag:
    """How late a timer of the event loop was, at most, in the last seconds."""

    def __init__(self) -> None:
        self._late = [0.0] * _LAG_SAMPLES

    @property
    def worst(self) -> float:
        """The greatest delay, in seconds."""
        return max(self._late)

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(_SECONDS)
            self._late = [*self._late[1:], max(0.0, time.monotonic() - began - _SECONDS)]


def resident_bytes() -> float:
    """Return the resident memory of this process; where the system does not tell, its greatest until now."""
    try:
        return float(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    except OSError:
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def open_files() -> float:
    """Return the number of open files of this process; 0 where the system does not tell."""
    try:
        return float(sum(1 for _ in Path("/proc/self/fd").iterdir()))
    except OSError:
        return 0.0
