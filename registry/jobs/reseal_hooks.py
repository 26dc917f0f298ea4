"""Seals anew what webhooks and mirrors have sealed with a former key of the settings, so that the key can go."""

from registry.services import Services


async def reseal_hooks(services: Services) -> int:
    """Look at all of them and return the number of those that were sealed anew. Raises Unavailable, ReadOnly."""
    return await services.hooks.reseal() + await services.mirroring.mirrors.reseal()
