"""Organizations that are mirrors of another registry: what their settings are."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata.query import Executor, select


@dataclass(frozen=True, slots=True)
class MirrorRow:
    """The settings of a mirror; ``secret`` is sealed. ``login``: of the organization."""

    owner_id: int
    login: str
    url: str
    aliases: list[str]
    hosts: list[str]
    username: str | None
    secret: bytes | None
    realm_hosts: list[str]
    allow: list[str]
    deny: list[str]
    tag_seconds: int
    stale_seconds: int | None
    missing_seconds: int
    fetch_by: str
    idle_days: int
    max_bytes: int | None
    paused: bool
    created_at: datetime
    changed_at: datetime


COLUMNS: Final[LiteralString] = """
    mirror.owner_id, owner.login, mirror.url, mirror.aliases, mirror.hosts, mirror.username, mirror.secret,
    mirror.realm_hosts, mirror.allow, mirror.deny, mirror.tag_seconds, mirror.stale_seconds, mirror.missing_seconds,
    mirror.fetch_by, mirror.idle_days, mirror.max_bytes, mirror.paused, mirror.created_at, mirror.changed_at
"""

_OF_OWNER: Final = select(
    MirrorRow,
    f"SELECT {COLUMNS} FROM mirrors mirror JOIN accounts owner ON owner.id = mirror.owner_id"
    " WHERE mirror.owner_id = $1 AND owner.deleted_at IS NULL",
)


async def of_owner(db: Executor, owner_id: int) -> MirrorRow | None:
    """The mirror that an organization is; None: the organization is none."""
    return await _OF_OWNER.maybe(db, owner_id)


_ALL: Final = select(
    MirrorRow,
    f"SELECT {COLUMNS} FROM mirrors mirror JOIN accounts owner ON owner.id = mirror.owner_id"
    " WHERE owner.deleted_at IS NULL ORDER BY mirror.owner_id LIMIT 10000",
)


async def every(db: Executor) -> list[MirrorRow]:
    """All mirrors."""
    return await _ALL.all(db)
