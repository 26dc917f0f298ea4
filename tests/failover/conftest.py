"""The table that `make failover` prints."""

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Row:
    """What clients saw of a failover; seconds are the longest between two that went well."""

    named: str
    event: str
    pushes: int
    pushes_refused: int
    push_seconds: float
    pulls: int
    pulls_refused: int
    pull_seconds: float
    statuses: str
    crane: str


_ROWS: pytest.StashKey[list[Row]] = pytest.StashKey()


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[Row]:
    return request.config.stash.setdefault(_ROWS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if not (rows := config.stash.get(_ROWS, [])):
        return
    write = terminalreporter.write_line
    write("")
    write(
        f"{'hosts':15}{'old primary':17}{'pushes':>7}{'refused':>9}{'away':>8}{'pulls':>8}{'refused':>9}{'away':>8}"
        f"  {'with':10}crane"
    )
    for row in rows:
        write(
            f"{row.named:15}{row.event:17}{row.pushes:7}{row.pushes_refused:9}{row.push_seconds:6.1f} s{row.pulls:8}"
            f"{row.pulls_refused:9}{row.pull_seconds:6.1f} s  {row.statuses:10}{row.crane}"
        )
