"""A real S3 server, started, killed and started again; spoken to by botocore, as in production."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import get_session

from registry.devservers.processes import CannotStart, free_ports
from registry.devservers.seaweed import EmbeddedS3

_SUPERVISOR = """
import sys, time
from pathlib import Path
from registry.devservers.seaweed import EmbeddedS3
server = EmbeddedS3(Path(sys.argv[1])).start()
print(server.endpoint, server.access_key, server.secret_key, flush=True)
time.sleep(600)
"""


def client(endpoint: str, access_key: str, secret_key: str) -> Any:  # botocore makes its methods at run time
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, proxies={})
    return get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=EmbeddedS3.region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=config,
    )


def put(server: EmbeddedS3, key: str, body: bytes) -> None:
    s3 = client(server.endpoint, server.access_key, server.secret_key)
    s3.put_object(Bucket=server.bucket, Key=key, Body=body)


def get(server: EmbeddedS3, key: str) -> bytes:
    s3 = client(server.endpoint, server.access_key, server.secret_key)
    return bytes(s3.get_object(Bucket=server.bucket, Key=key)["Body"].read())


def test_it_keeps_objects_and_credentials(tmp_path: Path) -> None:
    path = tmp_path / "a path with spaces"
    body = b"moorage" * 1_000_000
    with EmbeddedS3(path) as server:
        credentials = server.access_key, server.secret_key
        put(server, "a/b", body)
    assert (path / "credentials").stat().st_mode & 0o777 == 0o600
    assert (path / "data").stat().st_mode & 0o777 == 0o700
    with EmbeddedS3(path) as server:
        assert (server.access_key, server.secret_key) == credentials
        assert get(server, "a/b") == body


def test_it_starts_empty_and_asks_for_the_secret(tmp_path: Path) -> None:
    with EmbeddedS3(tmp_path) as server:
        s3 = client(server.endpoint, server.access_key, server.secret_key)
        assert "Contents" not in s3.list_objects_v2(Bucket=server.bucket)
        s3 = client(server.endpoint, server.access_key, "guessed")
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            s3.list_objects_v2(Bucket=server.bucket)


def test_objects_outlive_a_killed_server_and_taken_ports(tmp_path: Path) -> None:
    with EmbeddedS3(tmp_path) as server:
        put(server, "kept", b"x" * 100_000)
        assert server._program is not None
        server._program.stop((signal.SIGKILL, 5.0))
        assert not server.alive()
        former = server.endpoint
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            squatter.bind(("127.0.0.1", int(former.rpartition(":")[2])))
            squatter.listen()
            server.start()
        assert server.endpoint != former
        assert get(server, "kept") == b"x" * 100_000
        put(server, "more", b"y" * 100_000)
        assert get(server, "kept") == b"x" * 100_000


@pytest.mark.parametrize("taken", [0, 4])  # the one that clients speak to, and one between its parts
def test_it_starts_again_where_somebody_took_a_port_meanwhile(tmp_path: Path, taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        found: list[int] = []

        def choose(count: int) -> list[int]:
            ports = free_ports(count)
            if not found:
                ports[taken] = squatter.getsockname()[1]
            found.extend(ports)
            return ports

        with EmbeddedS3(tmp_path, choose) as server:
            put(server, "kept", b"bytes")
            assert get(server, "kept") == b"bytes"


@pytest.mark.parametrize(("address", "taken"), [("127.0.0.2", 0), ("::1", 1), ("0.0.0.0", 8)])
def test_it_starts_again_where_any_address_has_one_of_its_ports(tmp_path: Path, address: str, taken: int) -> None:
    with EmbeddedS3(tmp_path) as server:
        put(server, "kept", b"bytes")
    port = int((tmp_path / "ports").read_text().split()[taken])
    with socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET):
        with EmbeddedS3(tmp_path) as server:
            assert get(server, "kept") == b"bytes"
        assert str(port) not in (tmp_path / "ports").read_text().split()


def test_it_chooses_anew_where_it_finds_a_port_taken_that_looks_free(tmp_path: Path) -> None:
    """The server looks in its own way: what was kept is not offered to it again."""
    EmbeddedS3(tmp_path).start().stop()
    kept = [int(text) for text in (tmp_path / "ports").read_text().split()]
    server = EmbeddedS3(tmp_path)
    server.launch()
    assert server._program is not None
    server._program.stop((signal.SIGKILL, 5.0))
    with (tmp_path / "log").open("a") as log:
        log.write("E1130 mini.go:771 Port allocation failed: port 20001 for S3 cannot be used\n")
    try:
        server.wait_ready()
        assert not set(kept) & {int(text) for text in (tmp_path / "ports").read_text().split()}
    finally:
        server.stop()


def test_ports_that_a_former_release_kept_among_those_of_outgoing_connections_are_left(tmp_path: Path) -> None:
    EmbeddedS3(tmp_path).start().stop()
    kept = (tmp_path / "ports").read_text().split()
    (tmp_path / "ports").write_text(" ".join(["45001", *kept[1:]]))
    with EmbeddedS3(tmp_path) as server:
        assert server.endpoint.rpartition(":")[2] != "45001"


def test_it_dies_with_a_supervisor_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        endpoint, access_key, secret_key = supervisor.stdout.readline().split()
        s3 = client(endpoint, access_key, secret_key)
        s3.put_object(Bucket=EmbeddedS3.bucket, Key="kept", Body=b"bytes")
        supervisor.kill()
    with EmbeddedS3(tmp_path) as server:
        assert server.endpoint == endpoint
        assert get(server, "kept") == b"bytes"


def test_the_reason_of_a_failure_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/filerldb2").write_text("not a directory")
    with pytest.raises(CannotStart, match=r"^[^\n]+$"):
        EmbeddedS3(tmp_path).start()


def test_without_a_place_for_its_sockets_it_says_so_at_once(tmp_path: Path) -> None:
    """SeaweedFS 4 logs an error and then waits for itself until its start is given up."""
    with pytest.raises(CannotStart, match=rf"sockets in {tmp_path}/none.*: sudo chmod 1777 {tmp_path}/none"):
        EmbeddedS3(tmp_path / "s3", sockets=tmp_path / "none").start()
