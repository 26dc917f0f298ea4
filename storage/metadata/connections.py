"""How PostgreSQL is reached: its URL as hosters write it, and sessions that are ours alone.

A pooler that lends server connections by transaction or statement cannot be worked with: asyncpg prepares statements by
name, names that two processes share, so that one gets the answer of the other's statement; and settings of a session
would be those of whoever comes next. Without them each look-up would be a transaction that is parsed and planned anew,
five times its cost. So such a pooler is refused when we start; by session, all is as without it.
"""

import os
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from storage.errors import DatabaseUnavailable, StorageError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_CONNECT_SECONDS: Final = 5.0
_CONNECT_LEAST_SECONDS: Final = 2.0  # as libpq has it
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::[0-9]{1,5})?")
_ENCODE: Final = "expected postgresql://user:password@host/database, with every / ? # @ : of a password as %2F %3F …"

#: Parameters of libpq that asyncpg knows, or that PostgreSQL itself takes as a session begins.
_PASSED: Final = frozenset(
    {"host", "port", "dbname", "database", "user", "password", "passfile", "service", "options", "application_name"}
    | {"sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslnegotiation"}
    | {"ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib"}
)
#: Those that change nothing here, with the values of which this is so (none listed: all). A server that is gone is
#: noticed by the deadline of each statement, whatever TCP was told.
_WITHOUT_EFFECT: Final[dict[str, frozenset[str]]] = {
    "channel_binding": frozenset({"prefer", "disable"}),
    "client_encoding": frozenset({"utf8", "utf-8", "auto"}),
    "fallback_application_name": frozenset(),
    "gssencmode": frozenset({"prefer", "disable"}),
    "keepalives": frozenset(),
    "keepalives_count": frozenset(),
    "keepalives_idle": frozenset(),
    "keepalives_interval": frozenset(),
    "load_balance_hosts": frozenset({"disable"}),
    "sslcertmode": frozenset({"allow"}),
    "sslcompression": frozenset({"0"}),
    "sslsni": frozenset({"1"}),
    "tcp_user_timeout": frozenset(),
}
_TLS_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_FILES: Final = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")
_PRIMARY: Final = ("any", "primary", "read-write")

STANDBY: Final = "Postgres: read-only, a standby and not the primary"
#: How often a pooler is asked whether its sessions stay what they are.
_ROUNDS: Final = 8
_WHICH: Final = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class Unusable(StorageError):
    """The configured database can never be used as it is; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parsed URL of a database: what asyncpg is told of it."""

    dsn: str = field(repr=False)  # has the password
    target: str = "primary"
    connect_seconds: float = _CONNECT_SECONDS
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of asyncpg's ``connect`` and ``create_pool``."""
        return {
            "dsn": self.dsn,
            "timeout": self.connect_seconds,
            "ssl": self.tls,
            "target_session_attrs": self.target,
            "server_settings": {} if "application_name=" in self.dsn else {"application_name": "moorage"},
        }


def parse_url(url: str) -> Address:
    """Parse the URL of a database, as libpq and hosters write it. Raises ValueError, which names the parameter."""
    try:
        parts = urlsplit(url)
    except ValueError:  # whose text may show the password
        raise ValueError(_ENCODE) from None
    user, _, hosts = parts.netloc.rpartition("@")
    if parts.scheme not in {"postgres", "postgresql"} or parts.fragment or "@" in user + parts.path:
        raise ValueError(_ENCODE)
    if not all(map(_HOST.fullmatch, hosts.split(","))):
        raise ValueError(_ENCODE)
    given = {name: value for name, value in parse_qsl(parts.query, keep_blank_values=True) if value}
    for name, value in given.items():
        _check(name, value)
    target = given.pop("target_session_attrs", "any")
    if target not in _PRIMARY:
        raise ValueError(
            f"target_session_attrs={target}: a registry writes; leave it out, or say primary or read-write"
        )
    seconds = _seconds(given.pop("connect_timeout", "0"))
    tls = _system_tls(given)
    kept = urlencode({name: value for name, value in given.items() if name in _PASSED})
    dsn = parts._replace(query=kept).geturl()
    return Address(dsn, "primary" if target == "any" else target, seconds, tls)


