"""The pages of docs, and their `console` blocks: commands, and what they print.

    ```console
    $ a command
    > its next line, where it has more than one
    what it prints; … stands for anything
    ```

Comments before a block tell what cannot be seen: `<!-- not run: why -->` (or `… not run: tests/docs/test_x.py runs it`,
where it needs more than a registry), `<!-- needs: docker -->` (of the page), and `<!-- run first` with lines of bash until
`-->`, which make what the page finds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parent.parent.parent / "docs"
_PART: Final = re.compile(
    r"^<!-- not run: (?P<why>[^>]+?) -->\n+(?=( *)```)|"
    r"^<!-- run first\n(?P<hidden>.*?)^-->$|"
    r"^(?P<indent> *)```console\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_NEEDS: Final = re.compile(r"^<!-- needs: ([\w, -]+) -->$", re.MULTILINE)


@dataclass
class Command:
    """A command of a block, and the lines that it prints; ``hidden``: of the preparation, which nobody reads."""

    text: str
    printed: list[str]
    hidden: bool = False


@dataclass
class Block:
    """A block, where it stands in its page, and why it is not run, if it is not."""

    start: int
    end: int
    indent: str
    commands: list[Command]
    why_not: str = ""

    def text(self) -> str:
        """The block as it is written, without its fences."""
        lines = list[str]()
        for command in self.commands:
            first, *more = command.text.split("\n")
            lines += [f"$ {first}", *(f"> {line}" for line in more), *command.printed]
        return "".join(f"{self.indent}{line}".rstrip() + "\n" for line in lines)


@dataclass
class Page:
    """A page, and what stands in it."""

    path: Path
    text: str
    blocks: list[Block]

    @property
    def name(self) -> str:
        return str(self.path.relative_to(DOCS))

    @property
    def needs(self) -> list[str]:
        found = _NEEDS.search(self.text)
        return re.split(r",\s*", found[1]) if found else []

    @property
    def runs(self) -> bool:
        return any(not block.why_not and not block.commands[0].hidden for block in self.blocks)


def read(path: Path) -> Page:
    """Reads a page."""
    text = path.read_text()
    return Page(path, text, list(_blocks(text)))


def all_pages() -> list[Page]:
    """Every page of docs."""
    return [read(path) for path in sorted(DOCS.rglob("*.md"))]


def _blocks(text: str) -> Iterator[Block]:
    why = ""
    for found in _PART.finditer(text):
        if found["why"] is not None:
            why = found["why"]
            continue
        if found["hidden"] is not None:
            yield Block(found.start(), found.end(), "", [Command(found["hidden"], [], hidden=True)])
        else:
            yield Block(found.start("text"), found.end("text"), found["indent"], _commands(found), why)
        why = ""


def _commands(found: re.Match[str]) -> list[Command]:
    commands = list[Command]()
    for line in found["text"].splitlines():
        text = line.removeprefix(found["indent"])
        if text.startswith("$ "):
            commands.append(Command(text[2:], []))
        elif text.startswith("> ") and commands and not commands[-1].printed:
            commands[-1].text += "\n" + text[2:]
        else:
            assert commands, f"a console block begins with a command: {text!r}"
            commands[-1].printed.append(text)
    return commands
