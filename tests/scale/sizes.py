"""What each table and index takes, for each row of the table; and what an image, a tag, a pull adds."""

from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True, slots=True)
class Size:
    """Of a table, in bytes: ``heap`` with what is kept beside it (TOAST, maps), ``indexes`` by name."""

    table: str
    rows: int
    heap: int
    indexes: dict[str, int]

    @property
    def a_row(self) -> float:
        """Bytes of a row with its entries in all indexes."""
        return (self.heap + sum(self.indexes.values())) / max(self.rows, 1)


async def sizes(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Size]:
    """Of every table that has rows, the largest first."""
    tables = await connection.fetch(
        "SELECT oid, relname, pg_table_size(oid) AS heap FROM pg_class"
        " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'migrations'"
        " ORDER BY pg_total_relation_size(oid) DESC"
    )
    found = []
    for oid, table, heap in tables:
        rows = await connection.fetchval(f"SELECT count(*) FROM {table}")
        indexes = await connection.fetch(
            "SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) FROM pg_index"
            " WHERE indrelid = $1 ORDER BY 2 DESC",
            oid,
        )
        found.append(Size(table, rows, heap, dict(map(tuple, indexes))))
    return [size for size in found if size.rows]


def growth(found: list[Size]) -> dict[str, float]:
    """Event to the bytes it leaves, out of the sizes of rows."""
    row = {size.table: size.a_row for size in found}
    blob = row["blobs"] + row["package_blobs"] + row["manifest_blobs"]
    return {
        "an image of a config, a new layer and a base layer the package has, with a tag": (
            row["manifests"] + row["tags"] + 2 * blob + row["manifest_blobs"]
        ),
        "each further layer that is new": blob,
        "each further layer that the package has": row["manifest_blobs"],
        "a multi-platform index of two images, beside them": row["manifests"] + 2 * row["manifest_children"],
        "a signature": row["manifests"] + blob + row["manifest_blobs"],
        "a tag more": row["tags"],
        "the first pull of a version on a day": row["downloads"],
        "the first pull of a version at all": row["downloads"] + row["download_totals"],
        "a further pull on that day": 0,
        "a package": row["packages"] + row["package_users"],
        "a user with two tokens": row["accounts"] + 2 * row["tokens"],
    }
