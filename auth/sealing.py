"""Sealing of the secrets that the registry must be able to read again, so that a copy of the database holds none."""

import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class SealBroken(Exception):
    """The sealed bytes were changed, are of something else, or of a key that the settings have no more."""


class Sealing:
    """AES-256-GCM with keys derived from the secrets of the settings: the first seals, each of them opens.

    ``what`` names what is sealed, and its row: it opens as that alone.
    """

    def __init__(self, secret_keys: Sequence[bytes]) -> None:
        self._keys: Final = [AESGCM(hmac.digest(key, b"moorage sealing", "sha256")) for key in secret_keys]

    def seal(self, what: str, plain: bytes) -> bytes:
        """Seal a secret."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._keys[0].encrypt(nonce, plain, what.encode())

    @property
    def renews(self) -> bool:
        """Return whether a former key may have sealed anything."""
        return len(self._keys) > 1

    def renewed(self, what: str, sealed: bytes) -> bytes | None:
        """Seal anew what a former key has sealed; None: it is of the first key. Raises SealBroken."""
        key, plain = self._opened(what, sealed)
        return None if key is self._keys[0] else self.seal(what, plain)

    def open(self, what: str, sealed: bytes) -> bytes:
        """Open a sealed secret. Raises SealBroken."""
        return self._opened(what, sealed)[1]

    def _opened(self, what: str, sealed: bytes) -> tuple[AESGCM, bytes]:
        for key in self._keys:
            try:
                return key, key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], what.encode())
            except (InvalidTag, ValueError):  # ValueError: it is too short to be one
                continue
        raise SealBroken(f"{what} cannot be opened with MOORAGE_SECRET_KEY")
