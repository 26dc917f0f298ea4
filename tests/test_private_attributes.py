"""Of other people's classes our own use public names only: aiohttp may change the others with any release.

ruff's SLF001 finds a private name on an object (`make lint` asks for it without any exceptions); here is what it does
not see: a subclass that takes what its base keeps for itself, or by chance gives something the same name; and imports.
"""

import ast
import asyncio
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from aiohttp import web

_ROOT: Final = Path(__file__).parent.parent
_OURS: Final = ("auth", "registry", "storage")


#: Bases that are a form of declaration, whose own names no release changes.
_FORMS: Final = {"abc", "builtins", "enum", "msgspec", "typing"}


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_")


def _modules() -> Iterator[ModuleType]:
    for package in _OURS:
        for path in sorted((_ROOT / package).rglob("*.py")):
            yield importlib.import_module(
                ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
            )


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in _OURS


def _classes(holder: ModuleType | type, module: str) -> Iterator[type]:
    for value in vars(holder).values():
        if inspect.isclass(value) and value.__module__ == module:
            yield value
            yield from _classes(value, module)


def _source(thing: type) -> str:
    try:
        return textwrap.dedent(inspect.getsource(thing))
    except (OSError, TypeError):  # written in C
        return ""


def _theirs(cls: type) -> set[str]:
    """The private names of the bases that are not ours."""
    names: set[str] = set()
    for base in cls.__mro__[1:]:
        if not _is_ours(base.__module__):
            names |= {*vars(base), *inspect.get_annotations(base), *re.findall(r"\bself\.(\w+)", _source(base))}
    return {name for name in names if _is_private(name)}


def _own(cls: type) -> set[str]:
    """The private names that a class asks itself for, or defines."""
    names: set[str] = set(vars(cls))
    for node in ast.walk(ast.parse(_source(cls))):
        if isinstance(node, ast.Attribute):
            match node.value:
                case ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super" | "type")):
                    names.add(node.attr)
                case _:
                    pass
    return {name for name in names if _is_private(name)}


def _taken(cls: type) -> set[str]:
    return (_own(cls) & _theirs(cls)) - {"_abc_impl"}  # ABCMeta puts it into each class


def _has_others(cls: type) -> bool:
    return any(
        not _is_ours(base.__module__) and base.__module__.partition(".")[0] not in _FORMS for base in cls.__mro__
    )


def test_no_class_takes_what_its_base_keeps_for_itself() -> None:
    classes = [cls for module in _modules() for cls in _classes(module, module.__name__) if _has_others(cls)]
    assert len(classes) >= 5
    assert not {cls.__qualname__: taken for cls in classes if (taken := _taken(cls))}


def test_no_class_of_a_function_is_somebody_elses() -> None:
    """Classes that only a call makes are not looked at above."""
    found = []
    for package in _OURS:
        for path in (_ROOT / package).rglob("*.py"):
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    inner = [node for node in ast.walk(function) if isinstance(node, ast.ClassDef) and node.bases]
                    found += [f"{path.relative_to(_ROOT)}:{node.lineno}" for node in inner]
    assert not found


def _private_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            paths = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            paths = [f"{node.module}.{name.name}" for name in node.names]
        else:
            continue
        yield from (path for path in paths if not _is_ours(path) and any(map(_is_private, path.split("."))))


def test_nothing_private_is_imported() -> None:
    for package in _OURS:
        for path in (_ROOT / package).rglob("*.py"):
            assert not list(_private_imports(ast.parse(path.read_text()))), path


class _Reads(web.Response):
    def size(self) -> object:
        return self._body


class _Hides(asyncio.Transport):
    def __init__(self) -> None:
        self._extra: object = {}


class _Overrides(web.Response):
    async def _start(self, request: object) -> object:  # type: ignore[override]
        return await super()._start(request)  # type: ignore[arg-type]


class _Kind(web.Response):
    def kind(self) -> object:
        return type(self)._body


class _Good(web.Response):
    def __init__(self) -> None:
        super().__init__()
        self._ours = self.body


def test_what_is_not_allowed_is_found() -> None:
    assert _taken(_Reads) == {"_body"}
    assert _taken(_Hides) == {"_extra"}
    assert _taken(_Overrides) == {"_start"}
    assert _taken(_Kind) == {"_body"}
    assert not _taken(_Good)
    bad = "from aiohttp._websocket import reader\nimport aiohttp._helpers\nfrom asyncio.sslproto import _SSLProtocol"
    assert len(list(_private_imports(ast.parse(bad)))) == 3
