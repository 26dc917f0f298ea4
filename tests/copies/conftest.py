"""What `make copies` tells at its end: for each way and each end, how much was sent, and how much of it twice."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.cli.conftest import shell

__all__ = ["shell"]


@dataclass(frozen=True)
class Row:
    """A copy from one registry to another, how it was ended, and what the line there had to carry in all."""

    way: str
    ended: str
    sent: int
    twice: int
    seconds: float

    def __str__(self) -> str:
        mib = 1 << 20
        return f"{self.way:30} {self.ended:18} {self.sent / mib:8.1f} MiB {self.twice / mib:7.2f} MiB {self.seconds:6.1f} s"


@dataclass(frozen=True)
class Speed:
    """How long the same images took by several programs."""

    source: str
    seconds: dict[str, float]

    def __str__(self) -> str:
        best = self.seconds["moorage"]
        told = (f"{name} {took:.1f} s ({took / best:.2f})" for name, took in self.seconds.items())
        return f"a hundred images of {self.source}: {', '.join(told)}"


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Iterator[list[Row | Speed]]:
    rows: list[Row | Speed] = []
    yield rows
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\n\n{'way':30} {'ended by':18} {'sent':>12} {'twice':>11} {'took':>8}", *rows, sep="\n")
