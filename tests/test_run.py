"""`moorage run` as a person runs it: real processes, killed and started again."""

import base64
import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.cli.data import hold
from registry.devservers.certificates import write_certificate
from registry.devservers.processes import CannotStart, free_ports, is_gone

ROOT = Path(__file__).parent.parent


class Running:
    """A registry of its own; `lines` is what it said until it was ready."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, data: Path) -> None:
        self.process = process
        self.port = port
        self.data = data
        self.lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.strip())
            if line.startswith("Ctrl-C"):
                return
        raise AssertionError("\n".join(["it ended:", *self.lines]))

    def status(self, authorization: str | None = None) -> int:
        """Of GET /v2/."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/v2/", headers={"authorization": authorization} if authorization else {})
            return connection.getresponse().status
        finally:
            connection.close()

    def ask(self, method: str, path: str) -> int:
        """The status for the administrator."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers={"authorization": self.as_admin()})
            return connection.getresponse().status
        finally:
            connection.close()

    def as_admin(self) -> str:
        token = (self.data / "admin-token").read_text().strip()
        return "Basic " + base64.b64encode(f"admin:{token}".encode()).decode()

    def children(self) -> list[int]:
        answer = subprocess.run(
            ["ps", "-A", "-o", "ppid=,pid="],
            capture_output=True,
            text=True,
            check=True,
        )
        pairs = [line.split() for line in answer.stdout.splitlines()]
        return [int(pid) for parent, pid in pairs if int(parent) == self.process.pid]


def command(data: Path, port: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "registry", "run", "--port", str(port), "--data", str(data), "--workers", "2", *more]


@contextmanager
def running(data: Path, port: int, *more: str) -> Iterator[Running]:
    with subprocess.Popen(command(data, port, *more), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Running(process, port, data)
        finally:
            process.terminate()
            process.wait(30)


def refused(data: Path, port: int, *more: str) -> str:
    """What a run that cannot start tells, in one line."""
    answer = subprocess.run(
        command(data, port, *more), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert answer.returncode == 1, answer.stderr
    lines = answer.stderr.splitlines()
    assert len(lines) == 1, answer.stderr
    return lines[0]


def test_one_command_gives_a_registry_that_keeps_its_data(tmp_path: Path) -> None:
    data, port = tmp_path / "a path with spaces", free_ports(1)[0]
    with running(data, port) as first:
        assert first.status() == http.client.UNAUTHORIZED
        assert first.status(first.as_admin()) == http.client.OK
        shown = "\n".join(first.lines)
        assert f"docker login localhost:{port} --username admin --password-stdin < '{data}/admin-token'" in shown
        lines = [line for line in first.lines if line.startswith("docker ")][1:]
        assert lines == [  # on a docker that has no image yet
            "docker pull hello-world",
            f"docker tag hello-world localhost:{port}/admin/hello-world",
            f"docker push localhost:{port}/admin/hello-world",
        ]
        links = [line for line in first.lines if "/login/code#" in line]
        assert len(links) == 1
        assert f"http://localhost:{port}/login/code#" in links[0]
        token = first.as_admin()
        assert "another instance runs" in refused(data, free_ports(1)[0])
        assert "Address already in use" in refused(tmp_path / "other", port)
        children = first.children()
        assert len(children) == 5  # two servers, two that serve, one that works
        asked_to_stop = time.monotonic()
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(30) == 0
        assert time.monotonic() - asked_to_stop < 8
        assert all(map(is_gone, children))
    for name in ("admin-token", "secret-key", "s3/credentials", "postgres/password"):
        assert (data / name).stat().st_mode & 0o777 == 0o600
    with running(data, port) as second:
        assert second.as_admin() == token
        assert second.status(token) == http.client.OK


def test_it_sends_traces_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as collector:
        collector.settimeout(20)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.getsockname()[1]}")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
        with running(tmp_path, free_ports(1)[0], "--store", "local") as registry:
            assert registry.status() == http.client.UNAUTHORIZED
            connection, _ = collector.accept()
            with connection:
                assert connection.recv(100).startswith(b"POST /v1/traces HTTP/1.1")


def _status_of(port: int, context: ssl.SSLContext, name: str) -> int:
    """Of GET /v2/ by HTTPS, with what the certificate says of this name."""
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname=name) as wire,
    ):
        wire.sendall(f"GET /v2/ HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode())
        return int(wire.recv(100).split()[1])


def test_it_makes_a_certificate_for_the_name_that_it_is_given(tmp_path: Path) -> None:
    port, asked = free_ports(1)[0], ("--https", "--name", "registry.home", "--store", "local")
    with running(tmp_path, port, *asked) as first:
        shown = "\n".join(first.lines)
        assert f"https://registry.home:{port}" in shown
        assert f"docker push registry.home:{port}/admin/hello-world" in shown
        certificate = tmp_path / "tls/tls.crt"
        folder = f"/etc/docker/certs.d/registry.home:{port}"
        assert f"sudo mkdir -p {folder} && sudo cp {certificate} {folder}/ca.crt" in shown
        trusted = ssl.create_default_context(cafile=str(certificate))
        for name in ("registry.home", "localhost"):
            assert _status_of(port, trusted, name) == http.client.UNAUTHORIZED
        assert (tmp_path / "tls/tls.key").stat().st_mode & 0o777 == 0o600
        kept = certificate.read_bytes()
    with running(tmp_path, port, *asked):
        assert certificate.read_bytes() == kept  # machines have been told of it
    with running(tmp_path, port, "--https", "--name", "other.home", "--store", "local"):
        assert _status_of(port, ssl.create_default_context(cafile=str(certificate)), "other.home") == 401
    assert "is no name of a host" in refused(tmp_path, port, "--https", "--name", "https://a", "--store", "local")


def test_it_takes_a_certificate(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    files = write_certificate(tmp_path / "mine", datetime.now(UTC) + timedelta(days=1), names=["registry.home"])
    given = ("--tls-cert", str(files.certificate), "--tls-key", str(files.key), "--store", "local")
    with running(tmp_path / "data", port, *given, "--name", "registry.home") as registry:
        assert "certs.d" not in "\n".join(registry.lines)
        trusted = ssl.create_default_context(cafile=str(files.certificate))
        assert _status_of(port, trusted, "registry.home") == http.client.UNAUTHORIZED
    files.key.write_text("no key")
    answer = subprocess.run(
        command(tmp_path / "data", port, *given), cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (answer.returncode, len(answer.stderr.splitlines())) == (2, 1)
    assert "cannot be used" in answer.stderr
    for alone in (given[:2], given[2:4], ("--tls-cert", given[1], "--tls-key", ""), ("--https", *given[:2])):
        assert "expected a certificate and its key together" in refused(
            tmp_path / "data", port, *alone, "--store", "local"
        )


def test_another_name_without_https_is_told_what_docker_thinks_of_it(tmp_path: Path) -> None:
    with running(tmp_path, free_ports(1)[0], "--name", "registry.home", "--store", "local") as registry:
        assert "Docker speaks HTTP with localhost only" in "\n".join(registry.lines)


def test_it_runs_without_the_s3_server(tmp_path: Path) -> None:
    with running(tmp_path, free_ports(1)[0], "--store", "local") as registry:
        assert registry.status(registry.as_admin()) == http.client.OK
        assert len(registry.children()) == 4  # PostgreSQL, two that serve, one that works
    assert (tmp_path / "local").stat().st_mode & 0o777 == 0o700
    assert "run it with --store local" in refused(tmp_path, free_ports(1)[0])
    (tmp_path / "local").rename(tmp_path / "s3")
    assert "run it with --store s3" in refused(tmp_path, free_ports(1)[0], "--store", "local")


def test_after_kill_9_nothing_is_left_and_the_next_start_works(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with running(tmp_path, port) as first:
        token, children = first.as_admin(), first.children()
        first.process.kill()
        first.process.wait()
    with running(tmp_path, port) as second:
        assert second.status(token) == http.client.OK
        assert all(map(is_gone, children))


def test_a_start_can_be_broken_off(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path, free_ports(1)[0]), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "Starting" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert "Ready" not in process.stdout.read()
    with running(tmp_path, free_ports(1)[0]) as registry:
        assert registry.status(registry.as_admin()) == http.client.OK


def test_a_store_that_dies_is_started_again(tmp_path: Path) -> None:
    with running(tmp_path, free_ports(1)[0]) as registry:
        for pid_file in ("postgres/data/postmaster.pid", "s3/pid"):
            pid = int((tmp_path / pid_file).read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while _pid(tmp_path / pid_file) in {0, pid} or registry.status(registry.as_admin()) != http.client.OK:
                assert time.monotonic() < deadline, "it was not started again"
                time.sleep(0.1)


def test_what_a_forked_child_says_is_printed(tmp_path: Path) -> None:
    """«See above» has something above."""
    with running(tmp_path, free_ports(1)[0], "--store", "local"):
        pass
    (tmp_path / "admin-token").unlink()
    (tmp_path / "admin-token.new").mkdir()  # nothing can be written there
    answer = subprocess.run(
        command(tmp_path, free_ports(1)[0], "--store", "local"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert answer.returncode == 1
    above, last = answer.stderr.splitlines()
    assert above.startswith("moorage: ")
    assert "admin-token.new" in above
    assert last.endswith("see above")


def test_a_new_token_takes_the_place_of_the_one_that_was_lost(tmp_path: Path) -> None:
    with running(tmp_path, free_ports(1)[0], "--store", "local") as first:
        lost = first.as_admin()
        assert first.status(lost) == http.client.OK
    (tmp_path / "admin-token").unlink()
    with running(tmp_path, free_ports(1)[0], "--store", "local") as second:
        assert second.status(second.as_admin()) == http.client.OK
        assert second.status(lost) == http.client.UNAUTHORIZED
        # The account itself was there.
        assert f"A token of the account «admin» was made: it is in {tmp_path}/admin-token" in second.lines


def test_it_starts_behind_three_thousand_connections_in_time_wait(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with running(tmp_path, port):
        pass
    for taken in (port, int((tmp_path / "s3/ports").read_text().split()[0])):
        with socket.create_server(("127.0.0.1", taken), backlog=100) as listener:
            for _ in range(3000):
                with socket.create_connection(listener.getsockname()) as ours:
                    listener.accept()[0].close()  # who closes first waits
                    assert ours.recv(1) == b""
    with running(tmp_path, port) as registry:
        assert registry.status(registry.as_admin()) == http.client.OK


def _pid(file: Path) -> int:
    text = file.read_text().split() if file.exists() else []
    return int(text[0]) if text else 0


def _quiet(_text: str) -> None:
    pass


def test_data_of_another_release_is_refused(tmp_path: Path) -> None:
    with hold(tmp_path, _quiet):
        pass
    (tmp_path / "version").write_text("99\n")
    with pytest.raises(CannotStart, match=r"^[^\n]*made by another release \(data version '99', this one reads 1\)"):
        hold(tmp_path, _quiet).__enter__()


_FULL = """
import sys
from pathlib import Path
from registry.cli.door import Door
from registry.cli.run import Standalone
from registry.process import logs
from registry.process.room import Room
from registry.process.supervisor import Signals

