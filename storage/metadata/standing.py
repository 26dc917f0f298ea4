"""What Postgres says now of a caller and a package: the facts that ``auth.permissions.decide`` judges.

Every statement that answers a request carries these columns, so that what is asked for and whether it may be had come
from one snapshot, and a right that was taken away is gone with the very next request.
"""

from dataclasses import dataclass
from typing import Final, LiteralString


@dataclass(frozen=True, slots=True)
class Standing:
    """The caller is the account of a token (``$1``, NULL: nobody); the package is named by ``$2`` owner, ``$3`` image.

    ``role`` and ``namespace_role``: 0 none, 1 read, 2 write, 3 admin, over the package and over its namespace.
    """

    account_id: int | None
    token_usable: bool
    scopes: list[str] | None
    owner_id: int | None
    package_id: int | None
    visibility: str | None
    namespace_role: int
    role: int


COLUMNS: Final[LiteralString] = """
    caller.id AS account_id,
    ($1::bigint IS NULL OR caller.id IS NOT NULL) AS token_usable,
    token.scopes,
    owner.id AS owner_id,
    package.id AS package_id,
    package.visibility,
    CASE WHEN caller.site_admin OR caller.id = owner.id THEN 3 ELSE 0 END AS namespace_role,
    CASE WHEN caller.site_admin OR caller.id = owner.id THEN 3 ELSE 0 END AS role
"""

#: One row always, whatever of it is missing.
FROM: Final[LiteralString] = """
  FROM (SELECT 1) AS always
  LEFT JOIN accounts owner ON lower(owner.login) = $2 AND owner.deleted_at IS NULL
  LEFT JOIN packages package ON package.owner_id = owner.id AND package.name = $3 AND package.deleted_at IS NULL
  LEFT JOIN tokens token
         ON token.id = $1 AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > now())
  LEFT JOIN accounts caller
         ON caller.id = token.account_id AND caller.suspended_at IS NULL AND caller.deleted_at IS NULL
"""
