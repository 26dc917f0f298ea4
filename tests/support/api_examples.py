"""Operations of the API with their examples: curl, gh, and the command of `moorage` that does the same."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from registry.http.api.app import PREFIX

HOST: Final = "registry.example"
_WHOSE: Final = re.compile(r"-for-(?:organization|repository|user|authenticated-user)$")
_WHOSE_TITLE: Final = re.compile(r" for (?:an organization|a repository|a user|the authenticated user)$")
EXAMPLE_DIGEST: Final = "sha256:" + "3f1c" * 16
#: What examples say for a parameter or a field.
_VALUES: Final[Mapping[str, Any]] = {
    "org": "acme",
    "enterprise": "moorage",
    "username": "bob",
    "login": "bob",
    "owner": "acme",
    "repo": "code",
    "team_slug": "crew",
    "package_type": "container",
    "package_name": "web",
    "tag": "latest",
    "to": EXAMPLE_DIGEST,
    "tag_rule": "releases",
    "cluster": "prod",
    "issuer": "https://kubernetes.default.svc.cluster.local",
    "namespace": "team-*",
    "account": "web",
    "tags": ["v*.*.*"],
    "forbid": ["move", "delete"],
    "enabled": False,
    "image": "web",
    "reference": "latest",
    "digest": EXAMPLE_DIGEST,
    "upload": "6f1c4b5e-2f0a-4d8e-9a4e-0c1d2e3f4a5b",
    "visibility": "private",
    "role": "read",
    "permission": "push",
    "repository": "acme/code",
    "name": "code",
    "new_owner": "acme",
    "versions": [42, 43],
    "admin": "bob",
    "note": "laptop",
    "scopes": ["read:packages"],
    "description": "What it is for",
    "ttl_seconds": 3600,
    "packages_sso_required": True,
    "packages": ["web"],
    "rules": [{"keep": {"tags": ["v*"]}}, {"delete": {"tags": ["pr-*"], "older_than": "14d"}}],
    "policy_id": 42,
    "bytes": 500_000_000_000,
    "config": {"url": "https://ci.example/hook", "content_type": "json", "secret": "a long random text"},
    "events": ["package"],
    "secret": "another long random text",
}
#: Bodies none of whose fields is required: the fields of the example.
_CHANGED: Final[Mapping[str, Sequence[str]]] = {
    "Settings": ("visibility",),
    "OrganizationChange": ("description",),
    "NewMembership": ("role",),
    "TeamChange": ("description",),
    "NewTeamMembership": ("role",),
    "NewTeamRepository": ("permission",),
    "RepositoryChange": ("visibility",),
    "NewCollaborator": ("permission",),
    "NewToken": ("note", "scopes"),
    "NewAuthorization": ("note", "scopes"),
    "NewWorkload": ("ttl_seconds",),
    "NewPlan": ("policy_id",),
    "RollBack": ("to",),
    "HookChange": ("events",),
    "ConfigChange": ("secret",),
}
#: Fields that mean something else in a body than elsewhere.
_OTHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "NewMembership": {"role": "member"},
    "NewTeamMembership": {"role": "member"},
    "NewUser": {"login": "carol"},
    "NewLogin": {"login": "new-name"},
    "NewOrganization": {"login": "initech", "admin": "alice"},
    "OwnOrganization": {"login": "initech-labs"},
    "NewRepository": {"name": "tools"},
    "NewTeam": {"name": "Night watch"},
    "NewMirror": {"url": "https://registry-1.docker.io"},
    "NamedPolicy": {"name": "ci"},
}


#: By the operation, whatever its path begins with.
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "accounts/get-myself": ("moorage whoami",),
    "packages/list-packages": ("moorage packages acme",),
    "search/search-packages": ("moorage packages --search web",),
    "packages/get-package": ("moorage package acme/web",),
    "packages/delete-package": ("moorage delete acme/web",),
    "packages/restore-package": ("moorage restore acme/web",),
    "packages/update-package": ("moorage visibility acme/web private",),
    "packages/link-repository": ("moorage link acme/web acme/code",),
    "packages/unlink-repository": ("moorage unlink acme/web",),
    "versions/list-versions": ("moorage versions acme/web",),
    "versions/delete-version": (f"moorage delete acme/web@{EXAMPLE_DIGEST}",),
    "versions/restore-version": (f"moorage restore acme/web@{EXAMPLE_DIGEST}",),
    "tags/list-tags": ("moorage tags acme/web",),
    "tags/put-tag": (f"moorage tag acme/web@{EXAMPLE_DIGEST} latest",),
    "tags/roll-back": ("moorage tags rollback acme/web:latest",),
    "tags/delete-tag": ("moorage untag acme/web:latest",),
    "tag_rules/list-rules": ("moorage tag-rule list acme",),
    "tag_rules/put-rule": ("moorage tag-rule add acme releases 'v*.*.*'",),
    "tag_rules/switch-rule": ("moorage tag-rule disable acme releases",),
    "tag_rules/remove-rule": ("moorage tag-rule remove acme releases",),
    "clusters/list-clusters": ("moorage cluster list acme",),
    "clusters/put-cluster": ("moorage cluster add acme prod --jwks keys.json",),
    "clusters/remove-cluster": ("moorage cluster remove acme prod",),
    "clusters/list-grants": ("moorage cluster grants acme prod",),
    "clusters/give-grant": ("moorage cluster grant acme prod --namespace 'team-*' --account web",),
    "clusters/take-grant": ("moorage cluster revoke acme prod 1",),
    "mirrors/get-mirror": ("moorage mirror show hub",),
    "mirrors/put-mirror": ("moorage mirror add hub docker.io",),
    "mirrors/remove-mirror": ("moorage mirror remove hub",),
    "mirrors/get-status": ("moorage mirror status hub",),
    "tags/list-history": ("moorage tags history acme/web:latest",),
    "tags/list-activity": ("moorage activity acme/web",),
    "pulls/list-pulls": ("moorage pulls acme/web --since 24h",),
    "deletions/preview-package": ("moorage delete --dry-run acme/web",),
    "deletions/preview-version": (f"moorage delete --dry-run acme/web@{EXAMPLE_DIGEST}",),
    "deletions/delete-versions": ("moorage delete --untagged --older-than 30d acme/web",),
    "deletions/preview-package-restore": ("moorage restore --dry-run acme/web",),
    "deletions/preview-version-restore": (f"moorage restore --dry-run acme/web@{EXAMPLE_DIGEST}",),
    "retention/list-policies": ("moorage retention policies acme",),
    "retention/create-policy": ("moorage retention set acme ci ci.json",),
    "retention/update-policy": ("moorage retention set acme ci ci.json",),
    "retention/delete-policy": ("moorage retention unset acme ci",),
    "retention/create-plan": ("moorage retention plan acme --policy ci.json",),
    "retention/list-plans": ("moorage retention plans acme",),
    "retention/list-decisions": ("moorage retention show acme 42",),
    "retention/apply-plan": ("moorage retention apply acme 42",),
    "retention/undo-plan": ("moorage retention undo acme 42",),
    "retention/explain-version": ("moorage retention explain acme/web:latest",),
    "usage/get-package-usage": ("moorage du acme/web",),
    "usage/get-my-usage": ("moorage usage",),
    "usage/get-user-usage": ("moorage usage bob",),
    "usage/get-organization-usage": ("moorage usage acme",),
    "quotas/set-organization-quota": ("moorage quota set acme 500GB",),
    "quotas/remove-organization-quota": ("moorage quota remove acme",),
    "quotas/set-user-quota": ("moorage quota set bob 500GB",),
    "quotas/remove-user-quota": ("moorage quota remove bob",),
    "quotas/list-usage": ("moorage usage --registry",),
    "access/get-access": ("moorage access acme/web",),
    "access/get-effective": ("moorage access acme/web --why bob",),
    "access/grant-user": ("moorage access grant acme/web bob read",),
    "access/revoke-user": ("moorage access revoke acme/web bob",),
    "access/grant-team": ("moorage access grant acme/web crew read --team",),
    "access/revoke-team": ("moorage access revoke acme/web crew --team",),
    "access/grant-repository": ("moorage access grant acme/web acme/code read --workflow",),
    "access/revoke-repository": ("moorage access revoke acme/web acme/code --workflow",),
    "accounts/list-my-organizations": ("moorage org list",),
    "organizations/get": ("moorage org show acme",),
    "organizations/create": ("moorage org create initech-labs",),
    "organizations/delete": ("moorage org delete acme",),
    "organizations/list-members": ("moorage org members acme",),
    "organizations/put-membership": ("moorage org add acme bob",),
    "organizations/remove-member": ("moorage org remove acme bob",),
    "organizations/remove-membership": ("moorage org remove acme bob",),
    "teams/list-teams": ("moorage team list acme",),
    "teams/get": ("moorage team show acme/crew",),
    "teams/create": ("moorage team create acme/night-watch",),
    "teams/delete": ("moorage team delete acme/crew",),
    "teams/put-membership": ("moorage team add acme/crew bob",),
    "teams/remove-membership": ("moorage team remove acme/crew bob",),
    "teams/put-repository": ("moorage repo add acme/code crew write --team",),
    "teams/remove-repository": ("moorage repo remove acme/code crew --team",),
    "repositories/list-mine": ("moorage repo list",),
    "repositories/list-of-account": ("moorage repo list bob",),
    "repositories/list-of-organization": ("moorage repo list acme",),
    "repositories/get": ("moorage repo show acme/code",),
    "repositories/create-in-organization": ("moorage repo create acme/tools",),
    "repositories/delete": ("moorage repo delete acme/code",),
    "collaborators/list-all": ("moorage repo members acme/code",),
    "collaborators/put": ("moorage repo add acme/code bob write",),
    "collaborators/remove": ("moorage repo remove acme/code bob",),
    "audit/get-organization-log": ("moorage audit acme",),
    "audit/get-my-log": ("moorage audit",),
    "audit/get-log-of-all": ("moorage audit --registry",),
    "hooks/list-hooks": ("moorage hook list acme",),
    "hooks/create": ("moorage hook create acme --url https://ci.example/hook --secret-stdin",),
    "hooks/get": ("moorage hook show acme 42",),
    "hooks/delete": ("moorage hook delete acme 42",),
    "hooks/ping": ("moorage hook ping acme 42",),
    "hooks/list-deliveries": ("moorage hook deliveries acme 42",),
    "hooks/get-delivery": ("moorage hook delivery acme 42 43",),
    "hooks/redeliver": ("moorage hook redeliver acme 42 43",),
    "tokens/page": ("moorage tokens",),
    "tokens/create": ("moorage tokens new laptop --scope read:packages",),
    "tokens/revoke": ("moorage tokens revoke 42",),
}


class Operation:
    """An operation of the document, with all the paths that it is at."""

    def __init__(self, method: str, told: Mapping[str, Any]) -> None:
        self.method, self.told = method, told
        self.paths: list[str] = []
        self.parameters: dict[str, Mapping[str, Any]] = {}

    def add(self, path: str, told: Mapping[str, Any]) -> None:
        """Add a path of the operation, with its parameters: those of paths come first."""
        self.paths.append(path)
        found = {**self.parameters, **{one["name"]: one for one in told.get("parameters", [])}}
        self.parameters = dict(sorted(found.items(), key=lambda item: item[1]["in"] != "path"))

    @property
    def id(self) -> str:
        """The operation id, whatever the path begins with."""
        return _WHOSE.sub("", self.told["operationId"])

    @property
    def title(self) -> str:
        told: str = self.told["summary"]
        return _WHOSE_TITLE.sub("", told) if _WHOSE.search(self.told["operationId"]) else told

    @property
    def path(self) -> str:
        """The path of the example."""
        return self.paths[0]


def operations_of(made: Mapping[str, Any]) -> list[Operation]:
    """The operations of the document; what is at several paths is one."""
    found: dict[tuple[str, str], Operation] = {}
    for path, methods in made["paths"].items():
        for method, told in methods.items():
            key = (method, _WHOSE.sub("", told["operationId"]))
            found.setdefault(key, Operation(method.upper(), told)).add(path, told)
    return list(found.values())


def text_of(value: object) -> str:
    """A value in JSON."""
    return orjson.dumps(value).decode()


def name_of(schema: Mapping[str, Any]) -> str:
    """The name of the component that a schema refers to."""
    return str(schema["$ref"]).rpartition("/")[2]


def _filled(path: str) -> str:
    def value(match: re.Match[str]) -> str:
        return str(_VALUES.get(match[1], "42"))

    return re.sub(r"\{([^}]+)\}", value, path)


def example_body(told: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any] | None:
    """The body of the example of an operation; None: it has none that is JSON of our own."""
    content = told.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return None
    name = name_of(content["schema"])
    schema = made["components"]["schemas"][name]
    fields = [*schema.get("required", []), *_CHANGED.get(name, ())]
    values = {**_VALUES, **_OTHERS.get(name, {})}
    return {field: values[field] for field in dict.fromkeys(fields)}


def _curl(one: Operation, path: str, body: Mapping[str, Any] | None) -> Iterator[str]:
    yield "curl"
    if one.method == "HEAD":
        yield "-I"
    elif one.method not in {"GET", "POST" if body is not None else "GET"}:
        yield f"-X {one.method}"
    if {} not in one.told["security"]:
        yield '-u "alice:$TOKEN"'
    sent = next(iter(one.told.get("requestBody", {}).get("content", {})), None)
    if body is not None:
        yield f"--json {shlex.quote(text_of(body))}"
    elif sent == "application/x-www-form-urlencoded":
        yield '-d grant_type=password -d service=registry -d username=alice -d "password=$TOKEN"'
    elif sent is not None:
        yield f"-H 'Content-Type: {sent}' --data-binary @file"
    yield f"'https://{HOST}{path}'" if "?" in path else f"https://{HOST}{path}"


def _call(one: Operation, path: str, body: Mapping[str, Any] | None) -> Iterator[str]:
    """The arguments of `gh api`."""
    if one.method not in {"GET", "POST" if body else "GET"}:
        yield f"-X {one.method}"
    for name, value in (body or {}).items():
        if isinstance(value, list):
            yield from (f"-{'f' if isinstance(part, str) else 'F'} '{name}[]={part}'" for part in value)
        else:
            flag = "f" if isinstance(value, str) else "F"
            yield f"-{flag} {shlex.quote(f'{name}={value if isinstance(value, str) else text_of(value)}')}"
    below = path.removeprefix(PREFIX).lstrip("/") or "/"
    yield f"'{below}'" if "?" in below else below


def _own_call(one: Operation, path: str, body: Mapping[str, Any] | None) -> Iterator[str]:
    """The same as arguments of `moorage api`, which takes the method as a word."""
    words = list(_call(one, path, body))
    if one.method != "GET":
        yield one.method
    yield "/" + words[-1].lstrip("/") if not words[-1].startswith("'") else "'/" + words[-1][1:]
    yield from (word for word in words[:-1] if not word.startswith("-X"))


def example(one: Operation, made: Mapping[str, Any]) -> list[str]:
    """The lines of a shell that call the operation: by curl, by gh, by `moorage`."""
    path = _filled(one.path)
    query = [
        f"{parameter['name']}={_VALUES[parameter['name']]}"
        for parameter in one.parameters.values()
        if parameter["in"] == "query" and parameter.get("required")
    ]
    whole = path + ("?" + "&".join(query) if query else "")
    body = example_body(one.told, made)
    lines = [" ".join(_curl(one, whole, body))]
    if path.startswith(PREFIX) and one.told["tags"][0] != "avatars":
        lines.append(" ".join(("gh api --hostname", HOST, *_call(one, whole, body))))
        lines += COMMANDS.get(one.id) or [" ".join(("moorage api", *_own_call(one, whole, body)))]
    return lines
