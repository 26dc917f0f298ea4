"""The mirrors of a registry: which organization is one, of what, and with which credentials."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from auth.sealing import SealBroken, Sealing
from registry.errors import Denied
from storage.metadata import mirrors
from storage.metadata.database import Database
from storage.metadata.mirrors import MirrorRow


@dataclass(frozen=True, slots=True)
class Mirror:
    """An organization that is a mirror.

    ``password`` None: the upstream is asked as nobody; ``is_locked``: the password is sealed with a key that is gone.
    """

    owner_id: int
    login: str
    url: str
    aliases: Sequence[str]
    hosts: Sequence[str]
    username: str | None
    password: str | None
    realm_hosts: Sequence[str]
    allow: Sequence[str]
    deny: Sequence[str]
    tag_seconds: int
    stale_seconds: int | None
    missing_seconds: int
    fetch_by: str
    idle_days: int
    max_bytes: int | None
    paused: bool
    changed_at: datetime
    is_locked: bool = False

    @property
    def shown(self) -> str:
        """The name of the upstream that people know."""
        return self.aliases[0] if self.aliases else (urlsplit(self.url).hostname or self.url)


class PushedToMirror(Denied):
    """A push to an organization whose content comes from its upstream alone."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__(
            missing="an organization that is no mirror",
            have=(),
            fix="Push to another organization; what is pulled from here is fetched from the upstream.",
            words=f"{mirror.login} is a mirror of {mirror.shown}",
        )


def seal(sealing: Sealing, owner_id: int, password: str) -> bytes:
    """Seal the password of a mirror for its row."""
    return sealing.seal(_what(owner_id), password.encode())


def opened(sealing: Sealing, row: MirrorRow) -> Mirror:
    """Open the row of a mirror; one whose password's key the settings have no more is locked."""
    password, is_locked = None, False
    if row.secret is not None:
        try:
            password = sealing.open(_what(row.owner_id), row.secret).decode()
        except SealBroken:
            is_locked = True
    return Mirror(
        owner_id=row.owner_id,
        login=row.login,
        url=row.url,
        aliases=tuple(row.aliases),
        hosts=tuple(row.hosts),
        username=row.username,
        password=password,
        realm_hosts=tuple(row.realm_hosts),
        allow=tuple(row.allow),
        deny=tuple(row.deny),
        tag_seconds=row.tag_seconds,
        stale_seconds=row.stale_seconds,
        missing_seconds=row.missing_seconds,
        fetch_by=row.fetch_by,
        idle_days=row.idle_days,
        max_bytes=row.max_bytes,
        paused=row.paused,
        changed_at=row.changed_at,
        is_locked=is_locked,
    )


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The reader of mirrors."""

    db: Database
    sealing: Sealing

    async def of_owner(self, owner_id: int) -> Mirror | None:
        """Return the mirror that an organization is; None: the organization is none."""
        row = await mirrors.of_owner(self.db, owner_id)
        return None if row is None else opened(self.sealing, row)

    async def reseal(self) -> int:
        """Seal with the first key of the settings what a former one has sealed; returns the number of mirrors."""
        done, last = 0, 0
        if not self.sealing.renews:
            return done
        while found := await mirrors.sealed_behind(self.db, last, _AT_ONCE):
            last = found[-1].owner_id
            for one in found:
                with suppress(SealBroken):
                    renewed = self.sealing.renewed(_what(one.owner_id), one.secret)
                    done += 0 if renewed is None else await mirrors.reseal(self.db, one, renewed)
        return done

    async def every(self) -> list[Mirror]:
        """Return all mirrors."""
        return [opened(self.sealing, row) for row in await mirrors.every(self.db)]


def _what(owner_id: int) -> str:
    return f"mirror {owner_id}"


_AT_ONCE: Final = 100
#: Who may cause the first fetch of an image.
FETCH_BY: Final = ("read", "write", "anonymous")
