"""The work of plans: judge the packages, apply what was decided, and undo it. A worker does it, and may die at it.

A plan is applied by judging each package anew: done is what both times was decided. In the transaction that deletes,
what was touched since is left out. The deletion is the one that everybody else has, and so is the restore.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import msgspec

from registry.errors import Conflict, NotFound, RegistryError
from registry.packages.retention.judge import RECENT_SECONDS, Decision, Judgement
from registry.packages.retention.policy import Policy, matcher, needs
from registry.packages.retention.reading import judged
from registry.packages.tags import Tags
from registry.packages.versions import Versions
from storage.metadata import deletions, retention, retention_contents, retention_decisions, tags
from storage.metadata.database import Database, Transaction
from storage.metadata.events import Actor
from storage.metadata.retention import Progress, StoredPlan
from storage.metadata.retention_contents import Package
from storage.metadata.retention_decisions import NewDecision, StoredDecision
from storage.names import Digest, TagName

#: Versions that one transaction deletes, or restores: it holds the package meanwhile.
_AT_ONCE: Final = 100
_STORED_AT_ONCE: Final = 5000
#: Why a decision was not carried out, or not taken back.
_WHY: Final = {
    "changed": "It was pushed, tagged, pulled or held by something else since the plan.",
    "elsewhere": "The package is deleted, or has another name or owner.",
    "untagged": "The tag is gone.",
    "lost": "It is purged, or its package is deleted or another's.",
}
#: After so long a worker looks whether it shall stop, and judges the rest of a package anew.
_BUDGET_SECONDS: Final = 30.0


class Changed(Conflict):
    """Versions or tags that a plan has decided about are not as they were any more."""

    def __init__(self, ids: Collection[int] = ()) -> None:
        super().__init__(_WHY["changed"])
        self.ids = ids


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker at the plans; ``now``: Unix seconds."""

    db: Database
    versions: Versions
    tags: Tags
    now: Callable[[], float]

    async def step(self) -> int:
        """Take a plan and go on with it; returns what was done, 0 if there is nothing to do. Raises Unavailable."""
        if not await retention.waiting(self.db, self.versions.settings.restore_seconds):
            return 0
        done = await retention.start_due(self.db)
        plan = await retention.claim(self.db)
        if plan is None:
            return done or await retention.forget_old(self.db, self.versions.settings.restore_seconds)
        work = {"queued": self._plan, "applying": self._apply, "undoing": self._undo}[plan.state]
        return done + await work(plan) + 1

    async def _package(self, plan: StoredPlan, policy: Policy) -> Package | None:
        """Return the next package to judge for a plan; None: that was the last."""
        names, after = matcher(policy.packages), plan.package_id
        while found := await retention_contents.packages(self.db, plan.owner_id, after):
            for one in found:
                if names.match(one.name) is not None:
                    return one
            after = found[-1].id
        return None

    # -- plan

    async def _plan(self, plan: StoredPlan) -> int:
        policy = policy_of(plan)
        package = await self._package(plan, policy)
        if package is None:
            runs = plan.scheduled and await retention.is_current(self.db, plan.id)
            state = "planned" if not runs else "needs_approval" if plan.guarded else "applying"
            begin = 0 if state == "applying" else plan.package_id
            await retention.advance(self.db, plan, Progress(begin, state=state, release=True))
            return 1
        found, _ = await judged(self.db, package.id, policy)
        if not await retention.advance(self.db, plan, Progress(plan.package_id)):
            return 0  # it took so long that another worker has made the plan
        await retention_decisions.forget_package(self.db, plan.id, package.id)
        total = await self._store(plan, package, chain(found.untags, found.deletes, found.kept))
        done = Progress(
            package.id, 1, int(found.guarded(policy.guards)), len(found.untags), len(found.deletes), release=True
        )
        await retention.advance(self.db, plan, done)
        return total

    async def _store(self, plan: StoredPlan, package: Package, decided: Iterable[Decision]) -> int:
        """Store decisions, some at a time, while the next are rendered; returns how many there were."""
        numbered, total = enumerate(decided), 0

        async def render() -> list[NewDecision]:
            return [_row(place, one) for place, one in islice(numbered, _STORED_AT_ONCE)]

        async def store(rows: list[NewDecision]) -> None:
            await retention_decisions.add_decisions(self.db, plan.id, package.id, rows)
            await retention.advance(self.db, plan, Progress(plan.package_id))

        rows = await render()
        while rows:
            total += len(rows)
            _, rows = await asyncio.gather(store(rows), render())
        return total

    # -- apply

    async def _apply(self, plan: StoredPlan) -> int:
        policy = policy_of(plan)
        package = await retention_decisions.next_package(self.db, plan.owner_id, plan.id, plan.package_id)
        if package is None:
            await retention.advance(self.db, plan, Progress(plan.package_id, state="applied", release=True))
            return 1
        applying = _Applying(self, plan, policy, package)
        until = self.now() + _BUDGET_SECONDS
        todo = await retention_decisions.to_do(self.db, plan.id, package.id, None, after=-1, limit=1)
        if todo and not await applying.all(until):
            await retention.advance(self.db, plan, Progress(plan.package_id, release=True))
            return applying.done + 1
        await retention.advance(self.db, plan, Progress(package.id, release=True))
        return applying.done

    # -- undo

    async def _undo(self, plan: StoredPlan) -> int:
        package = await retention_decisions.next_package(self.db, plan.owner_id, plan.id, plan.package_id)
        if package is None:
            await retention.advance(self.db, plan, Progress(plan.package_id, state="undone", release=True))
            return 1
        until, done, last = self.now() + _BUDGET_SECONDS, 0, -1
        while found := await retention_decisions.to_do(
            self.db, plan.id, package.id, "done", after=last, limit=_AT_ONCE
        ):
            outcomes = [await self._back(plan, one, package) for one in found]
            await retention_decisions.settle(self.db, plan.id, package.id, outcomes)
            await retention.advance(self.db, plan, Progress(plan.package_id))
            done, last = done + len(found), found[-1].place
            if self.now() > until:
                await retention.advance(self.db, plan, Progress(plan.package_id, release=True))
                return done
        await retention.advance(self.db, plan, Progress(package.id, release=True))
        return done

    async def _back(self, plan: StoredPlan, one: StoredDecision, package: Package) -> dict[str, Any]:
        if not package.name:
            return _outcome(one, "lost", _WHY["lost"])
        try:
            if one.tag is None:
                await self.versions.restore(one.package_id, one.version_id, actor_of(plan))
            else:
                await self._tag_back(one, one.tag, actor_of(plan))
        except NotFound:  # it came back with what it belongs to; or with somebody else
            if one.tag is not None or await retention_contents.missing(self.db, one.package_id, [one.version_id]):
                return _outcome(one, "lost", _WHY["lost"])
        except RegistryError as error:
            return _outcome(one, "lost", error.message)
        return _outcome(one, "undone")

    async def _tag_back(self, one: StoredDecision, tag: str, actor: Actor) -> None:
        async def is_free(tx: Transaction) -> None:
            if await tags.locked(tx, one.package_id, TagName(tag)) not in {None, one.digest}:
                raise Conflict("Another version has the tag now.")

        await self.tags.put(one.package_id, TagName(tag), Digest(one.digest), actor, is_free)


