"""The commands of retention, with a worker beside them, and the policies of other registries in our words."""

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from registry.packages.retention.policy import Policy, check
from tests.api.test_retention import age
from tests.cli.commands import Shell
from tests.support.worker import working

_SCOPES = ("read:packages", "write:packages", "delete:packages", "user", "repo")
_POLICY = {
    "packages": ["app"],
    "rules": [
        {"keep": {"tags": ["pr-*"], "newest": 1}},
        {"delete": {"tags": ["pr-*"], "older_than": "14d"}},
    ],
}


async def test_a_policy_is_set_planned_applied_explained_and_undone(shell: Shell, tmp_path: Path) -> None:
    alice = await shell.registry.user("alice", _SCOPES)
    shell.env["MOORAGE_TOKEN"] = alice
    for tag in ("v1", "pr-1", "pr-2"):
        await shell.registry.push_image("alice/app", tag, alice)
    await age(shell.registry, 20)
    file = tmp_path / "ci.json"
    file.write_bytes(orjson.dumps(_POLICY))
    done = await shell.ok("retention", "set", "alice", "ci", str(file))
    assert done.err == (
        "ci of alice runs only when somebody makes a plan of it\n  undo: moorage retention unset alice ci\n"
    )
    assert (await shell.ok("retention", "policies", "alice")).out.startswith("ci\tapp\t2\tnot enabled")
    await shell.ok("retention", "set", "alice", "CI", str(file), "--enable", "--schedule", "weekly")
    assert (await shell.ok("retention", "policies", "alice")).out.startswith("CI\tapp\t2\tweekly")
    async with working(shell.registry.services):
        plan = await shell.ok("retention", "plan", "alice/app", "--policy", str(file))
        rows = [line.split("\t") for line in plan.out.splitlines()]
        assert [row[:3] for row in rows] == [["delete", "app", "pr-1"], ["keep", "app", "pr-2"]]
        assert rows[0][4] == "rule 1: pr-*; older than 14d"
        assert "is planned: 0 tags and 1 version of 1 package.\n" in plan.err
        number = plan.err.rsplit(maxsplit=1)[-1]
        assert "nobody can be asked" in await shell.fails(2, "retention", "apply", "alice", number)
        done = await shell.ok("retention", "apply", "alice", number, "-y")
        assert done.err == f"Applied: 1 decision carried out.\n  undo: moorage retention undo alice {number}\n"
        assert "pr-1" not in (await shell.ok("tags", "alice/app")).out
        done = await shell.ok("retention", "undo", "alice", number)
        assert "Undone: 1 decision carried out." in done.err
        assert "pr-1" in (await shell.ok("tags", "alice/app")).out
        await age(shell.registry, 20)
        await shell.ok("retention", "plan", "alice", "--policy", "ci")
    # What came back was tagged last.
    assert (await shell.ok("retention", "explain", "alice/app:pr-1")).out.startswith("CI\tkeep\tapp\tpr-1\t")
    assert (await shell.ok("retention", "explain", "alice/app:pr-2")).out.startswith("CI\tdelete\tapp\tpr-2\t")
    assert (await shell.ok("retention", "explain", "alice/app:v1")).err.startswith("CI: no rule deletes it (plan ")
    assert (await shell.ok("retention", "plans", "alice")).out.count("\n") >= 2
    await shell.ok("retention", "unset", "alice", "ci", "-y")
    assert (await shell.ok("retention", "policies", "alice")).err == "No policies.\n"


async def test_what_is_written_wrong_is_told(shell: Shell, tmp_path: Path) -> None:
    shell.env["MOORAGE_TOKEN"] = await shell.registry.user("alice", _SCOPES)
    file = tmp_path / "ci.json"
    file.write_text("{")
    assert "is no JSON" in await shell.fails(2, "retention", "set", "alice", "ci", str(file))
    assert "cannot be read" in await shell.fails(2, "retention", "convert", "--from", "ecr", str(tmp_path / "none"))
    assert "no policy ci" in await shell.fails(3, "retention", "unset", "alice", "ci", "-y")
    file.write_text('{"packages": ["app"], "rules": [{"delete": {"tags": ["*"], "newest": 3}}]}')
    refused = await shell.fails(6, "retention", "set", "alice", "ci", str(file))
    assert "rules[0]: expected newest, pulled_within and newer_than in rules that keep alone" in refused
    file.write_text('{"packages": ["app"], "rules": [{"delete": {"tag": ["*"]}}]}')
    assert "unknown field `tag`" in await shell.fails(6, "retention", "set", "alice", "ci", str(file))
    file.write_bytes(orjson.dumps({**_POLICY, "name": "ci", "gaurds": {"max_versions": 10}}))
    refused = await shell.fails(6, "retention", "set", "alice", "ci", str(file), "--enable")
    assert "at gaurds: expected no field of this name" in refused
    assert "unknown field `gaurds`" in await shell.fails(6, "retention", "plan", "alice", "--policy", str(file))


