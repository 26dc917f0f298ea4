"""Deletes the expired tokens of repositories, and service accounts without a token; those of people stay visible."""

from typing import Final

from registry.services import Services
from storage.metadata import clusters, tokens
from storage.metadata.database import ForeignKeyMissing

_BATCH: Final = 1000


async def forget_tokens(services: Services) -> int:
    """Delete one batch and return the number of tokens."""
    try:
        return await tokens.forget_expired(services.db, _BATCH) + await clusters.forget_unused(services.db, _BATCH)
    except ForeignKeyMissing:
        # An upload began with one of them in its last moment: the next round takes the others.
        return 0
