"""What `make rolling` is told, and the table that it prints."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.scenarios.conftest import engine as engine  # noqa: PLC0414 - the fixture


@dataclass(frozen=True)
class Row:
    """What became of a client's pushes behind a proxy while three replicas were restarted."""

    client: str
    proxy: str
    image_mib: float
    pushes: int
    failed: int
    seconds_alone: float
    seconds: float  # the slowest push
    twice_mib: float  # with all that was sent for pushes that failed


_ROWS: pytest.StashKey[list[Row]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--layer-mib", type=int, default=25)
    parser.addoption("--link-mib", type=float, default=12.0, help="so much a second goes over the clients' line")
    parser.addoption("--stop-seconds", default="600", help="MOORAGE_STOP_SECONDS")
    parser.addoption("--jib", type=Path, help="the folder with the jars of jib-core")


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[Row]:
    return request.config.stash.setdefault(_ROWS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    if not (rows := config.stash.get(_ROWS, [])):
        return
    write = terminalreporter.write_line
    write("")
    write(f"{'client':8}{'proxy':9}{'image':>8}{'pushed':>8}{'failed':>8}{'alone':>9}{'slowest':>9}{'sent twice':>13}")
    for row in rows:
        write(
            f"{row.client:8}{row.proxy:9}{row.image_mib:4.0f} MiB{row.pushes:8}{row.failed:8}{row.seconds_alone:7.1f} s"
            f"{row.seconds:7.1f} s{row.twice_mib:9.1f} MiB"
        )
