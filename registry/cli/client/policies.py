"""Clean-up policies of other registries in the words of ours: what cannot be said is refused, never guessed."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

Policy = dict[str, Any]
Converted = tuple[Policy, list[str]]

_DAY: Final = 86_400
_HOUR: Final = 3600
_LITERAL: Final = re.compile(r"[A-Za-z0-9_-]")
_CADENCES: Final = {"1d": "daily", "7d": "weekly", "14d": "weekly", "1month": "weekly", "3month": "weekly"}


class Unsayable(Exception):
    """A policy, or a part of one, that our rules cannot say."""


def _policy(rules: list[Policy], packages: list[str] | None = None, *, may_empty: bool = False) -> Policy:
    guards = {"guards": {"may_empty": True}} if may_empty else {}
    return {"packages": packages or ["*"], "rules": rules, **guards}


# -- Amazon ECR: lifecycle policies


def from_ecr(document: Any) -> Converted:
    """Convert a lifecycle policy of ECR: https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html"""
    rules, notes = list[Policy](), list[str]()
    ordered = sorted(document["rules"], key=lambda one: int(one["rulePriority"]))
    for place, one in enumerate(ordered):
        selection, action = one["selection"], one["action"]["type"]
        if action != "expire":
            raise Unsayable(f"rule {one['rulePriority']}: {action} moves images to an archive, which is not here")
        what, count = _ecr_selected(one["rulePriority"], selection), int(selection["countNumber"])
        match selection["countType"]:
            case "imageCountMoreThan":
                rules.append({"keep": {**({} if len(what) > 1 else what[0]), "newest": count}})
                rules += [{"delete": each} for each in what]
                if place and len(what) > 1:
                    notes.append(f"Rule {one['rulePriority']} keeps what it keeps from the rules before it, too.")
            case "sinceImagePushed":
                # An image that a rule selects is not for the rules behind it.
                if place < len(ordered) - 1:
                    rules += [{"keep": {**each, "newer_than": f"{count}d"}} for each in what]
                rules += [{"delete": {**each, "older_than": f"{count}d"}} for each in what]
            case "sinceImagePulled":
                rules += [{"keep": {**each, "pulled_within": f"{count}d"}} for each in what]
                rules += [{"delete": {**each, "older_than": f"{count}d"}} for each in what]
            case other:
                raise Unsayable(f"rule {one['rulePriority']}: {other}")
    notes.append("The age of an image is counted from the last push of its tag; in ECR, from its first.")
    return _policy(rules, may_empty=True), notes


def _ecr_selected(number: Any, selection: Policy) -> list[Policy]:
    match selection["tagStatus"]:
        case "untagged":
            return [{"untagged": True}]
        case "any":
            return [{"tags": ["*"]}, {"untagged": True}]
        case "tagged":
            globs = [f"{_plain(one)}*" for one in selection.get("tagPrefixList", [])]
            globs += [_plain(one, but="*") for one in selection.get("tagPatternList", [])]
            if len(globs) != 1:
                raise Unsayable(f"rule {number}: of several prefixes or patterns ECR wants all; ours are any of them")
            return [{"tags": globs}]
        case other:
            raise Unsayable(f"rule {number}: tagStatus {other}")


def _plain(text: str, but: str = "") -> str:
    """Return a text in which no character has a meaning in a glob, ``but`` those."""
    if (set("*?[]{}") - set(but)) & set(text):
        raise Unsayable(f"{text!r} has characters that mean something in a glob")
    return text


# -- GitLab: clean-up policies of a project


def from_gitlab(document: Any) -> Converted:
    """Convert a clean-up policy of GitLab: https://docs.gitlab.com/api/projects/ (container_expiration_policy)"""
    given = document.get(
        "container_expiration_policy", document.get("container_expiration_policy_attributes", document)
    )
    deleting = given.get("name_regex_delete") or given.get("name_regex")
    if not deleting:
        raise Unsayable("without name_regex_delete GitLab deletes nothing")
    globs = _globs(deleting)
    rules: list[Policy] = [{"keep": {"tags": ["latest"]}}]
    if given.get("name_regex_keep"):
        rules.append({"keep": {"tags": _globs(given["name_regex_keep"])}})
    if given.get("keep_n"):
        rules.append({"keep": {"tags": globs, "newest": int(given["keep_n"])}})
    age = {"older_than": _duration(given["older_than"])} if given.get("older_than") else {}
    rules.append({"delete": {"tags": globs, **age}})
    notes = ["The newest are those that were pushed last; in GitLab, those whose image says so."]
    if given.get("cadence") in _CADENCES:
        notes.append(f"Run it with --schedule {_CADENCES[given['cadence']]} --enable.")
    return _policy(rules), notes


def _globs(pattern: str) -> list[str]:
    """Return the globs that say what a regular expression says, which is of the whole tag. Raises Unsayable."""
    text = pattern.removeprefix("^").removesuffix("$")
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1:
        text = text[1:-1].removeprefix("?:")
    return [_glob(pattern, one.removeprefix("^").removesuffix("$")) for one in text.split("|")]


def _glob(whole: str, text: str) -> str:
    made, at = "", 0
    while at < len(text):
        for regular, glob in ((".*", "*"), (".+", "?*"), ("\\.", "."), ("\\-", "-"), (".", "?")):
            if text.startswith(regular, at):
                made, at = made + glob, at + len(regular)
                break
        else:
            if _LITERAL.match(text[at]) is None:
                raise Unsayable(f"the regular expression {whole!r}: we have globs only, * ? [] {{a,b}}")
            made, at = made + text[at], at + 1
        if at < len(text) and text[at] in "*+?{":
            raise Unsayable(f"the regular expression {whole!r}: we have globs only, * ? [] {{a,b}}")
    return made


