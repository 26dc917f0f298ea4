"""The right to read the package of an address; hidden and missing are one answer, and the same work."""

from auth.identity import Action
from auth.permissions import Allowed, Denied, decide
from registry import errors
from registry.http.web.call import PageCall
from storage.metadata.access_facts import AccessFacts
from storage.names import InvalidName, PackageName


def named(call: PageCall) -> PackageName:
    """Return the package that the address names. Raises NotFound for what is no name."""
    try:
        return PackageName.parse(f"{call.param('owner').lower()}/{call.param('image')}")
    except InvalidName as error:
        raise errors.NotFound from error


def check(call: PageCall, action: Action, name: PackageName, facts: AccessFacts) -> int:
    """Return the id of the package, if the viewer may do ``action``. Raises NotFound (hidden and missing), Denied."""
    match decide(call.viewer.identity, action, name, facts):
        case Allowed(package_id=package_id) if package_id is not None:
            return package_id
        case Denied(words=words, missing=missing, have=have, fix=fix):
            raise errors.Denied(missing, have, fix, words)
        case _:
            raise errors.NotFound
