"""`moorage admin audit`: the audit log, straight from the database. Imports stand in the commands."""
# ruff: noqa: PLC0415

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli.admin import with_database
from registry.cli.output import print_rows

if TYPE_CHECKING:
    from auth.seals import Keys
    from storage.metadata.database import Database

_PAGE = 100
_TIME = "%Y-%m-%d %H:%M:%SZ"


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


def verify_audit(
    public_key: Annotated[
        list[str] | None,
        typer.Option(help="Believe the seals of this key too, one that MOORAGE_SECRET_KEY had before."),
    ] = None,
) -> None:
    """Compare the audit log with its seals; exits with 1 where entries are missing, changed or added.

    The seals have to be signed with a key of MOORAGE_SECRET_KEY, or of the option.
    """
    from registry.accounts import audit as rules

    keys = _believed(public_key or ())
    found = with_database(lambda db: rules.verify(db, keys))
    for seal in found.broken:
        typer.echo(f"seal {seal.number} is broken: {seal.count} entries from {seal.first_at:{_TIME}} on"
                   f" were sealed at {seal.at:{_TIME}}, and {seal.found} are there")  # fmt: skip
    for seal in found.foreign:
        how = "is not signed" if seal.signature is None else "is signed with a key that is not believed"
        typer.echo(f"seal {seal.number} {how}: somebody else has made or changed it")
    for number in found.missing:
        typer.echo(f"seal {number} is missing")
    if found.late:
        typer.echo(f"{len(found.late)} seals were made late, the first of them, {found.late[0].number}, at"
                   f" {found.late[0].at:{_TIME}}: no worker ran, or somebody had them made anew")  # fmt: skip
    typer.echo(f"{found.intact} seals are intact, over {found.events} entries; {found.expired} are of months not kept")
    for signer, seals in found.signers.items():
        typer.echo(f"{seals} are signed with the key {signer}")
    if not found.whole:
        raise typer.Exit(1)


def _believed(public_keys: Sequence[str]) -> "Keys":
    from auth.seals import believed_keys
    from registry.config import secrets_from_env

    try:
        keys = believed_keys(secrets_from_env(), public_keys)
    except ValueError:
        raise typer.BadParameter("expected an Ed25519 key, 64 hexadecimal digits", param_hint="--public-key") from None
    if not keys:
        raise typer.BadParameter(
            "expected the public key, or MOORAGE_SECRET_KEY in the environment", param_hint="--public-key"
        )
    return keys
