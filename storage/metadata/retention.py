"""Policies of retention, the plans that are made of them, and the decisions of a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata import events
from storage.metadata.events import Actor
from storage.metadata.query import LAST, Executor, command, select

POLICY_CREATED: Final[LiteralString] = "retention.policy_created"
POLICY_UPDATED: Final[LiteralString] = "retention.policy_updated"
POLICY_DELETED: Final[LiteralString] = "retention.policy_deleted"
PLAN_CREATED: Final[LiteralString] = "retention.plan_created"
PLAN_APPLIED: Final[LiteralString] = "retention.plan_applied"
PLAN_UNDONE: Final[LiteralString] = "retention.plan_undone"

#: A worker that holds a plan for longer has died.
_HELD_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy; ``body``: JSON of its packages, rules and guards."""

    id: int
    owner_id: int
    name: str
    body: str
    schedule: str
    enabled: bool
    next_at: datetime
    created_at: datetime
    updated_at: datetime


_POLICY: Final[LiteralString] = (
    "id, owner_id, name, body::text AS body, schedule, enabled, next_at, created_at, updated_at"
)
_POLICIES: Final = select(
    StoredPolicy,
    f"SELECT {_POLICY} FROM retention_policies WHERE owner_id = $1 ORDER BY lower(name) LIMIT 1000",
)
_ONE_POLICY: Final = select(StoredPolicy, f"SELECT {_POLICY} FROM retention_policies WHERE id = $1 AND owner_id = $2")
_PUT_DATA: Final[LiteralString] = "jsonb_build_object('policy', put.id, 'name', put.name, 'enabled', put.enabled)"
_CREATE: Final = select(
    StoredPolicy,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$6")}
    ), put AS (
        INSERT INTO retention_policies (owner_id, name, body, schedule, enabled, updated_by)
        SELECT $1, $2, $3::text::jsonb, $4, $5, actor.id FROM actor
         WHERE (SELECT count(*) FROM retention_policies WHERE owner_id = $1) < 1000
        ON CONFLICT (owner_id, lower(name)) DO NOTHING
        RETURNING *
    ), recorded AS ({events.note(f"'{POLICY_CREATED}'", "put", owner="put.owner_id", data=_PUT_DATA)})
    SELECT {_POLICY} FROM put
    """,
)
_UPDATE: Final = select(
    StoredPolicy,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$7")}
    ), put AS (
        UPDATE retention_policies
           SET name = $3, body = $4::text::jsonb, schedule = $5, enabled = $6, updated_by = actor.id,
               updated_at = now(), next_at = CASE WHEN enabled THEN next_at ELSE now() + interval '1 hour' END
          FROM actor
         WHERE retention_policies.id = $1 AND owner_id = $2
           AND NOT EXISTS (SELECT 1 FROM retention_policies other
                            WHERE other.owner_id = $2 AND lower(other.name) = lower($3) AND other.id <> $1)
        RETURNING retention_policies.*
    ), recorded AS ({events.note(f"'{POLICY_UPDATED}'", "put", owner="put.owner_id", data=_PUT_DATA)})
    SELECT {_POLICY} FROM put
    """,
)
_DELETE: Final = command(
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$3")}
    ), put AS (
        DELETE FROM retention_policies WHERE id = $1 AND owner_id = $2 RETURNING *
    )
    {events.note(f"'{POLICY_DELETED}'", "put", owner="put.owner_id", data=_PUT_DATA)}
    """
)


async def policies(db: Executor, owner_id: int) -> list[StoredPolicy]:
    """The policies of an owner by their names, 1000 at most."""
    return await _POLICIES.all(db, owner_id)


async def policy(db: Executor, owner_id: int, policy_id: int) -> StoredPolicy | None:
    """One policy of an owner."""
    return await _ONE_POLICY.maybe(db, policy_id, owner_id)


async def create_policy(
    db: Executor, owner_id: int, name: str, body: str, schedule: str, *, enabled: bool, actor: Actor
) -> StoredPolicy | None:
    """Store a policy; None: the owner has one of that name, or 1000 of them."""
    return await _CREATE.maybe(db, owner_id, name, body, schedule, enabled, events.by(actor))


async def update_policy(
    db: Executor, owner_id: int, policy_id: int, name: str, body: str, schedule: str, *, enabled: bool, actor: Actor
) -> StoredPolicy | None:
    """Change a policy; None: it is gone, or another has that name."""
    return await _UPDATE.maybe(db, policy_id, owner_id, name, body, schedule, enabled, events.by(actor))


async def delete_policy(db: Executor, owner_id: int, policy_id: int, actor: Actor) -> bool:
    """Delete a policy; its plans stay. False: there was none."""
    return await _DELETE.run(db, policy_id, owner_id, events.by(actor)) == 1


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan of a policy as it was; ``package_id``: of the last package that its worker has done.

    ``guarded``: packages of which so much would go that somebody has to approve.
    """

    id: int
    owner_id: int
    policy_id: int | None
    policy_name: str | None
    body: str
    state: str
    scheduled: bool
    actor_id: int | None
    package_id: int
    packages: int
    guarded: int
    untags: int
    deletes: int
    created_at: datetime
    planned_at: datetime | None
    applied_at: datetime | None
    ended_at: datetime | None


