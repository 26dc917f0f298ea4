"""docs/reference/errors.md has every error that somebody may be told, and no other; what it advises can be done."""

import ast
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
import typer

from registry.cli import operator
from registry.cli.client.commands import OPERATOR, TABLE, command_of, parser_of
from registry.http.statuses import STATUSES
from tests.support.messages import ROOT, Message, messages

_PAGE: Final = (ROOT / "docs" / "reference" / "errors.md").read_text()
_BULLET: Final = re.compile(r"^- `([^`]+)`$", re.MULTILINE)
_CODE: Final = re.compile(r"^### `([A-Z][A-Z_]+)`$", re.MULTILINE)
_COMMAND: Final = re.compile(r"(?:`|^)(moorage [^`\n]+)", re.MULTILINE)
#: Messages that say all themselves, and why they do.
_SAY_ALL: Final[Mapping[str, Callable[[Message], bool]]] = {
    "what to do comes with it, as fix or as try": lambda one: one.remedied,
    "it names what is expected in the place of what was sent": lambda one: one.text.startswith("expected "),
    "a command was written wrong, and it says how": lambda one: one.usage,
    "it is made of others that are told": lambda one: re.search(r"\w", one.text.replace("…", "")) is None,
}


def _needed() -> dict[str, Message]:
    return {one.text: one for one in messages() if not any(says(one) for says in _SAY_ALL.values())}


def test_messages_are_found_in_the_source() -> None:
    found = {one.text for one in messages()}
    assert len(found) > 250
    assert {
        "this package has no manifest with this tag or digest",  # of a class
        "this code is unknown, was used, or has expired",  # of a raise
        "nobody can be asked here",  # of a command
        "there is no PostgreSQL: install the extra «embedded», or put initdb and postgres on the PATH",
        "expected on or off, got …",  # of a setting
    } <= found


@pytest.mark.parametrize("reason", _SAY_ALL)
def test_every_reason_for_saying_all_is_needed(reason: str) -> None:
    assert any(_SAY_ALL[reason](one) for one in messages())


def test_every_message_has_its_paragraph() -> None:
    told = set(_BULLET.findall(_PAGE))
    missing = [f"{one.where}: {text}" for text, one in _needed().items() if text not in told]
    assert not missing, "add a line - `…` below a paragraph of docs/reference/errors.md"


def test_no_paragraph_is_about_what_nobody_is_told() -> None:
    told, known = _BULLET.findall(_PAGE), {one.text for one in messages()}
    assert not [text for text in told if text not in known]
    assert len(told) == len(set(told))


def test_every_code_has_its_paragraph() -> None:
    codes = {code for _, code in STATUSES.values()}
    assert sorted(_CODE.findall(_PAGE)) == sorted(codes)


def test_every_paragraph_says_more_than_the_message() -> None:
    for section in re.split(r"^#{2,3} ", _PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        words = _BULLET.sub("", text)
        has_parts = f"## {title}\n\n#" in _PAGE
        assert has_parts or len(words.split()) > 7, title


@pytest.mark.parametrize("line", sorted(set(_COMMAND.findall(_PAGE))))
def test_the_commands_that_are_advised_exist(line: str) -> None:
    for one in line.split("&&"):
        words = shlex.split(one.replace("sha256:…", "sha256:" + "3f1c" * 16))[1:]
        if words[0] in OPERATOR:
            _has(typer.main.get_command(operator.app), words)
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in TABLE else words[0]
        rest = words[len(name.split()) :]
        if rest:
            parser_of(name, command_of(name)).parse_args(rest)
        assert name in TABLE


def _has(command: Any, words: list[str]) -> None:
    for word in words:
        commands = getattr(command, "commands", None)
        if commands is None:
            return
        assert word in commands, words
        command = commands[word]


def test_the_doctor_says_what_mends_whatever_it_finds() -> None:
    silent = [
        f"{path.name}:{node.lineno}"
        for path in (ROOT / "registry" / "doctor").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"wrong", "hint"}
        and (len(node.args) < 3 or (isinstance(node.args[2], ast.Constant) and not node.args[2].value))
    ]  # fmt: skip
    assert not silent


def test_what_the_command_line_says_to_try_exists() -> None:
    tried = {
        "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in value.values)
        if isinstance(value, ast.JoinedStr)
        else str(value.value)
        for path in (ROOT / "registry" / "cli" / "client").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.keyword) and node.arg == "attempt"
        for value in [node.value]
        if isinstance(value, ast.JoinedStr | ast.Constant)
    }
    commands = [text for text in tried if text.startswith("moorage ")]
    assert len(commands) > 8
    for text in commands:
        words = text.split()[1:]
        assert {words[0], " ".join(words[:2])} & set(TABLE) or words[0] in {"--help", "X"}, text
