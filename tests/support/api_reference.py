"""`make reference`: writes docs/reference/api, a page for each noun of the API, from the OpenAPI document."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from registry.http.api.app import PREFIX, ROUTES
from registry.http.api.openapi import document
from registry.oci.request import Kind
from tests.security.expected import OCI, REST, Need
from tests.support.api_examples import HOST, Operation, example, name_of, operations_of, text_of

FOLDER: Final = Path(__file__).parent.parent.parent / "docs" / "reference" / "api"
_MADE: Final = "<!-- Written by `make reference` from the OpenAPI document: change the code, not this page. -->\n"
#: The pages in their order: what they are about, and the tags of the document whose operations they have.
PAGES: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "packages": ("Packages", ("packages", "search")),
    "versions": ("Versions", ("versions", "downloads")),
    "tags": ("Tags and activity", ("tags",)),
    "tag-rules": ("Tag rules", ("tag_rules",)),
    "access": ("Access to packages", ("access",)),
    "clusters": ("Clusters of Kubernetes", ("clusters",)),
    "deletions": ("Previews of deletions and restores", ("deletions",)),
    "retention": ("Retention", ("retention",)),
    "usage": ("Disk usage and quotas", ("usage", "quotas", "billing")),
    "audit": ("Audit log and pull log", ("audit", "pulls")),
    "tokens": ("Access tokens", ("tokens", "workflows")),
    "users": ("Users", ("accounts", "avatars")),
    "organizations": ("Organizations", ("organizations",)),
    "mirrors": ("Mirrors", ("mirrors",)),
    "teams": ("Teams", ("teams",)),
    "repositories": ("Repositories", ("repositories", "collaborators")),
    "hooks": ("Webhooks", ("hooks",)),
    "administration": ("Administration", ("admin", "administration", "installation")),
    "meta": ("The API itself", ("meta", "openapi")),
    "oci": ("OCI Distribution: /v2 and /token", ("oci",)),
}
_NEEDS: Final[Mapping[Need, str]] = {
    Need.ANYBODY: "anybody",
    Need.TOKEN: "whoever has an access token",
    Need.PERSON: "every user",
    Need.SELF: "the user that the path names, and site administrators",
    Need.WORKLOAD: "a workflow or a workspace, with the token of its repository",
    Need.SITE_ADMIN: "site administrators",
    Need.CLASSIC: "with a classic token",
    Need.READS: "with `read:packages` in the token itself",
    Need.SEAT: "members of the organization",
    Need.ORG_MEMBER: "members of the organization",
    Need.ORG_OWNER: "owners of the organization",
    Need.REPO_READ: "the role read over the repository",
    Need.REPO_WRITE: "the role write over the repository",
    Need.REPO_ADMIN: "the role admin over the repository",
    Need.PULL: "the role read over the package, which everybody has over a public one",
    Need.PUSH: "the role write over the package",
    Need.DELETE: "the role admin over the package",
    Need.RESTORE: "the role admin over the package",
    Need.ADMIN: "the role admin over the package",
}
#: Told once, in the index.
_EVERYWHERE: Final = frozenset({"401", "429", "503"})


def pages() -> dict[str, str]:
    """The text of each page, by the name of its file."""
    made = document(ROUTES)
    operations = operations_of(made)
    texts = {
        f"{name}.md": _page(title, [one for one in operations if one.told["tags"][0] in tags], made)
        for name, (title, tags) in PAGES.items()
    }
    return {"index.md": _index(operations), **texts, "schemas.md": _schemas(made)}


def _index(operations: Sequence[Operation]) -> str:
    lines = [
        f"{_MADE}\n# API\n",
        f"The API speaks GitHub's dialect below `https://{HOST}{PREFIX}`. Its description as OpenAPI 3.1 is at",
        f"`{PREFIX}/openapi.json`. Answers are JSON; their fields are in [Schemas](schemas.md), errors in",
        "[Errors](../errors.md).\n",
        "## Who calls\n",
        "An access token is sent as the password of Basic with any user name, or as a bearer token:\n",
        "```sh",
        f'curl -u "alice:$TOKEN" https://{HOST}{PREFIX}/user',
        f'curl -H "Authorization: Bearer $TOKEN" https://{HOST}{PREFIX}/user',
        "```\n",
        "«Who may» of an operation names the least right, and the scope that a classic token needs. For packages, a",
        "fine-grained token whose rules allow the same is as good, and so is a token of a repository within its role.",
        "Owners of an organization, and site administrators, have every role over its packages and repositories.",
        "What the caller may not see is answered with 404, as if it were not there.\n",
        "## Pages of lists\n",
        "Lists have pages: `per_page` is 30, and 100 at most. The `Link` header has the addresses of the next one",
        '(`rel="next"`) and of others; take them as they are.\n',
        "## Changes on a condition\n",
        "A GET answers with an `ETag`. A change with that in `If-Match` is made if nothing has changed since, and is",
        "answered with 412 if something has. `If-None-Match: *` makes only what is not there yet.\n",
        "## What every operation may answer\n",
        "| status | when |",
        "|---|---|",
        "| 304 | a GET whose `If-None-Match` has the present ETag |",
        "| 401 | no credentials, or such as are no good |",
        "| 429 | too many requests; `Retry-After` says when to try again |",
        "| 503 | database or store cannot be reached for a moment; `Retry-After` says when to try again |",
        "",
        "## Pages\n",
        "| page | operations |",
        "|---|---|",
        *(
            f"| [{title}]({name}.md) | {sum(one.told['tags'][0] in tags for one in operations)} |"
            for name, (title, tags) in PAGES.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _page(title: str, operations: Sequence[Operation], made: Mapping[str, Any]) -> str:
    return "\n".join([f"{_MADE}\n# {title}\n", *(line for one in operations for line in _section(one, made))])


def _section(one: Operation, made: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {one.title}\n"
    yield "```"
    yield from (f"{one.method} {path}" for path in one.paths)
    yield "```\n"
    if "description" in one.told:
        yield one.told["description"].replace("``", "`") + "\n"
    yield f"**Who may:** {_who(one)}.\n"
    if one.parameters:
        yield "| parameter | in | type | |"
        yield "|---|---|---|---|"
        for parameter in one.parameters.values():
            schema = parameter["schema"]
            words = [schema.get("description", ""), *_bounds(schema)]
            if parameter["in"] == "query" and parameter.get("required"):
                words.append("required")
            yield f"| `{parameter['name']}` | {parameter['in']} | {_type(schema)} | {_joined(words)} |"
        yield ""
    if "requestBody" in one.told:
        yield from _body(one.told["requestBody"], made)
    yield "| answer | | body |"
    yield "|---|---|---|"
    for status, response in one.told["responses"].items():
        if status in _EVERYWHERE:
            continue
        yield f"| {status} | {response['description']} | {_answer(response)} |"
    yield ""
    yield "```sh"
    yield from example(one, made)
    yield "```\n"


def _who(one: Operation) -> str:
    """Who may, from the table that the matrix of security tests holds; the scope from the document."""
    if one.told["tags"] == ["oci"]:
        kind = next((kind for kind in Kind if f"oci/{kind.value.replace('.', '-')}" == one.told["operationId"]), None)
        return "anybody" if kind is None else _NEEDS[OCI[kind].need]
    expected = REST[one.method, one.path.removeprefix(PREFIX)]
    words = [_NEEDS[need] for need in expected.needs]
    scopes: Sequence[str] = next((scopes for way in one.told["security"] for scopes in way.values()), [])
    return ", and ".join(words) + "".join(f"; scope `{scope}`" for scope in scopes)


def _body(body: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in body["content"].items():
        schema = content["schema"]
        need = "required" if body.get("required") else "optional"
        if "$ref" not in schema or media_type != "application/json":
            yield f"**Body:** `{media_type}`\n"
            fields = schema.get("properties", {})
            if fields:
                yield ", ".join(f"`{name}`" for name in fields) + "\n"
            continue
        yield f"**Body** ({need}): {_type(schema)}\n"
        yield from _fields(made["components"]["schemas"][name_of(schema)])


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    if not schema.get("properties"):
        return
    yield "| field | type | |"
    yield "|---|---|---|"
    needed = set(schema.get("required", []))
    has_needed = bool(needed)
    for name, told in schema["properties"].items():
        words = [told.get("description", "") or _inner(told)]
        if has_needed and name not in needed:
            words.append("may be absent")
        words += _bounds(told)
        yield f"| `{name}` | {_type(told)} | {_joined(words)} |"
    yield ""


def _inner(schema: Mapping[str, Any]) -> str:
    return next((one["description"] for one in schema.get("anyOf", []) if "description" in one), "")


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    if "maximum" in schema and "default" in schema:
        yield f"{schema['minimum']} to {schema['maximum']}"
    if schema.get("default") is not None:
        yield f"default `{text_of(schema['default']).strip(chr(34))}`"


def _joined(words: Sequence[str]) -> str:
    kept = [word.rstrip(".") for word in words if word]
    return "; ".join(kept).replace("|", "\\|").replace("\n", " ")


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in words."""
    if "$ref" in schema:
        return f"[{name_of(schema)}](schemas.md#{name_of(schema).lower()})"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " ".join(f"`{text_of(value).strip(chr(34))}`" for value in values)
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _answer(response: Mapping[str, Any]) -> str:
    kinds = response.get("content", {})
    if not kinds:
        return ""
    told = dict.fromkeys(_type(content["schema"]) for content in kinds.values())
    media = [kind for kind in kinds if kind != "application/json"]
    return " ".join([*told, *(f"`{kind}`" for kind in media)])


def _schemas(made: Mapping[str, Any]) -> str:
    lines = [f"{_MADE}\n# Schemas\n", "A field without «may be absent» is always there, in answers.\n"]
    for name, schema in sorted(made["components"]["schemas"].items(), key=lambda item: item[0].lower()):
        lines.append(f"## {name}\n")
        if "description" in schema:
            lines.append(schema["description"] + "\n")
        lines += [line.replace("schemas.md#", "#") for line in _fields(schema)]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
