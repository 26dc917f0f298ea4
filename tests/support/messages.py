"""Every message that a user or the operator may be told, read from the source; what varies in it is an ellipsis."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
#: Where the errors are whose messages somebody reads. Of storage, the log has all, and the terminal those of _ROOTS.
_FOLDERS: Final = ("registry", "auth", "storage/metadata")
#: The classes whose messages are told, with all that are derived from them.
_ROOTS: Final = frozenset(
    {
        "RegistryError",
        "Unauthenticated",
        "MalformedScope",
        "UnknownTokenScope",
        "PasswordRefused",
        "CommandError",
        "HelperFailed",
        "CannotStart",
        "SettingsInvalid",
        "AddressInUse",
        "Unusable",
        "MigrationChanged",
        "NotExamined",
        "BadParameter",
    }
)
#: A setting that cannot be read is told with the words of the ValueError.
_OF_SETTINGS: Final = frozenset({"registry/config.py", "auth/issuers.py"})
#: Arguments that are words of a message; the rest are names, facts and statuses.
_WORDS: Final = frozenset({"why", "message", "what"})
#: Errors that make a sentence of what they are given; the sentence is told by their class.
_OF_PARTS: Final = frozenset({"TooManyRequests", "Unsupported", "ParameterInvalid", "PageInvalid"})
#: Tables of words, of which a message takes one.
_TABLES: Final = frozenset({"_WHY"})
#: Arguments that say what to do.
_REMEDIES: Final = frozenset({"attempt", "fix", "cure"})


@dataclass(frozen=True)
class Message:
    """A message; ``remedied``: it comes with what to do; ``usage``: a command was written wrong."""

    text: str
    kind: str
    where: str
    remedied: bool = False
    usage: bool = False


@cache
def messages() -> list[Message]:
    """All of them, in the order of the source."""
    trees = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for folder in _FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
    }
    bases = {
        node.name: [_called(base) for base in node.bases]
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    return [found for path, tree in trees.items() for found in _of_module(path, tree, bases)]


def _is_told(kind: str, bases: dict[str, list[str]]) -> bool:
    return kind in _ROOTS or any(_is_told(base, bases) for base in bases.get(kind, ()) if base != kind)


def _of_module(path: str, tree: ast.Module, bases: dict[str, list[str]]) -> Iterator[Message]:
    constants = {
        _called(node.target): node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and node.value is not None
    }
    for name in _TABLES & constants.keys():
        table = constants[name]
        values = table.values if isinstance(table, ast.Dict) else []
        yield from (Message(text, name, path) for value in values for text in _texts(value))
    for node in ast.walk(_Resolved(constants).visit(tree)):
        if isinstance(node, ast.ClassDef) and _is_told(node.name, bases):
            yield from _of_class(path, node)
        elif isinstance(node, ast.Call):
            kind = _called(node.func)
            if kind in _OF_PARTS:
                continue
            if _is_told(kind, bases) or (kind == "ValueError" and path in _OF_SETTINGS):
                yield from _of_call(path, kind, node)


class _Resolved(ast.NodeTransformer):
    """A module with the texts of its constants in their places."""

    def __init__(self, constants: dict[str, ast.expr]) -> None:
        self._texts = {name: one for name, one in constants.items() if isinstance(one, ast.Constant)}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self._texts.get(node.id)
        return found if isinstance(found, ast.Constant) and isinstance(found.value, str) else node


def _of_class(path: str, node: ast.ClassDef) -> Iterator[Message]:
    """The messages that the constructor of an error makes."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and _called(inner.func) == "__init__":
            yield from _of_call(path, node.name, inner)
        elif isinstance(inner, ast.Assign) and _called(inner.targets[0]) in {"message", "words"}:
            yield from (Message(text, node.name, path) for text in _texts(inner.value))


def _of_call(path: str, kind: str, node: ast.Call) -> Iterator[Message]:
    named = {one.arg: one.value for one in node.keywords}
    arguments = [one for one in node.args if not isinstance(one, ast.Starred)]
    texts = [[text for text in _texts(one) if " " in text] for one in arguments]
    told = [text for part in texts for text in part]
    remedied = bool(_REMEDIES & named.keys()) or len([part for part in texts if part]) > 1 or kind in _WITH_FIX
    for name in _WORDS & named.keys():
        told += [text for text in _texts(named[name]) if " " in text]
    usage = any(isinstance(one, ast.Name) and one.id == "USAGE" for one in [*node.args, *named.values()])
    yield from (Message(text, kind, path, remedied, usage) for text in told)


#: Errors whose constructor asks for what to do.
_WITH_FIX: Final = frozenset({"Denied", "SsoMissing", "ForeignForm", "NoSuchOwner"})


def _called(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _texts(node: ast.expr) -> Iterator[str]:
    """The texts that an expression may be."""
    match node:
        case ast.Constant(value=str(text)):
            yield _plain(text)
        case ast.JoinedStr(values=parts):
            yield _plain("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts))
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one), *_texts(other))
        case ast.BinOp(left=left, right=right):
            yield from (f"{one}{other}" for one in ([*_texts(left)] or ["…"]) for other in ([*_texts(right)] or ["…"]))
        case _:
            pass


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def main() -> None:
    """Print the messages, for the writing of docs/reference/errors.md."""
    for one in messages():
        print(f"{one.where} {one.kind}{' +' if one.remedied else ''}: {one.text}")  # noqa: T201


if __name__ == "__main__":
    main()
