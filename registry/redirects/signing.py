"""Signed URLs of what stands before a store: CloudFront's, and those of nginx's module secure_link.

Both know an object by its key below ``url``. Sources: AWS «Use signed URLs» with a canned policy; nginx,
ngx_http_secure_link_module.
"""

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from storage.objects.base import ObjectKey

#: Returns the URL of an object, which ends at a Unix second.
Signer: TypeAlias = Callable[[ObjectKey, int], str]

#: Base64 as CloudFront has it in URLs.
_ALTERED = str.maketrans("+=/", "-_~")


def cloudfront_signer(url: str, key_id: str, key_file: str) -> Signer:
    """Make the signer of a CloudFront distribution. Raises ValueError for a file without a private RSA key in PEM."""
    # cryptography's RSA takes a process 2 MiB.
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.hashes import SHA1  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - see above

    pem, base = _read(key_file), url.rstrip("/")
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError):  # TypeError: it has a password
        private = None
    if not isinstance(private, RSAPrivateKey):
        raise ValueError(  # noqa: TRY004 - of a setting
            f"expected a private RSA key in PEM, without a password, in key_file {key_file!r}"
        )

    def sign(key: ObjectKey, ends: int) -> str:
        place = f"{base}/{quote(key, safe='/-_.~')}"
        condition = f'{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}'
        policy = f'{{"Statement":[{{"Resource":"{place}","Condition":{condition}}}]}}'
        signature = private.sign(policy.encode(), PKCS1v15(), SHA1())  # noqa: S303 - CloudFront takes no other
        return (
            f"{place}?Expires={ends}&Signature={b64encode(signature).decode().translate(_ALTERED)}&Key-Pair-Id={key_id}"
        )

    return sign


def secure_link_signer(url: str, secret_file: str) -> Signer:
    """Make the signer for an nginx with ``secure_link_md5 "$secure_link_expires$uri SECRET"``. Raises ValueError."""
    secret, base = _read(secret_file).strip(), url.rstrip("/")
    path = "/".join(base.split("/")[3:])
    if len(secret) < 32:  # noqa: PLR2004 - as MOORAGE_SECRET_KEY
        raise ValueError(f"expected at least 32 random characters in secret_file {secret_file!r}")

    def sign(key: ObjectKey, ends: int) -> str:
        uri = f"/{path}/{key}" if path else f"/{key}"
        digest = hashlib.md5(f"{ends}{uri} ".encode() + secret, usedforsecurity=False).digest()
        link = urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{base}/{quote(key, safe='/-_.~')}?md5={link}&expires={ends}"

    return sign


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path!r} cannot be read: {error.strerror}") from None
