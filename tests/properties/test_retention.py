"""What a policy keeps of any package lacks nothing, and nothing goes that no rule names, whatever the graph is."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.packages.retention.contents import Contents
from registry.packages.retention.judge import RECENT_SECONDS, judge
from registry.packages.retention.policy import Conditions, Guards, Kind, Policy, PolicyRule, check

_NOW = 2_000_000_000.0
_DAY = 86_400.0
_FALLBACK = re.compile(r"sha256-([0-9a-f]{64})")


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


def _below(number: int) -> st.SearchStrategy[int]:
    return st.integers(0, number - 1)


class World:
    """A random package: what each version holds is decided by its number, as digests make it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.count = draw(st.integers(1, 12))
        ages = st.sampled_from([0.0, RECENT_SECONDS / 2, _DAY, 10 * _DAY, 40 * _DAY])
        self.ages = [draw(ages) for _ in range(self.count)]
        self.parts = [sorted(draw(st.sets(_below(n), max_size=3))) if n else [] for n in range(self.count)]
        self.subjects = [draw(st.none() | _below(n)) if n else None for n in range(self.count)]
        self.kinds = [draw(st.sampled_from(["image", "index", "buildcache", "signature"])) for _ in range(self.count)]
        self.tags: dict[str, tuple[int, float]] = {}
        for name in draw(st.sets(st.sampled_from(["v1", "v2", "pr-1", "pr-2", "main-1", "main-2"]))):
            self.tags[name] = draw(st.integers(0, self.count - 1)), draw(ages)
        for above in draw(st.sets(st.integers(0, self.count - 1), max_size=3)):
            suffix = draw(st.sampled_from(["", ".sig", ".att", ".sbom"]))
            self.tags[f"sha256-{above:064x}{suffix}"] = draw(st.integers(0, self.count - 1)), draw(ages)
        self.pulled = draw(st.dictionaries(st.integers(0, self.count - 1), ages, max_size=3))

    def contents(self) -> Contents:
        here = Contents(counted_since=_NOW - 100 * _DAY)
        for n in range(self.count):
            above, at = self.subjects[n], _NOW - self.ages[n]
            here.add_version(1000 + n, _digest(n), at, at, self.kinds[n], None if above is None else _digest(above))
        here.join_subjects()
        for n, many in enumerate(self.parts):
            for one in many:
                here.add_part(_digest(n), _digest(one))
        for name, (version, age) in self.tags.items():
            here.add_tag(name, _digest(version), _NOW - age)
        here.pulled = {number: _NOW - age for number, age in self.pulled.items()}
        return here

    def needs(self, number: int) -> set[int]:
        """What a version that stays needs: its parts, who refers to it, and what is tagged as belonging to it."""
        found = set(self.parts[number])
        found |= {n for n, above in enumerate(self.subjects) if above == number}
        found |= {version for name, (version, _) in self.tags.items() if name.startswith(f"sha256-{number:064x}")}
        return found - {number}


_DURATIONS = st.sampled_from([None, "1h", "5d", "30d"])
_KINDS: list[tuple[Kind, ...] | None] = [None, ("buildcache",), ("image", "index")]
_TAGS = st.sampled_from([("*",), ("v*",), ("pr-*", "main-*"), ("{v,pr-}1",), ("sha256-*",)])


@st.composite
def _rules(draw: st.DrawFn) -> PolicyRule:
    tags, untagged = draw(st.one_of(st.tuples(_TAGS, st.just(False)), st.tuples(st.none(), st.booleans())))
    kinds: tuple[Kind, ...] | None = draw(st.sampled_from(_KINDS))
    if draw(st.booleans()):
        if tags is None and not untagged:
            kinds = kinds or ("image",)
        return PolicyRule(delete=Conditions(tags, untagged, kinds, draw(_DURATIONS)))
    newest = draw(st.sampled_from([None, 1, 2]))
    given = Conditions(tags, untagged, kinds, None, draw(_DURATIONS), draw(_DURATIONS), newest)
    return PolicyRule(keep=given if given != Conditions() else Conditions(newest=1))


@st.composite
def _cases(draw: st.DrawFn) -> tuple[World, Policy]:
    most = draw(
        st.sampled_from([(), (PolicyRule(delete=Conditions(("*",))), PolicyRule(delete=Conditions(None, True)))])
    )
    rules = (*most, *draw(st.lists(_rules(), max_size=4)))
    return World(draw), check(Policy(rules, ("*",), Guards(may_empty=draw(st.booleans()))))


@settings(max_examples=300)
@given(_cases())
def test_what_is_kept_lacks_nothing(case: tuple[World, Policy]) -> None:
    world, policy = case
    found = judge(policy, world.contents(), _NOW)
    gone = {one.version_id - 1000 for one in found.deletes}
    untagged = {one.tag for one in found.untags}
    left = {name: version for name, (version, _) in world.tags.items() if name not in untagged and version not in gone}

    for number in set(range(world.count)) - gone:
        assert not world.needs(number) & gone, f"{number} stays, and something that it needs goes"
    for name, (version, age) in world.tags.items():
        if age < RECENT_SECONDS:
            assert name in left
        assert (name in left) or (name in untagged) or version in gone
    for number in gone:
        assert world.ages[number] >= RECENT_SECONDS
    # No tag goes that no rule names, but with a version that only something else holds, which goes.
    patterns = [rule.delete for rule in policy.rules if rule.delete is not None]
    if not patterns:
        assert not found.deletes
        assert not found.untags
    ordinary = {name for name in world.tags if not _of_another(world, name)}
    if not policy.guards.may_empty and ordinary:
        assert ordinary & set(left), "the last tag stays"
    # Each goes behind whatever holds it.
    place = {one.version_id - 1000: at for at, one in enumerate(found.deletes)}
    for number in gone:
        assert all(place[below] > place[number] for below in world.parts[number] if below in gone)
    assert len(place) == len(found.deletes)


def _of_another(world: World, name: str) -> bool:
    found = _FALLBACK.match(name)
    return found is not None and int(found[1], 16) < world.count


@settings(max_examples=100)
@given(_cases())
def test_a_tag_goes_by_a_rule_that_names_it(case: tuple[World, Policy]) -> None:
    world, policy = case
    contents = world.contents()
    found = judge(policy, contents, _NOW)
    deleting = [rule.delete for rule in policy.rules if rule.delete is not None]
    names = {one.tag for one in found.untags} | {tag for one in found.deletes for tag in one.tags}
    if all(one.tags is not None and "*" not in one.tags for one in deleting):
        assert not {name for name in names if name and name.startswith("v") and not _named(deleting, name)}
    again = judge(policy, world.contents(), _NOW)
    assert (again.untags, again.deletes, again.kept) == (found.untags, found.deletes, found.kept)


def _named(deleting: list[Conditions], name: str) -> bool:
    return any(glob in {"v*", "{v,pr-}1"} for one in deleting for glob in one.tags or ())


def test_what_is_kept_is_known_however_much_it_is() -> None:
    """Of a plan that was interrupted only what is ``loose`` goes: more is kept here than is told."""
    here, count = Contents(), 10_050
    for number in range(count):
        here.add_version(number, _digest(number), _NOW - 9 * _DAY, _NOW - 9 * _DAY, "image", None)
    untagged = Conditions(untagged=True)
    kept = check(Policy((PolicyRule(keep=untagged), PolicyRule(delete=untagged)), ("*",)))
    found = judge(kept, here, _NOW)
    assert (found.deletes, found.loose, len(found.kept)) == ([], set(), 10_000)
