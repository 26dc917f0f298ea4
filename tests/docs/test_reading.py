"""How pages are read, and when what was printed counts as what a page says."""

from pathlib import Path

import pytest

from tests.docs.pages import read
from tests.docs.shell import Shell
from tests.docs.transcript import for_readers, same, tells_failure

DIGEST = "sha256:" + "0123456789abcdef" * 4
OTHER = "sha256:" + "fedcba9876543210" * 4

PAGE = """\
# A page

<!-- run first
echo made
-->

1. In a list:

   ```console
   $ printf 'one\\ntwo\\n' |
   > cat
   one
   two
   $ true
   ```

<!-- not run: there is no cluster here -->
```console
$ kubectl get pods
```

```yaml
$ not: a command
```
"""


def test_blocks_have_commands_and_what_they_print(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    hidden, listed, left_out = read(path).blocks
    assert (hidden.commands[0].hidden, hidden.commands[0].text) == (True, "echo made\n")
    assert [(one.text, one.printed) for one in listed.commands] == [
        ("printf 'one\\ntwo\\n' |\ncat", ["one", "two"]),
        ("true", []),
    ]
    assert (left_out.why_not, left_out.commands[0].text) == ("there is no cluster here", "kubectl get pods")
    assert PAGE[listed.start : listed.end] == listed.text()


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        (f"pushed {DIGEST} 2s ago", f"pushed {OTHER} now"),
        ("made 2026-11-30T10:00:00Z", "made 2027-01-01T00:00:00+00:00"),
        ("NAME    SIZE\nweb     1 kB", "NAME  SIZE\nweb   1 kB"),
        ("mrp_…", "mrp_AbC123"),
        ("first\n…\nlast", "first\nany\nthing\nlast"),
        ("error: no\n  request: 1a2b-03", "error: no\n  request: ffff-01"),
    ],
)
def test_what_differs_in_each_run_is_the_same(expected: str, printed: str) -> None:
    assert same(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [("web  1 kB", "web  2 kB"), ("", "a warning"), ("one", "one\ntwo"), (DIGEST, DIGEST[:19]), ("a (b)", "a [b]")],
)
def test_anything_else_is_not(expected: str, printed: str) -> None:
    assert not same(expected, printed)


def test_no_token_gets_into_a_page() -> None:
    said = for_readers("mrp_" + "a" * 42 + " at localhost:40001/login/code#A-B", {"localhost:40001": "localhost:5000"})
    assert said == "mrp_… at localhost:5000/login/code#…"


def test_a_command_may_fail_only_where_the_page_says_so() -> None:
    assert tells_failure("…\nerror: no such tag")
    assert not tells_failure("errors: 0")


def test_a_shell_keeps_its_place_and_what_was_set(tmp_path: Path) -> None:
    with Shell(tmp_path / "home", {}) as shell:
        assert shell.run("mkdir -p below && cd below && NAME='it is'") == (0, "")
        assert shell.run('echo "$NAME in ${PWD##*/}"; exit_with() { return 3; }; exit_with') == (3, "it is in below")
        assert shell.run("echo $?") == (0, "3")
        assert shell.run("cat; printf 'no end of line'; printf 'drawn\\rover\\n' >&2") == (0, "over")
