"""The decisions of the plans of retention, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

import msgspec
import orjson

from storage.metadata.query import Executor, command, select
from storage.metadata.retention_contents import Package


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision of a plan about a tag, or a version with its ``tags``; ``because``: JSON.

    ``outcome`` None: nothing was done yet; ``told``: why nothing was. ``live``: the owner of the plan
    has the version now.
    """

    package_id: int
    package: str | None
    place: int
    version_id: int
    digest: str
    tag: str | None
    tags: list[str]
    decision: str
    because: str
    outcome: str | None
    told: str | None
    live: bool


_DECISION: Final[LiteralString] = """
    one.package_id, owned.name AS package, one.place, one.version_id, one.digest, one.tag, one.tags, one.decision,
    one.because::text AS because, one.outcome, one.told,
    owned.id IS NOT NULL AND owned.deleted_at IS NULL
        AND EXISTS (SELECT FROM manifests version
                     WHERE version.id = one.version_id AND version.package_id = owned.id
                       AND version.deleted_at IS NULL) AS live
"""
#: A package that somebody else owns by now is not named.
_OWNED: Final[LiteralString] = """
           JOIN retention_plans plan ON plan.id = one.plan_id
           LEFT JOIN packages owned ON owned.id = one.package_id AND owned.owner_id = plan.owner_id
"""
_FORGET_PACKAGE: Final = command("DELETE FROM retention_decisions WHERE plan_id = $1 AND package_id = $2")
# The plan is locked once, as a foreign key would for each row.
_ADD: Final = command(
    """
    WITH plan AS MATERIALIZED (SELECT id FROM retention_plans WHERE id = $1 FOR KEY SHARE)
    INSERT INTO retention_decisions (plan_id, package_id, place, version_id, digest, tag, tags, decision, because)
    SELECT plan.id, $2, new.place, new.version_id, new.digest, new.tag, string_to_array(new.tags, ' '), new.decision,
           new.because::jsonb
      FROM plan, unnest($3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
        AS new (place, version_id, digest, tag, tags, decision, because)
    """
)
_LISTED: Final = select(
    StoredDecision,
    f"""
    SELECT {_DECISION}
      FROM (SELECT * FROM retention_decisions
             WHERE plan_id = $1 AND (package_id, place) > ($2, $3::bigint) AND ($4::text IS NULL OR decision = $4)
               AND ($5::bigint IS NULL OR package_id = $5)
             ORDER BY package_id, place LIMIT $6) AS one {_OWNED}
     ORDER BY one.package_id, one.place
    """,
)
_TO_DO: Final = select(
    StoredDecision,
    f"""
    SELECT {_DECISION}
      FROM (SELECT * FROM retention_decisions
             WHERE plan_id = $1 AND package_id = $2 AND place > $3 AND decision <> 'keep'
               AND outcome IS NOT DISTINCT FROM $4
             ORDER BY place LIMIT $5) AS one {_OWNED}
     ORDER BY one.place
    """,
)
_SETTLE: Final = command(
    """
    UPDATE retention_decisions SET outcome = done.outcome, told = done.told
      FROM jsonb_to_recordset($3::text::jsonb) AS done (place int, outcome text, told text)
     WHERE plan_id = $1 AND package_id = $2 AND retention_decisions.place = done.place
    """
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decisions of the last plan of a policy about a version and its tags: JSON, empty where no rule deletes it."""

    plan_id: int
    policy: str
    planned_at: datetime
    state: str
    decisions: str


_EXPLAINED: Final = select(
    Explanation,
    """
    SELECT plan.id AS plan_id, policy.name AS policy, plan.planned_at, plan.state, about.decisions::text AS decisions
      FROM retention_policies policy
     CROSS JOIN LATERAL (SELECT id, planned_at, state FROM retention_plans
                          WHERE policy_id = policy.id AND planned_at IS NOT NULL ORDER BY id DESC LIMIT 1) AS plan
     CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'version_id', one.version_id, 'digest', one.digest, 'tag', one.tag, 'tags', one.tags,
                   'package', (SELECT name FROM packages WHERE id = $1), 'decision', one.decision,
                   'because', one.because, 'outcome', one.outcome, 'told', one.told) ORDER BY one.place), '[]')
               AS decisions
          FROM (SELECT * FROM retention_decisions
                 WHERE version_id = $2 AND plan_id = plan.id AND package_id = $1 LIMIT 100) AS one
     ) AS about
     WHERE policy.owner_id = (SELECT owner_id FROM packages WHERE id = $1)
     ORDER BY lower(policy.name) LIMIT 100
    """,
)


async def explained(db: Executor, package_id: int, version_id: int) -> list[Explanation]:
    """The decisions of the last plan of each policy about a version, by the names of the policies."""
    return await _EXPLAINED.all(db, package_id, version_id)


async def forget_package(db: Executor, plan_id: int, package_id: int) -> None:
    """Delete what a worker that died has left of a package."""
    await _FORGET_PACKAGE.run(db, plan_id, package_id)


class NewDecision(msgspec.Struct, frozen=True, gc=False):
    """A decision to store; ``tags`` with blanks between them, ``because`` as JSON."""

    place: int
    version_id: int
    digest: str
    tag: str | None
    tags: str
    decision: str
    because: str


async def add_decisions(db: Executor, plan_id: int, package_id: int, new: Sequence[NewDecision]) -> None:
    """Store decisions about a package."""
    await _ADD.run(
        db,
        plan_id,
        package_id,
        [one.place for one in new],
        [one.version_id for one in new],
        [one.digest for one in new],
        [one.tag for one in new],
        [one.tags for one in new],
        [one.decision for one in new],
        [one.because for one in new],
    )


async def decisions(
    db: Executor,
    plan_id: int,
    *,
    after: tuple[int, int] = (0, -1),
    decision: str | None = None,
    package_id: int | None = None,
    limit: int,
) -> list[StoredDecision]:
    """The decisions of a plan, past the package and place of ``after``."""
    return await _LISTED.all(db, plan_id, *after, decision, package_id, limit)


async def to_do(
    db: Executor, plan_id: int, package_id: int, outcome: str | None, *, after: int, limit: int
) -> list[StoredDecision]:
    """Decisions about a package to do something, with that outcome so far, past the place ``after``."""
    return await _TO_DO.all(db, plan_id, package_id, after, outcome, limit)


_NEXT_PACKAGE: Final = select(
    Package,
    """
    SELECT decided.package_id AS id,
           coalesce((SELECT name FROM packages
                      WHERE id = decided.package_id AND owner_id = $1 AND deleted_at IS NULL), '') AS name
      FROM (SELECT package_id FROM retention_decisions
             WHERE plan_id = $2 AND package_id > $3 ORDER BY package_id LIMIT 1) AS decided
    """,
)


async def next_package(db: Executor, owner_id: int, plan_id: int, after: int) -> Package | None:
    """The next package that a plan has decided about; without a name if it is deleted, or not the owner's any more."""
    return await _NEXT_PACKAGE.maybe(db, owner_id, plan_id, after)


async def settle(db: Executor, plan_id: int, package_id: int, outcomes: Sequence[dict[str, Any]]) -> None:
    """Record what became of decisions, each by its place."""
    await _SETTLE.run(db, plan_id, package_id, orjson.dumps(outcomes).decode())


@dataclass(frozen=True, slots=True)
class _Named:
    id: int


_NAMED: Final = select(_Named, "SELECT id FROM packages WHERE owner_id = $1 AND name = $2 AND deleted_at IS NULL")


async def package_of(db: Executor, owner_id: int, name: str) -> int:
    """The id of an owner's package; 0: there is none of that name."""
    found = await _NAMED.maybe(db, owner_id, name)
    return 0 if found is None else found.id
