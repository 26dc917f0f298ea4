"""Explains every statement as it runs, with values of the world: what it scanned, sorted and touched."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import orjson

import storage.metadata
from storage.metadata.query import ALL, COUNTED
from tests.scale.arguments import Arguments, arguments
from tests.scale.world import World

#: What the largest page or batch has, and so what may be sorted, or read without a condition.
PAGE: Final = 1000
#: The rows that a statement may look at, whatever the size of the registry: a list counts and skips as many.
LOOKED_AT: Final = 2 * COUNTED + PAGE
#: A foreign key without an index shows in the time that a row takes.
_TRIGGER_MS: Final = 5.0
#: Of ours, which are compiled at their first call.
_COMPILED_MS: Final = 100.0

#: Statements that may do more, and why.
ALLOWED: Final = {
    "adoptions._FORGET": "forgets all that the scan of one folder found, for operators",
    "adoptions._RELEASE": "lets go of all that one folder held, once, for operators",
    "accounts._FORGET": "an account is deleted once, with all that it has",
    "catalog._PAGE": "version_count is exact: a count in an index, of the versions of one package",
    "catalog._SHOW": "version_count is exact: a count in an index, of the versions of one package",
    "deletions._LEAVING_PACKAGE": "counts versions and tags of one package as far as 10,000",
    "selections._SELECT": "looks at 400 versions, and at their tags where a rule may keep some",
    "administration._COUNTS": "counts each table as far as 10,000, for administrators",
    "examination._FACTS": "reads the catalogs, for operators",
    "examination._APPLIED": "reads the names of all migrations, for operators",
    "queues._QUEUES": "counts each queue as far as 10,000, for operators",
    "search._MATCHES": "looks at 1,000 names that are public, and as many of each organization of the viewer",
    "usage_counts._BLOBS": "counts the blobs of one owner, in a job, once a day; a sixteenth, if there are many packages",
    "usage_counts._REST": "counts the manifests of one owner, in a job, once a day",
    "usage_counts._FOLD": "folds 1,000 deltas, in a job; of each digest it looks at 100 links or at the owner's packages",
    "retention_contents._LOSSES": "goes through the events of one package, 10,000 at a time, for a worker",
    "retention_contents._TAGS": "goes through the tags of one package, 10,000 at a time, for a worker",
    "mirror_evictions._IDLE": "goes through the versions of one mirror, in a job, once an hour",
    "usage._OF_OWNER": "adds up the blobs of an account, 200,000 at most, where somebody asks for that",
    "usage._OF_PACKAGE": "adds up the blobs of a package, 200,000 at most, where somebody asks for that",
    "repository_lists._MINE": "counted as far as 10,000, and sorted to be so",
    "repository_lists._OWNED": "counted as far as 10,000, and sorted to be so",
}


@dataclass(frozen=True, slots=True)
class Run:
    """A statement with the values of that number; ``faults``: where it broke the rules."""

    name: str
    number: int
    milliseconds: float
    pages: int  # of 8 KiB, found in memory or read
    looked_at: int  # rows
    faults: tuple[str, ...]


def names() -> dict[str, str]:
    """Module and name of every declared statement to its SQL."""
    found = [module.name for module in pkgutil.walk_packages(storage.metadata.__path__, "storage.metadata.")]
    modules = [importlib.import_module(name) for name in found]
    declared = {id(statement): statement.sql for statement in ALL}
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": declared[id(value)]
        for module in modules
        for name, value in vars(module).items()
        if id(value) in declared
    }


async def explain(connection: "asyncpg.Connection[asyncpg.Record]", world: World, looked_at: int) -> list[Run]:
    """Each is run in a transaction that is rolled back, under the plan for any values, which is the one that is used."""
    declared, given = names(), arguments(world)
    different = declared.keys() ^ given.keys()
    assert not different, f"tests/scale/arguments.py and the statements differ: {different}"
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    runs: list[Run] = []
    for name, sql in declared.items():
        try:
            told = await _told(connection, sql, given[name])
        except asyncpg.PostgresError as error:
            error.add_note(f"{name} with the values of tests/scale/arguments.py")
            raise
        runs += [_judged(name, number, plan, looked_at) for number, plan in enumerate(told)]
    return runs


async def _told(connection: "asyncpg.Connection[asyncpg.Record]", sql: str, several: list[Arguments]) -> list[Any]:
    plans = []
    await connection.execute(f"PREPARE it AS {sql}")
    kinds = await connection.fetchval("SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'it'")
    for values in several:
        asked = f"({', '.join(map(_literal, values, kinds))})" if values else ""
        transaction = connection.transaction()
        await transaction.start()
        plans.append(await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE it{asked}"))
        await transaction.rollback()
    await connection.execute("DEALLOCATE it")
    return [orjson.loads(plan)[0] for plan in plans]


def _judged(name: str, number: int, told: Any, most: int) -> Run:
    root, faults, looked_at = told["Plan"], list[str](), 0
    for node in _nodes(root):
        removed = sum(value for key, value in node.items() if key.startswith("Rows Removed by"))
        rows = round((node["Actual Rows"] + removed) * node["Actual Loops"])
        looked_at += rows if "Relation Name" in node else 0
        faults += _faults(node, rows)
    for trigger in told["Triggers"]:
        each = trigger["Time"] / trigger["Calls"]
        most_ms = _TRIGGER_MS if "Constraint Name" in trigger else _COMPILED_MS
        named = trigger.get("Constraint Name") or trigger["Trigger Name"]
        faults += [f"{named}: {each:.1f} ms a row"] if each > most_ms else []
    faults += [f"{looked_at} rows looked at"] if looked_at > most else []
    pages = root["Shared Hit Blocks"] + root["Shared Read Blocks"]
    return Run(name, number, told["Execution Time"], pages, looked_at, tuple(dict.fromkeys(faults)))


def _faults(node: Any, rows: int) -> Iterator[str]:
    kind = node["Node Type"]
    # What is read to its end and has no row is an empty partition: that costs nothing, and is planned anew when it grows.
    if kind == "Seq Scan" and not (rows == 0 and node["Actual Loops"]):
        yield f"all of {node['Relation Name']}"
    if kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node and rows > PAGE:
        yield f"{rows} rows of {node['Index Name']}"
    if kind in {"Sort", "Incremental Sort"} and (to_sort := round(node["Plans"][0]["Actual Rows"])) > PAGE:
        yield f"{to_sort} rows sorted"


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for below in node.get("Plans", ()):
        yield from _nodes(below)


def _literal(value: object, kind: str = "") -> str:
    """SQL of a value; of an array its type has to be told."""
    match value:
        case None:
            return "NULL"
        case list():
            return f"ARRAY[{', '.join(map(_literal, value))}]::{kind}"
        case bytes():
            return f"'\\x{value.hex()}'"
        case bool() | int() | float():
            return str(value)
        case _:
            return f"'{value}'"
