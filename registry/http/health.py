"""The health of the database and the store, as this process finds them, for administrators."""

from dataclasses import dataclass

from registry.services import Services
from storage.errors import Unavailable
from storage.metadata import read_only, readiness
from storage.metadata.read_only import ReadOnlyState
from storage.metadata.readiness import DatabaseHealth


@dataclass(frozen=True, slots=True)
class Health:
    """The health of a process.

    ``read_only``: the switch of the operator; ``store_fault``: why the store does not answer; ``leaving``: the process
    is to stop.
    """

    database: DatabaseHealth
    read_only: ReadOnlyState | None
    store_fault: str | None
    leaving: bool

    @property
    def good(self) -> bool:
        """Return whether database and store work, and this process stays."""
        return not (self.database.read_only or self.database.missing or self.store_fault or self.leaving)


async def health(services: Services) -> Health:
    """Look at the database and at the store. Raises Unavailable for a database that does not answer."""
    database, switch = await readiness.health(services.db), await read_only.state(services.db)
    try:
        await services.stores.ping()
    except Unavailable as error:
        return Health(database, switch, str(error), services.leaving.is_set())
    return Health(database, switch, None, services.leaving.is_set())
