"""`moorage run` as a person runs it: real processes, killed and started again."""

import base64
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from registry.cli.run import hold
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
        assert f"docker push localhost:{port}/admin/hello-world" in shown
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


def test_a_full_disk_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"^[^\n]* is on a disk with \d+ MB free; \d+ MB are needed$"):
        hold(tmp_path, _quiet, free_bytes=10**18).__enter__()


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
        "import sys, time; from pathlib import Path; from registry.cli.run import hold\n"
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
