"""The OpenAPI paths of ``/v2`` (OCI Distribution 1.1) and of ``/token``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from registry.http.statuses import STATUSES
from registry.oci.media_types import DOCKER_IMAGE, DOCKER_LIST, OCI_IMAGE, OCI_INDEX
from registry.oci.request import Kind

_DESCRIPTOR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["mediaType", "digest", "size"],
    "properties": {
        "mediaType": {"type": "string"},
        "digest": {"type": "string"},
        "size": {"type": "integer", "minimum": 0},
        "artifactType": {"type": "string"},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "platform": {"type": "object"},
    },
}
SCHEMAS: Final[dict[str, Any]] = {
    "oci-error": {
        "type": "object",
        "required": ["errors"],
        "properties": {
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "code": {"type": "string", "enum": list(dict.fromkeys(code for _, code in STATUSES.values()))},
                        "message": {"type": "string"},
                        "detail": {},
                    },
                },
            }
        },
    },
    "oci-version": {"type": "object", "description": "Empty: version 2 is here."},
    "oci-catalog": {
        "type": "object",
        "required": ["repositories"],
        "properties": {"repositories": {"type": "array", "items": {"type": "string"}}},
    },
    "oci-tags": {
        "type": "object",
        "required": ["name", "tags"],
        "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}},
    },
    "oci-descriptor": _DESCRIPTOR,
    "oci-index": {
        "type": "object",
        "description": "Of referrers: a descriptor of each, with its annotations.",
        "required": ["schemaVersion", "mediaType", "manifests"],
        "properties": {
            "schemaVersion": {"const": 2},
            "mediaType": {"const": OCI_INDEX},
            "manifests": {"type": "array", "items": {"$ref": "#/components/schemas/oci-descriptor"}},
        },
    },
    "oci-manifest": {
        "type": "object",
        "description": "An image manifest or an index, with the bytes that were pushed.",
        "required": ["schemaVersion"],
        "properties": {"schemaVersion": {"const": 2}, "mediaType": {"type": "string"}},
    },
    "oci-blob": {"description": "Bytes."},
    "bearer-token": {
        "type": "object",
        "required": ["token", "access_token", "expires_in", "issued_at"],
        "properties": {
            "token": {"type": "string"},
            "access_token": {"type": "string"},
            "expires_in": {"type": "integer"},
            "issued_at": {"type": "string", "format": "date-time"},
            "scope": {"type": "string"},
            "refresh_token": {"type": "string"},
        },
    },
}

_PACKAGE: Final = "/v2/{owner}/{image}"
_BLOB: Final = f"{_PACKAGE}/blobs/{{digest}}"
_UPLOADS: Final = f"{_PACKAGE}/blobs/uploads/"
_UPLOAD: Final = f"{_UPLOADS}{{upload}}"
_MANIFEST: Final = f"{_PACKAGE}/manifests/{{reference}}"
_PAGED: Final = ("n", "last")
_READ: Final = (400, 401, 404)
_CHANGED: Final = (400, 401, 403, 404)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the specification's table. ``statuses`` are those that it answers besides 429 and 503."""

    kind: Kind
    method: str
    path: str
    summary: str
    statuses: tuple[int, ...]
    query: tuple[str, ...] = ()
    sends: str | None = None  # the media type of its body
    anybody: bool = True


