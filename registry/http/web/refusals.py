"""Refusals of deletions and restores in the words of pages, where the API has GitHub's."""

from registry.errors import RegistryError
from registry.http.web.call import PageCall
from registry.packages.deletion_rules import HeldByIndex, LastTaggedVersion, LastVersion, PopularPackage, PopularVersion
from registry.packages.deletions import NameInUse


def told(call: PageCall, error: RegistryError) -> str:
    """Return why a deletion or a restore is refused, and what to do, in the viewer's language."""
    match error:
        case PopularPackage():
            return call.say("A public package that was downloaded so often is not deleted. Make it private first.")
        case PopularVersion():
            return call.say("A public version that was downloaded so often is not deleted. Make the package private.")
        case HeldByIndex():
            tags = sorted({tag for held in error.holders.values() for tag in held})
            return call.say(
                "An index with these tags holds a part of it: %(tags)s. Delete the index first, or its tags.",
                tags=", ".join(tags[:20]),
            )
        case LastTaggedVersion():
            return call.say("This would be the last version with a tag. Delete the package instead.")
        case LastVersion():
            return call.say("This would be the last version. Delete the package instead.")
        case NameInUse():
            return call.say("Another package has this name now. Delete it first.")
        case _:
            return error.message
