"""The judgement of a package by a policy: no I/O, no clock, and the same answer for the same contents.

A policy judges two things: a tag, and a version that has no tag and that nothing holds. A version goes with its last
tag. What goes takes along what only it holds: parts of an index, signatures, SBOMs, lists of referrers.
"""

import heapq
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from registry.packages.retention.contents import Contents
from registry.packages.retention.policy import Conditions, Guards, Policy, described, matcher, seconds

#: Nothing is touched that was pushed or tagged since: a push may be under way.
RECENT_SECONDS: Final = 3600.0
_KEPT_MAX: Final = 10_000

Because = list[dict[str, Any]]

_IMMUTABLE: Final[Because] = [{"kept_by": "immutable", "text": "a tag rule forbids to delete it"}]
_RECENT: Final[Because] = [{"kept_by": "recent", "text": "pushed or tagged less than an hour ago"}]


class Decision(msgspec.Struct, frozen=True, gc=False):
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

    ``versions``: how many there are; ``loose``: the ids of those without a tag that nothing holds or keeps.
    """

    untags: list[Decision] = field(default_factory=list)
    deletes: list[Decision] = field(default_factory=list)
    kept: list[Decision] = field(default_factory=list)
    versions: int = 0
    loose: set[int] = field(default_factory=set)

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
        self._here = here = contents
        self._now = now
        attached = here.attached()
        self._tag_count = Counter(here.tag_versions)
        bare = [number for number in range(len(here.ids)) if number not in attached and number not in self._tag_count]
        self._tags = len(here.tag_names)
        self._bare = range(self._tags, self._tags + len(bare))
        self._roots = {number for number in self._tag_count if number not in attached} | set(bare)
        self._version = array("q", [*here.tag_versions, *bare])  # of each unit
        # The age of a tag is that of its last push; that of a version without one begins when it lost the last.
        since = here.bare_since
        self._clock = array("d", [*here.tag_ats, *(max(here.created[one], since.get(one, 0.0)) for one in bare)])
        self._named = array("h", [-1]) * len(self._version)  # the rule that deletes each unit, if any
        self._kept: dict[int, Because] = {}  # unit → why it stays
        self._spared: dict[int, Because] = {}  # version → why it stays
        self._pulled = self._pulled_with_parts()
        self._rules = [self._said(number) for number in range(len(policy.rules))]

    def judged(self) -> Judgement:
        self._name()
        for number, rule in enumerate(self._policy.rules):
            if rule.keep is not None:
                self._keep(number, rule.keep)
        for unit in self._taken():
            if unit in self._here.immutable:
                self._kept[unit] = _IMMUTABLE
            elif self._is_recent(unit):
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
                    if self._named[unit] < 0:
                        self._named[unit] = number

    # -- units

    def _is_recent(self, unit: int) -> bool:
        at = self._clock[unit] if unit < self._tags else self._here.touched[self._version[unit]]
        return at > self._now - RECENT_SECONDS

    def _matching(self, given: Conditions) -> list[int]:
        """Return the units that fulfil the conditions, but for pulls and the newest."""
        here, version, clock = self._here, self._version, self._clock
        units: list[int] | range
        if given.untagged:
            units = self._bare
        elif given.tags is not None:
            matches = matcher(given.tags).match
            units = [unit for unit, name in enumerate(here.tag_names) if matches(name) is not None]
        else:
            units = range(len(version))
        if given.kinds is not None:
            units = [unit for unit in units if here.kinds[version[unit]] in given.kinds]
        if (older := seconds(given.older_than)) is not None:
            units = [unit for unit in units if clock[unit] < self._now - older]
        if (newer := seconds(given.newer_than)) is not None:
            units = [unit for unit in units if clock[unit] >= self._now - newer]
        return list(units)

    def _keep(self, number: int, given: Conditions) -> None:
        """Note which units that a rule deletes this one keeps."""
        units = self._matching(given)
        rule: Because = [{"kept_by": "rule", "rule": number, "text": described(given)}]
        unknown: Because = [{"kept_by": "unknown_pull", "rule": number, "text": "pulls were not counted for so long"}]
        within = seconds(given.pulled_within)
        if within is not None:
            since = self._now - within
            in_doubt = {unit for unit in units if self._is_unknown(self._version[unit], since)}
            units = [unit for unit in units if self._pulled.get(self._version[unit], 0.0) >= since or unit in in_doubt]
        else:
            in_doubt = set()
        if given.newest is not None:
            units = self._newest(units, given.newest)
        for unit in units:
            if self._named[unit] >= 0:
                self._kept.setdefault(unit, unknown if unit in in_doubt else rule)

    def _newest(self, units: list[int], count: int) -> list[int]:
        """Return the units of the versions that were pushed last; a version with two of the tags counts once."""
        clocks: dict[int, float] = {}
        for unit in units:
            number = self._version[unit]
            clocks[number] = max(self._clock[unit], clocks.get(number, 0.0))
        ids = self._here.ids
        newest = set(heapq.nlargest(count, clocks, key=lambda number: (clocks[number], ids[number])))
        return [unit for unit in units if self._version[unit] in newest]

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
        version, taken = self._version, self._taken()
        left = Counter(self._tag_count)
        left.subtract(version[unit] for unit in taken if unit < self._tags)
        doomed = {version[unit] for unit in taken if version[unit] in self._roots and left.get(version[unit], 0) == 0}
        gone = self._here.reached(doomed)
        self._spared = {}
        self._rescue(gone, left)
        return gone

    def _taken(self) -> list[int]:
        """Return the units that a rule deletes and nothing keeps."""
        return [unit for unit, rule in enumerate(self._named) if rule >= 0 and unit not in self._kept]

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
        taken = self._taken()
        tags = [unit for unit in taken if unit < self._tags]
        if self._tags and len(tags) == self._tags:
            return max(tags, key=lambda unit: (self._clock[unit], unit))
        if not self._tags and len(gone) == len(self._here.ids) and taken:
            return max(taken, key=lambda unit: (self._clock[unit], unit))
        return None

    # -- what is told

    def _told(self, gone: set[int]) -> Judgement:
        here, told = self._here, Judgement(versions=len(self._here.ids))
        told.loose = {here.ids[self._version[unit]] for unit in self._bare if unit not in self._kept}
        tags_of: dict[int, list[str]] = {}
        for name, number in zip(here.tag_names, here.tag_versions, strict=True):
            if number in gone or number in self._spared:
                tags_of.setdefault(number, []).append(name)
        rules = self._tell_units(told, gone)
        for number, because in self._spared.items():
            told.kept.append(self._decision(number, None, tags_of.get(number, ()), "keep", because))
        told.deletes = [
            self._decision(number, None, tags_of.pop(number, ()), "delete", self._why(holder, rules[number]))
            for number, holder in self._in_order(gone)
        ]
        del told.kept[_KEPT_MAX:]
        return told

    def _tell_units(self, told: Judgement, gone: set[int]) -> "array[int]":
        """Add the decisions about units that stay, and tags that go alone; returns the rule of each version."""
        here, rules = self._here, array("h", [-1]) * len(self._here.ids)
        for unit, rule in enumerate(self._named):
            if rule < 0:
                continue
            number = self._version[unit]
            tag = here.tag_names[unit] if unit < self._tags else None
            rules[number] = rule if rules[number] < 0 else rules[number]
            if unit in self._kept:
                told.kept.append(self._decision(number, tag, (), "keep", self._kept[unit]))
            elif number not in gone and tag is not None:
                told.untags.append(self._decision(number, tag, (), "untag", self._rules[rule]))
        return rules

    def _decision(self, number: int, tag: str | None, tags: Iterable[str], decision: str, because: Because) -> Decision:
        return Decision(self._here.ids[number], self._here.digests[number], tag, tuple(tags), decision, because)

    def _said(self, number: int) -> Because:
        given = self._policy.rules[number].delete
        return [{"rule": number, "text": "" if given is None else described(given)}]

    def _why(self, holder: int | None, rule: int) -> Because:
        if rule >= 0:
            return self._rules[rule]
        digest = "" if holder is None else self._here.digests[holder]
        return [{"deleted_with": digest, "text": f"only {digest} holds it"}]

    def _in_order(self, gone: set[int]) -> list[tuple[int, int | None]]:
        """Return what goes, each behind all that holds it, with one of these."""
        here = self._here
        holders: Counter[int] = Counter()
        for number in gone & {*here.parts, *here.followers}:
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