ENDPOINTS: Final = (
    Endpoint(Kind.BASE, "get", "/v2/", "Check credentials", (200, 401), anybody=False),
    Endpoint(Kind.CATALOG, "get", "/v2/_catalog", "List packages", (200, 400, 401), _PAGED, anybody=False),
    Endpoint(Kind.TAGS_LIST, "get", f"{_PACKAGE}/tags/list", "List tags", (200, *_READ), _PAGED),
    Endpoint(
        Kind.REFERRERS,
        "get",
        f"{_PACKAGE}/referrers/{{digest}}",
        "List referrers",
        (200, *_READ),
        ("artifactType", *_PAGED),
    ),
    Endpoint(Kind.BLOB_GET, "get", _BLOB, "Pull a blob", (200, 206, 304, 307, 416, *_READ)),
    Endpoint(Kind.BLOB_HEAD, "head", _BLOB, "Check that a blob exists", (200, 304, *_READ)),
    Endpoint(Kind.BLOB_DELETE, "delete", _BLOB, "Delete a blob", (202, 405, 409, 412, *_CHANGED), anybody=False),
    Endpoint(
        Kind.UPLOAD_START,
        "post",
        _UPLOADS,
        "Begin an upload, upload at once, or mount a blob of another package",
        (201, 202, 409, 413, 416, *_CHANGED),
        ("digest", "digest-algorithm", "mount", "from"),
        "application/octet-stream",
        anybody=False,
    ),
    Endpoint(Kind.UPLOAD_STATUS, "get", _UPLOAD, "Get the progress of an upload", (204, *_CHANGED), anybody=False),
    Endpoint(
        Kind.UPLOAD_CHUNK,
        "patch",
        _UPLOAD,
        "Upload a chunk",
        (202, 409, 413, 416, *_CHANGED),
        sends="application/octet-stream",
        anybody=False,
    ),
    Endpoint(
        Kind.UPLOAD_FINISH,
        "put",
        _UPLOAD,
        "Finish an upload",
        (201, 409, 413, 416, *_CHANGED),
        ("digest",),
        "application/octet-stream",
        anybody=False,
    ),
    Endpoint(Kind.UPLOAD_CANCEL, "delete", _UPLOAD, "Cancel an upload", (204, 409, *_CHANGED), anybody=False),
    Endpoint(Kind.MANIFEST_GET, "get", _MANIFEST, "Pull a manifest", (200, 304, *_READ)),
    Endpoint(Kind.MANIFEST_HEAD, "head", _MANIFEST, "Check that a manifest exists", (200, 304, *_READ)),
    Endpoint(
        Kind.MANIFEST_PUT,
        "put",
        _MANIFEST,
        "Push a manifest",
        (201, 409, 412, 413, 414, *_CHANGED),
        ("tag",),
        "application/vnd.oci.image.manifest.v1+json",
        anybody=False,
    ),
    Endpoint(
        Kind.MANIFEST_DELETE,
        "delete",
        _MANIFEST,
        "Delete a tag or a manifest",
        (202, 405, 409, 412, *_CHANGED),
        anybody=False,
    ),
)

_TEXT: Final = {"type": "string", "minLength": 1}
_SCHEMA: Final[dict[str, Any]] = {
    "digest": {
        "type": "string",
        "pattern": "^(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$",
        "description": "Of the bytes.",
    },
    "reference": {"type": "string", "minLength": 1, "description": "A tag or a digest."},
    "upload": {"type": "string", "format": "uuid"},
    "image": {"type": "string", "minLength": 1, "description": "Slashes in it are sent as they are."},
    "n": {"type": "integer", "minimum": 0, "description": "The size of a page."},
    "last": {**_TEXT, "description": "The last entry of the page before, from a Link header."},
    "artifactType": {**_TEXT, "description": "Referrers of this type only."},
    "digest-algorithm": {"type": "string", "enum": ["sha256", "sha512"], "description": "Of the digest to come."},
    "mount": {**_TEXT, "description": "The digest of a blob of the package in from."},
    "from": {**_TEXT, "description": "A package that one may pull from."},
    "tag": {
        "type": "array",
        "items": {"type": "string"},
        "description": "Tags for a manifest that is pushed by digest.",
    },
}
#: What is answered, by media type; the names of schemas.
_ANSWERS: Final[dict[Kind, dict[str, str]]] = {
    Kind.BASE: {"application/json": "oci-version"},
    Kind.CATALOG: {"application/json": "oci-catalog"},
    Kind.TAGS_LIST: {"application/json": "oci-tags"},
    Kind.REFERRERS: {OCI_INDEX: "oci-index"},
    Kind.BLOB_GET: {"application/octet-stream": "oci-blob"},
    Kind.MANIFEST_GET: dict.fromkeys((OCI_IMAGE, OCI_INDEX, DOCKER_IMAGE, DOCKER_LIST), "oci-manifest"),
}
_SENT: Final = {"application/octet-stream": "oci-blob", OCI_IMAGE: "oci-manifest"}
_WORDS: Final = {
    200: "What was asked for",
    201: "Kept",
    202: "Accepted",
    204: "Done",
    206: "A part of it",
    304: "As the caller has it",
    307: "Where the bytes are",
}


