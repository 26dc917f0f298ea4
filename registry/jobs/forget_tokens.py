"""Deletes the expired tokens of repositories; the expired tokens of people stay visible to their owners."""

from typing import Final

from registry.services import Services
from storage.metadata import tokens
from storage.metadata.database import ForeignKeyMissing

_BATCH: Final = 1000


async def forget_tokens(services: Services) -> int:
    """Delete one batch and return the number of tokens."""
    try:
        return await tokens.forget_expired(services.db, _BATCH)
    except ForeignKeyMissing:
        # An upload began with one of them in its last moment: the next round takes the others.
        return 0
