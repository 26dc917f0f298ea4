"""Real servers, started, killed and started again. What is asked of them goes through asyncpg, as in production."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from registry.devservers.postgres import EmbeddedPostgres
from registry.devservers.processes import CannotStart, command_of, is_gone

_SUPERVISOR = """
import sys, time
from pathlib import Path
from registry.devservers.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1])).start()
print(server.dsn("moorage"), flush=True)
time.sleep(600)
"""


def ask(dsn: str, *statements: str) -> Any:
    """What the last statement answers. The tests have no event loop, for starting a server blocks."""

    async def run() -> Any:
        connection = await asyncpg.connect(dsn)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(run())


def postmaster(path: Path) -> int:
    return int((path / "data/postmaster.pid").read_text().split()[0])


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"{pid} still runs: {command_of(pid)}"
        time.sleep(0.02)


def test_it_keeps_data_and_password_and_closes_nothing_above(tmp_path: Path) -> None:
    closed = tmp_path / "closed to others"
    closed.mkdir(mode=0o700)
    path = closed / "a path with spaces"
    with EmbeddedPostgres(path) as server:
        first = server.dsn("moorage")
        ask(first, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        assert ask(first, "SHOW fsync") == "on"
        assert ask(server.dsn("postgres"), "SHOW listen_addresses") == "127.0.0.1"
    with EmbeddedPostgres(path) as server:
        assert ask(server.dsn("moorage"), "SELECT n FROM kept") == 7
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (path / "password").stat().st_mode & 0o777 == 0o600
    assert (path / "data").stat().st_mode & 0o777 == 0o700


def test_no_password_no_entry(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        password = (tmp_path / "password").read_text()
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(server.dsn("moorage").replace(password, "guessed"), "SELECT 1")


def test_it_dies_with_a_supervisor_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        dsn = supervisor.stdout.readline().strip()
        ask(dsn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        pid = postmaster(tmp_path)
        supervisor.kill()
    if sys.platform == "linux":
        wait_gone(pid)
    with EmbeddedPostgres(tmp_path) as server:
        assert ask(server.dsn("moorage"), "SELECT n FROM kept") == 7


def test_a_server_that_was_killed_recovers_on_the_same_port(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        dsn = server.dsn("moorage")
        ask(dsn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        pid = postmaster(tmp_path)
        os.kill(pid, signal.SIGKILL)
        while server.alive():
            time.sleep(0.01)
        server.start()
        assert server.dsn("moorage") == dsn
        assert ask(dsn, "SELECT n FROM kept") == 7


def test_an_orphan_is_stopped(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as orphan, EmbeddedPostgres(tmp_path) as server:
        assert not orphan.alive()
        assert ask(server.dsn("moorage"), "SELECT 1") == 1


def test_the_pid_file_of_somebody_else_is_dropped(tmp_path: Path) -> None:
    EmbeddedPostgres(tmp_path).start().stop()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "data/postmaster.pid").write_text(f"{stranger.pid}\n{tmp_path}/data\n")
        with EmbeddedPostgres(tmp_path):
            assert stranger.poll() is None
        stranger.kill()


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    EmbeddedPostgres(tmp_path).start().stop()
    with subprocess.Popen(["true"]) as zombie:
        while not is_gone(zombie.pid):
            time.sleep(0.01)
        (tmp_path / "data/postmaster.pid").write_text(f"{zombie.pid}\n{tmp_path}/data\n")
        EmbeddedPostgres(tmp_path).start().stop()


def test_half_a_cluster_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new/PG_VERSION").write_text("18\n")
    EmbeddedPostgres(tmp_path).start().stop()
    assert not (tmp_path / "data.new").exists()


def test_data_of_another_version_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/PG_VERSION").write_text("12\n")
    with pytest.raises(CannotStart, match=r"^[^\n]*PostgreSQL 12[^\n]*$"):
        EmbeddedPostgres(tmp_path).start()


def test_the_reason_of_a_failure_is_told_in_one_line(tmp_path: Path) -> None:
    EmbeddedPostgres(tmp_path).start().stop()
    (tmp_path / "data/postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(CannotStart, match=r"^[^\n]*configuration file[^\n]*$"):
        EmbeddedPostgres(tmp_path).start()
