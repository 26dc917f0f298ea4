"""The door of `moorage run`: where it listens, its name and its certificate for others, and the greeting."""

import http.client
import re
import shlex
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from registry.devservers.certificates import CertificateFiles, keep_certificate
from registry.devservers.processes import CannotStart

_ANY: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  -- compared, not listened on
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")


@dataclass(frozen=True, slots=True)
class Door:
    """The address ``host``:``port``, and ``name``, by which others reach it. ``https``: a certificate is made here."""

    host: str
    port: int
    name: str = ""
    https: bool = False
    certificate: Path | None = None
    key: Path | None = None

    @property
    def secure(self) -> bool:
        return self.https or self.certificate is not None or self.key is not None

    @property
    def place(self) -> str:
        """The name or address, with the port, as clients are told."""
        host = self.name or ("localhost" if self.host in _ANY | {"127.0.0.1"} else self.host)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def environment(self, data: Path) -> dict[str, str]:
        """Return the settings of the server's TLS; the certificate is made if need be. Raises CannotStart."""
        if self.name and not _is_host(self.name):
            raise CannotStart(f"{self.name!r} is no name of a host: expected one as registry.example.com, and no port")
        # make gives an empty text for the one that is not there.
        given = [None if path in {None, Path()} else path for path in (self.certificate, self.key)]
        if given.count(None) == 1:
            raise CannotStart("expected a certificate and its key together: CERT and KEY, or --tls-cert and --tls-key")
        paths = [None if path is None else str(path.absolute()) for path in given]
        if self.https and paths == [None, None]:
            made = self._made(data)
            paths = [str(made.certificate), str(made.key)]
        return {"MOORAGE_TLS_CERT": paths[0] or "", "MOORAGE_TLS_KEY": paths[1] or ""}

    def _made(self, data: Path) -> CertificateFiles:
        named = [self.name, "localhost", "127.0.0.1", "::1", socket.gethostname(), *({self.host} - _ANY)]
        names = [name for name in dict.fromkeys(named) if ":" in name or _HOST.fullmatch(name)]
        if self.name not in {"", *names}:
            raise CannotStart(
                f"{self.name!r} is no name of a host: expected one as registry.example.com, without a port"
            )
        try:
            return keep_certificate(data / "tls", names, datetime.now(UTC))
        except (OSError, ValueError) as error:
            raise CannotStart(f"cannot make a certificate in {data / 'tls'}: {error}") from error

    def status(self) -> int:
        """Return the status of GET /v2/, or 0 while the server does not answer."""
        host = "127.0.0.1" if self.host in _ANY else self.host
        connection = http.client.HTTPConnection(host, self.port, timeout=1)
        if self.secure:
            ourselves = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            ourselves.check_hostname, ourselves.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(host, self.port, timeout=1, context=ourselves)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def greeting(self, login: str, token: Path, data: Path) -> str:
        """Return the lines that a person types first."""
        place = self.place
        return (
            f"{self._trust(data)}"
            f"  docker login {place} --username {login} --password-stdin < {shlex.quote(str(token))}\n"
            f"  docker pull hello-world\n"
            f"  docker tag hello-world {place}/{login}/hello-world\n"
            f"  docker push {place}/{login}/hello-world\n\n"
            "Other machines: README.md. Accounts, organizations, pipelines: docs/index.md\n"
        )

    def _trust(self, data: Path) -> str:
        if self.place.rpartition(":")[0].strip("[]") in _LOOPBACK:  # docker takes any certificate of it, or none
            return ""
        if not self.secure:
            return f"Docker speaks HTTP with localhost only. HTTPS=on makes a certificate for {self.place}.\n\n"
        if self.certificate is not None:
            return ""
        folder = shlex.quote(f"/etc/docker/certs.d/{self.place}")
        return (
            "The certificate is its own. Before that, on each machine with docker (podman: /etc/containers/certs.d):\n"
            f"  sudo mkdir -p {folder} && sudo cp {shlex.quote(str(data / 'tls/tls.crt'))} {folder}/ca.crt\n\n"
        )


def _is_host(text: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(text))
    return _HOST.fullmatch(text) is not None
