"""The rule for docstrings: a first line is a sentence in the field's words, and says what it speaks of."""

import ast
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parent.parent
#: Words that stand for a thing without naming it.
_PRONOUNS: Final = frozenset(
    [
        "as",
        "he",
        "here",
        "his",
        "it",
        "its",
        "she",
        "such",
        "that",
        "their",
        "them",
        "there",
        "these",
        "they",
        "this",
        "those",
        "we",
        "what",
        "where",
        "whether",
        "which",
        "who",
        "whoever",
        "whom",
        "whose",
    ]
)
#: Words of a private dialect, each with the field's word for it.
_RETIRED: Final = re.compile(
    r"\b(?:at sight|in full|last words|last resort|short way|long way|the lane|crowd|kitchen|doom\w*|inlet|turn(?:ed)? away"
    r"|go(?:es)? in|takes? that back)\b",
    re.IGNORECASE,
)


def _tree(path: Path) -> ast.Module:
    gc.disable()  # CPython 3.11: what a finalizer of others runs within ast.parse makes a SystemError of it
    try:
        return ast.parse(path.read_text())
    finally:
        gc.enable()


def _docstrings() -> Iterator[tuple[str, str]]:
    """Where each docstring stands, and its first line."""
    for package in ("auth", "registry", "storage"):
        for path in sorted((_ROOT / package).rglob("*.py")):
            for node in ast.walk(_tree(path)):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    text = ast.get_docstring(node)
                    if text:
                        line = node.body[0].lineno
                        yield f"{path.relative_to(_ROOT)}:{line}", text.splitlines()[0]


def test_a_docstring_begins_with_what_it_is_about() -> None:
    found = list(_docstrings())
    assert len(found) > 500
    assert not [(at, line) for at, line in found if re.split(r"\W", line.lower(), maxsplit=1)[0] in _PRONOUNS]


def test_retired_words_stay_retired() -> None:
    assert not [(at, line) for at, line in _docstrings() if _RETIRED.search(line)]