# -- Harbor: tag retention of a project

_HARBOR: Final[dict[str, Callable[[int], Policy]]] = {
    "always": lambda _: {},
    "latestPushedK": lambda count: {"newest": count},
    "nDaysSinceLastPush": lambda days: {"newer_than": f"{days}d"},
    "nDaysSinceLastPull": lambda days: {"pulled_within": f"{days}d"},
}


def from_harbor(document: Any) -> Converted:
    """Convert a retention policy of Harbor: https://goharbor.io/docs/latest/working-with-projects/create-tag-retention-rules/"""
    keeps, packages = list[Policy](), set[str]()
    for one in document["rules"]:
        if not one.get("disabled"):
            keeps += _harbor_keeps(one)
            packages |= {_harbor_glob(selector, "repoMatches") for selector in one["scope_selectors"]["repository"]}
    if len(packages) > 1:
        raise Unsayable(f"rules for different repositories ({', '.join(sorted(packages))}): make a policy of each")
    rules = [*keeps, {"delete": {"tags": ["*"]}}, {"delete": {"untagged": True}}]
    notes = ["Harbor deletes whatever no rule keeps; so do the two last rules. Ours alone would keep it."]
    return _policy(rules, sorted(packages), may_empty=True), notes


def _harbor_keeps(one: Policy) -> list[Policy]:
    if one["template"] not in _HARBOR:
        raise Unsayable(f"the template {one['template']} has no rule of ours")
    values = [*(one.get("params") or {}).values(), 0]
    given, keeps = _HARBOR[one["template"]](int(values[0])), list[Policy]()
    for selector in one["tag_selectors"]:
        keeps.append({"keep": {"tags": [_harbor_glob(selector, "matches")], **given}})
        if '"untagged":true' in str(selector.get("extras", "")).replace(" ", ""):
            keeps.append({"keep": {"untagged": True, **given}})
    return keeps


def _harbor_glob(selector: Policy, decoration: str) -> str:
    if selector["decoration"] != decoration:
        raise Unsayable(f"a selector that excludes ({selector['pattern']}): name what is meant instead")
    return _doublestar(selector["pattern"])


def _doublestar(pattern: str) -> str:
    return re.sub(r"\*+", "*", pattern)


# -- Google Artifact Registry: clean-up policies of a repository


def from_gar(document: Any) -> Converted:
    """Convert clean-up policies of Artifact Registry: https://cloud.google.com/artifact-registry/docs/repositories/cleanup-policy"""
    rules, packages = list[Policy](), set[tuple[str, ...]]()
    policies: Iterable[Any] = document.values() if isinstance(document, dict) else document
    for one in policies:
        keeps = str(one["action"]["type"]).upper() == "KEEP"
        recent, condition = one.get("mostRecentVersions"), one.get("condition", {})
        packages.add(tuple((recent or condition).get("packageNamePrefixes", ())))
        if recent is not None:
            if not keeps:
                raise Unsayable(f"{one.get('name')}: mostRecentVersions of a policy that deletes")
            rules.append({"keep": {"newest": int(recent["keepCount"])}})
            continue
        if condition.get("versionNamePrefixes"):
            raise Unsayable(f"{one.get('name')}: versionNamePrefixes are of digests")
        rules += [{"keep" if keeps else "delete": each} for each in _gar_selected(one, condition, keeps=keeps)]
    if len(packages) > 1:
        raise Unsayable("policies with different packageNamePrefixes: make a policy of each")
    (prefixes,) = packages or {()}
    return _policy(rules, [f"{_plain(one)}*" for one in prefixes]), []


def _gar_selected(one: Policy, condition: Policy, *, keeps: bool) -> list[Policy]:
    ages = {}
    if condition.get("olderThan"):
        ages["older_than"] = _duration(condition["olderThan"])
    if condition.get("newerThan"):
        if not keeps:
            raise Unsayable(f"{one.get('name')}: newerThan of a policy that deletes")
        ages["newer_than"] = _duration(condition["newerThan"])
    globs = [f"{_plain(prefix)}*" for prefix in condition.get("tagPrefixes", [])] or ["*"]
    match str(condition.get("tagState", "any")).lower():
        case "tagged":
            return [{"tags": globs, **ages}]
        case "untagged":
            return [{"untagged": True, **ages}]
        case _ if condition.get("tagPrefixes"):
            return [{"tags": globs, **ages}]
        case _:
            return [{"tags": ["*"], **ages}, {"untagged": True, **ages}]


def _duration(text: str) -> str:
    """Convert 30d, 12h or 2592000s. Raises Unsayable."""
    found = re.fullmatch(r"([0-9]+)([smhd])", text)
    if found is None:
        raise Unsayable(f"the duration {text!r}")
    if found[2] != "s":
        return text
    number = int(found[1])
    if number % _DAY == 0:
        return f"{number // _DAY}d"
    return f"{number // _HOUR}h" if number % _HOUR == 0 else f"{max(1, number // 60)}m"


CONVERTERS: Final[dict[str, Callable[[Any], Converted]]] = {
    "ecr": from_ecr,
    "gitlab": from_gitlab,
    "harbor": from_harbor,
    "gar": from_gar,
}
