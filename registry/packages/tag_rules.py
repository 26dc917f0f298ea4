"""The rules of tag rules: what an account forbids to be done to tags of its packages. Storage judges each change."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.errors import Invalid, NotFound
from registry.packages.globs import BadGlob, pattern_of
from storage.metadata import accounts
from storage.metadata import tag_rules as storage
from storage.metadata.database import Database, Transaction
from storage.metadata.query import Executor
from storage.metadata.tag_rules import NewTagRule, TagRule

CHANGES: Final = (storage.MOVE, storage.DELETE, storage.CREATE)
#: What keeps a release as it was pushed: offered where no rule is yet.
OFFERED: Final = ("releases", "v[0-9]*.[0-9]*.[0-9]*", ("move", "delete"))
_RULES_MAX: Final = 50
_GLOBS_MAX: Final = 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}", re.ASCII)
#: The tags by which clients find the signatures and referrers of a digest: a rule is about them where it spells them.
_FALLBACK: Final = "sha(?:256|512)-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule as an owner wants it: globs over packages and tags, what is ``forbid``den, and whom it spares."""

    name: str
    package: str
    tags: Sequence[str]
    excepts: Sequence[str]
    forbid: Sequence[str]
    unless_role: str | None
    enabled: bool = True


async def listed(db: Executor, owner_id: int) -> list[TagRule]:
    """Return the rules of an account, by name."""
    return await storage.of_owner(db, owner_id)


async def named(db: Executor, owner_id: int, name: str) -> TagRule:
    """Return a rule of an account. Raises NotFound."""
    found = await storage.get(db, owner_id, name) if _NAME.fullmatch(name) else None
    if found is None:
        raise NotFound
    return found


async def put(db: Database, owner_id: int, wanted: Wanted) -> bool:
    """Store a rule, in place of the one of its name if there is one; True: there was none. Raises Invalid."""
    rule = _parsed(wanted)

    async def work(tx: Transaction) -> bool | None:
        await accounts.hold(tx, owner_id)
        return await storage.put(tx, owner_id, rule, _RULES_MAX)

    made = await db.repeat(work)
    if made is None:
        raise Invalid(f"An account has at most {_RULES_MAX} tag rules.", "Remove one, or put more globs into one.")
    return made


async def switch(db: Database, owner_id: int, name: str, *, on: bool) -> None:
    """Enable or disable a rule. Raises NotFound."""

    async def work(tx: Transaction) -> bool:
        await accounts.hold(tx, owner_id)
        return await storage.switch(tx, owner_id, name, on=on)

    if _NAME.fullmatch(name) is None or not await db.repeat(work):
        raise NotFound


async def remove(db: Executor, owner_id: int, name: str) -> None:
    """Remove a rule. Raises NotFound."""
    if not (_NAME.fullmatch(name) and await storage.remove(db, owner_id, name)):
        raise NotFound


def _parsed(wanted: Wanted) -> NewTagRule:
    """Check a rule, and make regular expressions of its globs. Raises Invalid."""
    if not _NAME.fullmatch(wanted.name):
        raise Invalid(
            "Invalid request.\n\nFor 'name', expected 1 to 63 lower-case letters, digits, '_', '.' and '-', "
            "the first of them a letter or a digit."
        )
    forbid = [change for change in CHANGES if change in wanted.forbid]
    if not forbid or set(forbid) != set(wanted.forbid):
        raise Invalid("Invalid request.\n\nFor 'forbid', expected one or more of move, delete, create.")
    if not wanted.tags:
        raise Invalid("Invalid request.\n\nFor 'tags', expected one glob or more.")
    (package,) = _patterns("package", [wanted.package])
    tags, excepts = _patterns("tags", wanted.tags), _patterns("except", wanted.excepts)
    spelled = [one for one, glob in zip(tags, wanted.tags, strict=True) if glob.startswith(("sha256-", "sha512-"))]
    plain = [one for one in tags if one not in spelled]
    matched = ([f"(?!{_FALLBACK})(?:{'|'.join(plain)})"] if plain else []) + spelled
    but = f"(?!(?:{'|'.join(excepts)})$)" if excepts else ""
    return NewTagRule(
        wanted.name,
        wanted.package,
        wanted.tags,
        wanted.excepts,
        forbid,
        wanted.unless_role,
        wanted.enabled,
        f"^(?:{package})$",
        f"^{but}(?:{'|'.join(matched)})$",
    )


def _patterns(field: str, globs: Sequence[str]) -> list[str]:
    """Make regular expressions of globs. Raises Invalid."""
    if len(globs) > _GLOBS_MAX:
        raise Invalid(f"Invalid request.\n\nFor '{field}', expected at most {_GLOBS_MAX} globs.")
    try:
        return [pattern_of(glob) for glob in globs]
    except BadGlob as error:
        raise Invalid(f"Invalid request.\n\nFor '{field}', {error}.") from error
