"""The language of retention: a policy is a JSON document of rules that keep and rules that delete.

Keep beats delete, what no rule mentions stays, and the order of the rules says nothing. A rule has conditions, all of
which must hold. Globs are the only patterns: a regular expression can take forever, and can be wrong unseen.
"""

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import Final, Literal

import msgspec

from registry.errors import Invalid

Kind = Literal["image", "index", "signature", "artifact", "buildcache"]
Schedule = Literal["hourly", "daily", "weekly"]
SCHEDULES: Final[tuple[Schedule, ...]] = ("hourly", "daily", "weekly")

_UNITS: Final = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,4})([mhdw])")
_ALTERNATIVES: Final = re.compile(r"\{([^{}]*)\}")
_DURATIONS: Final = ("older_than", "newer_than", "pulled_within")
_RULES_MAX: Final = 50
_GLOBS_MAX: Final = 50
_GLOB_MAX: Final = 256
_STARS_MAX: Final = 8
_EXPANDED_MAX: Final = 64
_NEWEST_MAX: Final = 1_000_000
_VERSIONS_MAX: Final = 1_000_000_000


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Conditions of a rule: all that is given must hold. Durations are 30m, 12h, 14d or 2w.

    ``tags``: globs, one of which matches the tag; ``untagged``: versions without a tag. Without both a rule speaks of
    both. ``newest``: of what fulfils the rest of the rule, the so many versions that were pushed last.
    """

    tags: tuple[str, ...] | None = None
    untagged: bool = False
    kinds: tuple[Kind, ...] | None = None
    older_than: str | None = None
    newer_than: str | None = None
    pulled_within: str | None = None
    newest: int | None = None


class PolicyRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A rule: either ``keep`` or ``delete``."""

    keep: Conditions | None = None
    delete: Conditions | None = None