@dataclass(slots=True)
class _Applying:
    """The application of a plan to one package; ``done``: decisions that are settled."""

    worker: Worker
    plan: StoredPlan
    policy: Policy
    package: Package
    done: int = 0

    async def all(self, until: float) -> bool:
        """Settle all decisions about the package; False: some are left, as the time is over."""
        worker, plan, package = self.worker, self.plan, self.package
        if package.name and matcher(self.policy.packages).match(package.name) is not None:
            why, (anew, moment) = _WHY["changed"], await judged(worker.db, package.id, self.policy)
        else:
            why, (anew, moment) = _WHY["elsewhere"], (Judgement(), 0.0)
        going = {one.version_id for one in anew.deletes}
        still = {(one.version_id, one.tag) for one in (*anew.untags, *anew.deletes)}
        held = {one.version_id for one in anew.kept}
        last = -1
        while found := await retention_decisions.to_do(
            worker.db, plan.id, package.id, None, after=last, limit=_AT_ONCE
        ):
            # Where a worker had to stop, what only went along is left behind: nothing holds it any more.
            behind = await self._behind(found) & anew.loose - held
            going |= behind
            outcomes, deletes = list[dict[str, Any]](), list[StoredDecision]()
            for one in found:
                if (one.version_id, one.tag) not in still and one.version_id not in behind:
                    outcomes.append(await self._changed(one, why))
                elif one.tag is not None:
                    outcomes.append(await self._untag(one, moment))
                else:
                    deletes.append(one)
            outcomes += await self._delete(deletes, going, moment)
            await retention_decisions.settle(worker.db, plan.id, package.id, outcomes)
            await retention.advance(worker.db, plan, Progress(plan.package_id))
            self.done, last = self.done + len(found), found[-1].place
            if worker.now() > until:
                return False
        return True

    async def _behind(self, found: Sequence[StoredDecision]) -> set[int]:
        """Return the versions that go along with one that went since the plan is applied."""
        holders = {one.version_id: holder for one in found if (holder := _goes_with(one)) is not None}
        since = self.plan.applied_at
        if not holders or since is None:
            return set()
        gone = await retention_contents.gone(self.worker.db, self.package.id, set(holders.values()), since)
        return {version_id for version_id, holder in holders.items() if holder in gone}

    async def _untag(self, one: StoredDecision, moment: float) -> dict[str, Any]:
        async def check(tx: Transaction) -> None:
            since = moment - RECENT_SECONDS
            if not await retention_contents.rested(tx, one.package_id, one.tag or "", one.digest, since):
                raise Changed

        try:
            await self.worker.tags.delete(one.package_id, TagName(one.tag or ""), actor_of(self.plan), check)
        except NotFound:
            return await self._changed(one, _WHY["untagged"])
        except RegistryError as error:
            return _refused(one, error)
        return _outcome(one, "done")

    async def _delete(self, wanted: Sequence[StoredDecision], going: set[int], moment: float) -> list[dict[str, Any]]:
        """Delete versions, without those that have changed; where the whole is refused, each by itself."""
        left, outcomes = list(wanted), list[dict[str, Any]]()
        while left:
            try:
                await self._delete_all([one.version_id for one in left], going, moment)
            except Changed as changed:
                outcomes += [await self._changed(one, changed.message) for one in left if one.version_id in changed.ids]
                left = [one for one in left if one.version_id not in changed.ids]
            except RegistryError as error:
                if len(left) == 1:
                    return [*outcomes, _refused(left[0], error)]
                for one in left:
                    outcomes += await self._delete([one], going, moment)
                return outcomes
            else:
                return outcomes + [_outcome(one, "done") for one in left]
        return outcomes

    async def _changed(self, one: StoredDecision, why: str) -> dict[str, Any]:
        """Return the outcome of what has changed: if it went since the plan is applied, it is done.

        It went along with another of the plan, or a worker died before it could tell.
        """
        db, since = self.worker.db, self.plan.applied_at
        if since is None:
            went = False
        elif one.tag is None:
            went = await retention_contents.went(db, one.version_id, since)
        else:
            went = await retention_contents.tag_went(db, self.package.id, one.tag, one.digest, since)
        return _outcome(one, "done") if went else _outcome(one, "changed", why)

    async def _delete_all(self, ids: list[int], going: set[int], moment: float) -> None:
        package_id, pulls = self.package.id, needs(self.policy).pulls

        async def check(tx: Transaction, _etag: str) -> None:
            since = moment - RECENT_SECONDS
            await _check_untouched(tx, package_id, ids, since, pulls=pulls)
            along = await deletions.leaving(tx, package_id, ids)
            if strange := {one.root for one in along if one.id not in going}:
                raise Changed(strange)

        # Those that are gone already would have the whole refused.
        await _check_there(self.worker.db, package_id, ids)
        may_empty = self.policy.guards.may_empty
        await self.worker.versions.delete(package_id, ids, actor_of(self.plan), may_be_last=may_empty, check=check)


