"""Tag rules: what an account forbids to be done to tags of its packages.

Each statement that writes tags judges them itself, by the fragments of this module: a rule holds from the next
statement on, for tags that were there before, too; and of two writers at once the later one is judged by what the
first has left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.query import Executor, Query, command, select

#: What may be forbidden.
MOVE: Final[LiteralString] = "move"
DELETE: Final[LiteralString] = "delete"
CREATE: Final[LiteralString] = "create"

#: Of a rule that forbids deletions; and that spares nobody.
_BINDING: Final[LiteralString] = f"""rule.enabled AND rule.forbid && '{{{DELETE}}}'
           AND package.name ~ rule.package_pattern"""
_KEEPING: Final[LiteralString] = f"{_BINDING} AND rule.unless_role IS NULL"


def permits(change: LiteralString, tag: LiteralString, digest: LiteralString, given: LiteralString) -> LiteralString:
    """Render the condition that no rule forbids a change of a tag of the package $1, or the statement fails.

    ``tag`` and its present ``digest`` are SQL over the row, and ``given`` is that of what ``events.by`` returned. The
    failure is TagRefused.
    """
    return f"judge_tag($1, '{change}', {tag}, {digest}, {events.spared(given)})"


def permits_creation(tag: LiteralString, former: LiteralString, given: LiteralString) -> LiteralString:
    """Render the condition that a tag without a ``former`` digest may be made, or the statement fails: see permits."""
    return f"CASE WHEN {former} IS NULL THEN {permits(CREATE, tag, 'NULL', given)} ELSE true END"


def permits_move(given: LiteralString) -> LiteralString:
    """Render the condition of ON CONFLICT that a tag stays, or may be moved, or the statement fails: see permits."""
    return (
        f"CASE WHEN tags.digest = excluded.digest THEN true ELSE {permits(MOVE, 'tags.name', 'tags.digest', given)} END"
    )


def permits_deletions(given: LiteralString) -> LiteralString:
    """Render the condition that each tag of the package $1 may be deleted, or the statement fails: see permits.

    Without a rule no tag is read.
    """
    return f"""coalesce((
        SELECT judge_tag($1, '{DELETE}', kept.name, kept.digest, {events.spared(given)})
          FROM packages package JOIN tag_rules rule ON rule.owner_id = package.owner_id
         CROSS JOIN LATERAL (SELECT name, digest FROM tags
                              WHERE package_id = $1 AND name ~ rule.tag_pattern ORDER BY name LIMIT 1) AS kept
         WHERE package.id = $1 AND {_BINDING}
           AND {events.spared(given)} NOT IN ('all', coalesce(rule.unless_role, '-'))
         LIMIT 1), true)"""


def is_bound(tag: LiteralString, given: LiteralString) -> LiteralString:
    """Render the condition that a rule is about making or moving a tag of the package $1."""
    return f"tag_rule_of($1, '{{{MOVE},{CREATE}}}', {tag}, {events.spared(given)}) IS NOT NULL"


@dataclass(frozen=True, slots=True)
class KeptTag:
    """A tag that a rule, which spares nobody, forbids to delete."""

    rule: str
    owner: str
    package: str
    tag: str
    digest: str


def _kept(condition: LiteralString) -> Query[KeptTag]:
    """Ask for a tag of the package $1 that may not be deleted; without a rule no tag is read."""
    return Query(
        KeptTag,
        f"""
        SELECT rule.name AS rule, lower(owner.login) AS owner, package.name AS package, kept.name AS tag, kept.digest
          FROM packages package
          JOIN accounts owner ON owner.id = package.owner_id
          JOIN tag_rules rule ON rule.owner_id = package.owner_id
         CROSS JOIN LATERAL (SELECT name, digest FROM tags
                              WHERE package_id = $1 AND {condition} AND name ~ rule.tag_pattern
                              ORDER BY name LIMIT 1) AS kept
         WHERE package.id = $1 AND {_KEEPING}
         ORDER BY rule.id LIMIT 1
        """,
    )


def _pattern(of_rule: LiteralString) -> LiteralString:
    return f"""
    SELECT string_agg(rule.tag_pattern, '|')
      FROM packages package JOIN tag_rules rule ON rule.owner_id = package.owner_id
     WHERE package.id = $1 AND {of_rule}"""


#: The pattern of the tags of the package $1 that nobody may delete; that none may whom no rule spares. NULL: no rule.
KEEPING: Final[LiteralString] = _pattern(_KEEPING)
BINDING: Final[LiteralString] = _pattern(_BINDING)


#: Of the versions with the digests $2; and any of the package.
KEPT_OF_VERSIONS: Final = _kept("digest = ANY ($2::text[])")
KEPT_OF_PACKAGE: Final = _kept("true")


@dataclass(frozen=True, slots=True)
class TagRule:
    """A rule: over ``tags`` but ``excepts`` of the packages that match ``package``, all of them globs."""

    name: str
    package: str
    tags: list[str]
    excepts: list[str]
    forbid: list[str]
    unless_role: str | None
    enabled: bool
    created_at: datetime
    updated_at: datetime


_COLUMNS: Final[LiteralString] = """
    name, package, tags, except_tags AS excepts, forbid, unless_role, enabled, created_at, updated_at
