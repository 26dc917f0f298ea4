"""Refusals of deletions and restores in the words of pages, where the API has GitHub's."""

from collections.abc import Mapping
from typing import Final

from registry.errors import RegistryError
from registry.http.web.call import PageCall
from registry.http.web.catalogue import key
from registry.packages.deletion_rules import HeldByIndex, LastTaggedVersion, LastVersion, PopularPackage, PopularVersion
from registry.packages.deletions import NameInUse
from registry.packages.kept_tags import TagProtected

_TAGS: Final = 20
_WORDS: Final[Mapping[type[RegistryError], str]] = {
    PopularPackage: key("A public package that was downloaded so often is not deleted. Make it private first."),
    PopularVersion: key("A public version that was downloaded so often is not deleted. Make the package private."),
    LastTaggedVersion: key("This would be the last version with a tag. Delete the package instead."),
    LastVersion: key("This would be the last version. Delete the package instead."),
    NameInUse: key("Another package has this name now. Delete it first."),
}
#: What a tag rule forbids, and who may lift it.
FORBIDDEN: Final[Mapping[str, str]] = {
    "move": key("The rule forbids to move the tag %(tag)s."),
    "delete": key("The rule forbids to delete the tag %(tag)s."),
    "create": key("The rule forbids to make the tag %(tag)s."),
}
LIFTED: Final = key("An owner of the account can disable the rule: %(rule)s")


def told(call: PageCall, error: RegistryError) -> str:
    """Return why a deletion or a restore is refused, and what to do, in the viewer's language."""
    if isinstance(error, HeldByIndex):
        tags = sorted({tag for held in error.holders.values() for tag in held})[:_TAGS]
        return call.say(
            "An index with these tags holds a part of it: %(tags)s. Delete the index first, or its tags.",
            tags=", ".join(tags),
        )
    if isinstance(error, TagProtected):
        said = call.say(FORBIDDEN[error.refused.change], tag=error.refused.tag)
        return f"{said} {call.say(LIFTED, rule=error.refused.rule)}"
    words = _WORDS.get(type(error))
    return error.message if words is None else call.say(words)
