"""The services of a process, built by the composition root and passed to handlers and jobs."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from auth.bearer import Bearer
from registry.accounts.identity_tokens import IdentityTokens
from registry.config import Settings
from registry.hooks.hooks import Hooks
from registry.mirror.mirroring import Mirroring
from registry.mirror.settings import MirrorSettings
from registry.packages.activity import Activity
from registry.packages.blobs import Blobs
from registry.packages.downloads import Downloads
from registry.packages.packages import Packages
from registry.packages.publishing import Manifests
from registry.packages.retention.rules import Retention
from registry.packages.roles import Accesses
from registry.packages.tags import Tags
from registry.packages.versions import Versions
from registry.process.outages import Outages
from registry.rate_limits import RateLimits
from registry.redirects.targets import Redirects
from registry.uploads.sessions import Uploads
from storage.metadata.database import Database
from storage.metadata.reads.lookups import Lookups
from storage.objects.base import Stores

if TYPE_CHECKING:
    from auth.passwords import Hasher
    from registry.accounts.audit_sinks import Sink
    from registry.accounts.oidc_sign_in import OidcSignIn
    from registry.hooks.sending import Sender


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running process."""

    settings: Settings
    db: Database
    lookups: Lookups
    stores: Stores
    redirects: Redirects
    bearer: Bearer
    uploads: Uploads
    blobs: Blobs
    manifests: Manifests
    packages: Packages
    versions: Versions
    tags: Tags
    activity: Activity
    accesses: Accesses
    downloads: Downloads
    retention: Retention
    hooks: Hooks
    mirroring: Mirroring
    sender: "Sender"
    identity_tokens: IdentityTokens
    oidc: "OidcSignIn | None"  # None: people sign in by password only
    hasher: "Callable[[], Hasher]"  # one for the process, made when the first password is asked for
    audit_sink: "Sink | None"  # None: nobody wants the audit log
    outages: Outages
    now: Callable[[], float]  # Unix seconds
    limits: RateLimits | None = None  # None: nothing is limited
    #: Set when the process is told to stop: readiness is gone, while requests are still answered for a while.
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    #: What the operator was warned of: once is enough.
    warned: list[str] = field(default_factory=list)

    def joined(self, db: Database) -> "Services":
        """Return the services on ``db``, the part of a transaction: what holds no lock of its own takes part in it."""
        return replace(self, db=db, retention=replace(self.retention, db=db), hooks=self.hooks.joined(db))

    @property
    def mirror_settings(self) -> MirrorSettings:
        """The rules of the settings of mirrors."""
        return MirrorSettings(self.mirroring, self.settings.egress_allow, self.settings.own_hosts)

    @property
    def service(self) -> str:
        """The name tokens are issued for (``aud``)."""
        url = self.settings.public_url
        return "moorage" if url is None else url.partition("://")[2]