"""
_LIST: Final = select(TagRule, f"SELECT {_COLUMNS} FROM tag_rules WHERE owner_id = $1 ORDER BY name")
_GET: Final = select(TagRule, f"SELECT {_COLUMNS} FROM tag_rules WHERE owner_id = $1 AND name = $2")


async def of_owner(db: Executor, owner_id: int) -> list[TagRule]:
    """Return the rules of an account, by name."""
    return await _LIST.all(db, owner_id)


async def get(db: Executor, owner_id: int, name: str) -> TagRule | None:
    """Find a rule of an account by its name."""
    return await _GET.maybe(db, owner_id, name)


@dataclass(frozen=True, slots=True)
class _Stored:
    made: bool


#: What an event tells of a rule.
_TOLD: Final[LiteralString] = """jsonb_build_object('rule', jsonb_build_object(
    'name', {0}.name, 'package', {0}.package, 'tags', {0}.tags, 'except', {0}.except_tags, 'forbid', {0}.forbid,
    'unless_role', {0}.unless_role, 'enabled', {0}.enabled))"""
_PUT: Final = select(
    _Stored,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$12")}
    ), old AS MATERIALIZED (
        SELECT * FROM tag_rules WHERE owner_id = $1 AND name = $2 FOR NO KEY UPDATE
    ), put AS (
        INSERT INTO tag_rules (owner_id, name, package, tags, except_tags, forbid, unless_role, enabled,
                               package_pattern, tag_pattern)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
         WHERE EXISTS (SELECT FROM old) OR (SELECT count(*) FROM tag_rules WHERE owner_id = $1) < $11
        ON CONFLICT (owner_id, name) DO UPDATE
           SET package = excluded.package, tags = excluded.tags, except_tags = excluded.except_tags,
               forbid = excluded.forbid, unless_role = excluded.unless_role, enabled = excluded.enabled,
               package_pattern = excluded.package_pattern, tag_pattern = excluded.tag_pattern, updated_at = now()
        RETURNING *
    ), recorded AS ({
        events.note(
            "CASE WHEN old.id IS NULL THEN 'tag_rule.create' ELSE 'tag_rule.update' END",
            "put LEFT JOIN old ON true",
            owner="put.owner_id",
            data=_TOLD.format("put"),
            where=f"old.id IS NULL OR {_TOLD.format('put')} <> {_TOLD.format('old')}",
        )
    })
    SELECT NOT EXISTS (SELECT FROM old) AS made FROM put
    """,
)


@dataclass(frozen=True, slots=True)
class NewTagRule:
    """A rule to be stored, with its globs as regular expressions of PostgreSQL."""

    name: str
    package: str
    tags: Sequence[str]
    excepts: Sequence[str]
    forbid: Sequence[str]
    unless_role: str | None
    enabled: bool
    package_pattern: str
    tag_pattern: str


async def put(db: Executor, owner_id: int, new: NewTagRule, most: int) -> bool | None:
    """Store a rule in place of the one of its name; True: there was none. None: the account has ``most`` rules."""
    stored = await _PUT.maybe(
        db,
        owner_id,
        new.name,
        new.package,
        list(new.tags),
        list(new.excepts),
        list(new.forbid),
        new.unless_role,
        new.enabled,
        new.package_pattern,
        new.tag_pattern,
        most,
        events.by(),
    )
    return None if stored is None else stored.made


_SWITCH: Final = select(
    _Stored,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), old AS MATERIALIZED (
        SELECT id, enabled FROM tag_rules WHERE owner_id = $1 AND name = $2 FOR NO KEY UPDATE
    ), switched AS (
        UPDATE tag_rules rule SET enabled = $3, updated_at = now() FROM old WHERE rule.id = old.id AND old.enabled <> $3
        RETURNING rule.*
    ), recorded AS ({
        events.note("'tag_rule.update'", "switched", owner="switched.owner_id", data=_TOLD.format("switched"))
    })
    SELECT false AS made FROM old
    """,
)


async def switch(db: Executor, owner_id: int, name: str, *, on: bool) -> bool:
    """Enable or disable a rule; False: there is no such rule."""
    return await _SWITCH.maybe(db, owner_id, name, on, events.by()) is not None


_REMOVE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}
    ), gone AS (DELETE FROM tag_rules WHERE owner_id = $1 AND name = $2 RETURNING *)
    {events.note("'tag_rule.destroy'", "gone", owner="gone.owner_id", data=_TOLD.format("gone"))}
    """
)


async def remove(db: Executor, owner_id: int, name: str) -> bool:
    """Remove a rule; False: there is no such rule."""
    return await _REMOVE.run(db, owner_id, name, events.by()) == 1
