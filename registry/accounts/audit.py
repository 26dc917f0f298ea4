"""The audit log: GitHub's search phrases, and pages of what happened to one account or to the whole registry."""

import binascii
import re
import shlex
from base64 import b64decode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from auth.seals import Keys, signer_of
from registry.accounts.names import is_login
from registry.errors import Invalid
from storage.metadata import audit as storage
from storage.metadata import event_seals
from storage.metadata.audit import BEGIN, END, Entry, Place, Wanted
from storage.metadata.event_seals import Checked
from storage.metadata.query import Executor

#: How often a request looks on for what it wants; the next one goes on from there.
_ROUNDS: Final = 20
_PHRASE_MAX: Final = 1000
_TERMS_MAX: Final = 20
_PLACE: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_ACTION: Final = re.compile(r"[a-z_]{1,60}(\.[a-z_]{1,60}|\.\*)?", re.ASCII)
_DATE: Final = re.compile(r"(>=|<=|>|<)?(\S+)")
_HASH_BYTES: Final = 32
#: A worker seals once a minute.
_LATE: Final = timedelta(hours=1)
#: What a phrase is made of.
TERMS: Final = "action, actor, created, repo, package, ip, token_id, hashed_token"


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the audit log; ``after``: from where the next page goes on, None on the last page."""

    entries: list[Entry]
    after: str | None


@dataclass(frozen=True, slots=True)
class Query:
    """A query of the log. ``after``, ``before``: the place that a page begins behind, or ends in front of.

    ``oldest_first`` turns the order.
    """

    phrase: str = ""
    after: str = ""
    before: str = ""
    oldest_first: bool = False
    limit: int = 30


async def page(db: Executor, owner_id: int | None, query: Query) -> AuditPage:
    """Return a page of the log of an account, or with None of the whole registry. Raises Invalid, Unavailable.

    Where few events are wanted of many, a page may have few or none, and yet another one follows.
    """
    wanted = await _wanted(db, query.phrase)
    back = bool(query.before) and not query.after  # a page that was asked for with «before» leads on with «after»
    up, place = query.oldest_first is not back, query.after or query.before
    entries, ended = list[Entry](), False
    further = place_of(place) if place else BEGIN if up else END
    for _ in range(_ROUNDS):
        found = await storage.search(db, owner_id, wanted, further, up=up, limit=query.limit - len(entries))
        entries += found.entries
        if found.further is None:
            ended = True
            break
        further = found.further
        if len(entries) == query.limit:
            break
    if not back:
        return AuditPage(entries, None if ended else name_of(further))
    entries.reverse()
    return AuditPage(entries, name_of(Place(entries[-1].xid, entries[-1].id)) if entries else None)


def name_of(place: Place) -> str:
    """Return the text of a place: the id of the entry there."""
    return f"{place.xid}-{place.id}"


def place_of(text: str) -> Place:
    """Parse the text of a place. Raises Invalid."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise _invalid("expected what a Link header has, or the _document_id of an entry", "after")
    return Place(int(found[1]), int(found[2]))


async def _wanted(db: Executor, phrase: str) -> Wanted:
    if len(phrase) > _PHRASE_MAX or "\0" in phrase:
        raise _invalid(f"a phrase has at most {_PHRASE_MAX} characters")
    try:
        terms = shlex.split(phrase)
    except ValueError:
        raise _invalid("a quotation mark is not closed") from None
    if len(terms) > _TERMS_MAX:
        raise _invalid(f"a phrase has at most {_TERMS_MAX} terms")
    parsed = _Parsed(db)
    for term in terms:
        await parsed.add(term)
    return parsed.wanted()


