"""The command ``completion``: scripts for bash, zsh and fish, which ask moorage for the words."""

import os
import re
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Final

from registry.cli.client import store
from registry.cli.client.commands import OPERATOR, TABLE, Command, command_of, parser_of
from registry.cli.client.context import Context
from registry.cli.client.errors import CommandError
from registry.cli.client.preferences import KEYS

_FRESH_SECONDS: Final = 60
#: What the last word of a command may be, where it is no package.
_WORDS: Final = {
    **{f"config {verb}": KEYS for verb in ("get", "set", "unset")},
    "completion": ("bash", "zsh", "fish"),
}
#: Nouns of commands that are about no package.
_NO_PACKAGES: Final = frozenset(
    {"org", "team", "repo", "config", "tokens", "login", "logout", "whoami", "api", "version"}
)
_SHELLS: Final = {
    "bash": """\
_moorage() {
    local IFS=$'\\n'
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    if declare -F _get_comp_words_by_ref >/dev/null; then
        local cur all at
        _get_comp_words_by_ref -n : -c cur -w all -i at
        words=("${all[@]:1:at}")
    fi
    COMPREPLY=($(moorage __complete "${words[@]}" 2>/dev/null))
    if declare -F __ltrim_colon_completions >/dev/null; then __ltrim_colon_completions "${words[-1]}"; fi
}
complete -o default -F _moorage moorage
""",
    "zsh": """\
#compdef moorage
_moorage() {
    local -a found
    found=("${(@f)$(moorage __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ -n "$found" ]] && compadd -- $found || _files
}
compdef _moorage moorage
""",
    "fish": """\
function __moorage
    set -l words (commandline -opc) (commandline -ct)
    moorage __complete $words[2..-1] 2>/dev/null
end
complete -c moorage -f -a '(__moorage)'
""",
}


def _add(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=tuple(_SHELLS))


def _completion(context: Context) -> None:
    context.output.out.write(_SHELLS[context.options.shell])


def complete(context: Context, words: Sequence[str]) -> list[str]:
    """Return what the last word may become."""
    *before, last = words or [""]
    found: list[str] = []
    name = next((name for length in (2, 1) if (name := " ".join(before[:length])) in TABLE), "")
    if not before:
        found = [one.partition(" ")[0] for one in (*TABLE, *OPERATOR)]
    elif last.startswith("-") and name:
        found = re.findall(r"--[a-z-]+", parser_of(name, command_of(name)).format_help())
    elif name or len(before) == 1:
        found = [one.partition(" ")[2] for one in TABLE if one.startswith(f"{before[0]} ")] if len(before) == 1 else []
        if name in _WORDS:
            found += _WORDS[name]
        elif name and name.partition(" ")[0] not in _NO_PACKAGES:
            found += _tags(context, last) if ":" in last.rpartition("/")[2] else _packages(context)
    return sorted({one for one in found if one.startswith(last)})


def _tags(context: Context, last: str) -> list[str]:
    """List the references to the tags of the package that a word begins with; nobody is told why there are none."""
    from registry.cli.client import references
    from registry.cli.client.api import package_path

    try:
        package = references.parse_package(last.rpartition(":")[0])
        found = context.api(package).pages(package_path(package) + "/tags", 200, q=last.rpartition(":")[2] or None)
        return [f"{last.rpartition(':')[0]}:{one['name']}" for one in found]
    except CommandError:
        return []


def _packages(context: Context) -> list[str]:
    """List the names of packages, from a file that is a minute old at most; nobody is told why there are none."""
    cached = os.path.join(store.folder(context.env), "completion")  # noqa: PTH118
    try:
        target = context.target()
    except CommandError:
        return []
    try:
        if context.output.now - os.stat(cached).st_mtime < _FRESH_SECONDS:  # noqa: PTH116
            with open(cached, encoding="utf-8") as file:
                known = file.read().split("\n")
            if known[0] == f"{target.login}@{target.host}":
                return known[1:]
    except OSError:
        pass
    from registry.cli.client.packages import full_name

    try:
        found = [full_name(one) for one in context.api_of(target).pages("/search/packages", 200, q="")]
        os.makedirs(store.folder(context.env), mode=0o700, exist_ok=True)  # noqa: PTH103
        descriptor = os.open(cached, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join([f"{target.login}@{target.host}", *found]))
    except (CommandError, OSError):
        return []
    return found


COMMANDS: Final = {"completion": Command(_add, _completion)}
