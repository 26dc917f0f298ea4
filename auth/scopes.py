"""Scopes such as ``repository:alice/app:pull,push``, parsed and rendered; ``auth.permissions`` decides on them.

Grammar: distribution, «Token scope documentation» (scope, resourcescope, resourcename, action).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from auth.errors import MalformedScope

#: The scopes that one bearer token names. Who asks for more (a mirror names every repository of a host) gets a token
#: for what its account may; docker sends one a mount source.
SCOPES_MAX: Final = 20
_SHOWN_MAX: Final = 80
_SCOPE_MAX: Final = 512  # characters of one scope
_NAME_MAX: Final = 255  # characters; as storage.names

_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
# A host has upper case and a port, so `Alice/app` is a name too: one that matches no package.
_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_NAME: Final = re.compile(rf"(?:{_HOST}/)?{_COMPONENT}(?:/{_COMPONENT})*")
_TYPE: Final = re.compile(r"([a-z0-9]+)(?:\([a-z0-9]+\))?")
_ACTION: Final = re.compile(r"[a-z]+|\*")


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on one resource, requested or granted.

    ``type`` is "repository" or "registry" or another word of a client; "*" in ``actions`` is not expanded.
    """

    type: str
    name: str
    actions: frozenset[str]


def parse(values: Iterable[str]) -> tuple[Grant, ...]:
    """Parse all ``scope=`` parameters of a request; a parameter may hold several scopes, separated by spaces.

    Grants of the same resource are merged, in the order of their first appearance; nothing asked is ``()``. A scope
    outside the grammar is left out: it costs no other scope of the request.
    """
    return _merged(grant for value in values for text in value.split(" ") if (grant := _readable(text)) is not None)


def render(grants: Iterable[Grant]) -> str:
    """Render ``grants`` as a ``scope`` parameter; the inverse of ``parse``."""
    return " ".join(f"{grant.type}:{grant.name}:{','.join(sorted(grant.actions))}" for grant in grants)


def to_access(grants: Iterable[Grant]) -> list[dict[str, object]]:
    """Render ``grants`` as the ``access`` claim of distribution's «Token Authentication Implementation»."""
    return [{"type": grant.type, "name": grant.name, "actions": sorted(grant.actions)} for grant in grants]


def from_access(value: object) -> tuple[Grant, ...]:
    """Parse the grants of an ``access`` claim, by the grammar of ``parse``. Raises MalformedScope."""
    if not isinstance(value, list):
        raise MalformedScope("the access claim is no list")
    return _merged(_grant_of(entry) for entry in value)


def _readable(text: str) -> Grant | None:
    try:
        # Who cuts a challenge at its commas keeps a quotation mark of the parameter.
        return _parse_one(text.strip('"'))
    except MalformedScope:
        return None


def _parse_one(text: str) -> Grant:
    if len(text) > _SCOPE_MAX:
        raise MalformedScope(f"a scope has at most {_SCOPE_MAX} characters, got {len(text)}")
    # The name may hold colons (`host:5000/alice/app`), so the type ends at the first and the actions begin at the last.
    kind, first, rest = text.partition(":")
    name, last, actions = rest.rpartition(":")
    if not (first and last):
        raise MalformedScope(f"expected type:name:actions, got {_shown(text)}")
    # The grammar lets an action be empty (`pull,,push`, and nothing at all): it asks for nothing.
    return _checked(kind, name, frozenset(filter(None, actions.lower().split(","))))


def _grant_of(entry: object) -> Grant:
    match entry:
        case {"type": str(kind), "name": str(name), "actions": list(actions)} if all(
            isinstance(action, str) for action in actions
        ):
            return _checked(kind, name, frozenset(actions))
        case _:
            raise MalformedScope("an entry of the access claim has no type, name and actions")


def _checked(kind: str, name: str, actions: frozenset[str]) -> Grant:
    match = _TYPE.fullmatch(kind)
    if match is None:
        raise MalformedScope(f"expected a resource type such as 'repository', got {_shown(kind)}")
    if len(name) > _NAME_MAX or not _NAME.fullmatch(name):
        raise MalformedScope(f"expected a name in lower case of at most {_NAME_MAX} characters, got {_shown(name)}")
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise MalformedScope(f"expected an action such as 'pull' or '*', got {_shown(action)}")
    # `docker plugin` asks for repository(plugin): the class says what is stored there, not who may.
    return Grant(match[1], name, actions)


def _merged(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    merged: dict[tuple[str, str], frozenset[str]] = {}
    for grant in grants:
        key = grant.type, grant.name
        merged[key] = merged.get(key, frozenset()) | grant.actions
    return tuple(Grant(kind, name, actions) for (kind, name), actions in merged.items())


def _shown(text: str) -> str:
    """The beginning of untrusted text in printable ASCII, safe for responses and logs."""
    return ascii(text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "...")
