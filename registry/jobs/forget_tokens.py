"""Deletes the tokens of repositories whose time is over; those of people stay, for their owners to see them so."""

from typing import Final

from registry.services import Services
from storage.metadata import tokens
from storage.metadata.database import ForeignKeyMissing

_BATCH: Final = 1000


async def forget_tokens(services: Services) -> int:
    """One batch; how many tokens are gone."""
    try:
        return await tokens.forget_expired(services.db, _BATCH)
    except ForeignKeyMissing:
        # An upload began with one of them in its last moment: the next round takes the others.
        return 0
