from pathlib import Path

import pytest

from tests.cli.commands import Shell
from tests.support.server import Registry


@pytest.fixture
def shell(registry: Registry, tmp_path: Path) -> Shell:
    return Shell(registry, tmp_path)
