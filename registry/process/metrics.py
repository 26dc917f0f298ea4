"""Metrics of the processes of a node: each counts in a slab of its own, and whichever is asked adds the slabs up.

Invariants: every series has its slot before the fork, and no label has values that clients choose; one process writes a
slab, in aligned doubles, so nothing is locked; a process that is started again goes on with the slab of its former
self, so counters never fall, and its gauges begin anew.
"""

import mmap
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final, Literal, TypeAlias

from storage.timings import SECONDS

Kind = Literal["counter", "gauge", "histogram"]
#: How the values of the processes become one: their sum, their greatest, or each with the label ``process``.
Merge = Literal["sum", "max", "each"]
#: The values of a process, one for each slot of the catalog.
Slab: TypeAlias = "memoryview[float]"

_DOUBLE_BYTES: Final = 8
_BUCKETS: Final = len(SECONDS) + 1


@dataclass(slots=True)
class Family:
    """A metric with its series; ``name`` is without ``_total``, ``series`` has the first slot of each.

    ``sparse``: the number of first labels that make a group; a group is left out as long as all of it is zero, unless
    it is one of ``shown``. It is shown as a whole: what Prometheus sees first of a counter it takes for its beginning.
    ``begins``: the value of a gauge in a process that has just begun. A histogram has a slot for each of ``SECONDS``,
    one for what took longer, and one for the sum.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    merge: Merge = "sum"
    sparse: int = 0
    shown: Collection[tuple[str, ...]] = ()
    begins: float = 0.0
    series: dict[tuple[str, ...], int] = field(default_factory=dict)

    @property
    def slot(self) -> int:
        """The first slot of a family without labels."""
        return self.series[()]


class Catalog:
    """The families of metrics, and the slots of their series; complete before the first slab is made of it."""

    def __init__(self) -> None:
        self.families: list[Family] = []
        self.size = 0

    def add(self, family: Family) -> Family:
        """Add a family; one without labels has its only series at once."""
        self.families.append(family)
        if not family.labels:
            self.slots(family)
        return family

    def slots(self, family: Family, *values: Sequence[str]) -> None:
        """Make a series of each combination of ``values``, which are those of each label."""
        for series in product(*values):
            family.series[series] = self.size
            self.size += _BUCKETS + 1 if family.kind == "histogram" else 1


#: All owners that have no series of their own.
OTHER_OWNERS: Final = "_other"
_OWNERS_MOST: Final = 100
_LOGIN: Final = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,99}", re.ASCII)


def parse_owners(text: str) -> tuple[str, ...]:
    """Parse the logins of owners that have series of their own, in lower case. Raises ValueError."""
    owners = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    wrong = [owner for owner in owners if not _LOGIN.fullmatch(owner)]
    if wrong:
        raise ValueError(f"expected logins of accounts, got {wrong[0]!r}")
    if len(owners) > _OWNERS_MOST:
        raise ValueError(f"expected {_OWNERS_MOST} accounts at most, got {len(owners)}")
    return owners


class Slabs:
    """The shared memory of the processes of these names; made before the fork."""

    def __init__(self, catalog: Catalog, processes: Sequence[str]) -> None:
        self.catalog = catalog
        self.processes = tuple(processes)
        self._bytes = max(1, catalog.size) * _DOUBLE_BYTES
        self._memory = mmap.mmap(-1, self._bytes * len(self.processes))

    def of(self, process: str) -> Slab:
        """Return the slab of a process that begins; its gauges are not as its former self left them."""
        slab = self._slab(self.processes.index(process))
        for family in self.catalog.families:
            if family.kind == "gauge":
                for slot in family.series.values():
                    slab[slot] = family.begins
        return slab

    def values(self) -> Sequence[Sequence[float]]:
        """Return the values of all processes, by slot."""
        return [self._slab(number).tolist() for number in range(len(self.processes))]

    def _slab(self, number: int) -> Slab:
        start = number * self._bytes
        return memoryview(self._memory)[start : start + self._bytes].cast("d")


def render(slabs: Slabs, *, openmetrics: bool) -> bytes:
    """Render all series in the text format 0.0.4 of Prometheus, or as OpenMetrics 1.0."""
    values = slabs.values()
    summed = list(map(sum, zip(*values, strict=True)))
    lines: list[str] = []
    for family in slabs.catalog.families:
        samples = list(_samples(family, summed, values, slabs.processes))
        if not samples:
            continue
        counter = family.kind == "counter"
        named = family.name if openmetrics or not counter else f"{family.name}_total"
        lines += (f"# HELP {named} {family.text}", f"# TYPE {named} {family.kind}", *samples)
    if openmetrics:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def _samples(
    family: Family, summed: Sequence[float], values: Sequence[Sequence[float]], processes: Sequence[str]
) -> Iterator[str]:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    width = _BUCKETS + 1 if family.kind == "histogram" else 1
    groups = {*family.shown}
    groups |= {given[: family.sparse] for given, slot in family.series.items() if any(summed[slot : slot + width])}
    for given, slot in family.series.items():
        if family.sparse and given[: family.sparse] not in groups:
            continue
        labels = [f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, given, strict=True)]
        if family.kind == "histogram":
            yield from _histogram(name, labels, summed[slot : slot + width])
        elif family.merge == "each":
            for process, own in zip(processes, values, strict=True):
                yield _line(name, [*labels, f'process="{process}"'], own[slot])
        else:
            yield _line(name, labels, max(own[slot] for own in values) if family.merge == "max" else summed[slot])


def _histogram(name: str, labels: list[str], slots: Sequence[float]) -> Iterator[str]:
    *counts, total = slots
    seen = 0.0
    for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
        seen += count
        yield _line(f"{name}_bucket", [*labels, f'le="{bound}"'], seen)
    yield _line(f"{name}_sum", labels, total)
    yield _line(f"{name}_count", labels, seen)


def _line(name: str, labels: list[str], value: float) -> str:
    text = str(int(value)) if value.is_integer() else repr(value)
    return f"{name}{{{','.join(labels)}}} {text}" if labels else f"{name} {text}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
