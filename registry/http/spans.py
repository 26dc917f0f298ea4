"""Spans of requests and operations, with the names and attributes of OpenTelemetry's semantic conventions.

Invariants: a span has no query, no header but Host and User-Agent, and no value of a statement.
"""

import re
from collections.abc import Mapping
from typing import Final

from registry.http.api.app import PREFIX
from registry.http.api.app import ROUTES as API_ROUTES
from registry.http.ops import HANDLERS as OPS
from registry.http.server.access_log import CLIENT_LEFT, Line, printable
from registry.http.v2 import search
from registry.oci.request import Kind
from registry.process.otlp import CLIENT, INTERNAL, SERVER, Span, Value
from storage.metadata.statement_names import statement_name
from storage.operations import Operation

_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
ERRORS_FROM: Final = 500
_AGENT_MAX: Final = 256
_OF_PACKAGE: Final = re.compile(
    r"/v2/(.+)/(?:manifests/[^/]+|blobs/[^/]+|blobs/uploads/[^/]*|tags/list|referrers/[^/]+)"
)
_MANIFESTS: Final = "/v2/{name}/manifests/{reference}"
_BLOBS: Final = "/v2/{name}/blobs/{digest}"
_UPLOADS: Final = "/v2/{name}/blobs/uploads/{id}"
#: The template of the path, by the name that a table of routes has for it.
_TEMPLATES: Final[Mapping[str, str]] = {
    Kind.BASE: "/v2/",
    Kind.CATALOG: "/v2/_catalog",
    Kind.TAGS_LIST: "/v2/{name}/tags/list",
    Kind.REFERRERS: "/v2/{name}/referrers/{digest}",
    Kind.BLOB_GET: _BLOBS,
    Kind.BLOB_HEAD: _BLOBS,
    Kind.BLOB_DELETE: _BLOBS,
    Kind.UPLOAD_START: "/v2/{name}/blobs/uploads/",
    Kind.UPLOAD_STATUS: _UPLOADS,
    Kind.UPLOAD_CHUNK: _UPLOADS,
    Kind.UPLOAD_FINISH: _UPLOADS,
    Kind.UPLOAD_CANCEL: _UPLOADS,
    Kind.MANIFEST_GET: _MANIFESTS,
    Kind.MANIFEST_HEAD: _MANIFESTS,
    Kind.MANIFEST_PUT: _MANIFESTS,
    Kind.MANIFEST_DELETE: _MANIFESTS,
    **{route.path: PREFIX + route.path for route in API_ROUTES},
    **{path: path for path in (*OPS, search.SEARCH, search.PING, "/token")},
}


def request_span(line: Line, parent_id: str, scheme: str, epoch: float, left_out: int) -> Span:
    """Make the span of a finished request; ``epoch`` is the Unix time at which time.monotonic() was zero.

    ``left_out`` counts the operations that the request waited for, and that have no span.
    """
    method = line.method if line.method in _METHODS else "_OTHER"
    name = line.method if line.method in _METHODS else "HTTP"
    template = _TEMPLATES.get(line.route)
    attributes = {
        "http.request.method": method,
        "url.scheme": scheme,
        **_address(line),
        **_outcome(line),
        **_ours(line),
    }
    if template is not None:
        name, attributes["http.route"] = f"{name} {template}", template
    if left_out:
        attributes["moorage.operations.left_out"] = left_out
    if line.method not in _METHODS:
        attributes["http.request.method_original"] = printable(line.method)
    return Span(
        line.trace_id or "", line.span_id or "", parent_id, name, SERVER,
        _ns(epoch, line.started), _ns(epoch, line.ended), attributes, line.status >= ERRORS_FROM,
    )  # fmt: skip


def operation_span(operation: Operation, request: Span, span_id: str, epoch: float) -> Span:
    """Make the span of an operation that a request waited for."""
    name, kind, attributes = _described(operation)
    if operation.error:
        attributes["error.type"] = operation.error
    return Span(
        request.trace_id, span_id, request.span_id, name, kind,
        _ns(epoch, operation.started), _ns(epoch, operation.ended), attributes, bool(operation.error),
    )  # fmt: skip


def _ns(epoch: float, seconds: float) -> int:
    return int((epoch + seconds) * 1e9)


def _address(line: Line) -> dict[str, Value]:
    """Return what the request was sent to, and by whom."""
    found: dict[str, Value] = {"url.path": _path(line), "network.peer.address": line.remote}
    agent = line.fields.get(b"user-agent")
    if agent is not None:
        found["user_agent.original"] = printable(agent[:_AGENT_MAX].decode("latin-1"))
    name, colon, port = printable(line.fields.get(b"host", b"").decode("latin-1")).rpartition(":")
    if colon and port.isdecimal():
        return {**found, "server.address": name.strip("[]"), "server.port": int(port[:5])}
    return {**found, "server.address": f"{name}{colon}{port}".strip("[]")}


def _path(line: Line) -> str:
    return printable(line.target.partition("?")[0])


def _outcome(line: Line) -> dict[str, Value]:
    found: dict[str, Value] = {
        "http.request.body.size": line.received_bytes,
        "http.response.size": line.sent_bytes,
    }
    if line.status == CLIENT_LEFT:
        return {**found, "error.type": "client_left"}
    found["http.response.status_code"] = line.status
    return {**found, "error.type": str(line.status)} if line.status >= ERRORS_FROM else found


def _ours(line: Line) -> dict[str, Value]:
    """Return the attributes that no convention has a name for."""
    package = _OF_PACKAGE.fullmatch(_path(line))
    found = {
        "moorage.request.id": line.request_id,
        "moorage.package": None if package is None else package[1],
        "moorage.account.id": line.account_id,
        "moorage.token.id": line.token_id,
    }
    return {name: value for name, value in found.items() if value is not None}


def _described(operation: Operation) -> tuple[str, int, dict[str, Value]]:
    """Return the name, the kind and the attributes of an operation's span."""
    match operation.kind:
        case "statement":
            name = statement_name(operation.name)
            return name, CLIENT, {"db.system.name": "postgresql", "db.query.summary": name}
        case "store":
            ours: dict[str, Value] = {"rpc.system": "aws-api", "rpc.service": "S3", "rpc.method": operation.name}
            return f"S3.{operation.name}", CLIENT, ours
        case "look-up":
            return f"look-up {statement_name(operation.name)}", INTERNAL, {}
        case "connection":
            return "wait for a connection", INTERNAL, {}
