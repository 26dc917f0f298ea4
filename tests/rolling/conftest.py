"""What `make rolling` is told."""

from pathlib import Path

import pytest

from tests.scenarios.conftest import engine as engine  # noqa: PLC0414 - the fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--layer-mib", type=int, default=25)
    parser.addoption("--link-mib", type=float, default=12.0, help="so much a second goes over the clients' line")
    parser.addoption("--stop-seconds", default="600", help="MOORAGE_STOP_SECONDS")
    parser.addoption("--jib", type=Path, help="the folder with the jars of jib-core")
