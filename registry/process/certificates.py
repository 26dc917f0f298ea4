"""The certificate and the key that a server shows to its clients."""

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Paths of PEM files, checked for changes every ``poll_seconds``."""

    certificate: str
    key: str
    poll_seconds: float = 5.0

    def load(self, context: ssl.SSLContext) -> None:
        """Load the certificate and its unencrypted key into a context. Raises OSError, of which SSLError is one.

        The passphrase is given so that OpenSSL does not ask for it at the terminal.
        """
        context.load_cert_chain(self.certificate, self.key, password="")