def _check(name: str, value: str) -> None:
    """Raise ValueError for a parameter that is not known, or a value that cannot be kept to."""
    if name in _WITHOUT_EFFECT:
        values = _WITHOUT_EFFECT[name]
        if values and value.lower() not in values:
            instead = " or ".join(sorted(values))
            more = "; sslmode=verify-full proves the server, too" if name == "channel_binding" else ""
            raise ValueError(f"{name}={value} cannot be kept to here: leave it out, or say {instead}{more}")
    elif name == "sslmode" and value not in _TLS_MODES:
        raise ValueError(f"sslmode={value}: expected one of {', '.join(_TLS_MODES)}")
    elif name in _FILES and (name, value) != ("sslrootcert", "system"):
        if not Path(value).is_file():
            raise ValueError(f"{name}={value}: there is no such file")
    elif name not in _PASSED | {"connect_timeout", "target_session_attrs"}:
        raise ValueError(
            f"the parameter {name!r} is not known; PostgreSQL's own settings go into options=-c%20NAME=VALUE"
        )


def _seconds(text: str) -> float:
    """The seconds of connect_timeout; 0 stands for none given. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise ValueError(f"connect_timeout={text}: expected seconds")
    return max(_CONNECT_LEAST_SECONDS, float(text)) if int(text) else _CONNECT_SECONDS


def _system_tls(given: dict[str, str]) -> ssl.SSLContext | None:
    """Make a context of the system's authorities where these are asked for; takes what is in it out of ``given``.

    They are where ``sslrootcert=system`` says so, and where verify-full names no file and there is none of the user's.
    Raises ValueError.
    """
    root, mode = given.get("sslrootcert"), given.get("sslmode")
    environ = os.environ  # noqa: TID251 - of libpq, which asyncpg reads as well
    if root is None and (environ.get("PGSSLROOTCERT") or Path("~/.postgresql/root.crt").expanduser().exists()):
        return None
    if root == "system" and mode not in {None, "verify-full"}:
        raise ValueError(f"sslrootcert=system and sslmode={mode}: the system's authorities go with verify-full")
    if root not in {None, "system"} or (root is None and mode != "verify-full"):
        return None
    context = ssl.create_default_context()
    context.set_alpn_protocols(["postgresql"])
    if certificate := given.pop("sslcert", None):
        try:
            context.load_cert_chain(certificate, given.pop("sslkey", None), given.pop("sslpassword", ""))
        except OSError as error:
            raise ValueError(f"sslcert={certificate} and sslkey cannot be used: no certificate and its key") from error
    for name in ("sslmode", "sslrootcert"):
        given.pop(name, None)
    return context


async def connect(address: Address, **more: Any) -> Connection:
    """Open a connection to the primary. Raises Unavailable without one, Unusable for a URL, and errors of asyncpg."""
    try:
        return await asyncpg.connect(**address.arguments, **more)
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise DatabaseUnavailable(STANDBY) from error
    except ssl.SSLCertVerificationError as error:  # a ValueError too
        raise DatabaseUnavailable(f"Postgres: its certificate is not believed: {error.verify_message}") from error
    except (asyncpg.ClientConfigurationError, ValueError) as error:
        raise Unusable(f"MOORAGE_DATABASE_URL: {error}") from error


async def require_sessions(address: Address) -> None:
    """Check that a session stays with one server process. Raises Unusable behind a pooler by transaction or statement.

    A pooler shows by the number of the process: the one that the session got as it began is not PostgreSQL's. Two
    sessions then ask in turn who answers: by session each has one process, and never that of the other.
    """
    first = await connect(address, statement_cache_size=0, command_timeout=_CONNECT_SECONDS)
    try:
        one = await _process(first)
        if one[0] == first.get_server_pid():
            return
        second = await connect(address, statement_cache_size=0, command_timeout=_CONNECT_SECONDS)
        try:
            two = await _process(second)
            for _ in range(_ROUNDS):
                if one == two or [await _process(c) for c in (first, first, second)] != [one, one, two]:
                    raise Unusable(_POOLER)
        except TimeoutError:
            return  # the pool has one connection, and keeps it for the first: by session
        finally:
            await second.close(timeout=1)
    finally:
        await first.close(timeout=1)


_POOLER: Final = (
    "MOORAGE_DATABASE_URL: a pooler is there that lends connections by transaction, where statements of others would "
    "be run for ours: have it lend them by session (PgBouncer: pool_mode = session), or name PostgreSQL itself"
)


async def _process(connection: Connection) -> tuple[int, str]:
    """Number and start of the server process; asked in one transaction, without a name that others have, too."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(_WHICH)
    except asyncpg.PostgresConnectionError as error:
        if "statement pooling" in str(error):
            raise Unusable(_POOLER) from error
        raise
    if row is None:
        raise DatabaseUnavailable("Postgres: pg_stat_activity does not show our own session")
    return row[0], row[1]