logs.configure()
data, port, reserve = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with Signals() as signals:
    sys.exit(Standalone(Door("127.0.0.1", port), data, 1, True, signals, room=lambda path: Room(path, reserve)).run(0.0))
"""


def test_on_a_full_disk_it_starts_to_delete_and_refuses_pushes(tmp_path: Path) -> None:
    for reserve in (0, 10**18):
        argv, port = [sys.executable, "-c", _FULL, str(tmp_path)], free_ports(1)[0]
        with subprocess.Popen([*argv, str(port), str(reserve)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            try:
                registry = Running(process, port, tmp_path)
                told = any("MB are free" in line and "pushes are refused" in line for line in registry.lines)
                begun = registry.ask("POST", "/v2/admin/app/blobs/uploads/")
                assert (told, begun) == ((True, 503) if reserve else (False, 202))
                assert registry.ask("GET", "/v2/admin/app/tags/list") == 200
            finally:
                process.terminate()
                process.wait(30)


def test_a_disk_that_others_have_filled_gives_back_what_was_kept(tmp_path: Path) -> None:
    """Without any room PostgreSQL does not start; so some is kept from the first start on."""
    with hold(tmp_path, _quiet):
        kept = (tmp_path / "ballast").stat()
    assert kept.st_blocks * 512 >= 64 * 1024 * 1024


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(CannotStart, match=r"^[^\n]*holds something else \(thesis\.tex\)"):
        hold(tmp_path, _quiet).__enter__()
    assert not (tmp_path / "version").exists()


def test_data_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"^cannot use [^\n]*/file/data for data: Not a directory$"):
        hold(tmp_path / "file" / "data", _quiet).__enter__()


def test_a_start_waits_for_an_instance_that_is_stopping(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from registry.cli.data import hold\n"
        "with hold(Path(sys.argv[1]), print) as stopping: stopping(); print('stopping', flush=True); time.sleep(0.5)"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as former:
        assert former.stdout is not None
        former.stdout.readline()
        said: list[str] = []
        with hold(tmp_path, said.append):
            assert said == ["Waiting for the former instance to stop ..."]


def test_serve_names_every_wrong_setting() -> None:
    environment = {"PATH": os.defpath, "MOORAGE_WORKERS": "many", "MOORAGE_LISTEN": "5000"}
    argv = [sys.executable, "-m", "registry", "serve"]
    answer = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    named = [line.partition(" ")[0].rstrip(":") for line in answer.stderr.splitlines()]
    assert {"MOORAGE_WORKERS", "MOORAGE_LISTEN", "MOORAGE_DATABASE_URL", "MOORAGE_SECRET_KEY"} <= set(named)


def test_serve_refuses_tokens_that_live_for_less_than_a_minute() -> None:
    environment = {
        "PATH": os.defpath,
        "MOORAGE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "MOORAGE_S3_BUCKET": "none",
        "MOORAGE_SECRET_KEY": "s" * 40,
        "MOORAGE_TOKEN_TTL": "59",
    }
    argv = [sys.executable, "-m", "registry", "serve"]
    answer = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith("MOORAGE_TOKEN_TTL: expected 60 seconds or more")


def test_make_alone_tells_what_there_is() -> None:
    answer = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("run", "test", "lint", "fmt", "lock", "clean"):
        assert f"make {target} " in answer.stdout
