"""Forms: bodies of ``application/x-www-form-urlencoded``, bounded in bytes, in fields and in time."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from registry.errors import BadRequest, TooLarge
from registry.http.server.message import Request

_FORM_BYTES: Final = 64 * 1024
_FORM_FIELDS: Final = 2000  # a mirror asks for a scope of each repository
_FORM_TYPE: Final = "application/x-www-form-urlencoded"


async def read_form(http: Request, seconds: float) -> Mapping[str, list[str]]:
    """Return the fields of a form, each with all its values. Raises BadRequest, TooLarge, BodyTooSlow."""
    if (http.field(b"content-type") or "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise BadRequest(f"expected the Content-Type {_FORM_TYPE}")
    body = await http.body.read(_FORM_BYTES, seconds, TooLarge(f"expected a form of at most {_FORM_BYTES} bytes"))
    fields: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_FORM_FIELDS)
    except ValueError:
        # Not chained: the traceback would hold what a password was sent with.
        raise BadRequest(f"expected at most {_FORM_FIELDS} fields, percent-encoded, in UTF-8") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields
