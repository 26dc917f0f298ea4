"""`moorage admin audit`: the audit log, straight from the database. Imports stand in the commands."""
# ruff: noqa: PLC0415

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.admin import with_database
from registry.cli.output import print_rows

if TYPE_CHECKING:
    from storage.metadata.database import Database

_PAGE = 100


def audit(
    phrase: Annotated[str, typer.Argument(help="Such as 'action:team actor:alice created:>=2026-01-31'.")] = "",
    *,
    owner: Annotated[str, typer.Option("--owner", help="Of this account alone.")] = "",
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="In the order in which it happened.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    all_of_them: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each entry.")] = False,
) -> None:
    """Tell what happened in the registry, the newest first: time, action, actor, account, and address of the client."""
    import orjson

    async def show(db: "Database") -> None:
        async for entry in _entries(db, owner, phrase, None if all_of_them else limit, oldest_first=oldest_first):
            if json:
                typer.echo(orjson.dumps(entry).decode())
            else:
                print_rows([_row(entry)])

    with_database(show)


def _row(entry: dict[str, Any]) -> list[object]:
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(entry["@timestamp"] / 1000, UTC)
    actor, account = entry.get("actor") or entry["actor_kind"], entry.get("org") or entry.get("user") or ""
    return [at, entry["action"], actor, account, entry.get("actor_ip", "")]


async def _entries(
    db: "Database", owner: str, phrase: str, limit: int | None, *, oldest_first: bool
) -> AsyncIterator[dict[str, Any]]:
    from registry.accounts import accounts
    from registry.accounts import audit as rules
    from registry.events import audit_entry

    owner_id, after, left = (await accounts.find(db, owner)).id if owner else None, "", limit
    while left is None or left > 0:
        size = _PAGE if left is None else min(_PAGE, left)
        page = await rules.page(db, owner_id, rules.Query(phrase, after, oldest_first=oldest_first, limit=size))
        for entry in page.entries:
            yield audit_entry(entry)
        left = None if left is None else left - len(page.entries)
        if page.after is None:
            return
        after = page.after


def verify_audit() -> None:
    """Compare the audit log with its seals; exits with 1 where entries are missing, changed or added."""
    from registry.accounts import audit as rules

    found = with_database(rules.verify)
    for seal in found.broken:
        typer.echo(f"seal {seal.number} is broken: {seal.count} entries from {seal.first_at:%Y-%m-%d %H:%M:%SZ} on"
                   f" were sealed at {seal.at:%Y-%m-%d %H:%M:%SZ}, and {seal.found} are there")  # fmt: skip
    for number in found.missing:
        typer.echo(f"seal {number} is missing")
    typer.echo(f"{found.intact} seals are intact, over {found.events} entries; {found.expired} are of months not kept")
    if found.broken or found.missing:
        raise typer.Exit(1)
