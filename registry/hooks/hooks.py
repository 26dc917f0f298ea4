"""The rules of webhooks: who is told what at which URL; the URL and the secret are sealed in the database."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec

from auth.sealing import SealBroken, Sealing
from registry.egress.addresses import Network
from registry.egress.urls import problem_of
from registry.errors import AccountError, NotFound
from registry.hooks.telling import NAMES
from storage.metadata import deliveries, hooks
from storage.metadata.database import Database, Transaction
from storage.metadata.hooks import Hook, NewHook, Place

#: As on GitHub.
HOOKS_MAX: Final = 20
_SECRET_MAX: Final = 255
_AT_ONCE: Final = 100
#: What answers have in place of a secret; sent back, it leaves the secret as it is.
HIDDEN: Final = "********"
ALL: Final = "*"
ContentType = Literal["json", "form"]
Format = Literal["github", "distribution", "cloudevents"]
FORMATS: Final[tuple[str, ...]] = get_args(Format)


class HookInvalid(AccountError):
    """A value of a hook is invalid, or the organization or repository has as many hooks as it may."""

    resource, field, problem = "Hook", "config", "custom"


class Config(msgspec.Struct, frozen=True):
    """The URL of a hook, and the secret that signs its deliveries, if there is one."""

    url: str
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A hook as it is to be."""

    config: Config
    content_type: str
    format: str
    events: Sequence[str]
    children: bool
    active: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """A hook with its configuration; None: it was sealed with a key that the settings have no more."""

    hook: Hook
    config: Config | None

    @property
    def present(self) -> Wanted:
        """Return the hook as it was wanted last; a configuration that cannot be opened has no URL."""
        hook = self.hook
        return Wanted(
            self.config or Config(""), hook.content_type, hook.format, hook.events, hook.children, hook.active
        )

    def is_as(self, wanted: Wanted) -> bool:
        """Return whether the hook is as it is wanted, and not disabled by itself."""
        return self.present == wanted and not (self.hook.active and self.hook.disabled_reason)


class Hooks:
    """The hooks of a registry. ``allow``: networks that URLs may lead to beside the internet, by plain HTTP too."""

    def __init__(self, db: Database, sealing: Sealing, allow: tuple[Network, ...]) -> None:
        self._db: Final = db
        self._sealing: Final = sealing
        self._allow: Final = allow

    def joined(self, db: Database) -> "Hooks":
        """Return these hooks on ``db``, the part of a transaction."""
        return Hooks(db, self._sealing, self._allow)

    async def of(self, place: Place) -> list[Opened]:
        """Return the hooks of an organization or repository."""
        return [self.opened(found) for found in await hooks.of(self._db, place)]

    async def get(self, place: Place, hook_id: int) -> Opened:
        """Return a hook. Raises NotFound."""
        found = await hooks.get(self._db, place, hook_id)
        if found is None:
            raise NotFound
        return self.opened(found)

    async def by_id(self, hook_id: int) -> Opened | None:
        """Return any hook; None: the hook is gone."""
        found = await hooks.by_id(self._db, hook_id)
        return None if found is None else self.opened(found)

    async def create(self, place: Place, wanted: Wanted) -> Opened:
        """Create a hook, which is sent a ping. Raises HookInvalid."""
        self._check(wanted)
        hook_id = await hooks.next_id(self._db)

        async def work(tx: Transaction) -> Hook:
            await hooks.hold(tx, place)
            if len(await hooks.of(tx, place)) >= HOOKS_MAX:
                raise HookInvalid(f"there are {HOOKS_MAX} hooks already: delete one that nobody needs")
            made = await hooks.insert(tx, hook_id, place, self._sealed(hook_id, wanted))
            await deliveries.ping(tx, hook_id)
            return made

        return Opened(await self._db.repeat(work), wanted.config)

    async def update(self, place: Place, hook_id: int, change: Callable[[Opened], Wanted]) -> Opened:
        """Make a hook what ``change`` makes of it, if anything is to be different. Raises HookInvalid, NotFound.

        Nobody else changes it in between.
        """

        async def work(tx: Transaction) -> Opened:
            await hooks.hold(tx, place)
            stored = await hooks.get(tx, place, hook_id)
            if stored is None:
                raise NotFound
            found = self.opened(stored)
            wanted = change(found)
            if found.is_as(wanted):
                return found
            self._check(wanted)
            changed = await hooks.update(tx, hook_id, self._sealed(hook_id, wanted))
            if changed is None:
                raise NotFound
            return Opened(changed, wanted.config)

        return await self._db.repeat(work)

    async def delete(self, place: Place, hook_id: int) -> None:
        """Delete a hook. Raises NotFound."""
        await self.get(place, hook_id)
        await hooks.delete(self._db, hook_id)

    async def ping(self, place: Place, hook_id: int) -> None:
        """Have a hook sent a ping. Raises NotFound."""
        await self.get(place, hook_id)
        await deliveries.ping(self._db, hook_id)

    async def redeliver(self, place: Place, hook_id: int, delivery_id: int) -> int:
        """Have a delivery sent once more; returns the id of the new delivery. Raises NotFound."""
        await self.get(place, hook_id)
        repeated = await deliveries.repeat(self._db, hook_id, delivery_id)
        if repeated is None:
            raise NotFound
        return repeated

    async def reseal(self) -> int:
        """Seal with the first key of the settings what a former one has sealed; returns the number of hooks."""
        done, last = 0, 0
        if not self._sealing.renews:
            return done
        while found := await hooks.sealed_behind(self._db, last, _AT_ONCE):
            last = found[-1].id
            for one in found:
                with suppress(SealBroken):
                    renewed = self._sealing.renewed(_what(one.id), one.sealed)
                    done += 0 if renewed is None else await hooks.reseal(self._db, one, renewed)
        return done

    def opened(self, found: Hook) -> Opened:
        """Open what a hook has sealed."""
        try:
            plain = self._sealing.open(_what(found.id), found.sealed)
        except SealBroken:
            return Opened(found, None)
        return Opened(found, msgspec.json.decode(plain, type=Config))

    def _sealed(self, hook_id: int, wanted: Wanted) -> NewHook:
        return NewHook(
            self._sealing.seal(_what(hook_id), msgspec.json.encode(wanted.config)),
            wanted.content_type,
            wanted.format,
            list(dict.fromkeys(wanted.events)),
            wanted.children,
            wanted.active,
        )

    def _check(self, wanted: Wanted) -> None:
        unknown = [name for name in wanted.events if name not in (*NAMES, ALL)]
        if unknown or not wanted.events:
            raise HookInvalid(f"expected events among {', '.join((*NAMES, ALL))}, got {', '.join(unknown)[:100]!r}")
        if wanted.config.secret == HIDDEN:
            raise HookInvalid("expected a secret: the asterisks stand for one that is kept")
        if wanted.config.secret is not None and not 0 < len(wanted.config.secret) <= _SECRET_MAX:
            raise HookInvalid(f"expected a secret of 1 to {_SECRET_MAX} characters")
        self._check_url(wanted.config.url)

    def _check_url(self, url: str) -> None:
        """Refuse what is no URL to send to; where a name leads is only known when it is sent. Raises HookInvalid."""
        problem = problem_of(url, self._allow)
        if problem is not None:
            raise HookInvalid(problem)


def new_secret() -> str:
    """Return a random secret for a hook."""
    return secrets.token_urlsafe(32)


def _what(hook_id: int) -> str:
    return f"hook {hook_id}"
