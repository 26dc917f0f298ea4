"""Every command of docs is run, a fresh registry a page, and prints what the page says.

`make transcripts` writes what they print into the pages instead.
"""

import asyncio
import os
import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from auth.tokens import SCOPES
from tests.conftest import Table
from tests.docs.commands import FILE, text
from tests.docs.pages import DOCS, Block, Command, Page, all_pages, read
from tests.docs.shell import Shell
from tests.docs.transcript import for_readers, same, tells_failure
from tests.support.docker_engine import dockerd
from tests.support.server import Registry
from tests.support.worker import working

HOST: Final = "localhost:5000"
HOME: Final = "/home/you"
#: Programs that not every machine has: blocks that use one that is missing are left out, and said.
PROGRAMS: Final = (
    "docker",
    "podman",
    "skopeo",
    "crane",
    "oras",
    "helm",
    "cosign",
    "gh",
    "jq",
    "kubectl",
    "psql",
    "pg_dump",
)
WRITES: Final = bool(os.environ.get("WRITE_TRANSCRIPTS"))  # noqa: TID251 - of the tests, not of the registry

PAGES: Final = [page for page in all_pages() if page.runs]


def missing(block: Block) -> list[str]:
    """The programs that a block needs and that are not here."""
    words = {word for command in block.commands for word in command.text.replace("|", " ").split()}
    return [name for name in PROGRAMS if name in words and not shutil.which(name)]


def run(page: Page, shell: Shell, names: dict[str, str], table: Table) -> list[str]:
    """Runs a page; what it says that is not so. With WRITE_TRANSCRIPTS its blocks are changed instead."""
    wrong = list[str]()
    for block in page.blocks:
        if block.why_not:
            continue
        if lacking := missing(block):
            table("left out of docs:", f"{page.name}: a block, there is no {', '.join(lacking)}")
            continue
        for command in block.commands:
            wrong += _checked(command, shell, names)
    return wrong


def _checked(command: Command, shell: Shell, names: dict[str, str]) -> list[str]:
    line = command.text
    for ours, theirs in names.items():
        line = line.replace(theirs, ours)
    status, printed = shell.run(line)
    said, expected = for_readers(printed, names), "\n".join(command.printed)
    if command.hidden:
        return [] if status == 0 else [f"the preparation failed: {printed}"]
    if same(expected, said) and (status == 0 or tells_failure(expected)):
        return []
    if WRITES and (status == 0 or tells_failure(said)):
        command.printed = said.split("\n") if said else []
        return []
    return [f"$ {command.text}\n--- the page:\n{expected}\n--- printed (status {status}):\n{said}\n"]


def written(page: Page) -> str:
    """The page with its blocks as they are now."""
    whole = page.text
    for block in reversed(page.blocks):
        if not block.commands[0].hidden:
            whole = whole[: block.start] + block.text() + whole[block.end :]
    return whole


async def _page(name: Path, registry: Registry, env: dict[str, str], home: Path, table: Table, **more: str) -> None:
    page = read(name)
    host = registry.url.replace("http://127.0.0.1", "localhost")
    (home / ".moorage").mkdir(parents=True)
    (home / ".moorage" / "admin-token").write_text(await registry.user("admin", sorted(SCOPES), site_admin=True))
    async with working(registry.services):
        with Shell(home, {**env, "MOORAGE_PAGE_HOST": host, **more}) as shell:
            wrong = await asyncio.to_thread(run, page, shell, {host: HOST, str(home): HOME}, table)
    assert not wrong, "\n".join([page.name, *wrong])
    if WRITES:
        page.path.write_text(written(page))


@pytest.mark.parametrize("path", [page.path for page in PAGES if not page.needs], ids=lambda path: path.stem)
async def test_a_page(path: Path, registry: Registry, env: dict[str, str], tmp_path: Path, table: Table) -> None:
    await _page(path, registry, env, tmp_path / "home", table)


@pytest.mark.scenarios
@pytest.mark.parametrize("path", [page.path for page in PAGES if page.needs], ids=lambda path: path.stem)
async def test_a_page_with_docker(
    path: Path, registry: Registry, env: dict[str, str], tmp_path_factory: pytest.TempPathFactory, table: Table
) -> None:
    assert read(path).needs == ["docker"]
    home = tmp_path_factory.mktemp("home") / "you"
    with dockerd(tmp_path_factory.mktemp("docker")) as engine:  # a short name: that of a socket has 107 bytes
        more = {"DOCKER_HOST": engine.socket, "DOCKER_BUILDKIT": "0"}
        await _page(path, registry, env, home, table, **more)


def test_what_is_not_run_says_why(table: Table) -> None:
    head = "blocks of docs that are not run:"
    blocks = [(page.name, block) for page in all_pages() for block in page.blocks if not block.commands[0].hidden]
    here = sum(not block.why_not for _, block in blocks)
    elsewhere, nowhere = 0, 0
    for name, block in blocks:
        if test := re.match(r"(tests/[\w/]+\.py) runs it", block.why_not):
            assert (DOCS.parent / test[1]).is_file(), f"{name}: {test[1]}"
            elsewhere += 1
        elif block.why_not:
            assert len(block.why_not) > 10, f"{name}: {block.why_not}"
            table(head, f"{name}: {block.why_not}")
            nowhere += 1
    table(head, f"{nowhere} are not run; {here} are run as they stand, {elsewhere} by tests of their own")
    assert here > nowhere


def test_commands_are_in_blocks_that_run() -> None:
    """Of the pages that are for users: a shell's line in another kind of block would be run by nobody."""
    for folder in ("start", "howto", "explain"):
        for path in sorted((DOCS / folder).glob("*.md")):
            assert not re.findall(r"^ *```(?:sh|bash|shell)\b", path.read_text(), re.MULTILINE), path


def test_the_reference_of_commands_is_of_the_parsers() -> None:
    assert FILE.read_text() == text(), "stale: make transcripts"


def test_a_page_is_written_as_it_was_read() -> None:
    for page in all_pages():
        assert written(page) == page.text, page.name
