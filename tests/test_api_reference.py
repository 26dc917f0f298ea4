"""The API reference in docs/reference/api is the one that the code makes, and its examples are calls that there are."""

import re
import shlex

import pytest
from jsonschema_rs import Draft202012Validator

from registry.cli.client.commands import TABLE, command_of, parser_of
from registry.http.api.app import ROUTES
from registry.http.api.openapi import document
from tests.support.api_examples import COMMANDS, example, example_body, name_of, operations_of
from tests.support.api_reference import FOLDER, PAGES, pages

_MADE = document(ROUTES)
_LINK = re.compile(r"\]\(([\w./-]*)(?:#([\w-]+))?\)")


def test_the_pages_are_as_the_code_makes_them() -> None:
    written = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    made = pages()
    stale = sorted(name for name in {*written, *made} if written.get(name) != made.get(name))
    assert not stale, f"run `make reference`: {stale}"


def test_every_operation_has_its_place() -> None:
    tags = [tag for _, of_page in PAGES.values() for tag in of_page]
    assert sorted(tags) == sorted({one.told["tags"][0] for one in operations_of(_MADE)})
    titles = [re.findall(r"^## (.+)$", text, re.MULTILINE) for text in pages().values()]
    assert not [of_page for of_page in titles if len(of_page) != len(set(of_page))]


def test_links_lead_somewhere() -> None:
    for name, text in pages().items():
        for page, anchor in _LINK.findall(text):
            there = (FOLDER / (page or name)).resolve()
            assert there.is_file(), (name, page)
            heads = {head.lower() for head in re.findall(r"^## (.+)$", there.read_text(), re.MULTILINE)}
            assert not anchor or anchor in heads, (name, page, anchor)


def test_the_bodies_of_the_examples_are_taken() -> None:
    for one in operations_of(_MADE):
        body = example_body(one.told, _MADE)
        if body is None:
            continue
        name = name_of(one.told["requestBody"]["content"]["application/json"]["schema"])
        schema = {"$ref": f"#/components/schemas/{name}", "components": _MADE["components"]}
        assert not [error.message for error in Draft202012Validator(schema).iter_errors(body)], one.id
        assert body, one.id


def test_the_commands_belong_to_operations() -> None:
    assert COMMANDS.keys() <= {one.id for one in operations_of(_MADE)}


@pytest.mark.parametrize("line", sorted({line for one in operations_of(_MADE) for line in example(one, _MADE)[2:]}))
def test_the_commands_of_the_examples_are_taken(line: str) -> None:
    program, *words = shlex.split(line)
    assert program == "moorage"
    two = " ".join(words[:2])
    name = two if two in TABLE else words[0]
    parser_of(name, command_of(name)).parse_args(words[len(name.split()) :])
