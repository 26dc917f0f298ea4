"""A primary with a synchronous standby, real ones, and what can become of the primary."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from registry.devservers.postgres import EmbeddedPostgres, find_binaries

_LAG_SECONDS = 10.0
#: A process that is killed loses nothing that the system was given.
_SETTINGS = {"fsync": "off", "wal_receiver_timeout": "5s"}


class Pair:
    """``primary`` and ``standby``; what is acknowledged is on both."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.primary = EmbeddedPostgres(folder / "one", _SETTINGS)
        self.standby = EmbeddedPostgres(folder / "two", _SETTINGS)

    def start(self) -> None:
        """Start both; the standby is made of a backup of the primary."""
        self.primary.start()
        data = self._folder / "two" / "data"
        data.parent.mkdir(mode=0o711)
        url = self.primary.dsn("postgres")
        _run("pg_basebackup", f"--dbname={url}", f"--pgdata={data}", "--write-recovery-conf", "--checkpoint=fast")
        owner = (self._folder / "one" / "data").stat()
        for path in (data, *data.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        shutil.copy(self._folder / "one" / "password", self._folder / "two" / "password")
        self.standby.start()

    def stop(self) -> None:
        self.standby.stop()
        self.primary.stop()

    def url(self) -> str:
        """The database by the names of both."""
        hosts = [urlsplit(server.dsn()).netloc.rpartition("@")[2] for server in (self.primary, self.standby)]
        return self.primary.dsn().replace(hosts[0], ",".join(hosts)) + "?target_session_attrs=read-write"

    async def synchronous(self) -> None:
        """Have every commit wait for the standby from now on."""
        await _tell(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        connection = await asyncpg.connect(self.primary.dsn("postgres"))
        follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        async with asyncio.timeout(_LAG_SECONDS):
            while await connection.fetchval(follows) != 1:  # noqa: ASYNC110 - what nobody tells
                await asyncio.sleep(0.05)
        await connection.close()

    async def promote(self) -> None:
        await _tell(self.standby, "SELECT pg_promote()")

    async def kill_primary(self) -> None:
        """All of its processes end at once, without a farewell."""
        program = self.primary._program
        assert program is not None
        await asyncio.to_thread(program.stop, (signal.SIGQUIT, 5.0))

    async def demote_primary(self) -> None:
        """Stop the primary in order, promote the standby, and start the former as a standby of the latter."""
        await asyncio.to_thread(self.primary.stop)
        await self.promote()
        data = self._folder / "one" / "data"
        (data / "standby.signal").touch()
        with (data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{self.standby.dsn('postgres')}'\nsynchronous_standby_names = ''\n")
        await asyncio.to_thread(self.primary.start)

    async def forbid_writing(self) -> None:
        """The primary turns read-only, and keeps its connections."""
        await _tell(self.primary, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")


async def _tell(server: EmbeddedPostgres, *statements: str) -> None:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _run(program: str, *words: str) -> None:
    argv = [str(find_binaries() / program), *words]
    done = subprocess.run(argv, env={"PATH": os.defpath, "LC_ALL": "C"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """A pair of servers that ends with the block."""
    servers = Pair(folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
