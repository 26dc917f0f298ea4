"""The rules of the settings of mirrors: which organization mirrors what, by which names, and for whom."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from registry.egress.addresses import Network
from registry.egress.urls import problem_of
from registry.errors import Conflict, Denied, Invalid, NotFound
from registry.mirror.mirroring import Mirroring
from registry.mirror.mirrors import FETCH_BY, Mirror, seal
from registry.mirror.upstream import UpstreamError
from registry.packages.globs import BadGlob, pattern_of
from storage.metadata import mirrors
from storage.metadata.database import Transaction
from storage.metadata.mirrors import MirrorState, NewMirror

#: What Docker Hub is called, and where its registry is.
_HUB: Final = ("docker.io", "index.docker.io")
HUB_URL: Final = "https://registry-1.docker.io"
NAMES_MAX: Final = 10
GLOBS_MAX: Final = 100
SECONDS_MAX: Final = 366 * 86400
DAYS_MAX: Final = 3650
BYTES_MAX: Final = 10**18
_TEXT_MAX: Final = 2000
_NEVER: Final = datetime.fromtimestamp(0, UTC)
_HOST: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*(?::[0-9]{1,5})?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A mirror as an owner wants it. ``url``: or a host alone; ``password`` "": the one that is there."""

    url: str
    aliases: Sequence[str] = ()
    hosts: Sequence[str] = ()
    username: str | None = None
    password: str | None = ""
    allow: Sequence[str] = ()
    deny: Sequence[str] = ()
    tag_seconds: int = 300
    stale_seconds: int | None = None
    missing_seconds: int = 60
    fetch_by: str = "read"
    idle_days: int = 30
    max_bytes: int | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """The settings of the mirrors. ``allow``: networks of upstreams beside the internet; ``own``: our own hosts."""

    mirroring: Mirroring
    allow: tuple[Network, ...]
    own: frozenset[str]

    async def get(self, owner_id: int) -> Mirror:
        """Return what an organization mirrors. Raises NotFound."""
        found = await self.mirroring.mirrors.of_owner(owner_id)
        if found is None:
            raise NotFound
        return found

    async def state(self, owner_id: int) -> MirrorState:
        """Return what the upstream of a mirror last said. Raises NotFound."""
        await self.get(owner_id)
        return await mirrors.state(self.mirroring.db, owner_id)

    async def put(self, owner_id: int, login: str, wanted: Wanted, *, may_name: bool) -> bool:
        """Set what an organization mirrors; True: it was no mirror. ``may_name``: by a site administrator.

        An upstream that is new, or is to be asked as another, is asked first. Raises Invalid, Conflict, Denied.
        """
        db = self.mirroring.db
        found = await self.mirroring.mirrors.of_owner(owner_id)
        new = self._checked(owner_id, login, wanted)
        self._check_names(new, found, may_name=may_name)
        if found is None and await mirrors.has_packages(db, owner_id):
            raise Invalid(
                f"{login} has packages of its own; what a mirror has comes from its upstream alone. "
                "Make an organization for the mirror, or delete the packages."
            )
        kept = found is not None and wanted.password == "" and (found.url, found.username) == (new.url, new.username)
        realm_hosts: Sequence[str] = () if kept else await self._introduced(new)
        secret = None
        if not kept and new.username is not None:
            secret = seal(self.mirroring.mirrors.sealing, owner_id, new.password or "")
        row = NewMirror(
            new.url, new.aliases, new.hosts, new.username, secret, realm_hosts, new.allow, new.deny, new.tag_seconds,
            new.stale_seconds, new.missing_seconds, new.fetch_by, new.idle_days, new.max_bytes, new.paused, kept,
        )  # fmt: skip

        async def work(tx: Transaction) -> bool | None:
            made = await mirrors.put(tx, owner_id, row)
            if made is None:
                return None
            taken = await mirrors.name(tx, owner_id, row.aliases, row.hosts)
            if taken:
                raise Conflict(f"{', '.join(taken)} is a name of another mirror of this registry.")
            return made

        made = await db.repeat(work)
        if made is None:
            raise Conflict("Somebody else has changed this mirror at the same time: read it, and try again.")
        await self.mirroring.look()
        return made

    async def remove(self, owner_id: int) -> None:
        """Make an organization one that mirrors nothing; its packages stay. Raises NotFound."""
        if not await mirrors.remove(self.mirroring.db, owner_id):
            raise NotFound
        await self.mirroring.look()

    async def _introduced(self, new: Mirror) -> Sequence[str]:
        """Ask the upstream who it is; return where its tokens come from. Raises Invalid."""
        try:
            return await self.mirroring.upstream.introduce(new)
        except UpstreamError as error:
            raise Invalid(f"The upstream {new.url} cannot be used: {error.why}.") from error

    def _check_names(self, new: Mirror, found: Mirror | None, *, may_name: bool) -> None:
        """Names are of the whole registry: an administrator gives them, and says what they stand for. Raises Denied.

        An owner may put them away.
        """
        if may_name:
            return
        aliases, hosts = (found.aliases, found.hosts) if found is not None else ((), ())
        is_added = not (set(aliases).issuperset(new.aliases) and set(hosts).issuperset(new.hosts))
        is_led_elsewhere = found is not None and found.url != new.url and bool(new.aliases or new.hosts)
        if is_added or is_led_elsewhere:
            raise Denied(
                "a site administrator",
                ["owner of the organization"],
                "Leave the names and what they stand for as they are, or ask an administrator of this registry.",
                "names that stand for another registry are of the whole installation",
            )

    def _checked(self, owner_id: int, login: str, wanted: Wanted) -> Mirror:
        """Return the mirror that is wanted, in order. Raises Invalid."""
        aliases, hosts = _names("aliases", wanted.aliases), _names("hosts", wanted.hosts)
        own = self.own.intersection((*aliases, *hosts))
        if own:
            raise _invalid("hosts", f"expected other names than those of this registry, got {', '.join(sorted(own))}")
        if wanted.fetch_by not in FETCH_BY:
            raise _invalid("fetch_by", f"expected one of {', '.join(FETCH_BY)}")
        username, password = wanted.username or None, wanted.password or None
        for field, text in (("username", username or ""), ("password", password or "")):
            if len(text) > _TEXT_MAX or not text.isprintable():
                raise _invalid(field, f"expected at most {_TEXT_MAX} printable characters")
        if username is not None and ":" in username:
            raise _invalid("username", "expected no colon")
        if password is not None and username is None:
            raise _invalid("username", "expected one with the password")
        return Mirror(
            owner_id=owner_id,
            login=login,
            url=self._url(wanted.url),
            aliases=aliases,
            hosts=hosts,
            username=username,
            password=password,
            realm_hosts=(),
            allow=_globs("allow", wanted.allow),
            deny=_globs("deny", wanted.deny),
            tag_seconds=_number("tag_seconds", wanted.tag_seconds, SECONDS_MAX),
            stale_seconds=_limit("stale_seconds", wanted.stale_seconds, 0, SECONDS_MAX),
            missing_seconds=_number("missing_seconds", wanted.missing_seconds, SECONDS_MAX),
            fetch_by=wanted.fetch_by,
            idle_days=_number("idle_days", wanted.idle_days, DAYS_MAX),
            max_bytes=_limit("max_bytes", wanted.max_bytes, 1, BYTES_MAX),
            paused=wanted.paused,
            changed_at=_NEVER,
        )

    def _url(self, text: str) -> str:
        """Return the URL of an upstream that may be named by its host alone. Raises Invalid."""
        url = text.strip().rstrip("/")
        if "://" not in url:
            url = HUB_URL if url in _HUB else f"https://{url}"
        problem = problem_of(url, self.allow)
        if problem is None and urlsplit(url).query:
            problem = "expected a URL without a query"
        if problem is None and urlsplit(url).netloc.lower() in self.own:
            problem = "expected another registry than this one"
        if problem is not None:
            raise _invalid("url", problem)
        return url


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(f"Invalid request.\n\nFor '{field}', {why}.")


