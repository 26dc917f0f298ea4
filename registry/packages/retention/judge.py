"""The judgement of a package by a policy: no I/O, no clock, and the same answer for the same contents.

A policy judges two things: a tag, and a version that has no tag and that nothing holds. A version goes with its last
tag. What goes takes along what only it holds: parts of an index, signatures, SBOMs, lists of referrers.
"""

import heapq
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from registry.packages.retention.contents import Contents
from registry.packages.retention.policy import Conditions, Guards, Policy, described, matcher, seconds

#: Nothing is touched that was pushed or tagged since: a push may be under way.
RECENT_SECONDS: Final = 3600.0
_KEPT_MAX: Final = 10_000

Because = list[dict[str, Any]]

_RECENT: Final[Because] = [{"kept_by": "recent", "text": "pushed or tagged less than an hour ago"}]


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a tag (``tag``), or a version with its ``tags``: keep, untag or delete, and ``because``.

    Kept are those alone that a rule would delete, and something else keeps.
    """

    version_id: int
    digest: str
    tag: str | None
    tags: tuple[str, ...]
    decision: str
    because: Because


@dataclass(slots=True)
class Judgement:
    """The decisions about a package: tags to take away, versions in the order in which they go, and what is spared.

    ``share``: of all versions, what goes.
    """

    untags: list[Decision] = field(default_factory=list)
    deletes: list[Decision] = field(default_factory=list)
    kept: list[Decision] = field(default_factory=list)
    versions: int = 0

    def guarded(self, guards: Guards) -> bool:
        """Return whether so much goes that somebody has to approve it."""
        gone = len(self.deletes)
        return gone > guards.max_versions or (self.versions > 0 and gone / self.versions > guards.max_share)


def judge(policy: Policy, contents: Contents, now: float) -> Judgement:
    """Judge all of a package."""
    return _Judge(policy, contents, now).judged()


class _Judge:
    """One judgement. A unit is a number: of a tag, or from ``bare`` on of a version that has none."""

    def __init__(self, policy: Policy, contents: Contents, now: float) -> None:
        self._policy = policy
        self._here = contents
        self._now = now
        here = contents
        attached = here.attached()
        self._tag_count = Counter(tag.version for tag in here.tags)
        self._bare = [
            number for number in range(len(here.ids)) if number not in attached and number not in self._tag_count
        ]
        self._roots = {number for number in self._tag_count if number not in attached} | set(self._bare)
        self._named: dict[int, int] = {}  # unit → the rule that deletes it
        self._kept: dict[int, Because] = {}  # unit → why it stays
        self._spared: dict[int, Because] = {}  # version → why it stays
        self._pulled = self._pulled_with_parts()

    def judged(self) -> Judgement:
        self._name()
        for number, rule in enumerate(self._policy.rules):
            if rule.keep is not None:
                self._keep(number, rule.keep)
        for unit in self._named:
            if unit not in self._kept and self._is_recent(unit):
                self._kept[unit] = _RECENT
        gone = self._gone()
        if not self._policy.guards.may_empty and (last := self._last(gone)) is not None:
            self._kept[last] = [{"kept_by": "last", "text": "the last of its package"}]
            gone = self._gone()
        return self._told(gone)

    def _name(self) -> None:
        """Note which units a rule deletes."""
        for number, rule in enumerate(self._policy.rules):
            if rule.delete is not None:
                for unit in self._matching(rule.delete):
                    self._named.setdefault(unit, number)

    # -- units

    def _version(self, unit: int) -> int:
        tags = self._here.tags
        return tags[unit].version if unit < len(tags) else self._bare[unit - len(tags)]

    def _clock(self, unit: int) -> float:
        """The age of a tag is that of its last push; that of a version without one begins when it lost the last."""
        here, tags = self._here, self._here.tags
        if unit < len(tags):
            return tags[unit].at
        number = self._version(unit)
        return max(here.created[number], here.bare_since.get(number, 0.0))

    def _is_recent(self, unit: int) -> bool:
        at = self._clock(unit) if unit < len(self._here.tags) else self._here.touched[self._version(unit)]
        return at > self._now - RECENT_SECONDS

    def _matching(self, given: Conditions) -> list[int]:
        """Return the units that fulfil the conditions, but for pulls and the newest."""
        here, tags = self._here, self._here.tags
        bare = range(len(tags), len(tags) + len(self._bare))
        if given.untagged:
            units = list(bare)
        elif given.tags is not None:
            matches = matcher(given.tags).match
            units = [unit for unit, tag in enumerate(tags) if matches(tag.name) is not None]
        else:
            units = [*range(len(tags)), *bare]
        if given.kinds is not None:
            units = [unit for unit in units if here.kinds[self._version(unit)] in given.kinds]
        if (older := seconds(given.older_than)) is not None:
            units = [unit for unit in units if self._clock(unit) < self._now - older]
        if (newer := seconds(given.newer_than)) is not None:
            units = [unit for unit in units if self._clock(unit) >= self._now - newer]
        return units

    def _keep(self, number: int, given: Conditions) -> None:
        """Note which units that a rule deletes this one keeps."""
        units = self._matching(given)
        rule: Because = [{"kept_by": "rule", "rule": number, "text": described(given)}]
        unknown: Because = [{"kept_by": "unknown_pull", "rule": number, "text": "pulls were not counted for so long"}]
        within = seconds(given.pulled_within)
        if within is not None:
            since = self._now - within
            in_doubt = {unit for unit in units if self._is_unknown(self._version(unit), since)}
            units = [unit for unit in units if self._pulled.get(self._version(unit), 0.0) >= since or unit in in_doubt]
        else:
            in_doubt = set()
        if given.newest is not None:
            units = self._newest(units, given.newest)
        for unit in units:
            if unit in self._named:
                self._kept.setdefault(unit, unknown if unit in in_doubt else rule)

    def _newest(self, units: list[int], count: int) -> list[int]:
        """Return the units of the versions that were pushed last; a version with two of the tags counts once."""
        clocks: dict[int, float] = {}
        for unit in units:
            number = self._version(unit)
            clocks[number] = max(self._clock(unit), clocks.get(number, 0.0))
        ids = self._here.ids
        newest = set(heapq.nlargest(count, clocks, key=lambda number: (clocks[number], ids[number])))
        return [unit for unit in units if self._version(unit) in newest]

    # -- pulls

    def _pulled_with_parts(self) -> dict[int, float]:
        """Return when each version was last pulled, where a pull of a part is one of all that hold it."""
        pulled = dict(self._here.pulled)
        above: dict[int, list[int]] = {}
        for parent, many in self._here.parts.items():
            for below in many:
                if below in pulled or below in self._here.parts:
                    above.setdefault(below, []).append(parent)
        open_ = list(pulled)
        while open_:
            one = open_.pop()
            for parent in above.get(one, ()):
                if pulled.get(parent, 0.0) < pulled[one]:
                    pulled[parent] = pulled[one]
                    open_.append(parent)
        return pulled

    def _is_unknown(self, number: int, since: float) -> bool:
        here = self._here
        return since < here.counted_since and here.created[number] < here.counted_since and number not in self._pulled

    # -- what goes

    def _gone(self) -> set[int]:
        """Return the versions that go: what a rule takes, with what only that holds."""
        here, taken = self._here, {unit for unit in self._named if unit not in self._kept}
        left = Counter(self._tag_count)
        left.subtract(tag.version for unit, tag in enumerate(here.tags) if unit in taken)
        doomed = {
            number for unit in taken if (number := self._version(unit)) in self._roots and left.get(number, 0) == 0
        }
        gone = here.reached(doomed)
        self._spared = {}
        self._rescue(gone, left)
        return gone

    def _rescue(self, gone: set[int], left: Counter[int]) -> None:
        """Take out of ``gone`` what something else needs: what has a tag, is recent, or is held by what stays."""
        here = self._here
        subjects: dict[int, list[int]] = {}
        for holder in gone:
            for below in here.followers.get(holder, ()):
                subjects.setdefault(below, []).append(holder)
        open_ = [*self._held_by_others(gone), *self._needed(gone, left)]
        while open_:
            number, because = open_.pop()
            if number not in gone:
                continue
            gone.discard(number)
            self._spared[number] = because
            open_ += [(below, _held(how, here.digests[number])) for below, how in here.held(number)]
            # A deletion takes along who follows: what stays keeps what it belongs to, unless it has a tag of its own.
            if left.get(number, 0) == 0:
                open_ += [(one, _held("referrer", here.digests[number])) for one in subjects.get(number, ())]

    def _held_by_others(self, gone: set[int]) -> Iterator[tuple[int, Because]]:
        """Return what is held by versions that stay, with these."""
        here = self._here
        for holder in {*here.parts, *here.followers} - gone:
            for below, how in here.held(holder):
                if below in gone:
                    yield below, _held(how, here.digests[holder])

    def _needed(self, gone: set[int], left: Counter[int]) -> Iterator[tuple[int, Because]]:
        """Return what has a tag that stays, or is recent."""
        for number in gone:
            if left.get(number, 0) > 0:
                yield number, [{"kept_by": "tag", "text": "it has a tag that stays"}]
            elif self._here.touched[number] > self._now - RECENT_SECONDS:
                yield number, _RECENT

    def _last(self, gone: set[int]) -> int | None:
        """Return the unit to keep so that the package is not left without a tag or a version; None: it is not."""
        here = self._here
        taken = [unit for unit in self._named if unit not in self._kept]
        tags = [unit for unit in taken if unit < len(here.tags)]
        if here.tags and len(tags) == len(here.tags):
            return max(tags, key=lambda unit: (here.tags[unit].at, unit))
        if not here.tags and len(gone) == len(here.ids) and taken:
            return max(taken, key=lambda unit: (self._clock(unit), unit))
        return None

    # -- what is told

    def _told(self, gone: set[int]) -> Judgement:
        here, told = self._here, Judgement(versions=len(self._here.ids))
        tags_of: dict[int, list[str]] = {}
        rules: dict[int, int] = {}
        for tag in here.tags:
            if tag.version in gone or tag.version in self._spared:
                tags_of.setdefault(tag.version, []).append(tag.name)
        for unit, rule in self._named.items():
            number = self._version(unit)
            rules.setdefault(number, rule)
            name = here.tags[unit].name if unit < len(here.tags) else None
            if unit in self._kept:
                told.kept.append(self._decision(number, name, (), "keep", self._kept[unit]))
            elif number not in gone and name is not None:
                told.untags.append(self._decision(number, name, (), "untag", self._rule(rule)))
        for number, because in self._spared.items():
            told.kept.append(self._decision(number, None, tuple(tags_of.get(number, ())), "keep", because))
        told.deletes = [
            self._decision(number, None, tuple(tags_of.get(number, ())), "delete", self._why(number, holder, rules))
            for number, holder in self._in_order(gone)
        ]
        del told.kept[_KEPT_MAX:]
        return told

    def _decision(
        self, number: int, tag: str | None, tags: tuple[str, ...], decision: str, because: Because
    ) -> Decision:
        return Decision(self._here.ids[number], self._here.digests[number], tag, tags, decision, because)

    def _rule(self, number: int) -> Because:
        given = self._policy.rules[number].delete
        return [{"rule": number, "text": "" if given is None else described(given)}]

    def _why(self, number: int, holder: int | None, rules: dict[int, int]) -> Because:
        if number in rules:
            return self._rule(rules[number])
        digest = "" if holder is None else self._here.digests[holder]
        return [{"deleted_with": digest, "text": f"only {digest} holds it"}]

    def _in_order(self, gone: set[int]) -> list[tuple[int, int | None]]:
        """Return what goes, each behind all that holds it, with one of these."""
        here = self._here
        holders: Counter[int] = Counter()
        for number in gone:
            holders.update(below for below, _ in here.held(number) if below in gone)
        ready: list[tuple[int, int | None]] = [(one, None) for one in sorted(gone, reverse=True) if not holders[one]]
        done = list[tuple[int, int | None]]()
        while ready:
            number, holder = ready.pop()
            done.append((number, holder))
            for below, _ in here.held(number):
                holders[below] -= 1
                if below in gone and not holders[below]:
                    ready.append((below, number))
        return done


def _held(how: str, digest: str) -> Because:
    words = {"parent": "part of", "subject": "belongs to", "referrer": "named by"}
    return [{"kept_by": how, "digest": digest, "text": f"{words[how]} {digest}"}]
