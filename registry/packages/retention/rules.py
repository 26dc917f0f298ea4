"""The rules of policies and plans: what owners may have of them, and which plan may be applied or undone when."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from registry.errors import Conflict, NotFound
from registry.packages.retention import policy as language
from registry.packages.retention.policy import Policy, Schedule
from storage.metadata import accounts, retention
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.query import Executor
from storage.metadata.retention import StoredPlan, StoredPolicy

_NAME_MAX: Final = 100
#: From which states a plan comes to another.
_BEFORE: Final = {"applying": ("planned", "needs_approval"), "undoing": ("applied",)}


class NamedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy with its name and its times. It deletes nothing by itself until it is enabled."""

    name: str
    rules: tuple[language.PolicyRule, ...]
    packages: tuple[str, ...]
    guards: language.Guards = language.Guards()
    schedule: Schedule = "daily"
    enabled: bool = False

    @property
    def policy(self) -> Policy:
        return Policy(self.rules, self.packages, self.guards)


class PolicyNameTaken(Conflict):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"A policy named {name} exists, or there are 1000 policies.", "Change that one, or delete one."
        )


class PlanNotReady(Conflict):
    """The plan is in a ``state`` in which it cannot be applied, or undone."""

    def __init__(self, state: str, wanted: str) -> None:
        self.state = state
        told = "applied" if wanted == "applying" else "undone"
        super().__init__(
            f"This plan is {state.replace('_', ' ')}, and cannot be {told} now.",
            "A plan is applied once it is planned, and undone once it is applied. Make a new plan for the rest.",
        )


class TooManyPlans(Conflict):
    def __init__(self) -> None:
        super().__init__("20 plans are being worked on.", "Wait until one of them is done.")


@dataclass(frozen=True, slots=True)
class Retention:
    """The rules of retention; the callers check before that the viewer owns the account."""

    db: Database

    async def policies(self, owner_id: int) -> list[StoredPolicy]:
        """List the policies of an owner."""
        return await retention.policies(self.db, owner_id)

    async def policy(self, owner_id: int, policy_id: int) -> StoredPolicy:
        """Return a policy. Raises NotFound."""
        return await _known(self.db, owner_id, policy_id)

    async def create(self, owner_id: int, new: NamedPolicy, actor: Actor) -> StoredPolicy:
        """Store a policy. Raises Invalid, PolicyNameTaken."""
        body = stored(new)

        async def work(tx: Transaction) -> StoredPolicy:
            await accounts.hold(tx, owner_id)
            made = await retention.create_policy(
                tx, owner_id, new.name, body, new.schedule, enabled=new.enabled, actor=actor
            )
            if made is None:
                raise PolicyNameTaken(new.name)
            return made

        return await self.db.repeat(work)

    async def update(self, owner_id: int, policy_id: int, new: NamedPolicy, actor: Actor) -> StoredPolicy:
        """Change a policy; one that is so already stays as it is. Raises Invalid, PolicyNameTaken, NotFound."""
        body = stored(new)
        asked = new.name, new.schedule, new.enabled, msgspec.json.decode(body)

        async def work(tx: Transaction) -> StoredPolicy:
            await accounts.hold(tx, owner_id)
            before = await _known(tx, owner_id, policy_id)
            if asked == (before.name, before.schedule, before.enabled, document(before)):
                return before
            done = await retention.update_policy(
                tx, owner_id, policy_id, new.name, body, new.schedule, enabled=new.enabled, actor=actor
            )
            if done is None:
                raise PolicyNameTaken(new.name)
            return done

        return await self.db.repeat(work)

    async def delete(self, owner_id: int, policy_id: int, actor: Actor) -> None:
        """Delete a policy. Raises NotFound."""
        if not await retention.delete_policy(self.db, owner_id, policy_id, actor):
            raise NotFound

    async def plan(self, owner_id: int, wanted: Policy | int, actor: Actor) -> StoredPlan:
        """Queue a plan of a policy: one that is stored, by its id, or one that is not. Raises NotFound, Invalid.

        A plan of a stored policy that is queued already is the one.
        """
        given = wanted if isinstance(wanted, int) else rendered(wanted)

        async def work(tx: Transaction) -> StoredPlan:
            await accounts.hold(tx, owner_id)
            if isinstance(given, str):
                made = await retention.make_plan(tx, owner_id, None, given, actor)
            else:
                found = await _known(tx, owner_id, given)
                queued = await retention.queued_plan(tx, found.id)
                if queued is not None and queued.body == found.body:
                    return queued
                made = await retention.make_plan(tx, owner_id, found.id, found.body, actor)
            if made is None:
                raise TooManyPlans
            return made

        return await self.db.repeat(work)

    async def plans(self, owner_id: int, *, before: int | None, limit: int) -> list[StoredPlan]:
        """List the plans of an owner, the newest first."""
        return await retention.plans(self.db, owner_id, before=before, limit=limit)

    async def planned(self, owner_id: int, plan_id: int) -> StoredPlan:
        """Return a plan. Raises NotFound."""
        found = await retention.plan(self.db, owner_id, plan_id)
        if found is None:
            raise NotFound
        return found

    async def apply(self, owner_id: int, plan_id: int, actor: Actor) -> StoredPlan:
        """Have a plan applied. Raises NotFound, PlanNotReady."""
        return await self._turn(owner_id, plan_id, "applying", actor)

    async def undo(self, owner_id: int, plan_id: int, actor: Actor) -> StoredPlan:
        """Have a plan undone that was applied. Raises NotFound, PlanNotReady."""
        return await self._turn(owner_id, plan_id, "undoing", actor)

    async def _turn(self, owner_id: int, plan_id: int, state: str, actor: Actor) -> StoredPlan:
        done = await retention.turn(self.db, owner_id, plan_id, state, _BEFORE[state], actor)
        if done is None:
            raise PlanNotReady((await self.planned(owner_id, plan_id)).state, state)
        return done


async def _known(db: Executor, owner_id: int, policy_id: int) -> StoredPolicy:
    """Return a policy of an owner. Raises NotFound."""
    found = await retention.policy(db, owner_id, policy_id)
    if found is None:
        raise NotFound
    return found


def stored(new: NamedPolicy) -> str:
    """Return the JSON of a policy as it is stored. Raises Invalid."""
    if not new.name.strip() or len(new.name) > _NAME_MAX or "\0" in new.name:
        raise language.PolicyInvalid("name", f"expected a name of 1 to {_NAME_MAX} characters")
    return rendered(new.policy)


def rendered(policy: Policy) -> str:
    """Return the JSON of a policy that has a meaning. Raises PolicyInvalid."""
    return msgspec.json.encode(language.check(policy)).decode()


def document(policy: StoredPolicy | StoredPlan) -> dict[str, Any]:
    """Return the packages, rules and guards of a stored policy, as JSON has them."""
    return msgspec.json.decode(policy.body, type=dict[str, Any])