_PLAN: Final[LiteralString] = """
    plan.id, plan.owner_id, plan.policy_id,
    (SELECT name FROM retention_policies WHERE id = plan.policy_id) AS policy_name, plan.body::text AS body, plan.state,
    plan.scheduled, plan.actor_id, plan.package_id, plan.packages, plan.guarded, plan.untags, plan.deletes,
    plan.created_at, plan.planned_at, plan.applied_at, plan.ended_at
"""
_PLANS: Final = select(
    StoredPlan,
    f"SELECT {_PLAN} FROM retention_plans plan WHERE owner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
)
_ONE_PLAN: Final = select(StoredPlan, f"SELECT {_PLAN} FROM retention_plans plan WHERE id = $1 AND owner_id = $2")
_OPEN: Final[LiteralString] = "state IN ('queued', 'applying', 'undoing')"
_MAKE: Final = select(
    StoredPlan,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$4")}
    ), plan AS (
        INSERT INTO retention_plans (owner_id, policy_id, body, scheduled, actor_id)
        SELECT $1, $2, $3::text::jsonb, false, actor.id FROM actor
         WHERE (SELECT count(*) FROM (SELECT 1 FROM retention_plans
                                       WHERE {_OPEN} AND owner_id = $1 LIMIT 20) AS near) < 20
        RETURNING *
    ), recorded AS ({
        events.note(
            f"'{PLAN_CREATED}'",
            "plan",
            owner="plan.owner_id",
            data="jsonb_build_object('plan', plan.id, 'policy', plan.policy_id)",
        )
    })
    SELECT {_PLAN} FROM plan
    """,
)


async def plans(db: Executor, owner_id: int, *, before: int | None, limit: int) -> list[StoredPlan]:
    """The plans of an owner, the newest first, from before the plan ``before``."""
    return await _PLANS.all(db, owner_id, LAST if before is None else before, limit)


async def plan(db: Executor, owner_id: int, plan_id: int) -> StoredPlan | None:
    """One plan of an owner."""
    return await _ONE_PLAN.maybe(db, plan_id, owner_id)


async def make_plan(db: Executor, owner_id: int, policy_id: int | None, body: str, actor: Actor) -> StoredPlan | None:
    """Queue a plan for the workers; None: 20 of the owner's wait already."""
    return await _MAKE.maybe(db, owner_id, policy_id, body, events.by(actor))


_QUEUED: Final = select(
    StoredPlan,
    f"""
    SELECT {_PLAN} FROM retention_plans plan
     WHERE policy_id = $1 AND state = 'queued' AND NOT scheduled LIMIT 1
    """,
)


async def queued_plan(db: Executor, policy_id: int) -> StoredPlan | None:
    """Find a plan of a policy that is not made yet, and does not apply itself."""
    return await _QUEUED.maybe(db, policy_id)


_TURN: Final = select(
    StoredPlan,
    f"""
    WITH actor AS MATERIALIZED ({events.actor("$5")}
    ), plan AS (
        UPDATE retention_plans
           SET state = $3, package_id = 0, held_until = now(), ended_at = NULL, actor_id = actor.id,
               applied_at = CASE WHEN $3 = 'applying' THEN now() ELSE applied_at END
          FROM actor
         WHERE retention_plans.id = $1 AND owner_id = $2 AND state = ANY ($4::text[])
        RETURNING retention_plans.*
    ), recorded AS ({
        events.note(
            f"CASE plan.state WHEN 'applying' THEN '{PLAN_APPLIED}' ELSE '{PLAN_UNDONE}' END",
            "plan",
            owner="plan.owner_id",
            data="jsonb_build_object('plan', plan.id, 'untags', plan.untags, 'deletes', plan.deletes)",
        )
    })
    SELECT {_PLAN} FROM plan
    """,
)


async def turn(
    db: Executor, owner_id: int, plan_id: int, state: str, before: Sequence[str], actor: Actor
) -> StoredPlan | None:
    """Have the workers apply a plan, or undo it; None: it is in none of the states ``before``."""
    return await _TURN.maybe(db, plan_id, owner_id, state, list(before), events.by(actor))


@dataclass(frozen=True, slots=True)
class _Waiting:
    due: bool
    open: bool
    old: bool


