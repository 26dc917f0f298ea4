"""The catalogue: every text of templates and modules is in each language, with the same placeholders."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.http.web import catalogue
from registry.http.web.rendering import ENVIRONMENTS

_WEB = Path(catalogue.__file__).parent.parent
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
#: Words that Korean keeps in Latin letters.
_LATIN = frozenset({"API", "JSON", "SBOM", "OCI", "Moorage"})


def _of_templates() -> Iterator[tuple[str, str]]:
    environment = ENVIRONMENTS["en"]
    for name in environment.list_templates():
        source = (_WEB / "templates" / name).read_text()
        for line, _, found in environment.extract_translations(source):  # type: ignore[attr-defined]
            texts = found[:1] if isinstance(found, tuple) else (found,)  # of one and many: Korean has one form
            yield from ((text, f"{name}:{line}") for text in texts if text)


def _of_modules() -> Iterator[tuple[str, str]]:
    for path in _WEB.rglob("*.py"):
        if path.parent.name in catalogue.LANGUAGES:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = {"say": 0, "key": 0}.get(name)
            if name == "say" and isinstance(node.func, ast.Name):
                place = 1
            if place is None or len(node.args) <= place:
                continue
            argument = node.args[place]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield argument.value, f"{path.name}:{node.lineno}"


TEXTS = {**dict(_of_modules()), **dict(_of_templates())}


@pytest.mark.parametrize("language", [name for name in catalogue.LANGUAGES if name != catalogue.ENGLISH])
def test_every_text_is_there_and_no_other(language: str) -> None:
    known = catalogue.TEXTS[language]
    missing = {text: TEXTS[text] for text in TEXTS.keys() - known.keys()}
    assert not missing
    assert not known.keys() - TEXTS.keys(), "texts that no page has"


@pytest.mark.parametrize("language", [name for name in catalogue.LANGUAGES if name != catalogue.ENGLISH])
def test_every_text_has_the_placeholders_of_its_key(language: str) -> None:
    for key, text in catalogue.TEXTS[language].items():
        assert sorted(_PLACEHOLDER.findall(key)) == sorted(_PLACEHOLDER.findall(text)), key
        assert key.replace("%%", "").count("%") == len(_PLACEHOLDER.findall(key)), f"a bare % in {key!r}"
        assert text.replace("%%", "").count("%") == len(_PLACEHOLDER.findall(text)), f"a bare % in {text!r}"


def test_korean_is_korean() -> None:
    for key, text in catalogue.TEXTS["ko"].items():
        if key not in _LATIN:
            assert re.search("[가-힣]", text), key


def test_no_particle_is_on_a_placeholder() -> None:
    """A particle follows the last sound of its word, which nobody knows of a name: «%(name)s을(를)»."""
    for text in catalogue.TEXTS["ko"].values():
        assert not re.search(r"\)s(?:은|는|이|가|을|를|와|과|으로|로)(?![가-힣])", text), text
        assert "(를)" not in text
        assert "(는)" not in text


def test_a_text_that_two_files_have_is_one() -> None:
    seen: dict[str, str] = {}
    for path in (_WEB / "catalogue" / "ko").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                for name, text in zip(node.keys, node.values, strict=True):
                    assert isinstance(name, ast.Constant)
                    found = ast.literal_eval(text)
                    assert seen.setdefault(str(name.value), found) == found, (path.name, name.value)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("ko", "ko"), ("ko-KR", "ko"), ("fr;q=1, ko;q=0.2", "ko"), ("en;q=0.2,ko;q=0.3", "ko"),
     ("ko;q=x,en", "en"), ("*", "en"), ("," * 500, "en")],
)  # fmt: skip
def test_the_language_that_is_asked_for_first(accepted: str, language: str) -> None:
    assert catalogue.best(accepted) == language