class _Parsed:
    """The terms of a phrase, as far as they are read."""

    def __init__(self, db: Executor) -> None:
        self._db = db
        self._actions: list[str] = []
        self._but: list[str] = []
        self._since: datetime | None = None
        self._until: datetime | None = None
        self._ids: dict[str, list[int]] = {}
        self._remote: str | None = None

    async def add(self, term: str) -> None:
        kind, colon, text = term.partition(":")
        if not colon:
            kind, text = "action", kind  # GitHub searches a bare word everywhere; here it is an action
        match kind:
            case "action":
                self._actions.append(_pattern(text))
            case "-action":
                self._but.append(_pattern(text))
            case "created":
                self._between(text)
            case "ip":
                self._remote = text[:100]
            case "actor" | "repo" | "package" | "token_id" | "hashed_token":
                self._ids.setdefault("token" if "token" in kind else kind, []).extend(await self._named(kind, text))
            case _:
                raise _invalid(f"there is no term {kind[:30]!r}; there are {TERMS}")

    async def _named(self, kind: str, text: str) -> list[int]:
        match kind:
            case "actor":
                return await storage.actors_of(self._db, text) if is_login(text) else []
            case "token_id":
                return [int(text)] if text.isascii() and text.isdigit() and len(text) < len(str(2**60)) else []
            case "hashed_token":
                digest = _digest(text)
                return [] if digest is None else await storage.tokens_of(self._db, digest)
            case _:
                return await self._thing(kind, text)

    async def _thing(self, kind: str, text: str) -> list[int]:
        owner, _, name = text.partition("/")
        if not is_login(owner):
            return []
        look = storage.repositories_of if kind == "repo" else storage.packages_of
        return await look(self._db, owner, name)

    def _between(self, text: str) -> None:
        first, dots, last = text.partition("..")
        if dots:
            self._since, self._until = None if first == "*" else _day(first)[0], None if last == "*" else _day(last)[1]
            return
        found = _DATE.fullmatch(text)
        if found is None:
            raise _invalid("a date is YYYY-MM-DD, or a time of ISO 8601")
        begin, end = _day(found[2])
        match found[1]:
            case ">=":
                self._since = begin
            case ">":
                self._since = end
            case "<":
                self._until = begin
            case "<=":
                self._until = end
            case _:
                self._since, self._until = begin, end

    def wanted(self) -> Wanted:
        ids = self._ids
        return Wanted(
            self._since,
            self._until,
            self._actions,
            self._but,
            ids.get("actor"),
            ids.get("package"),
            ids.get("repo"),
            ids.get("token"),
            self._remote,
        )


def _pattern(text: str) -> str:
    """Return the pattern of LIKE for an action: ``team`` and ``team.*`` are all that begin so."""
    if not _ACTION.fullmatch(text):
        raise _invalid("an action is a word such as team, team.* or team.add_member")
    literal = text.removesuffix(".*").replace("_", r"\_")
    return literal if "." in literal else f"{literal}.%"


def _day(text: str) -> tuple[datetime, datetime]:
    """Return the beginning and the end of a day, or of the second that a text names."""
    try:
        found = datetime.fromisoformat(text)
        length = timedelta(days=1) if "T" not in text and ":" not in text else timedelta(seconds=1)
        begin = (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
        return begin, begin + length
    except (ValueError, OverflowError):  # in UTC it may be before the year 1, or after 9999
        raise _invalid("a date is YYYY-MM-DD, or a time of ISO 8601") from None


def _digest(text: str) -> bytes | None:
    try:
        digest = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == _HASH_BYTES else None


def _invalid(problem: str, field: str = "phrase") -> Invalid:
    return Invalid(f"Invalid request.\n\nFor '{field}', {problem}.", "See docs/howto/audit-log.md.")


@dataclass(slots=True)
class Verified:
    """The seals of the log: how many are intact, over how many events, and how many are of months not kept any more.

    ``broken``: what is under them is not what was sealed; ``foreign``: no key that is believed has signed them;
    ``late``: intact, and made long after what is under them, as they are when somebody has the last ones made again;
    ``signers``: the seals of each key.
    """

    intact: int = 0
    events: int = 0
    expired: int = 0
    broken: list[Checked] = field(default_factory=list)
    foreign: list[Checked] = field(default_factory=list)
    late: list[Checked] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    signers: Counter[str] = field(default_factory=Counter)

    @property
    def whole(self) -> bool:
        """Nothing is missing, changed, added, or sealed by somebody else."""
        return not (self.broken or self.foreign or self.missing)


async def verify(db: Executor, keys: Keys) -> Verified:
    """Compare the log with its seals, which one of ``keys`` must have signed. Raises Unavailable."""
    state, done = await event_seals.state(db), Verified()
    for number in range(1, state.last + 1):
        found = await event_seals.check(db, number)
        if found is None:
            done.missing.append(number)
        else:
            _judge(found, state.kept_from, keys, done)
    return done


def _judge(found: Checked, kept_from: datetime | None, keys: Keys, done: Verified) -> None:
    signer = None if found.signature is None else signer_of(found.signed_bytes(), found.signature, keys)
    if signer is None:
        done.foreign.append(found)
        return
    done.signers[signer] += 1
    if found.intact:
        done.intact += 1
        done.events += found.count
        if found.last_at is not None and found.at - found.last_at > _LATE:
            done.late.append(found)
    elif kept_from is not None and found.first_at < kept_from and found.found < found.count:
        done.expired += 1
    else:
        done.broken.append(found)
