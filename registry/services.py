"""What the composition root built and handlers and jobs are given."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from auth.bearer import Bearer
from registry.accesses import Accesses
from registry.config import Settings
from registry.downloads import Downloads
from registry.failures import Failures
from registry.manifests import Manifests
from registry.packages import Packages
from registry.uploads import Uploads
from registry.versions import Versions
from storage.metadata.database import Database
from storage.metadata.lookups import Lookups
from storage.objects.base import Stores

if TYPE_CHECKING:
    from registry.keyless import Keyless


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running process."""

    settings: Settings
    db: Database
    lookups: Lookups
    stores: Stores
    bearer: Bearer
    uploads: Uploads
    manifests: Manifests
    packages: Packages
    versions: Versions
    accesses: Accesses
    downloads: Downloads
    keyless: "Keyless | None"  # None: no issuer is trusted
    now: Callable[[], float]  # Unix seconds
    failures: Failures = field(default_factory=Failures)
    #: Set when the process is told to stop: readiness is gone, while requests are still answered for a while.
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def service(self) -> str:
        """The name tokens are issued for (``aud``)."""
        url = self.settings.public_url
        return "moorage" if url is None else url.partition("://")[2]
