"""Checks PostgreSQL: how it is reached, its version, rights, schema, clock, and room for our connections."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from registry.config import Settings
from registry.doctor.report import Check, clock, hint, right, wrong
from storage.metadata.database import DatabaseSettings
from storage.metadata.examination import Examined, Facts, NotExamined, examine

_PART: Final = "PostgreSQL"
_OLDEST: Final = 140_000
_URL: Final = "MOORAGE_DATABASE_URL"
_NAMED: Final = 3

#: Why there is no connection, and what mends it.
_CURES: Final = {
    "address": f"correct host and port in {_URL}, start PostgreSQL, and let the firewall pass the port",
    "certificate": f"name the authority that signed its certificate: sslrootcert=FILE in {_URL}",
    "credentials": f"correct user and password in {_URL} (/ ? # @ : as %2F %3F …), or allow the user in pg_hba.conf",
    "database": f"create the database (CREATE DATABASE …), or correct its name in {_URL}",
    "encryption": f"make sslmode in {_URL} what the server and its pg_hba.conf want (sslmode=require, or disable)",
    "full": "raise max_connections of PostgreSQL, or lower MOORAGE_DATABASE_POOL and MOORAGE_WORKERS",
    "pooler": f"PgBouncer: pool_mode = session; or name PostgreSQL itself in {_URL}",
    "settings": f"correct {_URL}",
    "standby": f"name the primary, or all hosts with target_session_attrs=read-write, in {_URL}",
    "other": "look into the log of PostgreSQL",
}


async def check_postgres(
    database: DatabaseSettings, settings: Settings | None, now: Callable[[], float]
) -> list[Check]:
    """Check the database. ``settings`` None: the others are incomplete, so that connections are not counted."""
    try:
        examined = await examine(database.url, now)
    except NotExamined as error:
        told = "connections are lent by transaction" if error.why == "pooler" else str(error).removeprefix("Postgres: ")
        return [wrong(_PART, f"{_place(database.url)}: {told}", _CURES[error.why])]
    facts = examined.facts
    answers = f"{facts.database} answers at {_place(database.url)}, as {facts.role}, by sessions of its own"
    return [right(_PART, answers), *judge(examined, settings)]


def judge(examined: Examined, settings: Settings | None) -> list[Check]:
    """Judge what was found in a database; ``settings`` None: connections are not counted."""
    facts = examined.facts
    return [
        _version(facts),
        _writes(facts),
        _encoding(facts),
        *_schema(examined),
        clock(_PART, examined.ahead_seconds),
        *([] if settings is None else [_connections(facts, settings)]),
    ]


def _place(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _version(facts: Facts) -> Check:
    if facts.number >= _OLDEST:
        return right(_PART, f"version {facts.version}")
    return wrong(_PART, f"version {facts.version} is older than 14", "upgrade PostgreSQL to 14 or newer")


def _writes(facts: Facts) -> Check:
    if not facts.read_only:
        return right(_PART, "a primary that writes")
    cure = "find out who set default_transaction_read_only (ALTER DATABASE or ROLE … RESET), or name the primary"
    return wrong(_PART, "it is read-only", cure)


def _encoding(facts: Facts) -> Check:
    if facts.encoding == "UTF8":
        return right(_PART, "texts are UTF-8")
    return wrong(
        _PART, f"the encoding is {facts.encoding}", "create the database with ENCODING 'UTF8' TEMPLATE template0"
    )


def _schema(examined: Examined) -> list[Check]:
    facts = examined.facts
    if facts.schema is None:
        return [
            wrong(_PART, f"{facts.role} may use no schema", f"GRANT USAGE, CREATE ON SCHEMA public TO {facts.role}")
        ]
    checks = _access(facts, facts.schema)
    if "migrations" in facts.closed:
        return checks
    changes = facts.may_create and not facts.foreign
    checks.append(_age(examined, facts.schema, changes=changes))
    if changes:
        checks.append(right(_PART, f"{facts.role} may change the schema (migrate, and worker, which makes partitions)"))
    elif not examined.missing:
        told = f"{facts.role} may not change the schema, as migrate does, and worker, which makes partitions of events"
        cure = f"run migrate and worker as the owner of the tables; serve may stay {facts.role}"
        checks.append(hint(_PART, told, cure))
    return checks


def _access(facts: Facts, schema: str) -> list[Check]:
    if facts.closed:
        grant = (
            "as the owner of the tables, and for what comes later as docs/operate/postgres.md says: "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {facts.role}; "
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {facts.role}"
        )
        return [wrong(_PART, f"{facts.role} may not read and write {_some(facts.closed)}", grant)]
    return [right(_PART, f"{facts.role} may read and write all tables (serve)")] if facts.tables else []


def _age(examined: Examined, schema: str, *, changes: bool) -> Check:
    if examined.missing:
        older = f"is older than this release: {_some(examined.missing)}"
        what = older if examined.facts.tables else "has no schema of ours"
        owner = f"run moorage migrate as the owner of the tables, who has GRANT CREATE ON SCHEMA {schema}"
        return wrong(_PART, f"the database {what}", "run moorage migrate" if changes else owner)
    if examined.newer:
        told = f"the schema is of a newer release: {_some(examined.newer)}; it suits the release before"
        return hint(_PART, told, "upgrade moorage here to the release that ran moorage migrate")
    return right(_PART, "the schema is of this release")


def _connections(facts: Facts, settings: Settings) -> Check:
    needed = settings.database.pool_size * (settings.processes + 1) + 1
    told = (
        f"of {facts.connections} connections a replica and a worker take {needed} at most; {facts.taken} are taken now"
    )
    if needed <= facts.connections:
        return right(_PART, told)
    cure = "raise max_connections (or the CONNECTION LIMIT), or lower MOORAGE_DATABASE_POOL or MOORAGE_WORKERS"
    return wrong(_PART, told, cure)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