_ECR: dict[str, Any] = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "tagged", "tagPatternList": ["prod*"], "countType": "imageCountMoreThan", "countNumber": 5,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "selection": {
                "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14,
            },
            "action": {"type": "expire"},
        },
    ]
}  # fmt: skip
_GITLAB = {
    "container_expiration_policy": {
        "cadence": "1d", "enabled": True, "keep_n": 10, "older_than": "14d",
        "name_regex": "pr-.*|sha-.+", "name_regex_keep": "release-.*",
    }
}  # fmt: skip
_HARBOR: dict[str, Any] = {
    "algorithm": "or",
    "rules": [
        {
            "disabled": False, "action": "retain", "template": "latestPushedK", "params": {"latestPushedK": 10},
            "tag_selectors": [
                {"kind": "doublestar", "decoration": "matches", "pattern": "**", "extras": '{"untagged":true}'}
            ],
            "scope_selectors": {
                "repository": [{"kind": "doublestar", "decoration": "repoMatches", "pattern": "web/**"}]
            },
        }
    ],
}  # fmt: skip
_GAR: list[dict[str, Any]] = [
    {
        "name": "delete-prerelease", "action": {"type": "Delete"},
        "condition": {"tagState": "tagged", "tagPrefixes": ["alpha", "v0"], "olderThan": "2592000s"},
    },
    {"name": "keep-minimum", "action": {"type": "Keep"}, "mostRecentVersions": {"keepCount": 5}},
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "document", "rules"),
    [
        ("ecr", _ECR, [
            {"keep": {"tags": ["prod*"], "newest": 5}}, {"delete": {"tags": ["prod*"]}},
            {"delete": {"untagged": True, "older_than": "14d"}},
        ]),
        ("gitlab", _GITLAB, [
            {"keep": {"tags": ["latest"]}}, {"keep": {"tags": ["release-*"]}},
            {"keep": {"tags": ["pr-*", "sha-?*"], "newest": 10}},
            {"delete": {"tags": ["pr-*", "sha-?*"], "older_than": "14d"}},
        ]),
        ("harbor", _HARBOR, [
            {"keep": {"tags": ["*"], "newest": 10}}, {"keep": {"untagged": True, "newest": 10}},
            {"delete": {"tags": ["*"]}}, {"delete": {"untagged": True}},
        ]),
        ("gar", _GAR, [
            {"delete": {"tags": ["alpha*", "v0*"], "older_than": "30d"}}, {"keep": {"newest": 5}},
        ]),
    ],
)  # fmt: skip
async def test_policies_of_others_are_converted(
    shell: Shell, tmp_path: Path, form: str, document: object, rules: list[Any]
) -> None:
    file = tmp_path / "theirs.json"
    file.write_bytes(orjson.dumps(document))
    made = await shell.ok("retention", "convert", "--from", form, str(file))
    told = orjson.loads(made.out)
    assert told["rules"] == rules
    check(msgspec.convert(told, Policy))


@pytest.mark.parametrize(
    ("form", "document", "why"),
    [
        ("ecr", {"rules": [{**_ECR["rules"][0], "action": {"type": "transition"}}]}, "archive"),
        ("ecr", {"rules": [{**_ECR["rules"][0], "selection": {
            "tagStatus": "tagged", "tagPrefixList": ["a", "b"], "countType": "imageCountMoreThan", "countNumber": 1,
        }}]}, "wants all"),
        ("gitlab", {"name_regex_delete": "pr-\\d+", "older_than": "7d"}, "globs only"),
        ("gitlab", {"name_regex_delete": "(pr|sha)-.*", "older_than": "7d"}, "globs only"),
        ("harbor", {"rules": [{**_HARBOR["rules"][0], "template": "latestPulledN"}]}, "latestPulledN"),
        ("gar", [{**_GAR[0], "condition": {"versionNamePrefixes": ["sha256:a"]}}], "versionNamePrefixes"),
    ],
)  # fmt: skip
async def test_what_cannot_be_said_is_refused(
    shell: Shell, tmp_path: Path, form: str, document: object, why: str
) -> None:
    file = tmp_path / "theirs.json"
    file.write_bytes(orjson.dumps(document))
    told = await shell.fails(6, "retention", "convert", "--from", form, str(file))
    assert "this policy cannot be said in ours" in told
    assert why in told


async def test_another_document_is_no_policy(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "theirs.json"
    file.write_text("[1]")
    for form in ("ecr", "gitlab", "harbor", "gar"):
        assert f"this is no policy of {form}" in await shell.fails(2, "retention", "convert", "--from", form, str(file))
