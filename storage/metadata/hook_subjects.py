"""The subject of a webhook's delivery as it is now: package, owner, repository, version and sender."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata.query import Executor, select
from storage.metadata.repositories import FACTS, Repository


@dataclass(frozen=True, slots=True)
class Subject:
    """A package with its owner; the version and sender are None where there is none, or none any more."""

    package_id: int
    package: str
    description: str | None
    created_at: datetime
    updated_at: datetime
    owner_id: int
    owner: str
    owner_kind: str
    owner_site_admin: bool
    owner_description: str | None
    repository_id: int | None
    visibility: str
    inherit_access: bool
    version_id: int | None
    version_description: str | None
    licenses: str | None
    source_url: str | None
    digest: str | None
    media_type: str | None
    size: int | None
    body: bytes | None
    version_created_at: datetime | None
    version_updated_at: datetime | None
    sender_id: int | None
    sender: str | None
    sender_kind: str | None
    sender_site_admin: bool | None


_SUBJECT: Final = select(
    Subject,
    """
    SELECT package.id AS package_id, package.name AS package, package.description, package.created_at,
           package.updated_at, owner.id AS owner_id, owner.login AS owner, owner.kind AS owner_kind,
           owner.site_admin AS owner_site_admin, owner.description AS owner_description, package.repository_id,
           package.visibility, package.inherit_access,
           version.id AS version_id, version.description AS version_description, version.licenses, version.source_url,
           version.digest, version.media_type, version.size, version.body, version.created_at AS version_created_at,
           version.updated_at AS version_updated_at, sender.id AS sender_id, sender.login AS sender,
           sender.kind AS sender_kind, sender.site_admin AS sender_site_admin
      FROM packages package JOIN accounts owner ON owner.id = package.owner_id
      LEFT JOIN LATERAL (
            SELECT * FROM manifests
             WHERE id = coalesce($2, (SELECT id FROM manifests WHERE package_id = $1 AND digest = $4)) LIMIT 1
           ) AS version ON version.package_id = package.id
      LEFT JOIN accounts sender ON sender.id = $3
     WHERE package.id = $1
    """,
)
_REPOSITORY: Final = select(
    Repository,
    f"""
    SELECT {FACTS}, 0 AS role, false AS sso_missing
      FROM repositories repository JOIN accounts owner ON owner.id = repository.owner_id
     WHERE repository.id = $1
    """,
)


async def subject(
    db: Executor, package_id: int, version_id: int | None, digest: str | None, sender_id: int | None
) -> Subject | None:
    """The package of a delivery with the rest; None: the package is no more. The version: by its id, or its digest."""
    return await _SUBJECT.maybe(db, package_id, version_id, sender_id, digest)


async def repository(db: Executor, repository_id: int) -> Repository | None:
    """A repository as nobody in particular sees it."""
    return await _REPOSITORY.maybe(db, repository_id)


@dataclass(frozen=True, slots=True)
class _Login:
    login: str


_LOGIN: Final = select(_Login, "SELECT login FROM accounts WHERE id = $1")


async def login(db: Executor, account_id: int | None) -> str:
    """The login of an account that is here."""
    return (await _LOGIN.one(db, account_id)).login
