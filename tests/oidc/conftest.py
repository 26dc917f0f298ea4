from collections.abc import Iterator

import pytest

from tests.support import provider as support


@pytest.fixture(scope="session")
def provider() -> Iterator[support.Running]:
    with support.provider() as running:
        yield running
