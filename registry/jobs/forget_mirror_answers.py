"""Forgets what the upstreams of mirrors told a long time ago."""

from typing import Final

from registry.services import Services
from storage.metadata import mirror_contents

_KEPT_DAYS: Final = 30
_MOST: Final = 1000


async def forget_mirror_answers(services: Services) -> int:
    """Delete answers of more than thirty days ago and return their number. Raises Unavailable."""
    return await mirror_contents.forget(services.db, _KEPT_DAYS, _MOST)
