"""Events: what happened, written by the statement that makes the change, and read by package and by tag.

A statement that changes something has a CTE ``actor`` and records what it did in the same go, so that no change is
without its event and no event without its change. The pull path records nothing.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString

from storage.metadata.query import LAST, Executor, select

#: The names of GitHub's audit log, and ours in the same grammar.
PACKAGE_PUBLISHED: Final[LiteralString] = "packages.package_published"
PACKAGE_DELETED: Final[LiteralString] = "packages.package_deleted"
PACKAGE_RESTORED: Final[LiteralString] = "packages.package_restored"
PACKAGE_TRANSFERRED: Final[LiteralString] = "packages.package_transferred"
VERSION_PUBLISHED: Final[LiteralString] = "packages.package_version_published"
VERSION_DELETED: Final[LiteralString] = "packages.package_version_deleted"
VERSION_RESTORED: Final[LiteralString] = "packages.package_version_restored"
TAG_CREATED: Final[LiteralString] = "packages.tag_created"
TAG_MOVED: Final[LiteralString] = "packages.tag_moved"
TAG_DELETED: Final[LiteralString] = "packages.tag_deleted"
TAG_ROLLED_BACK: Final[LiteralString] = "packages.tag_rolled_back"
VISIBILITY_CHANGED: Final[LiteralString] = "packages.visibility_changed"
INHERITANCE_CHANGED: Final[LiteralString] = "packages.inheritance_changed"
REPOSITORY_LINKED: Final[LiteralString] = "packages.repository_linked"
REPOSITORY_UNLINKED: Final[LiteralString] = "packages.repository_unlinked"
ACCESS_GRANTED: Final[LiteralString] = "packages.access_granted"
ACCESS_REVOKED: Final[LiteralString] = "packages.access_revoked"

#: Events of access: who has a role is told to those who may change roles.
OF_ACCESS: Final = (ACCESS_GRANTED, ACCESS_REVOKED)

#: What a repository is called; the condition is to follow.
FULL_NAME: Final[LiteralString] = """
    SELECT owner.login || '/' || repository.name
      FROM repositories repository JOIN accounts owner ON owner.id = repository.owner_id
"""
#: What its owner calls ``token``, or the repository that it is of.
TOKEN_NAME: Final[LiteralString] = f"""
    CASE WHEN token.repository_id IS NULL THEN nullif(token.note, '')
         ELSE ({FULL_NAME} WHERE repository.id = token.repository_id) END"""
#: The name of a role, 1 to 3, in SQL.
ROLE_NAMES: Final[LiteralString] = "('{read,write,admin}'::text[])"


@dataclass(frozen=True, slots=True)
class Actor:
    """An account that makes a change; ``token_id`` None: in a session of the pages, without a token.

    ``via``: what acts for the account, if neither does. ``spared``: the tag rules that do not bind the actor: "admin",
    those that spare admins; "all" of them; "" none.
    """

    account_id: int | None
    token_id: int | None
    via: str = ""
    spared: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The request that a change came by; each "" where there is none, or where it is not known."""

    request_id: str = ""
    remote: str = ""
    user_agent: str = ""


#: Who makes the change that this task is about to make, and by which request; set by the edge once it knows. Without
#: both it is an operator's command, or a job.
ACTOR: Final[ContextVar[Actor | None]] = ContextVar("actor", default=None)
ORIGIN: Final[ContextVar[Callable[[], Origin]]] = ContextVar("origin", default=Origin)
_GAP: Final[LiteralString] = "E'\\t'"


def by(actor: Actor | None = None) -> str:
    """Return the parameter of a statement that ``actor`` reads: the actor, or the one of this task, and the request."""
    who, origin = actor or ACTOR.get() or Actor(None, None), ORIGIN.get()()
    named = f"{who.account_id or ''}\t{who.token_id or ''}\t{who.spared}"
    return f"{named}\t{origin.request_id}\t{origin.remote}\t{origin.user_agent}\t{who.via}"


def spared(given: LiteralString) -> LiteralString:
    """Render the tag rules that do not bind the actor, by the SQL of what ``by`` returned."""
    return f"split_part({given}, {_GAP}, 3)"


def actor(given: LiteralString) -> LiteralString:
    """Render the SELECT of one row: the actor of a change, by the SQL of what ``by`` returned.

    A token of a repository, which is gone after its hours, is named by its repository.
    """
    return f"""
        SELECT coalesce(token.account_id, given.part[1]::bigint) AS id,
               coalesce(token.kind, given.part[7],
                        CASE WHEN given.part[1] IS NOT NULL OR given.part[2] IS NOT NULL THEN 'session'
                             WHEN given.part[4] IS NULL THEN 'operator' ELSE 'anonymous' END) AS via,
               token.id AS token_id,
               {TOKEN_NAME} AS token_name,
               given.part[4] AS request_id, given.part[5] AS remote, given.part[6] AS user_agent
          FROM (SELECT string_to_array({given}, {_GAP}, '') AS part) AS given
          LEFT JOIN tokens token ON token.id = given.part[2]::bigint
    """


def _bytes(digest: LiteralString) -> LiteralString:
    return f"decode(substr({digest}, 8), 'hex')"


