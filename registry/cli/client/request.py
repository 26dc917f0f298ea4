"""The command ``api``: any request of the API, with the credential of the host."""

import json
import re
from argparse import ArgumentParser
from typing import Any, Final
from urllib.parse import quote, urlencode

from registry.cli.client.api import PREFIX
from registry.cli.client.commands import Command
from registry.cli.client.context import Context
from registry.cli.client.errors import USAGE, CommandError
from registry.cli.client.http import Reply

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: What stays as it is in a path with a query (RFC 3986 §3.3, §3.4), percent-encoded bytes too.
_KEPT: Final = "/%?=&:@!$'()*+,;~[]"
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_LITERALS: Final[dict[str, Any]] = {"true": True, "false": False, "null": None}


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="GET, POST, PUT, PATCH, DELETE; may be left out")
    parser.add_argument("path", metavar="PATH", nargs="?", help="below /api/v3, or a whole address of this host")
    parser.add_argument("-f", "--raw-field", metavar="KEY=TEXT", action="append", default=[], help="a field, as text")
    parser.add_argument(
        "-F", "--field", metavar="KEY=VALUE", action="append", default=[],
        help="a field: true, false, null, a number, @FILE, @- for stdin, or text; KEY[]= is of a list, KEY[NAME]= of "
        "an object",
    )  # fmt: skip
    parser.add_argument("-H", "--header", metavar="NAME: VALUE", action="append", default=[], help="a header")
    parser.add_argument("--input", metavar="FILE", help="the file that is the body; - for stdin")
    parser.add_argument("-i", "--include", action="store_true", help="print the status and the headers too")
    parser.add_argument("--paginate", action="store_true", help="all pages of a list, as one list")


def _api(context: Context) -> None:
    options = context.options
    method, path = (options.method.upper(), options.path) if options.path else ("", options.method)
    fields = _fields(context)
    sent = _body(context) if options.input else None
    method = method or ("POST" if (fields or sent is not None) and not options.paginate else "GET")
    if method not in _METHODS:
        raise CommandError(f"{options.method!r} is no method", status=USAGE, why=f"expected {', '.join(_METHODS)}")
    if options.paginate and method != "GET":
        raise CommandError("--paginate is for GET", status=USAGE)
    target = context.target()
    path = _below(path, target.url)
    if method in {"GET", "HEAD"} or sent is not None:
        if options.paginate and "per_page=" not in path:
            fields.setdefault("per_page", 100)
        path = _with_query(path, fields)
    elif fields:
        sent = json.dumps(fields).encode()
    api = context.api_of(target)
    headers = {"Content-Type": "application/json", **_headers(context)} if sent is not None else _headers(context)
    reply = api.send(method, path, headers, sent)
    if options.include and not context.output.quiet:
        _head(context, reply)
    if options.paginate:
        _tell(context, reply, list(api.following(reply)))
    else:
        _tell(context, reply, reply.json())


def _tell(context: Context, reply: Reply, found: Any) -> None:
    if context.output.quiet or not reply.body:
        return
    if found is not None:
        context.output.json(found)
    else:
        context.output.raw(reply.body)


def _head(context: Context, reply: Reply) -> None:
    context.output.line(f"HTTP {reply.status}")
    for name, value in reply.headers.items():
        context.output.line(f"{name}: {value}")
    context.output.line("")


def _below(path: str, origin: str) -> str:
    """Return the path below the API. Raises CommandError for the address of another host."""
    path = path.removeprefix(origin)
    if "://" in path.partition("?")[0]:
        raise CommandError(f"{path!r} is not of {origin}", status=USAGE, why="the token goes to its own host only")
    path = path.removeprefix(PREFIX)
    return quote(path if path.startswith("/") else f"/{path}", safe=_KEPT)


def _with_query(path: str, fields: dict[str, Any]) -> str:
    if not fields:
        return path
    texts = {
        key: [_text(one) for one in value] if isinstance(value, list) else _text(value) for key, value in fields.items()
    }
    return f"{path}{'&' if '?' in path else '?'}{urlencode(texts, doseq=True)}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _headers(context: Context) -> dict[str, str]:
    found = {}
    for text in context.options.header:
        name, colon, value = text.partition(":")
        if not colon or not _HEADER.fullmatch(name.strip()) or not (value.isascii() and value.isprintable()):
            raise CommandError(f"{text!r} is no header", status=USAGE, why="expected 'NAME: VALUE'")
        found[name.strip()] = value.strip()
    return found


def _body(context: Context) -> bytes:
    return _read(context, context.options.input)


def _read(context: Context, path: str) -> bytes:
    if path == "-":
        return context.input.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"cannot read {path}", status=USAGE, why=str(error.strerror)) from error


def _fields(context: Context) -> dict[str, Any]:
    """Build the object of ``-f`` and ``-F``. Raises CommandError."""
    options, found = context.options, dict[str, Any]()
    for text, typed in [*((one, False) for one in options.raw_field), *((one, True) for one in options.field)]:
        key, equals, value = text.partition("=")
        names = key.replace("]", "").split("[")
        if not names[0] or not (equals or names[-1] == ""):
            raise CommandError(f"{text!r} is no field", status=USAGE, why="expected KEY=VALUE")
        try:
            _put(found, names, _typed(context, value) if typed else value, empty=not equals)
        except (TypeError, AttributeError) as error:
            raise CommandError(f"{key} is a list, an object and a text at once", status=USAGE) from error
    return found


def _put(into: Any, names: list[str], value: Any, *, empty: bool) -> None:
    """Put a value where its names say: the empty name is the next of a list."""
    name, *rest = names
    if not rest:
        into[name] = value
    elif rest[0] != "":
        _put(into.setdefault(name, {}), rest, value, empty=empty)
    elif len(rest) == 1:
        items = into.setdefault(name, [])
        if not empty:
            items.append(value)
    else:
        items = into.setdefault(name, [])
        if not items or (not rest[2:] and rest[1] in items[-1]):
            items.append({})
        _put(items[-1], rest[1:], value, empty=empty)


def _typed(context: Context, text: str) -> Any:
    if text in _LITERALS:
        return _LITERALS[text]
    if text.startswith("@"):
        try:
            return _read(context, text[1:]).decode()
        except UnicodeDecodeError as error:
            raise CommandError(f"{text[1:]} is no text", status=USAGE) from error
    return int(text) if _NUMBER.fullmatch(text) else text


COMMANDS: Final = {"api": Command(_add, _api)}
