"""The connection pool, and the one place that translates errors of Postgres into StorageErrors."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias, TypeVar

import asyncpg

from storage.errors import DatabaseUnavailable, StorageError
from storage.metadata import refusals
from storage.metadata.connections import STANDBY, parse_url, require_sessions
from storage.metadata.primary import READ_ONLY, begin_session, require_primary
from storage.metadata.statement_watch import StatementWatch
from storage.metadata.turns import Turns
from storage.operations import record, recorded
from storage.timings import Timings

T = TypeVar("T")
_Held: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

#: The share of the connections that those may have at once who change one package.
_PACKAGE_SHARE: Final = 4
#: Taking a connection longer than this is an overload, not a wait.
_ACQUIRE_SECONDS: Final = 5.0
_RENEWAL_SECONDS: Final = 1.0

#: What a retry, here or by the client, may mend.
_PASSING: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutdown, crash, cannot connect now, statement timeout
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InterfaceError,  # the pool is closing, the connection was lost underneath
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
)
_REPEATABLE: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
)
_TRIES: Final = 3
_COMMIT: Final = "COMMIT"
#: The turn of whoever has a whole request in a transaction; packages have positive ids.
_JOINED: Final = 0
NO_SCHEMA: Final = "Postgres: the schema is not there, or older than this release: run moorage migrate"
#: What an operator is told in words of ours.
_SAID: Final = (
    (asyncpg.TargetServerAttributeNotMatched, STANDBY),
    (asyncpg.ReadOnlySQLTransactionError, READ_ONLY),
    (asyncpg.UndefinedTableError, NO_SCHEMA),  # this and the next: on a schema that is not ours, or older
    (asyncpg.UndefinedColumnError, NO_SCHEMA),
    (asyncpg.UndefinedFunctionError, NO_SCHEMA),
)


class ForeignKeyMissing(StorageError):
    """A referenced row is missing; ``constraint`` names the foreign key."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class AlreadyThere(StorageError):
    """A unique key is taken; ``constraint`` names the key."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    url: str = field(repr=False)  # has the password
    pool_size: int = 10
    command_seconds: float = 15.0  # without an answer; a server that answers stops a statement before


def _known(error: Exception) -> StorageError | None:
    """Translate an error of asyncpg; None: the error is to be raised unchanged."""
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return ForeignKeyMissing(error.constraint_name or "")
    if isinstance(error, asyncpg.UniqueViolationError):
        return AlreadyThere(error.constraint_name or "")
    if (refused := refusals.refused(error)) is not None:
        return refused
    for kind, said in _SAID:
        if isinstance(error, kind):
            return DatabaseUnavailable(said)
    if isinstance(error, _PASSING) and not isinstance(error, _REPEATABLE):
        return DatabaseUnavailable(f"Postgres: {type(error).__name__}")
    return None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        raise known from error


async def _repeated(run: Callable[..., Awaitable[T]], *args: object) -> T:
    """Run with retries and translated errors; no context manager on purpose, as every statement passes here."""
    left = _TRIES
    while True:
        try:
            return await run(*args)
        except _REPEATABLE as error:
            left -= 1
            if not left:
                raise DatabaseUnavailable(f"Postgres: {type(error).__name__}") from error
        except Exception as error:
            known = _known(error)
            if known is None:
                raise
            raise known from error


class Transaction:
    """A connection inside a transaction, as an Executor."""

    def __init__(self, connection: _Held, watch: StatementWatch | None) -> None:
        self._connection = connection
        self._watch = watch

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        with _translated():
            return await self._asked(query, self._connection.fetch(query, *args))

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        with _translated():
            return await self._asked(query, self._connection.fetchrow(query, *args))

    async def execute(self, query: str, *args: object) -> str:
        with _translated():
            return await self._asked(query, self._connection.execute(query, *args))

    def _asked(self, query: str, asked: Awaitable[T]) -> Awaitable[T]:
        return asked if self._watch is None else self._watch.noted(query, asked)


class PoolUse(NamedTuple):
    """The connections of a pool, and the number of requests that wait for one."""

    size: int
    in_use: int
    waiting: int


class _Taken(NamedTuple):
    """A connection of the pool; ``told``: what its server tells of itself, asyncpg's and ever the newest."""

    connection: _Held
    told: object


async def _no_reset(_connection: object) -> None:
    """Skip the reset of a returned connection: no statement leaves session state (saves a round trip)."""


