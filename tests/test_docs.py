"""What is written for people says what the code does."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import pytest
import yaml  # type: ignore[import-untyped]

from registry.config import Settings
from registry.version import VERSION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
SETTINGS = (ROOT / "docs" / "reference" / "settings.md").read_text()
LEAST = {
    "MOORAGE_DATABASE_URL": "postgresql://u:p@db/moorage",
    "MOORAGE_S3_BUCKET": "layers",
    "MOORAGE_SECRET_KEY": "k" * 32,
}
#: What the chart itself decides: where pods listen, and where it puts the certificate and the disk.
OF_THE_CHART = {
    "MOORAGE_LISTEN",
    "MOORAGE_TLS_CERT",
    "MOORAGE_TLS_KEY",
    "MOORAGE_ADMIN_LISTEN",
    "MOORAGE_STORE_PATH",
}
SECRET = {"MOORAGE_DATABASE_URL", "MOORAGE_SECRET_KEY", "MOORAGE_OIDC_SIGN_IN", "MOORAGE_AUDIT_TOKEN"}
NUMBERED = {"F": ROOT / "docs" / "faults.md", "S": ROOT / "docs" / "threats.md"}
#: A number in a comment, a docstring or a test's name (F18, test_f18_…), or a range of them (F16-F20).
CITED = re.compile(r"(?<![A-Za-z0-9])(?:([FS])|(?<=_)([fs]))([1-9][0-9]?)(?:-[FS]?([1-9][0-9]?))?(?![A-Za-z0-9])")


class _Asked(Mapping[str, str]):
    """An environment that remembers which names were asked for."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.env[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.env)

    def __len__(self) -> int:
        return len(self.env)


def names_read() -> set[str]:
    """All but those of AWS, which the page names as one thing."""
    asked = _Asked(LEAST)
    Settings.from_env(asked)
    return {name for name in asked.names if name.startswith("MOORAGE_")}


def table() -> dict[str, str]:
    """The settings of the reference: name to the text of its default."""
    return dict(re.findall(r"^\| `(MOORAGE_\w+)` \| ([^|]*) \|", SETTINGS, re.MULTILINE))


def test_the_reference_has_every_setting_and_no_other() -> None:
    assert set(table()) == names_read()


def test_the_defaults_of_the_reference_are_the_defaults() -> None:
    required = {name for name, default in table().items() if default == "required"}
    assert required == LEAST.keys()
    written = {name: default.strip("`") for name, default in table().items() if default.startswith("`")}
    assert len(written) > 10
    assert Settings.from_env(LEAST | written) == Settings.from_env(LEAST)


def test_the_chart_has_every_setting() -> None:
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text())
    assert set(values["settings"]) == names_read() - OF_THE_CHART - SECRET
    assert set(values["secrets"]) >= SECRET


def test_the_schema_of_the_chart_has_every_value() -> None:
    values = yaml.safe_load((ROOT / "helm" / "values.yaml").read_text())
    schema = orjson.loads((ROOT / "helm" / "values.schema.json").read_bytes())
    for name, value in values.items():
        described = schema["properties"][name]
        if isinstance(value, dict) and "properties" in described:
            assert set(described["properties"]) == set(value), name


def test_every_target_is_in_the_help() -> None:
    text = (ROOT / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (help .*)$", text, re.MULTILINE)
    assert declared is not None
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make (\S+) +\S", shown, re.MULTILINE)) == set(declared[1].split())


def test_the_files_that_are_named_are_there() -> None:
    named = re.findall(r"`((?:registry|auth|storage|helm|\.ci)/[\w./]+)`", README + CONTRIBUTING)
    assert len(named) > 15
    assert not [name for name in named if not (ROOT / name).exists()]


def cited(text: str) -> set[str]:
    """The numbers of faults and threats in ``text``, those of a range one by one."""
    numbers = set[str]()
    for upper, lower, first, last in CITED.findall(text):
        numbers |= {f"{upper or lower.upper()}{number}" for number in range(int(first), int(last or first) + 1)}
    return numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("# S14: of another organization", {"S14"}),
        ("(F16-F18, F22)", {"F16", "F17", "F18", "F22"}),
        ("S27-29", {"S27", "S28", "S29"}),
        ("def test_s19_s33_a_token", {"S19", "S33"}),
        ("AWS4 x_F2b UTF8 SHA256 S100 IPs6 f7", set()),
    ],
)
def test_numbers_are_found_where_they_are_cited(text: str, numbers: set[str]) -> None:
    assert cited(text) == numbers


@pytest.mark.parametrize("letter", NUMBERED)
def test_every_number_that_a_test_cites_is_told(letter: str) -> None:
    rows = re.findall(rf"^\| ({letter}[0-9]+) \|", NUMBERED[letter].read_text(), re.MULTILINE)
    assert rows == [f"{letter}{number}" for number in range(1, len(rows) + 1)]
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    found = {number for text in texts for number in cited(text) if number.startswith(letter)}
    assert len(found) > 40  # it looks in the right place
    assert not found - set(rows)


@pytest.mark.parametrize("letter", NUMBERED)
def test_the_tests_that_are_named_exist(letter: str) -> None:
    named = set(re.findall(r"`(tests/[\w./]+)`", NUMBERED[letter].read_text()))
    assert len(named) > 15
    assert not sorted(name for name in named if not (ROOT / name).is_file())


def test_the_make_targets_that_are_named_exist() -> None:
    written = README + CONTRIBUTING + (ROOT / ".pre-commit-config.yaml").read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|entry: |^ {4}|&& )make ([a-z]+)", written, re.MULTILINE))
    assert {"run", "test", "lint", "schema"} <= named <= targets


def test_versions_are_one() -> None:
    chart = yaml.safe_load((ROOT / "helm" / "Chart.yaml").read_text())
    assert chart["appVersion"] == VERSION
