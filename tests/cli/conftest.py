import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import Shell
from tests.support import provider as support
from tests.support.server import Registry

# What a shell has started in the background ignores SIGINT, and so would the commands that are interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def shell(registry: Registry, tmp_path: Path) -> Shell:
    return Shell(registry, tmp_path)


@pytest.fixture(scope="session")
def provider() -> Iterator[support.Running]:
    with support.provider() as running:
        yield running
