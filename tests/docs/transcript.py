"""What a command printed, beside what its page says: whatever differs from one run to the next is a name of a pattern."""

import re
from collections.abc import Mapping
from typing import Final

_PATTERNS: Final = (
    ("token", r"\bmr[pfwk]_[0-9A-Za-z…]+"),
    ("digest", r"\bsha256:[0-9a-f]{64}\b"),
    ("short", r"\bsha256:[0-9a-f]{12}\b"),
    ("time", r"\b20\d\d[-/]\d\d[-/]\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d| GMT)?)?"),
    ("age", r"\b(\d+(s|min|h|d|mo|y) ago|in \d+(s|min|h|d|mo|y)|now)\b"),
    ("request", r"\brequest: [0-9A-Za-z-]+"),
    ("code", r"(?<=login/code#)[0-9A-Za-z_…-]+"),
    ("seconds", r"\b\d+\.\d s\b"),
    ("port", r"(?<=127\.0\.0\.1:)\d+"),
    ("blanks", r"[ \t]+"),
)
ANYTHING: Final = "…"
_FAILURE: Final = re.compile(r"^\s*(error|Error|denied|curl|moorage|unauthorized)\b", re.MULTILINE)


def named(text: str) -> str:
    """The text with the names of what differs."""
    for name, pattern in _PATTERNS:
        text = re.sub(pattern, " " if name == "blanks" else f"<{name}>", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n"))


def same(expected: str, printed: str) -> bool:
    """Tell whether a page says what was printed."""
    pattern = re.escape(named(expected)).replace(re.escape(ANYTHING), ".*?")
    return re.fullmatch(pattern, named(printed), re.DOTALL) is not None


def tells_failure(expected: str) -> bool:
    """Tell whether a page shows an error, so that the command may end with one."""
    return _FAILURE.search(expected) is not None


def for_readers(text: str, names: Mapping[str, str]) -> str:
    """What was printed as a page has it: the names of the page, and no token or code in full."""
    for ours, theirs in names.items():
        text = text.replace(ours, theirs)
    return re.sub(r"(\bmr[pfwk]_|login/code#)[0-9A-Za-z-]+", rf"\1{ANYTHING}", text)