class Guards(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The guards of a scheduled run: beyond ``max_versions``, or ``max_share`` of a package, the run asks first.

    ``may_empty``: the last tagged version of a package may go, too.
    """

    max_versions: int = 1000
    max_share: float = 0.5
    may_empty: bool = False


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy; ``packages``: globs of the names of packages, below their owner."""

    rules: tuple[PolicyRule, ...]
    packages: tuple[str, ...]
    guards: Guards = Guards()


class PolicyInvalid(Invalid):
    """A policy says what has no meaning; ``place`` is where, as a path in the document."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(
            f"Invalid request.\n\nThe policy cannot be read at {place}: {why}",
            "See docs/reference/retention.md.",
        )


def check(policy: Policy) -> Policy:
    """Return the policy, if all of it has a meaning. Raises PolicyInvalid."""
    if len(policy.rules) > _RULES_MAX:
        raise PolicyInvalid("rules", f"expected at most {_RULES_MAX} rules")
    _check_globs("packages", policy.packages)
    for number, rule in enumerate(policy.rules):
        if (rule.keep is None) == (rule.delete is None):
            raise PolicyInvalid(f"rules[{number}]", "expected either «keep» or «delete»")
        _check_conditions(f"rules[{number}]", rule)
    guards = policy.guards
    if not 0 <= guards.max_versions <= _VERSIONS_MAX or not 0 <= guards.max_share <= 1:
        told = f"expected max_versions from 0 to {_VERSIONS_MAX}, and max_share between 0 and 1"
        raise PolicyInvalid("guards", told)
    return policy


def _check_conditions(place: str, rule: PolicyRule) -> None:
    given = rule.keep or rule.delete or Conditions()
    if given == Conditions():
        raise PolicyInvalid(place, "expected a condition; «tags»: [«*»] is every tag")
    if rule.delete is not None:
        if given.newest or given.pulled_within or given.newer_than:
            raise PolicyInvalid(place, "expected newest, pulled_within and newer_than in rules that keep alone")
        if given.tags is None and not given.untagged and given.kinds is None:
            raise PolicyInvalid(place, "expected «tags», «untagged» or «kinds» of what is deleted")
    _check_values(place, given)


def _check_values(place: str, given: Conditions) -> None:
    if given.tags is not None:
        _check_globs(f"{place}.tags", given.tags)
        if given.untagged:
            raise PolicyInvalid(place, "expected either «tags» or «untagged»: make two rules of it")
    if given.kinds == ():
        raise PolicyInvalid(f"{place}.kinds", "expected one kind at least")
    for name, text in zip(_DURATIONS, (given.older_than, given.newer_than, given.pulled_within), strict=True):
        if text is not None and _DURATION.fullmatch(text) is None:
            raise PolicyInvalid(f"{place}.{name}", "expected a number with m, h, d or w, as in 14d")
    if given.newest is not None and not 1 <= given.newest <= _NEWEST_MAX:
        raise PolicyInvalid(f"{place}.newest", f"expected a number from 1 to {_NEWEST_MAX}")


def _check_globs(place: str, globs: tuple[str, ...]) -> None:
    if not 1 <= len(globs) <= _GLOBS_MAX:
        raise PolicyInvalid(place, f"expected 1 to {_GLOBS_MAX} globs")
    for glob in globs:
        if not 1 <= len(glob) <= _GLOB_MAX or glob.count("*") > _STARS_MAX or "\0" in glob:
            raise PolicyInvalid(
                place, f"expected a glob of 1 to {_GLOB_MAX} characters, with {_STARS_MAX} stars at most"
            )
        if len(expanded(glob)) > _EXPANDED_MAX:
            raise PolicyInvalid(place, f"expected at most {_EXPANDED_MAX} globs of one with {{a,b}}")


def expanded(glob: str) -> list[str]:
    """Return the globs that ``{a,b}`` makes of one; more than _EXPANDED_MAX are not looked at any further."""
    done, open_ = list[str](), [glob]
    while open_ and len(done) + len(open_) <= _EXPANDED_MAX:
        one = open_.pop()
        found = _ALTERNATIVES.search(one)
        if found is None:
            done.append(one)
        else:
            open_ += [one[: found.start()] + part + one[found.end() :] for part in found[1].split(",")]
    return done + open_


def matcher(globs: tuple[str, ...]) -> re.Pattern[str]:
    """Compile globs to one pattern, whose stars give nothing back: matching takes linear time for each star."""
    single = dict.fromkeys(one for glob in globs for one in expanded(glob))
    return re.compile("|".join(translate(one) for one in single))


def seconds(duration: str | None) -> float | None:
    """Return a duration in seconds; it was checked."""
    if duration is None:
        return None
    found = _DURATION.fullmatch(duration)
    return None if found is None else int(found[1]) * _UNITS[found[2]]


def described(given: Conditions) -> str:
    """Say in a few words what a rule speaks of."""
    said = []
    if given.tags is not None:
        said.append(", ".join(given.tags))
    if given.untagged:
        said.append("untagged")
    if given.kinds is not None:
        said.append("kind " + " or ".join(given.kinds))
    if given.older_than is not None:
        said.append(f"older than {given.older_than}")
    if given.newer_than is not None:
        said.append(f"newer than {given.newer_than}")
    if given.pulled_within is not None:
        said.append(f"pulled within {given.pulled_within}")
    if given.newest is not None:
        said.append(f"the newest {given.newest}")
    return "; ".join(said)


@dataclass(frozen=True, slots=True)
class Needs:
    """The facts that a policy asks for beyond tags and versions; ``lost_seconds``: how far back tags were lost."""

    kinds: bool
    pulls: bool
    lost_seconds: float


def needs(policy: Policy) -> Needs:
    """Return what is to be read to judge a policy."""
    every = [one for rule in policy.rules for one in (rule.keep, rule.delete) if one is not None]
    ages = [seconds(one.older_than) or seconds(one.newer_than) or 0.0 for one in every if one.tags is None]
    newest = any(one.newest is not None and one.tags is None for one in every)
    return Needs(
        any(one.kinds is not None for one in every),
        any(one.pulled_within is not None for one in every),
        max([400 * 86_400.0 if newest else 0.0, *ages]),
    )
