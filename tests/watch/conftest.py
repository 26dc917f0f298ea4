"""What `make watch` is told."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quiet-seconds", type=float, default=20.0, help="how long a load must wake nobody")
