"""SQL statements with a declared row type.

A statement stands as a constant in the module of the function that runs it; ``ALL`` knows every one, so that a single
test prepares them on the migrated schema and compares their columns with the row's fields.
"""

from dataclasses import dataclass, fields
from typing import Any, Final, Generic, LiteralString, Protocol, TypeVar

from asyncpg import Record

Row = TypeVar("Row")


class Executor(Protocol):
    """A database, or a connection inside a transaction: the caller decides. Each method raises errors.Unavailable."""

    async def fetch(self, query: str, *args: object) -> list[Record]: ...
    async def fetchrow(self, query: str, *args: object) -> Record | None: ...
    async def execute(self, query: str, *args: object) -> str: ...


#: How far a list counts. Pages past that are not served, and so it need not know how many there are.
COUNTED: Final = 10_000

#: Behind every id: where a list begins, the newest first.
LAST: Final = 2**63 - 1


def counted(rows: LiteralString) -> LiteralString:
    """Render the number of ``rows``, what stands behind FROM, as far as COUNTED."""
    return f"(SELECT count(*) FROM (SELECT 1 FROM {rows} LIMIT {COUNTED}) AS near)"


class Statement(Protocol):
    """A declared statement."""

    @property
    def sql(self) -> LiteralString: ...


ALL: Final[list[Statement]] = []


@dataclass(frozen=True, slots=True, eq=False)
class Query(Generic[Row]):
    """A statement that returns rows; the row's fields stand in the order of its columns."""

    row: type[Row]
    sql: LiteralString

    async def maybe(self, db: Executor, *args: object) -> Row | None:
        """The first row, or None."""
        record = await db.fetchrow(self.sql, *args)
        return None if record is None else self.row(*record)

    async def one(self, db: Executor, *args: object) -> Row:
        """The first row of a statement that always has a row."""
        record = await db.fetchrow(self.sql, *args)
        if record is None:
            raise LookupError(f"no row from: {self.sql}")
        return self.row(*record)

    async def all(self, db: Executor, *args: object) -> list[Row]:
        """Every row."""
        return [self.row(*record) for record in await db.fetch(self.sql, *args)]

    @property
    def columns(self) -> list[str]:
        """The column names that the statement must return, in order."""
        struct = getattr(self.row, "__struct_fields__", None)
        return list(struct) if struct is not None else [f.name for f in fields(self.row)]  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Several queries with the same arguments as one statement: one round trip, and one snapshot."""

    queries: tuple[Query[Any], ...]
    sql: LiteralString

    async def all(self, db: Executor, *args: object) -> list[list[Any]]:
        """Every row of each query, in the order of the queries."""
        record = await db.fetchrow(self.sql, *args)
        if record is None:
            raise LookupError(f"no row from: {self.sql}")
        return [[query.row(*row) for row in rows] for query, rows in zip(self.queries, record, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """A statement that is run for its effect."""

    sql: LiteralString

    async def run(self, db: Executor, *args: object) -> int:
        """Run the statement and return the number of changed rows."""
        tag = await db.execute(self.sql, *args)
        return int(tag.rpartition(" ")[2])


def lines(parameter: LiteralString) -> LiteralString:
    """SQL that splits the text ``parameter`` into an array of its lines; an empty line is NULL.

    asyncpg takes 5 microseconds to send an array of eight texts, as much as Postgres takes to look one of them up; and
    of arrays of most types it asks the catalogs first, on each new connection (8 ms).
    """
    return f"string_to_array({parameter}, E'\\n', '')"


def select(row: type[Row], sql: LiteralString) -> Query[Row]:
    """Declare a statement that returns rows of ``row``."""
    query = Query(row, sql)
    ALL.append(query)
    return query


def together(*queries: Query[Any]) -> Together:
    """Declare a statement that asks several queries; a parameter is the same in all that have it."""
    asked = [f"ARRAY(SELECT ROW(part.*) FROM ({query.sql}) AS part) AS part_{n}" for n, query in enumerate(queries)]
    statement = Together(queries, "SELECT " + ", ".join(asked))
    ALL.append(statement)
    return statement


def command(sql: LiteralString) -> Command:
    """Declare a statement that returns nothing."""
    statement = Command(sql)
    ALL.append(statement)
    return statement
