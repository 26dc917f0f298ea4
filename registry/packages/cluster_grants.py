"""The rules of grants to clusters: which packages of an account their service accounts may read."""

from dataclasses import dataclass
from typing import Final

from registry.errors import Invalid, NotFound
from registry.packages.globs import BadGlob, pattern_of
from storage.metadata import clusters as storage
from storage.metadata.clusters import Grant, NewGrant
from storage.metadata.query import Executor

_GRANTS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A grant as an owner wants it: globs over namespaces, service accounts and packages."""

    namespace: str
    account: str
    package: str


async def listed(db: Executor, owner_id: int, cluster: str | None = None) -> list[Grant]:
    """Return the grants to an account's clusters, or to the one of this name."""
    return await storage.grants(db, owner_id, cluster)


async def give(db: Executor, owner_id: int, cluster: str, wanted: Wanted) -> tuple[Grant, bool]:
    """Store a grant, and tell whether there was none like it. Raises Invalid, NotFound."""
    patterns = [_pattern(field, getattr(wanted, field)) for field in ("namespace", "account", "package")]
    new = NewGrant(wanted.namespace, wanted.account, wanted.package, *patterns)
    given = await storage.give(db, owner_id, cluster, new, _GRANTS_MAX)
    if given is not None:
        return given
    if await storage.get(db, owner_id, cluster) is None:
        raise NotFound
    raise Invalid(f"A cluster has at most {_GRANTS_MAX} grants.", "Remove one, or give one with globs.")


async def take(db: Executor, owner_id: int, cluster: str, grant_id: int) -> None:
    """Remove a grant: from the next request on, on every replica. Raises NotFound."""
    if not await storage.take(db, owner_id, cluster, grant_id):
        raise NotFound


def _pattern(field: str, glob: str) -> str:
    """Make a regular expression of a glob. Raises Invalid."""
    try:
        return f"^(?:{pattern_of(glob)})$"
    except BadGlob as error:
        raise Invalid(f"Invalid request.\n\nFor '{field}', {error}.") from error