async def _check_there(db: Database, package_id: int, ids: list[int]) -> None:
    """Raise Changed for versions that are not there."""
    if gone := await retention_contents.missing(db, package_id, ids):
        raise Changed(gone)


async def _check_untouched(tx: Transaction, package_id: int, ids: list[int], since: float, *, pulls: bool) -> None:
    """Raise Changed for versions that were touched since."""
    if found := await retention_contents.touched(tx, package_id, ids, since, pulls=pulls):
        raise Changed(found)


def policy_of(plan: StoredPlan) -> Policy:
    """Return the policy of a plan, as it was when the plan was made."""
    return msgspec.json.decode(plan.body, type=Policy)


def actor_of(plan: StoredPlan) -> Actor:
    """Return who a plan acts for: who applied it, or who wrote the policy last."""
    return Actor(plan.actor_id, None, "policy")


def _goes_with(one: StoredDecision) -> str | None:
    """Return the digest of the version that one goes along with; None: a rule deletes it."""
    found: str | None = msgspec.json.decode(one.because)[0].get("deleted_with")
    return found


def _row(place: int, one: Decision) -> NewDecision:
    because = msgspec.json.encode(one.because).decode()
    return NewDecision(place, one.version_id, one.digest, one.tag, " ".join(one.tags), one.decision, because)


def _outcome(one: StoredDecision, outcome: str, told: str | None = None) -> dict[str, Any]:
    return {"place": one.place, "outcome": outcome, "told": told}


def _refused(one: StoredDecision, error: RegistryError) -> dict[str, Any]:
    if isinstance(error, Changed):
        return _outcome(one, "changed", error.message)
    return _outcome(one, "refused", error.message.partition("\n")[0])
