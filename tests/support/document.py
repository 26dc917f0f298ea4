"""What the API answers, held against its OpenAPI document: no status, field or type that is not in it."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

import orjson
from jsonschema_rs import Draft202012Validator

from registry.http.api.app import ROUTES
from registry.http.api.openapi import document

#: Errors have the facts of their class beside these fields.
_OPEN: Final = frozenset({"basic-error"})


def _is_time(value: str) -> bool:
    try:
        return value.endswith("Z") and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


_FORMATS: Final = {"date-time": _is_time}


def _closed(schema: Any) -> Any:
    """The schema, where no object has a field that is not told."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(one) for name, one in schema.items()}
    if isinstance(made.get("properties"), dict) and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


@cache
def _document() -> dict[str, Any]:
    made = document(ROUTES)
    schemas = made["components"]["schemas"]
    closed = {name: one if name in _OPEN else _closed(one) for name, one in schemas.items()}
    return {**made, "components": {"schemas": closed}}


@cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """The paths, the most literal ones first."""
    paths = sorted(_document()["paths"], key=lambda path: (path.count("{"), path))
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), path) for path in paths]


@cache
def _schema(method: str, path: str, status: int, media_type: str) -> Draft202012Validator | None:
    """What holds a body against the document; None: it tells of none. Raises AssertionError."""
    answers = _document()["paths"][path][method]["responses"]
    assert str(status) in answers, f"{method} {path}: the status {status} is not in the document"
    content = answers[str(status)].get("content")
    if content is None:
        return None
    assert media_type in content, f"{method} {path} {status}: {media_type} is not in the document"
    schema = {**content[media_type]["schema"], "components": _document()["components"]}
    return Draft202012Validator(schema, validate_formats=True, formats=_FORMATS)


def check(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Hold an answer against the document. Raises AssertionError. What no route has is nothing that it tells of."""
    paths, asked = _document()["paths"], path.partition("?")[0]
    found = [one for pattern, one in _paths() if pattern.fullmatch(asked) and method.lower() in paths[one]]
    if not found or status == 304 or status >= 500 or not body:
        return
    media_type = headers.get("Content-Type", "").partition(";")[0]
    schema = _schema(method.lower(), found[0], status, media_type)
    if schema is None or not media_type.endswith(("/json", "+json")):
        return
    wrong = [f"{error.instance_path}: {error.message[:300]}" for error in schema.iter_errors(orjson.loads(body))]
    assert not wrong, f"{method} {path} {status} is not as the document says: {wrong[:5]}"
