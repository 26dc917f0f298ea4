"""The OpenAPI 3.1 document, made from the table of routes; ``/v2`` and ``/token`` are added from a table here."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web

from registry.http.api import openapi_v2
from registry.http.api.call import ApiCall
from registry.http.api.routes import Access, Route
from registry.http.api.schemas.site import OpenApiDocument
from registry.http.server.message import INERT
from registry.packages.search import SORTS as SEARCH_SORTS
from registry.packages.tags import SORTS as TAG_SORTS
from registry.version import VERSION

_PREFIX: Final = "/api/v3"
_PARAMETER: Final = re.compile(r"\{([^}]+)\}")
_OWNERS: Final = {
    "/orgs/{org}": "for-organization",
    "/users/{username}": "for-user",
    "/user": "for-authenticated-user",
}
_HOOKS_OF: Final = {"/orgs/{org}/hooks": "for-organization", "/repos/{owner}/{repo}/hooks": "for-repository"}
_TEXT: Final = {"type": "string", "minLength": 1}
#: Ids have at most 18 digits.
_NUMBER: Final = {"type": "integer", "format": "int64", "minimum": 1, "maximum": 10**18 - 1}
_PATH: Final[dict[str, Any]] = {
    "package_type": {"type": "string", "enum": ["container"]},
    "package_name": {**_TEXT, "description": "With its slashes as %2F."},
}
_VISIBILITIES: Final = ["public", "private", "internal"]
_QUERY: Final[dict[str, Any]] = {
    "page": {"type": "integer", "minimum": 1, "default": 1, "description": "The number of the page."},
    "at": {"type": "string", "format": "date-time", "description": "Where the tag pointed at this time."},
    "since": {"type": "integer", "minimum": 0, "description": "The id that the list begins behind."},
    "per_page": {"type": "integer", "minimum": 1, "maximum": 100, "default": 30, "description": "The size of a page."},
    "package_type": {"type": "string", "enum": ["npm", "maven", "rubygems", "docker", "nuget", "container"]},
    "visibility": {"type": "string", "enum": _VISIBILITIES},
    "state": {"type": "string", "enum": ["active", "deleted"], "default": "active"},
    "role": {"type": "string", "enum": ["all", "admin", "member"], "default": "all"},
    "type": {"type": "string", "description": "As visibility; other values are all of them."},
    "audience": {"type": "string", "enum": ["actions", "codespaces"], "description": "Both, if it is absent."},
    "token": {"type": "string", "description": "The id of the deleted package, where several had the name."},
    "q": {"type": "string", "description": "How a name, or an owner or a component of a name, begins."},
    "sort": {"type": "string", "enum": ["newest", "updated", "name"]},
    "versions": {"type": "string", "description": "The ids of versions, with commas between them."},
    "tagged": {"type": "string", "enum": ["true", "false"], "description": "Both, if it is absent."},
    "match": {"type": "string", "description": "A glob, such as v1.*"},
    "pushed_before": {"type": "string", "format": "date-time", "description": "With the offset of its zone."},
    "filter": {"type": "string", "enum": ["suspended", "site_admin"]},
    "user": {"type": "string", "description": "A login."},
    "interval": {"type": "string", "enum": ["day"], "default": "day"},
    "direction": {"type": "string", "enum": ["asc", "desc"], "description": "Down by time, else up."},
    "after": {"type": "string", "description": "Where the page begins, from a Link header."},
    "before": {"type": "string", "description": "Where the page ends, from a Link header; after comes before it."},
    "phrase": {
        "type": "string",
        "description": "Qualifiers such as action:team, actor:alice and created:>=2026-01-31.",
    },
    "include": {
        "type": "string",
        "enum": ["web", "all", "git"],
        "default": "web",
        "description": "Of git there is none.",
    },
    "order": {"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    "package": {"type": "string", "description": "The name of a package, below its owner; all, if it is absent."},
    "decision": {"type": "string", "enum": ["keep", "untag", "delete"], "description": "All, if it is absent."},
    "year": {"type": "integer", "minimum": 1, "maximum": 9998, "description": "This one, if it is absent."},
    "month": {"type": "integer", "minimum": 1, "maximum": 12, "description": "All of the year, if it is absent."},
    "day": {"type": "integer", "minimum": 1, "maximum": 31, "description": "All of the month, if it is absent."},
    "cursor": {"type": "string", "description": "Where the page begins, from a Link header."},
    "status": {"type": "string", "enum": ["success", "failure"]},
}
#: What a name means in the operations of a noun, if not the same as elsewhere.
_QUERY_OF: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("repositories", "sort"): {"type": "string", "enum": ["full_name", "created", "updated", "pushed"]},
    ("teams", "sort"): {"type": "string", "enum": ["full_name", "created", "updated", "pushed"]},
    ("tags", "sort"): {"type": "string", "enum": list(TAG_SORTS)},
    ("search", "sort"): {"type": "string", "enum": list(SEARCH_SORTS), "default": "newest"},
}
_REQUIRED: Final = frozenset({"package_type"})
#: What every route may answer, whatever it does.
_ALWAYS: Final = (401, 429, 503)
_OF_BODIES: Final = (400, 413, 422)
_WORDS: Final = {
    200: "What was asked for",
    201: "Made",
    202: "Accepted",
    204: "Done",
    301: "It has another name now; see Location",
    307: "It has another name now; see Location",
    400: "Not well-formed, or against a rule",
    401: "No credentials, or such as are no good",
    403: "Seen, but not allowed: what is missing, and what to do",
    404: "Not there, or not to be seen",
    409: "Another thing is in its place",
    412: "Changed since it was read: If-Match or If-None-Match does not hold for the ETag that is told",
    413: "Too large",
    422: "Well-formed, but it makes no sense",
    429: "Too much of what the message names; see Retry-After",
    503: "For a moment; see Retry-After",
}
#: What a route answers that has no type: a picture.
_OTHER: Final = {"type": "string"}
_BASIC_ERROR: Final = {
    "type": "object",
    "required": ["message", "status"],
    "properties": {
        "message": {"type": "string"},
        "documentation_url": {"type": "string"},
        "status": {"type": "string"},
        "missing": {"type": "string", "description": "Of 403: the right that is missing."},
        "have": {"type": "array", "items": {"type": "string"}, "description": "Of 403: the rights that are there."},
        "fix": {"type": "string", "description": "What to do."},
        "errors": {
            "type": "array",
            "description": "Of 422: what is wrong, and where.",
            "items": {
                "type": "object",
                "required": ["resource", "field", "code"],
                "properties": {name: {"type": "string"} for name in ("resource", "field", "code", "message")},
            },
        },
    },
}
_SCHEMES: Final = {
    "basic": {"type": "http", "scheme": "basic", "description": "Any user name, and an access token as the password."},
    "token": {"type": "http", "scheme": "bearer", "description": "An access token."},
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A token of /token."},
}


def route(table: Sequence[Route]) -> Route:
    """The route that serves the document of ``table`` and of itself."""

    @lru_cache(maxsize=1)
    def text() -> bytes:
        return orjson.dumps(document((*table, made)))

    async def get(_call: ApiCall) -> web.Response:
        kept = {**INERT, "Cache-Control": "no-cache, no-transform"}
        return web.Response(body=text(), content_type="application/json", headers=kept)

    made = Route("GET", "/openapi.json", get, "Get the OpenAPI document", Access.ANYBODY, answer=OpenApiDocument)
    return made


def document(table: Sequence[Route]) -> dict[str, Any]:
    """The document; a status that a route does not name, but its access, body or path implies, is in it too."""
    types = list(dict.fromkeys(kind for one in table for kind in (one.body, *_answers(one)) if kind is not None))
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(types, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in table:
        paths.setdefault(_PREFIX + one.path, {})[one.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Moorage",
            "version": VERSION,
            "summary": "A container registry that people run themselves",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {**paths, **openapi_v2.paths()},
        "components": {
            "schemas": {**components, "basic-error": _BASIC_ERROR, **openapi_v2.SCHEMAS},
            "securitySchemes": _SCHEMES,
        },
    }


def _answers(one: Route) -> tuple[Any, ...]:
    """The types of the JSON that the route answers with."""
    return one.answer if isinstance(one.answer, tuple) else () if one.answer is None else (one.answer,)


def _operation(one: Route, schemas: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    answers = [schemas[kind] for kind in _answers(one)]
    answer = answers[0] if len(answers) == 1 else {"anyOf": answers} if answers else _OTHER
    operation: dict[str, Any] = {
        "operationId": _id(one),
        "summary": one.summary,
        "tags": [_noun(one)],
        "parameters": list(_parameters(one)),
        "responses": {
            str(status): _response(status, (one.media_type, *one.also), answer) for status in sorted(statuses(one))
        },
        "security": _security(one),
    }
    told = inspect.getdoc(one.handler)
    if told:
        operation["description"] = told
    if one.body is not None:
        body = schemas[one.body]
        operation["requestBody"] = {
            "required": bool(msgspec.json.schema(one.body)["$defs"][body["$ref"].rpartition("/")[2]].get("required")),
            "content": {"application/json": {"schema": body}},
        }
    return operation


def statuses(one: Route) -> set[int]:
    """Every status that the route may answer with."""
    found = {*one.statuses, *_ALWAYS}
    if one.body is not None:
        found |= {*_OF_BODIES}
    if one.access is not Access.ANYBODY and (one.scope is not None or one.access is Access.SITE_ADMIN):
        found.add(403)
    if "{" in one.path:
        found |= {403, 404}
    if "/repos/{owner}/{repo}" in one.path:
        found.add(301 if one.method == "GET" else 307)
    if "page" in one.query:
        found.add(400)
    if one.method in {"PATCH", "PUT", "DELETE"}:
        found.add(412)
    return found


def _parameters(one: Route) -> Iterator[dict[str, Any]]:
    for name in _PARAMETER.findall(one.path):
        schema = _PATH.get(name, _NUMBER if name.endswith("_id") else _TEXT)
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for name in one.query:
        schema = _QUERY_OF.get((_noun(one), name), _QUERY.get(name, {"type": "string"}))
        if one.path == "/user/memberships/orgs" and name == "state":
            schema = {"type": "string", "enum": ["active", "pending"]}
        yield {"name": name, "in": "query", "required": name in _REQUIRED, "schema": schema}


def _response(status: int, media_types: Sequence[str], answer: Mapping[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _WORDS[status]}
    if status >= 400:  # noqa: PLR2004 - errors
        response["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/basic-error"}}}
    elif status >= 300:  # noqa: PLR2004 - it has another name now
        response["headers"] = {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}}
        response["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/basic-error"}}}
    elif status != 204:  # noqa: PLR2004 - no content
        response["content"] = {media_type: {"schema": answer} for media_type in media_types}
    return response


def _security(one: Route) -> list[dict[str, list[str]]]:
    if one.access is Access.ANYBODY:
        return [{}, {"basic": []}, {"token": []}]
    scopes = (
        [] if one.needed_scope is None else [one.needed_scope]
    )  # OpenAPI 3.1: roles, where the scheme is not OAuth2
    return [{"basic": scopes}, {"token": scopes}]


def _noun(one: Route) -> str:
    return one.handler.__module__.rpartition(".")[2]


#: What an organization and the caller have alike, each by its own path.
_BY_OWNER: Final = ("packages", "docker", "retention", "tag-rules", "clusters")


def _id(one: Route) -> str:
    """The operation id, named as GitHub's are: ``packages/get-package-for-user``."""
    name = one.handler.__name__.replace("_", "-")
    for prefix, whose in _OWNERS.items():
        if one.path.startswith(tuple(f"{prefix}/{noun}" for noun in _BY_OWNER)):
            return f"{_noun(one)}/{name}-{whose}"
    for prefix, whose in _HOOKS_OF.items():
        if one.path.startswith(prefix):
            return f"{_noun(one)}/{name}-{whose}"
    if one.path.startswith("/orgs/{org}/memberships/") and one.method == "DELETE":
        name += "ship"  # a handler with two paths
    return f"{_noun(one)}/{name}"
