"""Certificates that sign themselves: HTTPS of `make run`, and of tests and measurements."""

import ipaddress
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

_LOCAL: Final = ("127.0.0.1",)
_KEPT: Final = timedelta(days=825)  # what Apple's clients take at most
_RENEWED: Final = timedelta(days=30)


@dataclass(frozen=True)
class CertificateFiles:
    """Paths of a certificate and of its key."""

    certificate: Path
    key: Path


def keep_certificate(folder: Path, names: Sequence[str], now: datetime) -> CertificateFiles:
    """Return the certificate in ``folder``, made anew where it has not all of ``names`` or ends within a month.

    Raises OSError.
    """
    files = CertificateFiles(folder / "tls.crt", folder / "tls.key")
    with suppress(FileNotFoundError, ValueError, x509.ExtensionNotFound):
        kept = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        said = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        whole = files.key.exists() and {*map(_name, names)} <= {*said}
        if whole and kept.not_valid_after_utc - now > _RENEWED:
            return files
    return write_certificate(folder, now + _KEPT, names=names)


def write_certificate(
    folder: Path, until: datetime, *, names: Sequence[str] = _LOCAL, passphrase: bytes | None = None
) -> CertificateFiles:
    """Write a new key and its certificate, in PEM, over what was in ``folder``; valid from yesterday ``until`` then.

    ``names``: the hosts and addresses it is for.
    """
    folder.mkdir(exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName(list(map(_name, names))), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = CertificateFiles(folder / "tls.crt", folder / "tls.key")
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    files.key.unlink(missing_ok=True)
    with os.fdopen(os.open(files.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return files


def _name(text: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(text))
    return x509.DNSName(text)
