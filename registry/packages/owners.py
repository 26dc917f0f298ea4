"""The rule of a package's owner: an account that is here; and which accounts a caller may push to instead."""

from collections.abc import Sequence

from auth.identity import Action, Identity
from auth.permissions import may
from registry.errors import Denied, NameUnknown, RegistryError
from storage.metadata import accounts
from storage.metadata.database import Database
from storage.metadata.reads.lookups import Lookups
from storage.names import PackageName


class ImageUnknown(NameUnknown):
    """No image has a name without an owner; ``example``: a name with one."""

    def __init__(self, image: str, example: str) -> None:
        RegistryError.__init__(self, f"images are OWNER/IMAGE here: {example}", {"name": image})


class PushWithoutOwner(Denied):
    """The pushed name has no owner. ``command``: renames the image; ``owners``: the accounts one may push to.

    ``sign_in``: the command that comes before, for a caller who is nobody.
    """

    def __init__(self, command: str, owners: Sequence[str], sign_in: str = "") -> None:
        fix = f"{sign_in}, then {command}" if sign_in else command
        self.words = f"images are OWNER/IMAGE here: {fix}"
        detail = {"missing": "an owner in the name", "have": list(owners), "fix": fix}
        RegistryError.__init__(self, self.words if sign_in else f"{self.words} ({_named(owners)})", detail)


class OwnerMissing(Denied):
    """The owner of the pushed package is no account; ``command`` and ``owners`` as of PushWithoutOwner."""

    def __init__(self, package: PackageName, command: str = "", owners: Sequence[str] = ()) -> None:
        self.package = package
        self.words = f"permission_denied: there is no account {package.owner} here"
        detail = {"missing": f"an account named {package.owner}", "have": list(owners), "fix": command}
        RegistryError.__init__(self, f"{self.words} ({_named(owners)}): {command}", detail)


def _named(owners: Sequence[str]) -> str:
    return f"you may push to {', '.join(owners)}" if owners else "these credentials may push to no account"


async def pushable(db: Database, lookups: Lookups, identity: Identity, image: str) -> list[str]:
    """List accounts under which the caller's access token, whatever a bearer token names, may push the image."""
    if identity.token_id is None:
        return []
    caller, found = Identity(identity.token_id, identity.account_id), []
    for login in await accounts.near(db, identity.token_id):
        package = PackageName(login.lower(), image)
        if may(caller, Action.PUSH, package, await lookups.standing(identity.token_id, package)):
            found.append(package.owner)
    return found
