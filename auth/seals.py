"""Signatures of the seals of the audit log, by Ed25519 keys that are derived from the secrets of the settings.

Who may write to the database has no such key. A public key can be kept elsewhere, and believed when its secret is gone.
"""

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

#: Public keys by their text, in hexadecimal.
Keys: TypeAlias = dict[str, Ed25519PublicKey]

_HKDF_INFO: Final = b"moorage seals ed25519 1"  # changing it changes every key


def signing_key(secrets: Sequence[bytes]) -> Ed25519PrivateKey:
    """Return the key that signs seals: the one of the first secret."""
    return _key(secrets[0])


def believed_keys(secrets: Iterable[bytes], public_keys: Iterable[str]) -> Keys:
    """Return the public keys of all secrets and those given in hexadecimal, by their text. Raises ValueError."""
    keys = [_key(secret).public_key() for secret in secrets]
    keys += [Ed25519PublicKey.from_public_bytes(bytes.fromhex(text)) for text in public_keys]
    return {key.public_bytes_raw().hex(): key for key in keys}


def signer_of(data: bytes, signature: bytes, keys: Keys) -> str | None:
    """Return the text of the public key whose signature it is; None: it is of none of these keys."""
    for text, key in keys.items():
        try:
            key.verify(signature, data)
        except InvalidSignature:
            continue
        return text
    return None


def _key(secret: bytes) -> Ed25519PrivateKey:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_HKDF_INFO).derive(secret)
    return Ed25519PrivateKey.from_private_bytes(derived)