def event(
    action: LiteralString,
    source: LiteralString,
    *,
    package: LiteralString = "$1::bigint",
    owner: LiteralString = "(SELECT owner_id FROM packages WHERE id = $1)",
    version: LiteralString = "NULL::bigint",
    digest: LiteralString = "NULL::text",
    before: LiteralString = "NULL::text",
    tag: LiteralString = "NULL::text",
    data: LiteralString = "NULL::jsonb",
    repository: LiteralString = "NULL::bigint",
) -> LiteralString:
    """Render the SELECT of events of a package, one for each row of ``source``, which has ``actor`` in it.

    ``action`` and the rest are SQL over the row.
    """
    return f"""
        SELECT {action}, {owner}, {package}, {version}, {_bytes(digest)}, {_bytes(before)}, {tag},
               actor.id, actor.via, actor.token_id, actor.token_name, {data}, {repository},
               actor.request_id, actor.remote, actor.user_agent
          FROM {source}"""


def record(*events: LiteralString) -> LiteralString:
    """Render the INSERT of events, in this order."""
    return f"""
        INSERT INTO events (action, owner_id, package_id, version_id, digest, before_digest, tag,
                            actor_id, via, token_id, token_name, data, repository_id, request_id, remote, user_agent)
        {" UNION ALL ".join(events)}"""


def of_account(
    action: LiteralString,
    source: LiteralString,
    *,
    owner: LiteralString,
    data: LiteralString = "NULL::jsonb",
    repository: LiteralString = "NULL::bigint",
    where: LiteralString = "true",
) -> LiteralString:
    """Render the SELECT of events of an account, one for each row of ``source``; NULLs in ``data`` are left out.

    ``action`` and the rest are SQL over the row. The statement has the CTE ``actor``.
    """
    return event(
        action,
        f"actor CROSS JOIN {source} WHERE {where}",
        package="NULL::bigint",
        owner=owner,
        data=f"jsonb_strip_nulls({data})",
        repository=repository,
    )


def note(
    action: LiteralString,
    source: LiteralString,
    *,
    owner: LiteralString,
    data: LiteralString = "NULL::jsonb",
    repository: LiteralString = "NULL::bigint",
    where: LiteralString = "true",
) -> LiteralString:
    """Render the INSERT of what ``of_account`` renders."""
    return record(of_account(action, source, owner=owner, data=data, repository=repository, where=where))


def user(account_id: LiteralString) -> LiteralString:
    """Render the fields of ``data`` that name a user."""
    return f"""'user', jsonb_build_object(
        'id', {account_id}, 'login', (SELECT login FROM accounts WHERE id = {account_id}))"""


def repository(repository_id: LiteralString) -> LiteralString:
    """Render the fields of ``data`` that name a repository."""
    return f"""'repository', jsonb_build_object(
        'id', {repository_id}, 'full_name', ({FULL_NAME} WHERE repository.id = {repository_id}))"""


#: The action of a tag that is written, over its former digest.
WRITTEN: Final[LiteralString] = f"CASE WHEN old.digest IS NULL THEN '{TAG_CREATED}' ELSE '{TAG_MOVED}' END"


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event as recorded; ``version_state``: live, deleted or purged, None for an event of no version.

    ``via``: the kind of the token, or session; ``data``: JSON of what else changed.
    """

    id: int
    at: datetime
    action: str
    actor_id: int | None
    actor_login: str | None
    via: str
    token_name: str | None
    tag: str | None
    version_id: int | None
    version_state: str | None
    digest: str | None
    before_digest: str | None
    data: str | None


def digest_text(digest: LiteralString) -> LiteralString:
    """Render the text of a digest that is kept without its algorithm, which its length tells."""
    return f"CASE octet_length({digest}) WHEN 32 THEN 'sha256:' ELSE 'sha512:' END || encode({digest}, 'hex')"


def _events(condition: LiteralString) -> LiteralString:
    return f"""
    SELECT event.id, event.at, event.action, event.actor_id, account.login AS actor_login, event.via, event.token_name,
           event.tag, event.version_id,
           CASE WHEN event.version_id IS NOT NULL
                THEN CASE WHEN version.id IS NULL THEN 'purged' WHEN version.deleted_at IS NULL THEN 'live'
                          ELSE 'deleted' END END AS version_state,
           {digest_text("event.digest")} AS digest, {digest_text("event.before_digest")} AS before_digest,
           event.data::text AS data
      FROM (SELECT * FROM events WHERE {condition} ORDER BY id DESC LIMIT $3) AS event
      LEFT JOIN LATERAL (SELECT login FROM accounts WHERE id = event.actor_id LIMIT 1) AS account ON true
      LEFT JOIN LATERAL (SELECT id, deleted_at FROM manifests WHERE id = event.version_id LIMIT 1) AS version ON true
     ORDER BY event.id DESC
    """


_OF_PACKAGE: Final = select(
    RecordedEvent, _events("package_id = $1 AND id < $2 AND ($4::text[] IS NULL OR action <> ALL ($4::text[]))")
)
_OF_TAG: Final = select(RecordedEvent, _events("package_id = $1 AND id < $2 AND tag = $4"))


async def of_package(
    db: Executor, package_id: int, *, before: int | None, limit: int, but: tuple[str, ...] = ()
) -> list[RecordedEvent]:
    """The events of a package, the newest first, from before the event ``before``; ``but``: without these actions."""
    return await _OF_PACKAGE.all(db, package_id, LAST if before is None else before, limit, list(but) or None)


async def of_tag(db: Executor, package_id: int, tag: str, *, before: int | None, limit: int) -> list[RecordedEvent]:
    """The events of a tag, the newest first, from before the event ``before``."""
    return await _OF_TAG.all(db, package_id, LAST if before is None else before, limit, tag)


@dataclass(frozen=True, slots=True)
class _Turned:
    done: int


_TURN: Final = select(_Turned, "SELECT turn_events(now(), $1) AS done")


async def turn(db: Executor, kept_months: int) -> int:
    """Make the partitions of the months to come and drop those of the past; returns the number of both."""
    return (await _TURN.one(db, kept_months)).done
