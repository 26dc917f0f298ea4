"""Globs over names and tags: ``*``, ``?``, ``[a-z]``, ``[!a-z]`` and ``{a,b}``, as regular expressions of PostgreSQL.

``*`` and ``?`` match every character, ``/`` too. A glob is short and has few stars, so that no text takes long.
"""

import re
from typing import Final

_GLOB_MAX: Final = 128
_STARS_MAX: Final = 5
_PIECE: Final = re.compile(
    r"(?P<literal>[a-zA-Z0-9_./-])|(?P<star>\*+)|(?P<any>\?)"
    r"|\[(?P<not>!?)(?P<set>(?:[a-zA-Z0-9_.](?:-[a-zA-Z0-9])?)+-?)\]"
    r"|\{(?P<choice>[a-zA-Z0-9_./-]*(?:,[a-zA-Z0-9_./-]*)+)\}",
    re.ASCII,
)


class BadGlob(ValueError):
    """A text that is no glob; the message says what is expected."""


def pattern_of(glob: str) -> str:
    """Return the regular expression of a glob, without anchors. Raises BadGlob."""
    if not 0 < len(glob) <= _GLOB_MAX:
        raise BadGlob(f"expected a glob of 1 to {_GLOB_MAX} characters")
    at, parts, stars = 0, list[str](), 0
    while at < len(glob):
        found = _PIECE.match(glob, at)
        if found is None:
            raise BadGlob(
                f"expected letters, digits, '_', '.', '/', '-', and *, ?, [a-z], [!a-z], {{a,b}}; got {glob!a}"
            )
        stars += found["star"] is not None
        parts.append(_part(found))
        at = found.end()
    if stars > _STARS_MAX:
        raise BadGlob(f"expected at most {_STARS_MAX} stars, got {glob!a}")
    return "".join(parts)


def _part(found: re.Match[str]) -> str:
    if found["star"]:
        return ".*"
    if found["any"]:
        return "."
    if found["set"]:
        for first, last in re.findall(r"(.)-(.)", found["set"]):
            if first > last:
                raise BadGlob(f"expected a range from the lesser to the greater, got {first}-{last}")
        return f"[{'^' if found['not'] else ''}{found['set']}]"
    if found["choice"] is not None:
        return f"(?:{'|'.join(_literal(one) for one in found['choice'].split(','))})"
    return _literal(found["literal"])


def _literal(text: str) -> str:
    return text.replace(".", r"\.")