class Database:
    """The connection pool as an Executor: each statement is its own transaction.

    A connection that a statement leaves as it was stays here, and not in the pool, unless somebody waits there: to take
    one from asyncpg's pool and to give it back is a task and two timers, twice the CPU of a short statement.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", size: int, watch: StatementWatch | None = None) -> None:
        self._pool = pool
        self.watch = watch
        #: Whose row is locked keeps few connections waiting for it, and others have the rest.
        self._turns = Turns(max(1, size // _PACKAGE_SHARE))
        self._idle: list[_Taken] = []
        self._waiting = 0
        self.waits = Timings()
        self._renewals = 0
        self._renewed_at = float("-inf")
        #: The changes that tag rules have refused, by their kind.
        self.refused_changes: Counter[str] = Counter()

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        return await _repeated(self._once, query, lambda connection: connection.fetch(query, *args))

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        return await _repeated(self._once, query, lambda connection: connection.fetchrow(query, *args))

    async def execute(self, query: str, *args: object) -> str:
        return await _repeated(self._once, query, lambda connection: connection.execute(query, *args))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction; only rules call this method, never storage."""
        with _translated():
            async with self._taken() as connection, connection.transaction():
                yield Transaction(connection, self.watch)
                ending = time.monotonic()
        record("statement", _COMMIT, ending)

    async def _once(self, query: str, run: Callable[[_Held], Awaitable[T]]) -> T:
        taken, renewals, watch = await self._take(), self._renewals, self.watch
        began = 0.0 if watch is None else time.monotonic()
        try:
            result = await run(taken.connection)
            require_primary(taken.told)
        except BaseException as error:
            if watch is not None:
                watch.note(query, began, error)
            await self._give_up(taken.connection, error)
            raise
        if watch is not None:
            watch.note(query, began)
        await self._give(taken, renewals)
        return result

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[_Held]:
        taken, renewals = await self._take(), self._renewals
        try:
            yield taken.connection
            require_primary(taken.told)
        except BaseException as error:
            await self._give_up(taken.connection, error)
            raise
        await self._give(taken, renewals)

    @property
    def use(self) -> "PoolUse":
        """The connections that are open, those at work, and the requests that wait for one."""
        size = self._pool.get_size()
        return PoolUse(size, size - self._pool.get_idle_size() - len(self._idle), self._waiting)

    async def renew(self) -> None:
        """Have all connections closed, those at work when they are given back: their server no longer writes.

        At most once a second: what was opened since then was asked whether it is a primary.
        """
        now = asyncio.get_running_loop().time()
        if now < self._renewed_at + _RENEWAL_SECONDS:
            return
        self._renewed_at = now
        self._renewals += 1
        await self._pool.expire_connections()
        while self._idle:
            await self._pool.release(self._idle.pop().connection)

    async def _give_up(self, connection: _Held, error: BaseException) -> None:
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            await self.renew()
        self.refused_changes.update(refusals.changes(error))
        await self._pool.release(connection)  # which knows what state it is in

    async def _give(self, taken: _Taken, renewals: int) -> None:
        if self._waiting or renewals != self._renewals:
            await self._pool.release(taken.connection)
        else:
            self._idle.append(taken)

    async def _take(self) -> _Taken:
        while self._idle:
            taken = self._idle.pop()
            try:
                closed = taken.connection.is_closed()
            except asyncpg.InterfaceError:  # the pool has noticed its end, and taken it back
                closed = True
            if not closed:
                return taken
            await self._pool.release(taken.connection)
        self._waiting += 1
        try:
            acquired = self.waits.timed("", self._pool.acquire(timeout=_ACQUIRE_SECONDS))
            connection = await recorded("connection", "", acquired)
        finally:
            self._waiting -= 1
        try:
            return _Taken(connection, connection.get_settings())
        except asyncpg.InterfaceError:  # it ended in the turn in which it was given to us
            await self._pool.release(connection)
            raise

    async def close(self) -> None:
        """Close all connections, within 5 s at the latest."""
        try:
            async with asyncio.timeout(5):
                while self._idle:
                    await self._pool.release(self._idle.pop().connection)
                await self._pool.close()
        except (TimeoutError, OSError):
            self._pool.terminate()

    def turn(self, package_id: int) -> AbstractAsyncContextManager[None]:
        """Wait for a turn of who changes the package, within the block. Raises Unavailable."""
        return self._turns.turn(package_id)

    async def repeat(self, work: Callable[[Transaction], Awaitable[T]], package_id: int | None = None) -> T:
        """Run ``work`` in a transaction, again as a whole (at most three times) after a deadlock or the like.

        ``package_id``: the package that it locks.
        """

        async def run() -> T:
            async with self.transaction() as tx:
                return await work(tx)

        if package_id is None:
            return await _repeated(run)
        async with self.turn(package_id):
            return await _repeated(run)

    async def join(self, work: Callable[["Database"], Awaitable[T]]) -> T:
        """Run ``work`` on a database whose statements are all one transaction, again as a whole as repeat() does."""

        async def joined(tx: Transaction) -> T:
            return await work(_Joined(tx))

        return await self.repeat(joined, _JOINED)


class _Joined(Database):
    """A database whose statements and transactions are parts of one transaction; who began it repeats the whole."""

    def __init__(self, tx: Transaction) -> None:  # the pool stays with who began
        self._tx = tx

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        return await self._tx.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> asyncpg.Record | None:
        return await self._tx.fetchrow(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        return await self._tx.execute(query, *args)

    async def repeat(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        package_id: int | None = None,  # noqa: ARG002 - who waits holds a connection already
    ) -> T:
        return await work(self._tx)


@asynccontextmanager
async def open_database(settings: DatabaseSettings, watch: StatementWatch | None = None) -> AsyncIterator[Database]:
    """Open the connection pool, and close the pool at the end of the block. Raises Unavailable, Unusable.

    ``watch``: notes every statement.
    """
    address = parse_url(settings.url)
    with _translated():
        await require_sessions(address)
        pool = await asyncpg.create_pool(
            **address.arguments,
            min_size=1,
            max_size=settings.pool_size,
            command_timeout=settings.command_seconds,
            max_inactive_connection_lifetime=300,
            init=begin_session,
            reset=_no_reset,
        )
    database = Database(pool, settings.pool_size, watch)
    try:
        yield database
    finally:
        await database.close()