_WAITING: Final = select(
    _Waiting,
    f"""
    SELECT EXISTS (SELECT 1 FROM retention_policies WHERE enabled AND next_at <= now()) AS due,
           EXISTS (SELECT 1 FROM retention_plans WHERE {_OPEN} AND held_until <= now()) AS open,
           EXISTS (SELECT 1 FROM retention_plans WHERE created_at < now() - make_interval(secs => $1)) AS old
    """,
)
_START: Final = command(
    f"""
    WITH due AS (
        SELECT id, owner_id, body, updated_by,
               CASE schedule WHEN 'hourly' THEN interval '1 hour' WHEN 'daily' THEN interval '1 day'
                             ELSE interval '7 days' END AS pause
          FROM retention_policies WHERE enabled AND next_at <= now() ORDER BY next_at LIMIT 20 FOR UPDATE SKIP LOCKED
    ), planned AS (
        INSERT INTO retention_plans (owner_id, policy_id, body, scheduled, actor_id)
        SELECT due.owner_id, due.id, due.body, true, due.updated_by FROM due
         WHERE NOT EXISTS (SELECT 1 FROM retention_plans plan
                            WHERE plan.policy_id = due.id AND {_OPEN})
           AND EXISTS (SELECT 1 FROM accounts WHERE id = due.owner_id AND deleted_at IS NULL)
    )
    UPDATE retention_policies SET next_at = now() + due.pause FROM due WHERE retention_policies.id = due.id
    """
)
_CLAIM: Final = select(
    StoredPlan,
    f"""
    WITH plan AS (
        UPDATE retention_plans SET held_until = now() + make_interval(secs => {_HELD_SECONDS})
         WHERE id = (SELECT id FROM retention_plans
                      WHERE {_OPEN} AND held_until <= now() ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING *
    )
    SELECT {_PLAN} FROM plan
    """,
)
_ADVANCE: Final = command(
    f"""
    UPDATE retention_plans
       SET held_until = CASE WHEN $8 THEN now() ELSE now() + make_interval(secs => {_HELD_SECONDS}) END,
           package_id = $2, packages = packages + $3, guarded = guarded + $4, untags = untags + $5,
           deletes = deletes + $6, state = coalesce($7, state),
           planned_at = CASE WHEN state = 'queued' AND $7 IS NOT NULL THEN now() ELSE planned_at END,
           applied_at = CASE WHEN $7 = 'applying' THEN now() ELSE applied_at END,
           ended_at = CASE WHEN $7 IS NOT NULL THEN now() ELSE ended_at END
     WHERE id = $1 AND state = $9
    """
)


async def waiting(db: Executor, kept_seconds: float) -> bool:
    """Return whether there is anything to do for a worker; asks without a commit."""
    found = await _WAITING.one(db, kept_seconds)
    return found.due or found.open or found.old


async def start_due(db: Executor) -> int:
    """Queue plans of the policies whose time has come, and set their next time; returns the number of policies."""
    return await _START.run(db)


async def claim(db: Executor) -> StoredPlan | None:
    """Take the next plan that no worker holds; None: there is none."""
    return await _CLAIM.maybe(db)


@dataclass(frozen=True, slots=True)
class _Current:
    current: bool


_IS_CURRENT: Final = select(
    _Current,
    """
    SELECT EXISTS (SELECT 1 FROM retention_plans plan JOIN retention_policies policy ON policy.id = plan.policy_id
                    WHERE plan.id = $1 AND policy.enabled AND policy.body = plan.body) AS current
    """,
)


async def is_current(db: Executor, plan_id: int) -> bool:
    """Return whether the policy of a plan is enabled, and says what it said when the plan was begun."""
    return (await _IS_CURRENT.one(db, plan_id)).current


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a worker with a plan; ``state``: the plan's new one, ``release``: another may take it."""

    package_id: int
    packages: int = 0
    guarded: int = 0
    untags: int = 0
    deletes: int = 0
    state: str | None = None
    release: bool = False


async def advance(db: Executor, plan: StoredPlan, done: Progress) -> bool:
    """Record what a worker has done of a plan, and hold the plan for longer.

    False: the plan is in another state than when the worker took it, as it was taken to be dead meanwhile.
    """
    advanced = await _ADVANCE.run(
        db,
        plan.id,
        done.package_id,
        done.packages,
        done.guarded,
        done.untags,
        done.deletes,
        done.state,
        done.release,
        plan.state,
    )
    return advanced == 1


_FORGET_DECISIONS: Final = command(
    """
    DELETE FROM retention_decisions
     WHERE ctid = ANY (ARRAY(SELECT ctid FROM retention_decisions
                              WHERE plan_id = (SELECT id FROM retention_plans
                                                WHERE created_at < now() - make_interval(secs => $1)
                                                ORDER BY created_at LIMIT 1)
                              LIMIT 5000))
    """
)
_FORGET_PLAN: Final = command(
    """
    DELETE FROM retention_plans
     WHERE id = (SELECT id FROM retention_plans WHERE created_at < now() - make_interval(secs => $1)
                  ORDER BY created_at LIMIT 1)
       AND NOT EXISTS (SELECT 1 FROM retention_decisions WHERE plan_id = retention_plans.id)
    """
)


async def forget_old(db: Executor, kept_seconds: float) -> int:
    """Delete a part of the oldest plan that was made before so many seconds; returns the number of rows."""
    return await _FORGET_DECISIONS.run(db, kept_seconds) or await _FORGET_PLAN.run(db, kept_seconds)