def paths() -> dict[str, dict[str, Any]]:
    """The path items."""
    found: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        found.setdefault(endpoint.path, {})[endpoint.method] = _operation(endpoint)
    found["/token"] = {"get": _token_by_basic(), "post": _token_by_form()}
    return found


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    named = [part[1:-1] for part in endpoint.path.split("/") if part.startswith("{")]
    schemas = {name: _SCHEMA.get(name, {"type": "string", "minLength": 1}) for name in (*named, *endpoint.query)}
    needed = {*named, *(("digest",) if endpoint.kind is Kind.UPLOAD_FINISH else ())}
    operation: dict[str, Any] = {
        "operationId": f"oci/{endpoint.kind.value.replace('.', '-')}",
        "summary": endpoint.summary,
        "tags": ["oci"],
        "parameters": [
            {"name": name, "in": "path" if name in named else "query", "required": name in needed, "schema": schema}
            for name, schema in schemas.items()
        ],
        "responses": _responses(endpoint.statuses, endpoint.method, _ANSWERS.get(endpoint.kind, {})),
        "security": [*([{}] if endpoint.anybody else []), {"basic": []}, {"bearer": []}, {"token": []}],
    }
    if endpoint.sends is not None:
        operation["requestBody"] = {"content": _content({endpoint.sends: _SENT[endpoint.sends]})}
    return operation


def _content(schemas: Mapping[str, str]) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": f"#/components/schemas/{name}"}} for kind, name in schemas.items()}


def _responses(statuses: tuple[int, ...], method: str, answers: Mapping[str, str]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in sorted({*statuses, 429, 503}):
        if status < 400:  # noqa: PLR2004 - no error
            responses[str(status)] = {"description": _WORDS[status]}
            if answers and status in {200, 206}:
                responses[str(status)]["content"] = _content(answers)
            continue
        responses[str(status)] = {"description": "One or more errors of the specification"}
        if method != "head":
            responses[str(status)]["content"] = _content({"application/json": "oci-error"})
    return responses


def _token_by_basic() -> dict[str, Any]:
    return {
        "operationId": "oci/token",
        "summary": "A bearer token for /v2",
        "tags": ["oci"],
        "parameters": [
            {"name": "service", "in": "query", "schema": {"type": "string", "description": "As the challenge has it."}},
            {
                "name": "scope",
                "in": "query",
                "schema": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Such as repository:acme/web:pull,push; may be repeated.",
                },
            },
        ],
        "responses": _token_responses((400, 401)),
        "security": [{}, {"basic": []}],
    }


def _token_by_form() -> dict[str, Any]:
    names = ("grant_type", "service", "scope", "username", "password", "refresh_token", "client_id", "access_type")
    fields = {name: {"type": "string"} for name in names}
    schema = {"type": "object", "properties": fields}
    return {
        "operationId": "oci/token-by-form",
        "summary": "A bearer token for /v2, as OAuth2 asks for it",
        "tags": ["oci"],
        "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": schema}}},
        "responses": _token_responses((400, 401, 408, 413, 415)),
        "security": [{}],
    }


def _token_responses(statuses: tuple[int, ...]) -> dict[str, Any]:
    told = {"description": "The token", "content": _content({"application/json": "bearer-token"})}
    return {"200": told, **_responses(statuses, "get", {})}
