"""Deletes expired sessions of browsers, devices that waited in vain, and old counts of attempts to sign in."""

from typing import Final

from registry.services import Services
from storage.metadata import devices, sign_in, web_sessions

_BATCH: Final = 1000


async def forget_sessions(services: Services) -> int:
    """Delete one batch of each and return their number."""
    gone = await web_sessions.forget_expired(services.db, _BATCH)
    gone += await devices.forget_expired(services.db, _BATCH)
    return gone + await sign_in.forget_attempts(services.db, _BATCH)
