"""The S3 servers that people have, as far as they are installed here: each started with a folder of its own."""

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from registry.devservers.processes import Program, free_ports, wait_until
from registry.devservers.seaweed import EmbeddedS3
from storage.objects.s3.signing import Credentials
from storage.objects.s3.store import S3Settings

_ACCESS, _SECRET = "stores-test", "stores-test-secret-of-40-characters-or-so"
_BUCKET: Final = "stores"
_START_SECONDS: Final = 120.0  # a Java program on a busy machine


@dataclass(frozen=True)
class Server:
    """A program of one file; ``argv`` and ``env`` tell how it serves a folder at a port."""

    name: str
    argv: Callable[[str, Path, int], Sequence[str]]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path | None:
        """The program or archive on the PATH; None where there is none."""
        if not self.name.endswith(".jar"):
            found = shutil.which(self.name)
            return None if found is None else Path(found)
        archives = (file for folder in os.get_exec_path() for file in sorted(Path(folder).glob(self.name)))
        return next(archives, None) if shutil.which("java") else None

    @property
    def title(self) -> str:
        """The name without what is of the file alone."""
        return self.name.partition("-")[0]


def _s3proxy(jar: str, folder: Path, port: int) -> list[str]:
    properties = {
        "s3proxy.endpoint": f"http://127.0.0.1:{port}",
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": _ACCESS,
        "s3proxy.credential": _SECRET,
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": str(folder),
    }
    file = folder.with_suffix(".properties")
    file.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    return ["java", "-Xmx512m", "-jar", jar, "--properties", str(file)]


def _s3mock(jar: str, folder: Path, port: int) -> list[str]:
    https = free_ports(1)[0]
    store = f"--com.adobe.testing.s3mock.store.root={folder}"
    return [
        "java",
        "-Xmx512m",
        "-jar",
        jar,
        f"--server.port={https}",
        f"--com.adobe.testing.s3mock.httpPort={port}",
        store,
    ]


SERVERS: Final = (
    Server(
        "versitygw",
        lambda program, folder, port: [
            program, "--port", f"127.0.0.1:{port}", "--access", _ACCESS, "--secret", _SECRET, "posix", str(folder)
        ],
    ),
    Server(
        "minio",
        lambda program, folder, port: [program, "server", str(folder), "--address", f"127.0.0.1:{port}"],
        {"MINIO_ROOT_USER": _ACCESS, "MINIO_ROOT_PASSWORD": _SECRET},
    ),
    Server(
        "rclone",
        lambda program, folder, port: [
            program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{_ACCESS},{_SECRET}", str(folder)
        ],
    ),
    Server("s3proxy-*.jar", _s3proxy),
    Server("s3mock-*.jar", _s3mock),
)  # fmt: skip

#: What a server does otherwise than S3, by the test that shows it: left out, and told in docs/operate/stores.md.
DIFFERENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "minio": {
        "test_uploads_lists_what_is_open": "lists open uploads by the whole key only, not by a folder",
        "test_uploads_go_beyond_a_page": "the same",
    },
    "rclone": {
        "test_parts_make_an_object_in_the_order_of_their_numbers": "refuses parts whose numbers leave one out",
        "test_parts_that_are_not_listed_are_dropped": "the same",
        "test_a_small_part_before_the_last_is_refused": "takes small parts everywhere",
        "test_uploads_go_beyond_a_page": "refuses to open more than 1,000 uploads",
    },
    "s3proxy": {
        "test_abort_is_idempotent_and_final": "takes parts of an upload that was aborted",
        "test_abort_after_complete_leaves_the_object": "takes parts of an upload that was completed",
    },
    "s3mock": {
        "test_abort_of_what_never_was": "refuses the id of an upload that is none of its own with 400",
        "test_a_wrong_key_is_told_from_a_missing_bucket": "lets everybody in",
    },
}


def installed() -> list[str]:
    """The names of the servers that can be started here; SeaweedFS is one of our own wheels."""
    return ["seaweedfs", *(server.title for server in SERVERS if server.file is not None)]


def answers(port: int) -> bool:
    """Return whether somebody listens on this port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def started(name: str, folder: Path) -> Iterator[S3Settings]:
    """Start the server of this name until the block ends; the bucket is yet to be made."""
    if name == "seaweedfs":
        with EmbeddedS3(folder) as weed:
            given = Credentials(weed.access_key, weed.secret_key)
            yield S3Settings(weed.bucket, weed.region, weed.endpoint, credentials=given)
        return
    server = next(each for each in SERVERS if each.title == name)
    assert server.file is not None
    (port,) = free_ports(1)
    objects = folder / "objects"
    objects.mkdir()
    argv = server.argv(str(server.file), objects, port)
    argv = [shutil.which(argv[0]) or argv[0], *argv[1:]]
    env = {"PATH": os.defpath, "HOME": str(folder), "LC_ALL": "C.UTF-8", **server.env}
    program = Program(argv, env=env, log=folder / "log", death=signal.SIGKILL)
    try:
        assert wait_until(lambda: answers(port) or not program.alive(), _START_SECONDS), program.output()
        assert program.alive(), program.output()
        yield S3Settings(_BUCKET, endpoint=f"http://127.0.0.1:{port}", credentials=Credentials(_ACCESS, _SECRET))
    finally:
        program.stop((signal.SIGTERM, 5.0))
