"""Credentials and CA bundle from boto's usual chain (profile, web identity, container, instance).

Importing boto and searching the chain takes 10 MiB of memory: neither is done where credentials are configured.
"""

from typing import Self

from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from storage.errors import StoreUnavailable
from storage.objects.s3.signing import Credentials


class Chain:
    """The current credentials, renewed when they expire. Create with ``search``."""

    def __init__(self, session: AioSession, found: AioCredentials) -> None:
        self._session = session
        self._found = found
        self._latest: Credentials | None = None

    @classmethod
    async def search(cls) -> Self:
        """Search the chain for credentials. Raises Unavailable when there are none."""
        session = AioSession()
        try:
            found = await session.get_credentials()
        except BotoCoreError as error:
            raise StoreUnavailable(f"the credentials for S3 cannot be had: {type(error).__name__}") from error
        if found is None:
            raise StoreUnavailable(
                "no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give a role"
            )
        return cls(session, found)

    async def current(self) -> Credentials:
        """The current credentials, renewed if need be. Raises Unavailable."""
        try:
            frozen = await self._found.get_frozen_credentials()
        except BotoCoreError as error:
            raise StoreUnavailable(f"the credentials for S3 cannot be renewed: {type(error).__name__}") from error
        if not frozen.access_key or not frozen.secret_key:
            raise StoreUnavailable("the credentials for S3 are empty")
        self._latest = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
        return self._latest

    def at_hand(self) -> Credentials | None:
        """The last credentials, unless they have to be renewed."""
        refresh_needed = getattr(self._found, "refresh_needed", None)  # of those that expire
        return None if refresh_needed is not None and refresh_needed() else self._latest

    @property
    def ca_bundle(self) -> str | None:
        """The path of the CA bundle; None: the system's certificate authorities."""
        path: str | None = self._session.get_config_variable("ca_bundle")
        return path
