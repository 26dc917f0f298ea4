"""`make schema`: writes storage/schema.sql, what the migrations add up to, for reading."""

import asyncio
import os
import re
import subprocess
import tempfile
from pathlib import Path

from registry.devservers.postgres import EmbeddedPostgres, find_binaries
from storage.metadata.migrate import migrate

FILE = Path(__file__).parent.parent.parent / "storage" / "schema.sql"
_HEADER = "-- What the migrations add up to. Written by `make schema`; nothing reads it but people, and a test.\n\n"


def dump(database_url: str) -> str:
    """The schema of a migrated database, without what differs from one release of PostgreSQL to the next."""
    options = ("--schema-only", "--no-owner", "--no-privileges", "--exclude-table=events_2*")  # by month, of today
    argv = [str(find_binaries() / "pg_dump"), *options, database_url]
    made = subprocess.run(argv, env={"PATH": os.defpath}, capture_output=True, text=True, check=True).stdout
    lines = [line for line in made.splitlines() if not re.match(r"--|SET |SELECT pg_catalog\.set_config|\\", line)]
    text = re.sub(r" \(\n    SEQUENCE NAME[^)]*\);", ";", "\n".join(lines).replace("public.", ""))
    text = re.sub(r" CONSTRAINT \w+_not_null NOT NULL", " NOT NULL", text)  # named since PostgreSQL 18
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return f"{_HEADER}{text}\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        asyncio.run(migrate(server.dsn()))
        FILE.write_text(dump(server.dsn()))


if __name__ == "__main__":
    main()
