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


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Iterator[list[Row]]:
    rows: list[Row] = []
    yield rows
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\n\n{'way':30} {'ended by':18} {'sent':>12} {'twice':>11} {'took':>8}", *rows, sep="\n")
