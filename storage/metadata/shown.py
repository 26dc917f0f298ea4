"""Packages as pages list them: for a visitor too, by name, a page after another."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from storage.metadata import access_facts
from storage.metadata.query import Executor, select


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A package of a list; ``description`` and ``licenses`` are the publisher's; ``size``: of its newest image."""

    owner_login: str
    name: str
    visibility: str
    description: str | None
    licenses: str | None
    updated_at: datetime
    newest_tag: str | None
    size: int | None


_OF_OWNER: Final = select(
    PackageRow,
    f"""
    {access_facts.GIVEN}
    SELECT owner.login AS owner_login, package.name, package.visibility, package.description, package.licenses,
           package.updated_at, newest.name AS newest_tag, newest.image_size AS size
      FROM (
        SELECT package.*
          FROM {access_facts.VIEWER}
          JOIN accounts owner ON lower(owner.login) = $2 AND owner.deleted_at IS NULL
          JOIN packages package
                 ON package.owner_id = owner.id AND package.name > $3
                    AND package.name >= $5 AND package.name < $5 || '~'
                    AND package.deleted_at IS NULL AND package.published_at IS NOT NULL
         WHERE {access_facts.READABLE} AND ($6::text IS NULL OR package.visibility = $6)
         ORDER BY package.name LIMIT $4
      ) AS package
      JOIN accounts owner ON owner.id = package.owner_id
      LEFT JOIN LATERAL (
        SELECT tag.name, version.image_size
          FROM (SELECT name, digest FROM tags WHERE package_id = package.id
                 ORDER BY updated_at DESC, name DESC LIMIT 5) AS tag
          JOIN LATERAL (SELECT image_size, sort FROM manifests
                         WHERE package_id = package.id AND digest = tag.digest LIMIT 1) AS version
                 ON version.sort = 'image'
         LIMIT 1
      ) AS newest ON true
     ORDER BY package.name
    """,
)


async def packages_of(
    db: Executor,
    token_id: int | None,
    owner: str,
    *,
    after: str = "",
    limit: int,
    prefix: str = "",
    visibility: str | None = None,
) -> list[PackageRow]:
    """List packages of ``owner``, a login in lower case, that the viewer may read: by name, past ``after``."""
    return await _OF_OWNER.all(db, token_id, owner, after, limit, prefix, visibility)


@dataclass(frozen=True, slots=True)
class _Login:
    login: str


_PRESENT: Final = select(
    _Login,
    """
    SELECT account.login
      FROM former_logins former JOIN accounts account ON account.id = former.account_id AND account.deleted_at IS NULL
     WHERE former.login = lower($1)
    """,
)


async def present_login(db: Executor, login: str) -> str | None:
    """Return the login of the account that had the login ``login`` before."""
    found = await _PRESENT.maybe(db, login)
    return None if found is None else found.login