def _names(field: str, names: Sequence[str]) -> Sequence[str]:
    found = tuple(dict.fromkeys(name.strip().lower() for name in names))
    wrong = [name for name in found if not _HOST.fullmatch(name) or len(name) > 253]  # noqa: PLR2004
    if wrong:
        raise _invalid(field, f"expected hosts such as docker.io, got {ascii(wrong[0])[:80]}")
    if len(found) > NAMES_MAX:
        raise _invalid(field, f"expected at most {NAMES_MAX} hosts")
    return found


def _globs(field: str, globs: Sequence[str]) -> Sequence[str]:
    if len(globs) > GLOBS_MAX:
        raise _invalid(field, f"expected at most {GLOBS_MAX} globs")
    try:
        for glob in globs:
            re.compile(pattern_of(glob))
    except (BadGlob, re.error) as error:
        raise _invalid(field, str(error)) from error
    return tuple(dict.fromkeys(globs))


def _number(field: str, value: int, most: int) -> int:
    if not 0 <= value <= most:
        raise _invalid(field, f"expected a number from 0 to {most}")
    return value


def _limit(field: str, value: int | None, least: int, most: int) -> int | None:
    if value is not None and not least <= value <= most:
        raise _invalid(field, f"expected a number from {least} to {most}, or none")
    return value
