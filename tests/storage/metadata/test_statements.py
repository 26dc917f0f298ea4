"""Every statement of ``ALL`` is prepared on the migrated schema, and its columns are the fields of its row."""

import datetime as dt
import importlib
import pkgutil
import typing
import uuid
from dataclasses import fields

import asyncpg
import pytest

import storage.metadata
from storage.metadata.query import ALL, Command, Query, Together
from storage.metadata.web_sessions import WebSession, WithSession

for _module in pkgutil.walk_packages(storage.metadata.__path__, "storage.metadata."):
    importlib.import_module(_module.name)
_PYTHON = {
    "text": str,
    "int4": int,
    "int8": int,
    "bool": bool,
    "bytea": bytes,
    "float8": float,
    "uuid": uuid.UUID,
    "timestamptz": dt.datetime,
    "date": dt.date,
    "text[]": list,
    "int4[]": list,
    "int8[]": list,
    "jsonb": str,
    "varchar": str,
}


async def test_every_statement_fits_the_schema_and_its_row(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    wrong: list[str] = []
    try:
        for statement in ALL:
            try:
                prepared = await connection.prepare(statement.sql)
            except asyncpg.PostgresError as error:
                wrong.append(f"{error}: {statement.sql}")
                continue
            if isinstance(statement, Query):
                wrong += _differences(statement, prepared.get_attributes())
            elif isinstance(statement, Together):
                given = ", ".join(f"${n}::{kind.name}" for n, kind in enumerate(prepared.get_parameters(), 1))
                for query in statement.queries:
                    part = await connection.prepare(
                        f"SELECT part.* FROM ({query.sql}) AS part CROSS JOIN (SELECT {given}) AS given"
                    )
                    wrong += _differences(query, part.get_attributes())
            elif isinstance(statement, WithSession):
                names = [one.name for one in prepared.get_attributes()]
                if names != [*(one.name for one in fields(WebSession)), "there", *statement.query.columns]:
                    wrong.append(f"with a session: SQL gives {names}")
                alone = await connection.prepare(statement.query.sql)
                wrong += _differences(statement.query, alone.get_attributes())
    finally:
        await connection.close()
    assert ALL
    assert not wrong, "\n".join(wrong)


def _differences(query: "Query[typing.Any]", attributes: typing.Iterable[typing.Any]) -> list[str]:
    found = {a.name: _PYTHON[a.type.name] for a in attributes}
    if list(found) != query.columns:
        return [f"{query.row.__name__}: SQL gives {list(found)}, the row has {query.columns}"]
    hints = typing.get_type_hints(query.row)
    return [
        f"{query.row.__name__}.{name}: SQL gives {kind.__name__}, the row says {hints[name]}"
        for name, kind in found.items()
        if not _fits(kind, hints[name])
    ]


def _fits(kind: type, hint: object) -> bool:
    arguments = typing.get_args(hint)
    options = arguments if arguments and typing.get_origin(hint) is not list else (hint,)
    names = [getattr(o, "__supertype__", None) or typing.get_origin(o) or o for o in options]
    return any(isinstance(n, type) and issubclass(n, kind) for n in names)


def test_a_wrong_row_is_noticed() -> None:
    assert not _fits(int, bytes)
    assert _fits(int, int | None)
    with pytest.raises(AttributeError):
        Command("SELECT 1").columns  # type: ignore[attr-defined]  # noqa: B018
